// SPDX-License-Identifier: BSD-3-Clause
//
// Two instances on one host, each with an interface, a port and a memcached-sr of its own.

#include <optional>

#include <fmt/format.h>

#include "tests/e2e/fixture.h"
#include "tests/harness/wait.h"

namespace bmc::test
{
namespace
{

constexpr const char *second_interface = "second0";
constexpr const char *second_server4 = "10.78.0.1";
constexpr std::uint16_t first_port = 11211;
constexpr std::uint16_t second_port = 11311;

/// One of the two, with a client on its link.
struct Side {
    Side(const Lab &lab, const std::string &name, const char *interface, const char *address,
         std::uint16_t port, const char *mode)
        : endpoint{address, port}, cache(lab.server(), name, {interface},
                                         {"--port", std::to_string(port), "--mode", mode,
                                          "--memory", "1M", "--address", address}),
          origin(std::in_place, lab.server(), Origin::Options{.port = port, .pins = cache.pins()}),
          tcp(lab.client(), endpoint), udp(lab.client(), endpoint)
    {
    }

    /// Stores the key here, and GETs it until the kernel answers.
    void store(const std::string &key, const std::string &value)
    {
        ASSERT_EQ(tcp.ask(fmt::format("set {} 0 0 {}\r\n{}\r\n", key, value.size(), value)),
                  "STORED\r\n");
        wait_until("the key is cached", [&] {
            const std::uint64_t before = hits();
            EXPECT_EQ(udp.ask(get(key)), value_reply(key, value));
            return hits() > before;
        });
    }

    std::uint64_t hits() const { return count(cache.counters(), "hit"); }

    Endpoint endpoint;
    Cache cache;
    std::optional<Origin> origin;
    TcpClient tcp;
    UdpClient udp;
};

class Instances : public testing::Test
{
  protected:
    void SetUp() override
    {
        require_root();
        if (IsSkipped() || HasFatalFailure())
            return;
        lab_.emplace();
        run_checked({"ip", "link", "add", second_interface, "netns", lab_->server().name(), "type",
                     "veth", "peer", "name", second_interface, "netns", lab_->client().name()});
        for (const auto &[where, address] :
             {std::pair{&lab_->server(), "10.78.0.1/24"}, {&lab_->client(), "10.78.0.2/24"}}) {
            run_checked({"ip", "address", "add", address, "dev", second_interface}, where);
            run_checked({"ip", "link", "set", second_interface, "up"}, where);
        }
        first_.emplace(*lab_, lab_->name() + "-first", Lab::interface, Lab::server4, first_port,
                       "native");
        second_.emplace(*lab_, lab_->name() + "-second", second_interface, second_server4,
                        second_port, "tc");
        first_->store("key", "first");
        second_->store("key", "second");
    }

    /// Fails the test unless the kernel answers on this side, and the other has no hand in
    /// it.
    static void expect_hit(Side &side, const Side &other, const std::string &value)
    {
        const std::uint64_t before = side.hits();
        const std::uint64_t others = other.hits();

        EXPECT_EQ(side.udp.ask(get("key")), value_reply("key", value));
        EXPECT_EQ(side.hits(), before + 1);
        EXPECT_EQ(other.hits(), others);
    }

    std::optional<Lab> lab_;
    std::optional<Side> first_;
    std::optional<Side> second_;
};

TEST_F(Instances, NeitherSeesTheKeysOfTheOther)
{
    expect_hit(*first_, *second_, "first");
    expect_hit(*second_, *first_, "second");

    // By the link of the one, at the port of the other: nobody's.
    UdpClient crossed(lab_->client(), {Lab::server4, second_port});
    const std::uint64_t hits = first_->hits() + second_->hits();
    EXPECT_EQ(crossed.ask(get("key")), value_reply("key", "second"));
    EXPECT_EQ(crossed.ask(get("key")), value_reply("key", "second"));
    EXPECT_EQ(first_->hits() + second_->hits(), hits);
}

TEST_F(Instances, WhatHappensToOneDoesNotConcernTheOther)
{
    EXPECT_EQ(first_->tcp.ask("set key 0 0 3\r\nnew\r\n"), "STORED\r\n");
    expect_hit(*second_, *first_, "second");
    EXPECT_EQ(first_->tcp.ask("flush_all\r\n"), "OK\r\n");
    EXPECT_EQ(first_->udp.ask(get("key")), "END\r\n");
    expect_hit(*second_, *first_, "second");
    first_->cache.upgrade();
    expect_hit(*second_, *first_, "second");
    first_->origin->kill();
    expect_hit(*second_, *first_, "second");
    first_->cache.detach();
    const std::uint64_t before = second_->hits();
    EXPECT_EQ(second_->udp.ask(get("key")), value_reply("key", "second"));
    EXPECT_EQ(second_->hits(), before + 1);
}

} // namespace
} // namespace bmc::test
