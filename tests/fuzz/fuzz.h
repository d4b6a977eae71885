// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_FUZZ_FUZZ_H
#define BMC_TESTS_FUZZ_FUZZ_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/unit/reference.h"
#include "tests/unit/text.h"

namespace bmc::test
{

/// Ends the run with the input saved: what the fuzzer looks for.
inline void require(bool condition, const char *what)
{
    if (condition)
        return;
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}

/// The input of a target: as much text as a datagram holds, at most.
inline std::string_view input(const std::uint8_t *data, std::size_t size)
{
    return {reinterpret_cast<const char *>(data),
            std::min<std::size_t>(size, static_cast<std::size_t>(BMC_TEXT_MAX))};
}

} // namespace bmc::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

#endif
