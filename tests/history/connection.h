// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_CONNECTION_H
#define BMC_TESTS_HISTORY_CONNECTION_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/harness/client.h"
#include "tests/history/log.h"

namespace bmc::test::history
{

/// A way for requests to the server and for replies back.
class Connection
{
  public:
    Connection() = default;
    Connection(const Connection &) = delete;
    Connection &operator=(const Connection &) = delete;
    virtual ~Connection() = default;

    [[nodiscard]] virtual const char *name() const = 0;
    /// Sends a request and returns the whole reply; nothing if there is none:
    /// nobody can tell what became of the request then.
    virtual std::optional<std::string>
    exchange(const std::string &request, const std::function<bool(std::string_view)> &is_whole) = 0;
};

/// A TCP connection, made anew for the next request when it has failed.
class TcpConnection : public Connection
{
  public:
    TcpConnection(const NetNs &where, Endpoint server, std::chrono::milliseconds limit)
        : where_(where), server_(std::move(server)), limit_(limit)
    {
    }

    [[nodiscard]] const char *name() const override { return "TCP"; }
    std::optional<std::string>
    exchange(const std::string &request,
             const std::function<bool(std::string_view)> &is_whole) override;

  private:
    bool connect();

    const NetNs &where_;
    Endpoint server_;
    std::chrono::milliseconds limit_;
    std::optional<TcpClient> client_;
};

/// A UDP port. One request of one datagram at a time, or several gets at once.
class UdpConnection : public Connection
{
  public:
    UdpConnection(const NetNs &where, const Endpoint &server, std::chrono::milliseconds limit)
        : client_(where, server), limit_(limit)
    {
    }

    [[nodiscard]] const char *name() const override { return "UDP"; }
    std::optional<std::string>
    exchange(const std::string &request,
             const std::function<bool(std::string_view)> &is_whole) override;

    struct Exchange {
        std::string request;
        Interval when;                    ///< when.end: when the reply was there
        std::optional<std::string> reply; ///< nothing: lost
    };
    /// Sends all requests, then waits until each has its reply or `limit` is over.
    void exchange(std::vector<Exchange> &exchanges);

  private:
    bool receive(std::chrono::nanoseconds limit);

    UdpClient client_;
    std::chrono::milliseconds limit_;
    std::string datagram_;
};

} // namespace bmc::test::history

#endif
