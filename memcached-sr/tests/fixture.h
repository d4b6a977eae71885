// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_MEMCACHED_SR_TESTS_FIXTURE_H
#define BMC_MEMCACHED_SR_TESTS_FIXTURE_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "memcached-sr/tests/pinned_maps.h"
#include "tests/harness/client.h"
#include "tests/harness/lab.h"
#include "tests/harness/origin.h"

namespace bmc::test
{

/// A request of the binary protocol; for no key if that is empty.
std::string binary_request(std::uint8_t opcode, std::string_view key, std::string_view extras,
                           std::string_view value);

/// Base of the suites: a lab for all tests of an executable, no cache in it.
class Server : public testing::Test
{
  public:
    /// Removes the lab; registered once for the executable.
    class LabOwner : public testing::Environment
    {
      public:
        void SetUp() override;
        void TearDown() override;
    };

  protected:
    static const Lab &lab();

    /// Starts memcached-sr in the server's namespace.
    static Origin start(const std::vector<std::string> &more, const std::string &pins = {});
    /// Runs memcached-sr and expects that it refuses to start with exactly one
    /// line on standard error, which contains `line`.
    static void expect_refusal(const std::vector<std::string> &arguments, std::string_view line);
    static TcpClient tcp();
    static UdpClient udp();
};

/// With maps and a memcached-sr that is their origin.
class WithMaps : public Server
{
  protected:
    void SetUp() override;

    PinnedMaps &maps() { return *maps_; }
    Origin &origin() { return *origin_; }
    TcpClient &tcp() { return *tcp_; }
    UdpClient &udp() { return *udp_; }

    /// Starts another one, after the last has ended.
    void start_origin(const std::vector<std::string> &more = {});
    /// Sends over TCP and expects this reply.
    void expect_tcp(std::string_view request, std::string_view reply);
    /// Sends a binary request on a connection of its own, until all is done.
    static void carry_out_binary(std::string_view request);
    void store(std::string_view key, std::string_view value, unsigned flags = 0, int exptime = 0);
    /// Expects that the grant for the key is what this reply to a UDP get needs.
    void expect_value_granted(std::string_view key, std::string_view value, unsigned flags = 0);
    void expect_absence_granted(std::string_view key);
    /// Expects that a UDP get of the key leaves no grant, and returns its reply.
    std::string expect_no_grant(const std::string &request, std::string_view key);

  private:
    std::optional<PinnedMaps> maps_;
    std::optional<Origin> origin_;
    std::optional<TcpClient> tcp_;
    std::optional<UdpClient> udp_;
};

} // namespace bmc::test

#endif
