// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_CLIENTS_H
#define BMC_TESTS_HISTORY_CLIENTS_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "tests/history/connection.h"
#include "tests/history/log.h"
#include "tests/history/protocol.h"

/*
 * Clients of a workload. Each has a connection and a log of its own and draws
 * its commands from its own random numbers.
 */
namespace bmc::test::history
{

using Random = std::mt19937_64;

/// Which keys are used how often. Some are counters, all others texts.
struct Keys {
    std::size_t hot = 16;
    std::size_t cold = 6000;
    unsigned hot_percent = 60;
    unsigned counter_every = 8; ///< every n-th key is a counter
    /// Gets of several keys over UDP, which stock memcached answers by datagrams that
    /// cannot be put together.
    bool multi_gets = true;

    [[nodiscard]] std::size_t draw(Random &random) const;
    [[nodiscard]] bool is_counter(std::size_t key) const { return key % counter_every == 0; }
    /// Its name for memcached. Of different lengths.
    static std::string name(std::size_t key);
};

/// flush_all, now or with a delay, one at a time: by anybody, but not before
/// the last one has come into force.
class Flushes
{
  public:
    /// Whether a flush_all may be sent now that comes into force after `delay` seconds.
    bool begin(std::int32_t delay);

  private:
    std::mutex mutex_;
    Time busy_until_ = 0;
};

/// How often what is done, in a thousand.
struct Mix {
    unsigned reads = 150;
    unsigned flushes = 1;
    unsigned exptimes = 30; ///< of the writes that can set one, those that do
    unsigned quiet = 250;   ///< of the commands that can be quiet
    /*
     * Only flushes that spare no item, and log them. memcached's flush_all covers
     * what was last used before the current second, and sweeps the rest as far
     * as it finds it soon; with a delay of one second it covers the current
     * second too and comes into force at once. But it may spare an item whose
     * time of last use is being moved, as the segmented LRU does with items that
     * are read: this is for an origin without it.
     */
    bool strict_flushes = false;
};

struct Tally {
    std::size_t operations = 0;
    std::size_t lost = 0;
    std::size_t gets = 0; ///< answered requests of UdpReader
    std::vector<Interval> losses{};
};

/// Draws commands, sends them one by one and logs what comes of them.
class Writer
{
  public:
    Writer(std::uint32_t client, std::unique_ptr<Connection> connection,
           std::vector<const Protocol *> protocols, const Keys &keys, const Mix &mix,
           Flushes &flushes, std::uint64_t seed);

    void step();
    Log &log() { return log_; }
    [[nodiscard]] const Tally &tally() const { return tally_; }

  private:
    Command draw(std::size_t key, State &state);
    void draw_text_write(std::size_t key, Command &command, State &state);
    void draw_counter_write(Command &command, State &state);
    [[nodiscard]] bool may_be_quiet(const Command &command) const;
    std::int32_t draw_exptime(bool allowed);
    bool per_mille(unsigned share) { return random_() % 1000 < share; }
    std::optional<Reply> send(const Protocol &protocol, const Command &command, Interval &when);

    void record(const Protocol &protocol, std::size_t key, const Command &command, State state,
                Interval when, const std::optional<Reply> &reply);
    void record_store(const Protocol &protocol, std::size_t key, const Command &command,
                      State state, Interval when, const std::optional<Reply> &reply);
    void record_arithmetic(std::size_t key, const Command &command, Interval when,
                           const std::optional<Reply> &reply);
    void record_read(std::size_t key, const Command &command, Interval when,
                     const std::optional<Reply> &reply);

    Log log_;
    std::unique_ptr<Connection> connection_;
    std::vector<const Protocol *> protocols_;
    Keys keys_;
    Mix mix_;
    Flushes &flushes_;
    Random random_;
    std::uint64_t parts_ = 0;
    std::uint64_t counters_ = 0;
    Tally tally_;
};

/// Sends gets over UDP, several at once, of one or more keys each.
class UdpReader
{
  public:
    UdpReader(std::uint32_t client, std::unique_ptr<UdpConnection> connection, const Keys &keys,
              std::uint64_t seed);

    /// Requests at a time.
    static constexpr std::size_t window = 4;

    void step();
    Log &log() { return log_; }
    [[nodiscard]] const Tally &tally() const { return tally_; }

  private:
    std::vector<std::size_t> draw_keys();
    void record(const std::vector<std::size_t> &keys, const UdpConnection::Exchange &exchange);

    Log log_;
    std::unique_ptr<UdpConnection> connection_;
    Keys keys_;
    Random random_;
    Tally tally_;
};

} // namespace bmc::test::history

#endif
