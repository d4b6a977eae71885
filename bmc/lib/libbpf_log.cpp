// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/libbpf_log.h"

#include <cstdarg>
#include <cstdio>
#include <utility>
#include <vector>

namespace bmc
{

namespace
{

std::string *current_text = nullptr;

[[gnu::format(printf, 2, 0)]] int append(libbpf_print_level level, const char *format,
                                         va_list arguments)
{
    if (level == LIBBPF_DEBUG || current_text == nullptr)
        return 0;

    va_list copy;
    va_copy(copy, arguments);
    const int size = std::vsnprintf(nullptr, 0, format, copy);
    va_end(copy);
    if (size < 0)
        return size;

    std::vector<char> line(static_cast<size_t>(size) + 1);
    std::vsnprintf(line.data(), line.size(), format, arguments);
    current_text->append(line.data(), static_cast<size_t>(size));
    return size;
}

} // namespace

LibbpfLog::LibbpfLog()
    : outer_text_(std::exchange(current_text, &text_)), outer_print_(libbpf_set_print(append))
{
}

LibbpfLog::~LibbpfLog()
{
    libbpf_set_print(outer_print_);
    current_text = outer_text_;
}

} // namespace bmc
