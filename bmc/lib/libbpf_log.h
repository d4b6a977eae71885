// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_LIBBPF_LOG_H
#define BMC_LIB_LIBBPF_LOG_H

#include <string>

#include <bpf/libbpf.h>

namespace bmc
{

/// Keeps libbpf's warnings, the verifier's log among them, from stderr and
/// collects them instead, while it lives. They nest, but must be used by one
/// thread: libbpf has a single print function.
class LibbpfLog
{
  public:
    LibbpfLog();
    LibbpfLog(const LibbpfLog &) = delete;
    LibbpfLog &operator=(const LibbpfLog &) = delete;
    ~LibbpfLog();

    const std::string &text() const { return text_; }

  private:
    std::string text_;
    std::string *outer_text_;
    libbpf_print_fn_t outer_print_;
};

} // namespace bmc

#endif
