// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/options.h"

#include "bench/loadgen/udp_channel.h"

namespace loadgen
{

void declare_options(CLI::App &app, Options &options)
{
    app.option_defaults()->always_capture_default();

    auto *where = app.add_option_group("Server");
    where->add_option("-s,--server", options.server, "Host name, IPv4 or IPv6 address");
    where->add_option("-p,--port", options.port, "TCP port, and UDP port unless given apart")
        ->check(CLI::Range(1, 65535));
    where->add_option("-U,--udp-port", options.udp_port, "UDP port (0: the same as --port)")
        ->check(CLI::Range(0, 65535));

    where
        ->add_option("--server-pid", options.server_pid,
                     "Report the CPU time that this process of this machine uses during the run")
        ->check(CLI::PositiveNumber);

    auto *what = app.add_option_group("Content");
    what->add_option("-k,--keys", options.keys, "Number of keys stored before the run")
        ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
    what->add_option("--key-size", options.key_size, "Bytes of a key")
        ->check(CLI::Range(1U, max_key_size));
    what->add_option("--value-size", options.value_size,
                     "Bytes of a value: SIZE, MIN-MAX, or a list of these with weights, as in "
                     "32:90,100-500:10");

    auto *load = app.add_option_group("Load");
    load->add_option("-t,--seconds", options.seconds, "Length of the run")
        ->check(CLI::Range(0.01, 1e6));
    load->add_option("--threads", options.threads, "Threads")->check(CLI::Range(1, 256));
    load->add_option("--sockets", options.sockets, "UDP sockets of each thread")
        ->check(CLI::Range(1, 1024));
    load->add_option("-d,--outstanding", options.outstanding,
                     "Requests on their way at once on each socket")
        ->check(CLI::Range(1U, UdpChannel::max_depth));
    load->add_option("--timeout-ms", options.timeout_ms, "When a reply counts as lost")
        ->check(CLI::Range(1, 60000));
    load->add_option("--distribution", options.distribution, "Choice of keys")
        ->check(CLI::IsMember({"zipf", "uniform"}));
    load->add_option("--theta", options.theta, "Skew of zipf")->check(CLI::Range(0.01, 5.0));
    load->add_option("--set-ratio", options.set_ratio,
                     "Share of SETs, sent over TCP, one connection for each thread")
        ->check(CLI::Range(0.0, 1.0));
    load->add_flag("--stored", options.stored,
                   "Store no keys before the run; with SETs alone, as it takes the versions that "
                   "are stored to judge replies");
    load->add_option("--rate", options.rate,
                     "Open loop: requests per second of all threads together, sent on schedule, "
                     "latency from the scheduled time (0: closed loop)")
        ->check(CLI::Range(0.0, 1e8));
    load->add_option("--arrivals", options.arrivals, "Schedule of the open loop")
        ->check(CLI::IsMember({"fixed", "poisson"}));
    load->add_option("--seed", options.seed, "Seed of all random choices");

    auto *report = app.add_option_group("Report");
    report->add_flag("--strict", options.strict, "A miss is wrong: the origin evicts nothing");
    report->add_option("--json", options.json, "Write the report as JSON to a file (-: stdout)");
    report->add_flag("-q,--quiet", options.quiet, "No progress line");
}

nlohmann::json to_json(const Options &options)
{
    return {
        {"server", options.server},
        {"port", options.port},
        {"udp_port", options.udp_port != 0 ? options.udp_port : options.port},
        {"keys", options.keys},
        {"key_size", options.key_size},
        {"value_size", options.value_size},
        {"seconds", options.seconds},
        {"threads", options.threads},
        {"sockets", options.sockets},
        {"outstanding", options.outstanding},
        {"timeout_ms", options.timeout_ms},
        {"distribution", options.distribution},
        {"theta", options.theta},
        {"set_ratio", options.set_ratio},
        {"stored", options.stored},
        {"rate", options.rate},
        {"arrivals", options.arrivals},
        {"seed", options.seed},
        {"server_pid", options.server_pid},
        {"strict", options.strict},
    };
}

KeyChoice key_choice(const Options &options)
{
    return options.distribution == "uniform" ? KeyChoice::uniform(options.keys)
                                             : KeyChoice::zipf(options.keys, options.theta);
}

} // namespace loadgen
