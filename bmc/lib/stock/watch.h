// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_WATCH_H
#define BMC_LIB_STOCK_WATCH_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bmc/lib/result.h"
#include "bmc/lib/stock/client.h"
#include "bmc/lib/stock/connections.h"
#include "bmc/lib/stock/memcached.h"
#include "bmc/lib/stock/options.h"
#include "bmc/lib/stock/record.h"
#include "bmc/lib/stock/shared_state.h"

namespace bmc
{

/// Lets an instance serve a stock memcached: finds it, sees to it that all that reaches
/// it is watched, tells the kernel programs what they cannot see, and starts again when
/// another memcached has taken its place. In the current network namespace, which must
/// be the instance's.
class StockWatch
{
  public:
    /// The instance is in this folder; `ports` are its UDP ports.
    static Result<StockWatch> open(const std::string &folder, std::vector<uint16_t> ports,
                                   const StockOptions &options);

    /// Does what can be done now, without waiting for much, and returns what a person
    /// should know, one line each. An error ends the service: nothing is answered then.
    Result<std::vector<std::string>> work();

    /// Descriptors that are readable when there is work at once; -1 for none. Otherwise
    /// work() is to be called once a second.
    std::array<int, 2> wakeups() const;

    bool serving() const { return record_.phase == StockPhase::serving; }

    /// One line about what it is at.
    std::string state() const;

  private:
    StockWatch(std::string folder, std::vector<uint16_t> ports, const StockOptions &options,
               SharedState shared, Connections connections, StockRecordMap map);

    static Result<MemcachedClient> connect(const Memcached &memcached);
    std::vector<uint16_t> watched() const;
    void say(std::string line);
    Status look_for_memcached();
    Status begin(Memcached memcached);
    Status cover();
    Status start_dump();
    Status read_dump();
    Status serve();
    void give_up(const Error &error);
    Status enter(StockPhase phase);
    Result<int64_t> ask_wall_offset();

    std::string folder_;
    std::vector<uint16_t> ports_;
    StockOptions options_;
    SharedState shared_;
    Connections connections_;
    StockRecordMap map_;
    StockRecord record_ = {};
    std::optional<Memcached> memcached_;
    std::optional<MemcachedClient> client_;
    int64_t wall_offset_ = 0;
    std::vector<std::string> lines_; ///< to be said
    std::string problem_;            ///< that was said last
};

} // namespace bmc

#endif
