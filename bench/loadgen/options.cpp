// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/options.h"

#include "bench/loadgen/udp_channel.h"

#include <algorithm>

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
        ->add_option("--server-pid", options.server_pids,
                     "Report the CPU time that this process of this machine uses during the run; "
                     "may be repeated")
        ->check(CLI::PositiveNumber)
        ->allow_extra_args(false);

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
        ->check(CLI::IsMember({"zipf", "uniform", "hot-set", "sequential"}));
    load->add_option("--theta", options.theta, "Skew of zipf")->check(CLI::Range(0.01, 5.0));
    load->add_option("--hot-keys", options.hot_keys, "Share of the keys that are the hot-set")
        ->check(CLI::Range(0.0, 1.0));
    load->add_option("--hot-share", options.hot_share, "Share of the requests for the hot-set")
        ->check(CLI::Range(0.0, 1.0));
    load->add_option("--keys-per-get", options.keys_per_get, "Keys of each get")
        ->check(CLI::Range(1U, max_keys_per_get));
    load->add_option("--requests", options.requests,
                     "End the run after so many gets and SETs of all threads together, if the time "
                     "is not up before (0: the time alone counts)");
    load->add_option("--set-ratio", options.set_ratio,
                     "Share of SETs, sent over TCP, one connection for each thread")
        ->check(CLI::Range(0.0, 1.0));
    load->add_flag("--stored", options.stored,
                   "Store no keys before the run: an earlier one with the same content has. Of a "
                   "key that this run has not stored again, every version is right");
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
        {"hot_keys", options.hot_keys},
        {"hot_share", options.hot_share},
        {"keys_per_get", options.keys_per_get},
        {"requests", options.requests},
        {"set_ratio", options.set_ratio},
        {"stored", options.stored},
        {"rate", options.rate},
        {"arrivals", options.arrivals},
        {"seed", options.seed},
        {"server_pids", options.server_pids},
        {"strict", options.strict},
    };
}

KeyChoice key_choice(const Options &options)
{
    const auto share = static_cast<uint64_t>(options.hot_keys * static_cast<double>(options.keys));
    const uint64_t hot = std::clamp<uint64_t>(share, 1, std::max<uint64_t>(options.keys, 2) - 1);

    if (options.distribution == "zipf")
        return KeyChoice::zipf(options.keys, options.theta);
    if (options.distribution == "hot-set" && options.keys > 1)
        return KeyChoice::hot_set(options.keys, hot, options.hot_share);
    return KeyChoice::uniform(options.keys);
}

} // namespace loadgen
