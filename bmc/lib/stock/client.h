// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_CLIENT_H
#define BMC_LIB_STOCK_CLIENT_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "bmc/lib/fd.h"
#include "bmc/lib/result.h"
#include "bmc/lib/stock/memcached.h"

namespace bmc
{

/// What memcached says of itself, by name.
using ServerStats = std::map<std::string, std::string>;

/// Called for each item of a dump. The time is that of the day at which it expires, in
/// seconds, as memcached counts them; negative: never.
using ItemVisitor = std::function<void(std::string_view key, int64_t expires)>;

/// A connection to memcached over TCP, for questions in the text protocol.
class MemcachedClient
{
  public:
    /// Connects to a TCP socket that listens, at its own address or, if it has none, at
    /// that of the loopback interface. An answer that takes longer than `limit` is an
    /// error, here and later.
    static Result<MemcachedClient> connect(const ServerSocket &socket,
                                           std::chrono::milliseconds limit);

    /// The answer to `stats`, or `stats GROUP`.
    Result<ServerStats> stats(std::string_view group = {});

    /// Asks for the keys of all items and when they expire. The answer may take long: it
    /// is read by read_dump(), and no other question may come before its end.
    Status start_dump();

    /// Hands over what has come of the dump, without waiting; true once that was all.
    /// Code EBUSY if memcached is at another dump: ask again later.
    Result<bool> read_dump(const ItemVisitor &visit);

    /// Readable when something has come.
    int fd() const { return socket_.get(); }

    /// Our own, of the connection.
    uint16_t port() const;

  private:
    MemcachedClient(Fd socket, std::string name, std::chrono::milliseconds limit)
        : socket_(std::move(socket)), name_(std::move(name)), limit_(limit)
    {
    }

    Status send_line(const std::string &line);
    Result<bool> receive();
    bool next_line(std::string &line);
    Error failed(int code, std::string hint = {}) const;

    Fd socket_;
    std::string name_;
    std::chrono::milliseconds limit_;
    std::string received_;
    size_t used_ = 0; ///< of it, lines that were read
};

} // namespace bmc

#endif
