// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/commands.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <fstream>
#include <sched.h>

namespace trafficgen
{

namespace
{

constexpr const char *examples = R"(Examples, with tools/lab (the lab is called bmc):
  tools/lab exec server bmc-trafficgen echo --interface veth0 &
  tools/lab exec server bmc-trafficgen threads --interface veth0 --cpu 0
  tools/lab exec client bmc-trafficgen generate --interface veth0 --server 10.77.0.1 \
      --cpu 1 --server-thread PID-OF-THE-SERVER-END'S-THREAD
  bmc-trafficgen programs --instance default

Exit status: 0 done, 1 a reply was wrong, 2 the command could not be done.)";

/// What is wrong, in one line.
std::string describe(const CLI::App &app, const CLI::ParseError &error)
{
    // CLI11 would say that a command is missing.
    if (const auto rest = app.remaining(); app.get_subcommands().empty() && !rest.empty())
        return fmt::format("there is no {} '{}'", rest.front()[0] == '-' ? "option" : "command",
                           rest.front());

    std::string line = error.what();
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

int run(int argc, char **argv)
{
    CLI::App app{
        "The kernel as load generator for memcached over UDP, and what it is compared with",
        "bmc-trafficgen"};

    app.require_subcommand(1);
    app.option_defaults()->always_capture_default();
    app.footer(examples);
    add_generate(app);
    add_echo(app);
    add_pass(app);
    add_threads(app);
    add_programs(app);

    try {
        app.parse(argc, argv);
    } catch (const CLI::RuntimeError &error) {
        return error.get_exit_code(); // already explained
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
            return app.exit(error); // --help
        complain(describe(app, error) +
                 "; see `bmc-trafficgen --help` or `bmc-trafficgen COMMAND --help`");
        return exit_error;
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        complain("cannot write all of the report to the standard output");
        return exit_error;
    }
    return 0;
}

} // namespace

void say(const std::string &line)
{
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}

void complain(const std::string &line)
{
    fmt::print(stderr, "bmc-trafficgen: {}\n", line);
}

void fail(const Error &error)
{
    if (!error.detail.empty())
        fmt::print(stderr, "{}\n", error.detail);
    complain(error.line());
    throw CLI::RuntimeError(exit_error);
}

void add_json_option(CLI::App &command, std::string &path)
{
    command.add_option("--json", path, "Write the report as JSON to a file (-: stdout)")
        ->type_name("FILE");
}

void write_json(const nlohmann::ordered_json &object, const std::string &path)
{
    const std::string text = object.dump(4) + "\n";
    if (path == "-") {
        fmt::print("{}", text);
        return;
    }
    std::ofstream file(path);
    file << text << std::flush;
    if (!file)
        fail(system_error("write the report to", path, errno));
}

Result<std::vector<int>> parse_cpus(const std::string &text)
{
    std::vector<int> cpus;

    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(',', begin), text.size());
        int cpu = -1;
        const auto [stop, code] = std::from_chars(text.data() + begin, text.data() + end, cpu);
        if (code != std::errc{} || stop != text.data() + end || cpu < 0 || cpu >= CPU_SETSIZE)
            return error("use", fmt::format("CPUs '{}'", text), "give numbers, as in 0 or 0,1");
        cpus.push_back(cpu);
        begin = end + 1;
    }
    return cpus;
}

} // namespace trafficgen

int main(int argc, char **argv)
{
    // That nobody reads what is said must not end the work midway.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return trafficgen::run(argc, argv);
    } catch (const std::exception &error) {
        trafficgen::complain(error.what());
        return trafficgen::exit_error;
    }
}
