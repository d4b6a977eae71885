// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_RUNNER_SYSTEM_H
#define BENCH_RUNNER_SYSTEM_H

#include "bench/runner/workload.h"
#include "tests/harness/cache.h"
#include "tests/harness/lab.h"
#include "tests/harness/process.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace runner
{

struct Cpus {
    int server = 0;
    int client = 1;
};

/// What a client or a generator has counted in a turn.
struct Sample {
    double operations = 0; ///< completed requests, or packets that the server processed
    double server_cpu_s = 0;
    double seconds = 0;
    double median_us = 0;       ///< of latency, where there is one
    nlohmann::ordered_json raw; ///< the report of the program

    double cpu_us() const { return 1e6 * server_cpu_s / operations; }
};

/// A memcached, of whichever kind, that listens with TCP and UDP.
class Server
{
  public:
    struct Options {
        bool stock = false; ///< Debian's memcached; else memcached-sr
        uint16_t port = 11211;
        uint64_t keys = 1;  ///< its hash table is large enough for these
        std::string pins{}; ///< -o bmc=; empty: without
    };
    /// Starts it on the CPU and waits until it listens.
    Server(const bmc::test::NetNs &where, int cpu, const Options &options);

    pid_t pid() const { return process_.pid(); }
    uint16_t port() const { return port_; }

  private:
    uint16_t port_;
    bmc::test::Process process_;
};

/// A system under test: a lab of its own, where what the server's end receives is
/// processed by kernel threads on the server's CPU, and what the client's end
/// receives on the client's. Systems that are not loaded cost nothing, so that several can
/// stand side by side and be loaded in turns.
class System
{
  public:
    enum class Front {
        none, ///< packets go to the stack, by NAPI all the same
        pass, ///< the same after an XDP program that does nothing
        echo, ///< an XDP program that sends every request back
        bmc,
    };
    struct Options {
        Front front = Front::none;
        std::string memory = "256M"; ///< of bmc
        unsigned queues = 1;         ///< receive queues of both ends
        bool stock = false;          ///< bmc is for Debian's memcached
    };
    System(const Cpus &cpus, const Options &options);
    System(const System &) = delete;
    System &operator=(const System &) = delete;
    ~System() = default;

    /// Starts a server; the options' `pins` are filled in if it is to have the cache.
    Server start(Server::Options options, bool with_cache) const;

    /// Runs bmc-loadgen on the client's CPU. The server's CPU time is that of the
    /// server, all threads, and with `with_napi` that of the threads which receive for
    /// it. Throws Error if a reply was wrong or none came.
    Sample load(const Server &server, const std::vector<std::string> &arguments,
                bool with_napi = true) const;
    /// Stores all keys of a workload.
    void store(const Server &server, const Workload &workload) const;
    /// Gets every key once, in order: fills the cache with what fits.
    void get_all(const Server &server, const Workload &workload) const;

    /// Runs bmc-trafficgen from the client's CPU, or from several ("0,1"). Operations
    /// are requests that reached the server's end.
    Sample generate(const std::optional<Server> &server, const std::vector<std::string> &arguments,
                    const std::string &from = {}) const;

    const bmc::test::Cache &cache() const { return *cache_; }
    const Cpus &cpus() const { return cpus_; }
    /// Puts the threads that receive for the server on these CPUs, in turn.
    void pin_server_threads(const std::vector<int> &cpus);

  private:
    void receive_by_threads() const;
    std::vector<pid_t> server_threads() const;

    Cpus cpus_;
    std::vector<int> server_cpus_;
    /// Another one for each load, and the same for the n-th of every system.
    mutable uint64_t seed_ = 0;
    bmc::test::Lab lab_;
    std::optional<bmc::test::Cache> cache_;
    std::optional<bmc::test::Process> program_; // holds echo or pass
};

/// Port of every server, unless there are two.
inline constexpr uint16_t port = 11211;

/// Waits for a process and returns its status; ends early by Interrupted.
int wait_for(bmc::test::Process &process);

/// arguments, to run on a CPU at raised priority: what else runs on the machine
/// disturbs less.
std::vector<std::string> on_cpu(int cpu, const std::vector<std::string> &arguments);

} // namespace runner

#endif
