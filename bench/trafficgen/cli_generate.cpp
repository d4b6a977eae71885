// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/commands.h"
#include "bench/trafficgen/load.h"
#include "bench/trafficgen/neighbor.h"
#include "bench/trafficgen/sink.h"

#include "bench/loadgen/key_choice.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

namespace trafficgen
{

namespace
{

/// Below the ports that Linux gives to sockets by itself (from 32768), so that
/// the sink takes replies of no other client.
constexpr uint16_t default_client_port = 20000;

struct Arguments {
    std::string interface;
    std::string server;
    std::string client;     // empty: the interface's address
    std::string server_mac; // empty: ask the kernel
    uint16_t port = 11211;
    uint16_t client_port = default_client_port;
    uint16_t client_ports = 64;

    uint64_t keys = 100000;
    uint32_t key_size = 16;
    std::string distribution = "zipf";
    double theta = 0.99;
    double hot_keys = 0.1;
    double hot_share = 0.9;
    uint32_t keys_per_get = 1;

    double seconds = 5;
    double rate = 0;
    uint32_t batch = 64;
    std::string cpus;
    uint64_t seed = 1;

    std::vector<std::string> server_threads;
    std::string json;
    bool quiet = false;
};

void declare(CLI::App &command, Arguments &arguments)
{
    auto *where = command.add_option_group("Path");
    where
        ->add_option("-i,--interface", arguments.interface,
                     "The client's end, of this network namespace")
        ->required();
    where->add_option("-s,--server", arguments.server, "IPv4 or IPv6 address")->required();
    where->add_option("-p,--port", arguments.port, "The server's UDP port")
        ->check(CLI::Range(1, 65535));
    where->add_option("--client", arguments.client,
                      "Source address (left out: the interface's first of that family)");
    where->add_option("--client-port", arguments.client_port, "First source port")
        ->check(CLI::Range(1, 65535));
    where->add_option("--client-ports", arguments.client_ports, "Number of source ports, in a row")
        ->check(CLI::Range(1, 32768));
    where->add_option("--server-mac", arguments.server_mac,
                      "Ethernet address to send to (left out: the kernel finds it out)");

    auto *what = command.add_option_group("Content");
    what->add_option("-k,--keys", arguments.keys, "Number of keys, named as bmc-loadgen does")
        ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
    what->add_option("--key-size", arguments.key_size, "Bytes of a key")
        ->check(CLI::Range(1U, max_key_size));
    what->add_option("--distribution", arguments.distribution, "Choice of keys")
        ->check(CLI::IsMember({"zipf", "uniform", "hot-set"}));
    what->add_option("--theta", arguments.theta, "Skew of zipf")->check(CLI::Range(0.01, 5.0));
    what->add_option("--hot-keys", arguments.hot_keys, "Share of the keys that are the hot-set")
        ->check(CLI::Range(0.0, 1.0));
    what->add_option("--hot-share", arguments.hot_share, "Share of the requests for the hot-set")
        ->check(CLI::Range(0.0, 1.0));
    what->add_option("--keys-per-get,--keys-per-request", arguments.keys_per_get,
                     "Keys of each request")
        ->check(CLI::Range(1, TRAFFICGEN_KEYS_MAX));

    auto *load = command.add_option_group("Load");
    load->add_option("-t,--seconds", arguments.seconds, "Length of the run")
        ->check(CLI::Range(0.01, 1e6));
    load->add_option("--rate", arguments.rate,
                     "Requests per second, in a burst each millisecond (0: as fast as it goes)")
        ->check(CLI::Range(0.0, 1e8));
    load->add_option("--batch", arguments.batch,
                     "Packets that the kernel makes before it hands them on together. Large ones "
                     "wake the server less often, but may fill the 256 places of a veth ring")
        ->check(CLI::Range(1U, Generator::max_batch));
    load->add_option("--cpu", arguments.cpus, "Send from this CPU, or from several, as in 0,1");
    load->add_option("--seed", arguments.seed, "Seed of the drawn keys");

    auto *report = command.add_option_group("Report");
    report
        ->add_option("--server-thread", arguments.server_threads,
                     "Report the CPU time that this thread uses, PID/TID, or with PID alone all "
                     "threads of a process, kernel threads too; may be repeated")
        ->allow_extra_args(false);
    add_json_option(*report, arguments.json);
    report->add_flag("-q,--quiet", arguments.quiet, "No progress line");
}

bmc::Address client_address(const Arguments &arguments, int family)
{
    if (!arguments.client.empty()) {
        auto address = check(bmc::parse_address(arguments.client));
        if (address.family != family)
            fail(error("use", "client address " + arguments.client,
                       "it is not of the server's address family"));
        return address;
    }
    const auto own = check(bmc::interface_addresses({arguments.interface}));
    const auto found = std::find_if(own.begin(), own.end(),
                                    [family](const auto &a) { return a.family == family; });
    if (found == own.end())
        fail(error("use", arguments.interface,
                   "it has no address of the server's address family; give --client"));
    return *found;
}

Path make_path(const Arguments &arguments, const bmc::Interface &interface)
{
    Path path;

    if (arguments.client_port + arguments.client_ports > 65536)
        fail(error(
            "use",
            fmt::format("{} client ports from {}", arguments.client_ports, arguments.client_port),
            "ports end at 65535"));
    path.server = check(bmc::parse_address(arguments.server));
    path.client = client_address(arguments, path.server.family);
    path.server_port = arguments.port;
    path.first_client_port = arguments.client_port;
    path.client_port_count = arguments.client_ports;
    path.client_mac = interface.mac;
    path.server_mac =
        check(arguments.server_mac.empty() ? neighbor_mac(interface, path.server, arguments.port)
                                           : parse_mac(arguments.server_mac));
    return path;
}

KeyChoice key_choice(const Arguments &arguments)
{
    const auto share =
        static_cast<uint64_t>(arguments.hot_keys * static_cast<double>(arguments.keys));

    if (arguments.distribution == "zipf")
        return KeyChoice::zipf(arguments.keys, arguments.theta);
    if (arguments.distribution == "hot-set" && arguments.keys > 1)
        return KeyChoice::hot_set(arguments.keys,
                                  std::clamp<uint64_t>(share, 1, arguments.keys - 1),
                                  arguments.hot_share);
    return KeyChoice::uniform(arguments.keys);
}

Content make_content(const Arguments &arguments)
{
    return check(
        Content::make(arguments.keys, arguments.key_size, check(SizeDistribution::parse("0"))));
}

nlohmann::ordered_json config_json(const Arguments &arguments)
{
    return {
        {"interface", arguments.interface},
        {"server", arguments.server},
        {"port", arguments.port},
        {"client_port", arguments.client_port},
        {"client_ports", arguments.client_ports},
        {"keys", arguments.keys},
        {"key_size", arguments.key_size},
        {"distribution", arguments.distribution},
        {"theta", arguments.theta},
        {"hot_keys", arguments.hot_keys},
        {"hot_share", arguments.hot_share},
        {"keys_per_get", arguments.keys_per_get},
        {"seconds", arguments.seconds},
        {"rate", arguments.rate},
        {"batch", arguments.batch},
        {"cpu", arguments.cpus},
        {"seed", arguments.seed},
        {"server_threads", arguments.server_threads},
    };
}

double ratio(double of, double by)
{
    return by > 0 ? of / by : 0;
}

nlohmann::ordered_json report_json(const Arguments &arguments, const Tally &tally)
{
    const auto sent = static_cast<double>(tally.accepted());
    const auto replies = static_cast<double>(tally.answered());
    nlohmann::ordered_json refused;

    if (tally.refused)
        refused = *tally.refused;
    return {
        {"offered", tally.offered},
        {"refused", refused},
        {"sent", tally.accepted()},
        {"sent_per_s", ratio(sent, tally.duration_s)},
        {"replies", tally.answered()},
        {"replies_per_s", ratio(replies, tally.duration_s)},
        {"values", tally.replies.values},
        {"ends", tally.replies.ends},
        {"other", tally.replies.other},
        {"malformed", tally.replies.malformed},
        {"frames", tally.replies.frames},
        {"bytes", tally.replies.bytes},
        {"lost", static_cast<int64_t>(tally.accepted()) - static_cast<int64_t>(tally.answered())},
        {"duration_s", tally.duration_s},
        {"server_cpu_s", tally.server_cpu_s},
        {"cpu_ns_per_request", ratio(tally.server_cpu_s * 1e9, sent)},
        {"cpu_ns_per_reply", ratio(tally.server_cpu_s * 1e9, replies)},
        {"replies_per_cpu_s", ratio(replies, tally.server_cpu_s)},
        {"config", config_json(arguments)},
    };
}

void print_table(const Arguments &arguments, const Tally &tally)
{
    const auto sent = static_cast<double>(tally.accepted());
    const auto replies = static_cast<double>(tally.answered());
    const auto line = [](std::string_view name, const std::string &value) {
        fmt::print("{:<26}{:>16}\n", name, value);
    };

    line("offered", fmt::to_string(tally.offered));
    if (tally.refused)
        line("  refused by the interface", fmt::to_string(*tally.refused));
    line("sent", fmt::format("{:.0f} /s", ratio(sent, tally.duration_s)));
    line("replies", fmt::format("{:.0f} /s", ratio(replies, tally.duration_s)));
    line("  VALUE", fmt::to_string(tally.replies.values));
    line("  END", fmt::to_string(tally.replies.ends));
    line("  other", fmt::to_string(tally.replies.other));
    line("  malformed", fmt::to_string(tally.replies.malformed));
    line("duration", fmt::format("{:.2f} s", tally.duration_s));
    if (arguments.server_threads.empty())
        return;
    line("CPU of the server", fmt::format("{:.2f} s", tally.server_cpu_s));
    line("  of each request", fmt::format("{:.1f} ns", ratio(tally.server_cpu_s * 1e9, sent)));
    line("  of each reply", fmt::format("{:.1f} ns", ratio(tally.server_cpu_s * 1e9, replies)));
}

Tally generate(const Arguments &arguments, EndSignals &signals)
{
    Load load;
    load.seconds = arguments.seconds;
    load.rate = arguments.rate;
    load.batch = arguments.batch;
    if (!arguments.cpus.empty())
        load.cpus = check(parse_cpus(arguments.cpus));
    for (const std::string &text : arguments.server_threads)
        load.server_threads.push_back(check(parse_thread(text)));
    check(cpu_time_ns(load.server_threads)); // that they exist

    const Content content = make_content(arguments);
    const auto interface = check(bmc::find_interface(arguments.interface));
    const Path path = make_path(arguments, interface);
    const auto request = check(make_request(path, content, arguments.keys_per_get, interface.mtu));
    Random random(arguments.seed);
    const KeyChoice choice = key_choice(arguments);
    const auto generator = check(Generator::load(request, make_sink(path, content), interface.index,
                                                 [&] { return choice(random); }));
    auto sink = check(Sink::attach(interface, generator.sink_program()));
    const Tally tally = check(run_load(generator, arguments.interface, load, signals,
                                       !arguments.quiet && isatty(STDERR_FILENO) == 1));
    check(sink.restore());
    return tally;
}

void run(const Arguments &arguments)
{
    EndSignals signals;
    const Tally tally = generate(arguments, signals);

    if (arguments.json.empty())
        print_table(arguments, tally);
    else
        write_json(report_json(arguments, tally), arguments.json);
    if (tally.replies.malformed > 0) {
        complain(
            fmt::format("{} replies name a key that was never asked for", tally.replies.malformed));
        throw CLI::RuntimeError(exit_wrong);
    }
}

} // namespace

void add_generate(CLI::App &app)
{
    const auto arguments = std::make_shared<Arguments>();
    CLI::App *const command = app.add_subcommand(
        "generate", "Send gets from the kernel and count the replies, which nobody else sees");

    command->footer(
        "The XDP program of the interface gives way to the counting one until the end.\n"
        "Keys and their names are those of bmc-loadgen with the same --keys and --key-size.\n"
        "1048576 keys are drawn before the run, and picked from at random.");
    declare(*command, *arguments);
    command->callback([arguments] { run(*arguments); });
}

} // namespace trafficgen
