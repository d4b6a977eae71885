// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_RESULT_H
#define BENCH_LOADGEN_RESULT_H

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace loadgen
{

using bmc::Done;
using bmc::Error;
using bmc::Fd;
using bmc::Result;
using bmc::Status;

/// An Error that no system call caused: "cannot OPERATION OBJECT: HINT".
inline Error error(std::string operation, std::string object, std::string hint)
{
    return {std::move(operation), std::move(object), 0, std::move(hint), {}};
}

/// An Error from a system call's errno.
inline Error system_error(std::string operation, std::string object, int code,
                          std::string hint = {})
{
    return {std::move(operation), std::move(object), code, std::move(hint), {}};
}

} // namespace loadgen

#endif
