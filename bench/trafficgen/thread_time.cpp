// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/thread_time.h"

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

namespace trafficgen
{

namespace
{

bool parse_pid(std::string_view text, pid_t &pid)
{
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), pid);
    return code == std::errc{} && end == text.data() + text.size() && pid > 0;
}

Result<int64_t> read_time(const std::string &folder)
{
    std::ifstream file(folder + "/schedstat");
    int64_t time = 0;

    if (!(file >> time))
        return system_error("read the CPU time in", folder + "/schedstat", errno);
    return time;
}

} // namespace

Result<ThreadName> parse_thread(std::string_view text)
{
    const size_t slash = text.find('/');
    ThreadName thread = {};

    if (!parse_pid(text.substr(0, slash), thread.pid) ||
        (slash != text.npos && !parse_pid(text.substr(slash + 1), thread.tid)))
        return error("use", fmt::format("thread '{}'", text), "give PID or PID/TID");
    return thread;
}

Result<int64_t> cpu_time_ns(const std::vector<ThreadName> &threads)
{
    int64_t sum = 0;

    for (const ThreadName &thread : threads) {
        const std::string tasks = fmt::format("/proc/{}/task", thread.pid);
        if (thread.tid != 0) {
            const auto time = read_time(fmt::format("{}/{}", tasks, thread.tid));
            if (!time)
                return time.error();
            sum += *time;
            continue;
        }
        std::error_code code;
        std::filesystem::directory_iterator task(tasks, code);
        for (; !code && task != std::filesystem::directory_iterator(); task.increment(code)) {
            const auto time = read_time(task->path());
            if (!time)
                return time.error();
            sum += *time;
        }
        if (code)
            return system_error("list the threads of", fmt::format("process {}", thread.pid),
                                code.value());
    }
    return sum;
}

} // namespace trafficgen
