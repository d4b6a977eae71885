// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_WORKER_H
#define BENCH_LOADGEN_WORKER_H

#include "bench/loadgen/content.h"
#include "bench/loadgen/histogram.h"
#include "bench/loadgen/key_choice.h"
#include "bench/loadgen/net.h"
#include "bench/loadgen/options.h"
#include "bench/loadgen/schedule.h"
#include "bench/loadgen/tcp_writer.h"
#include "bench/loadgen/udp_channel.h"
#include "bench/loadgen/versions.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace loadgen
{

/// What all threads of a run share.
struct Run {
    const Options &options;
    const Content &content;
    Endpoint tcp;
    Endpoint udp;
    VersionTable versions;
    std::atomic<bool> stop = false;
};

/// A wrong reply, for the report.
struct WrongReply {
    std::string key;
    std::string reason;
    std::string datagram;
};

/// What a thread counted.
struct Tally {
    uint64_t requests = 0; // gets sent
    uint64_t replies = 0;  // in time, right or wrong
    uint64_t hits = 0;     // keys with a value
    uint64_t misses = 0;   // keys without
    uint64_t wrong = 0;    // also late and stray replies
    uint64_t lost = 0;
    uint64_t late = 0;      // replies to requests counted as lost
    uint64_t sets = 0;      // acknowledged
    uint64_t unsent = 0;    // due by schedule, but no place in the window until the end
    uint64_t completed = 0; // replies and acknowledged sets before the time was up
    double duration_s = 0;
    double server_cpu_s = 0;               // with --server-pid, until the last reply
    Histogram latency;                     // of gets
    std::vector<WrongReply> wrong_replies; // the first few

    void merge(const Tally &other);
};

/// One thread of the load: its sockets, its share of the schedule, its tally.
class Worker
{
  public:
    /// Opens the sockets. number: 0 .. threads-1. The run must outlive it.
    static Result<Worker> make(Run &run, uint32_t number);

    /// Sends for the run's time, then waits for the last replies. Stops all
    /// threads if it fails.
    Status run();

    const Tally &tally() const { return tally_; }

    /// Counts that another thread may read while run() goes on.
    struct Progress {
        std::atomic<uint64_t> completed = 0;
        std::atomic<uint64_t> lost = 0;
        std::atomic<uint64_t> wrong = 0;
    };
    void publish_to(Progress &progress) { progress_ = &progress; }

  private:
    Worker(Run &run, uint32_t number);

    Status loop();
    /// One round of sending and receiving; whether anything came or went.
    Result<bool> step(int64_t now);
    void start_requests(int64_t now);
    void start_request(UdpChannel &channel, uint32_t index, int64_t start_ns);
    UdpChannel *channel_with_room(uint32_t &index);
    uint64_t next_key();
    bool finished(int64_t now) const;
    void take(const UdpChannel::Reply &reply, int64_t now);
    void count_wrong(const UdpChannel::Reply &reply, uint64_t key, std::string_view reason);
    void publish();
    void wait(int64_t until);
    bool idle() const;

    Run &run_;
    Random random_;
    KeyChoice choose_key_;
    bool sequential_;
    uint64_t next_key_;                // sequential only
    uint64_t requests_limit_;          // of this thread
    uint64_t started_ = 0;             // gets and SETs
    std::optional<Schedule> schedule_; // open loop only
    std::vector<UdpChannel> channels_;
    std::optional<TcpWriter> writer_; // with --set-ratio only
    uint32_t next_channel_ = 0;
    bool sending_ = true;
    int64_t begin_ns_ = 0;
    int64_t end_ns_ = 0;
    Tally tally_;
    Progress *progress_ = nullptr;
    std::vector<UdpChannel::Reply> replies_;
    std::vector<TcpWriter::Stored> stored_;
    std::vector<Asked> asked_;
    std::vector<Expectation> expected_;
};

} // namespace loadgen

#endif
