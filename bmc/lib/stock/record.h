// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_RECORD_H
#define BMC_LIB_STOCK_RECORD_H

#include <cstdint>
#include <string>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// How far an instance is with its memcached.
enum class StockPhase : uint32_t {
    waiting,  ///< there is none, or it is refused
    covering, ///< connections are left that cannot be followed
    dumping,  ///< the exptimes of its items are read
    serving,
};

/// The one element of the pinned map `stock`: what `bmc run` lets other commands know.
struct StockRecord {
    uint64_t guard_ms;
    uint64_t refresh_ms;
    uint64_t max_age_ms;   ///< 0: exptimes were read from memcached
    uint64_t items;        ///< whose exptimes were read
    uint64_t blind;        ///< connections that are not followed, at the last look
    uint32_t run_pid;      ///< of `bmc run`
    StockPhase phase;
    uint64_t starts;       ///< of a memcached that were noticed, each a generation advance
    uint64_t covers;       ///< times that connections could be followed again, likewise
    uint32_t watched_count; ///< TCP ports
    uint16_t watched[8];
    uint32_t reserved;
    char blind_spots[488]; ///< accepted; text, cut where it is too long
};

static_assert(sizeof(StockRecord) % 8 == 0);

/// Whether the instance in a folder is for a stock memcached.
bool is_stock(const std::string &folder);

/// The pinned map of the record.
class StockRecordMap
{
  public:
    /// Makes an empty map and pins it in the folder of an instance.
    static Result<StockRecordMap> create(const std::string &folder);

    /// Opens an instance's map; code ENOENT if the folder has none, as that of an
    /// instance for memcached-sr.
    static Result<StockRecordMap> open(const std::string &folder);

    Result<StockRecord> load() const;
    Status save(const StockRecord &record) const;

  private:
    StockRecordMap(std::string path, Fd map) : path_(std::move(path)), map_(std::move(map)) {}

    std::string path_;
    Fd map_;
};

} // namespace bmc

#endif
