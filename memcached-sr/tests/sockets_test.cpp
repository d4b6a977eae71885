// SPDX-License-Identifier: BSD-3-Clause
//
// Where a memcached-sr is the origin: by its UDP sockets, and nobody else's.

#include <string>
#include <vector>

#include <fmt/format.h>

#include "memcached-sr/tests/fixture.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

/// What the sockets of a memcached-sr cover, and who else may have the port.
class Sockets : public Server
{
  protected:
    using Faults = PinnedMaps::Faults;
    static constexpr const char *other4 = "10.77.0.99"; // nobody's

    /// Starts memcached-sr on port 11211 of the addresses given, and returns what
    /// it said.
    static std::string start_and_say(const PinnedMaps &maps, const std::vector<std::string> &more)
    {
        Origin origin = start(more, maps.folder());
        wait_until("it serves", [&] { return maps.generation() % 2 == 0; });
        first_ = maps.has_socket(bmc_endpoint(0, 0));
        second_ = maps.has_socket(bmc_endpoint(1, 0));
        return origin.process().err();
    }
    static inline bool first_ = false;  ///< had the first IPv4 address a socket
    static inline bool second_ = false; ///< and the second
};

TEST_F(Sockets, OfOneAddressAreForThatAlone)
{
    const PinnedMaps maps(lab().server(), {.addresses = {Lab::server4, other4}});

    EXPECT_EQ(start_and_say(maps, {"-l", Lab::server4}),
              fmt::format("bmc={}: this memcached has no UDP socket at {}:11211, so the kernel "
                          "answers nothing there\n",
                          maps.folder(), other4));
    EXPECT_TRUE(first_);
    EXPECT_FALSE(second_);
    EXPECT_EQ(start_and_say(maps, {}), "");
    EXPECT_TRUE(first_ && second_);
}

TEST_F(Sockets, OfOnePortAreForThatAlone)
{
    const PinnedMaps maps(lab().server(), {.addresses = {Lab::server4}, .ports = {11300, 11211}});

    EXPECT_NE(start_and_say(maps, {}).find(fmt::format("{}:11300,", Lab::server4)),
              std::string::npos);
    EXPECT_FALSE(first_);
}

TEST_F(Sockets, MustServeSomethingThatIsAttached)
{
    const auto expect_refused = [](const Faults &faults, const std::string &where) {
        const PinnedMaps maps(lab().server(), faults);
        expect_refusal({"-p", "11211", "-U", "11211", "-o", "bmc=" + maps.folder()},
                       "this memcached has no UDP socket at " + where);
        EXPECT_EQ(maps.sockets(), 0U);
        EXPECT_EQ(maps.generation() % 2, 1U);
    };

    expect_refused({.ports = {11300}},
                   fmt::format("{}:11300 [{}]:11300, where bmc is attached; give it with -l and -U",
                               Lab::server4, Lab::server6));
}

TEST_F(Sockets, OfAnotherNetworkNamespaceAreRefused)
{
    const PinnedMaps maps(lab().client());

    expect_refusal({"-p", "11211", "-U", "11211", "-o", "bmc=" + maps.folder()},
                   "bmc is attached in another network namespace");
}

// memcached's sockets have SO_REUSEADDR, by which UDP ports can be had twice.
TEST_F(Sockets, ShareTheirPortWithNobody)
{
    for (const char *more : {"udp_sequence", "udp_reuseport"}) {
        const PinnedMaps maps(lab().server());
        const Origin ours = start({"-o", more}, maps.folder());

        wait_until("it serves", [&] { return maps.generation() % 2 == 0; });
        for (const char *theirs : {"udp_sequence", "udp_reuseport"}) {
            const Result result = run({program_path("memcached-sr"), "-u", "nobody", "-p", "0",
                                       "-U", "11211", "-o", theirs},
                                      &lab().server());
            EXPECT_NE(result.status, 0) << more << " " << theirs;
        }
        EXPECT_EQ(maps.sockets(), 2U);
    }
    // and the other way round
    Origin plain = start({});
    const PinnedMaps maps(lab().server());
    const Result result = run({program_path("memcached-sr"), "-u", "nobody", "-p", "0", "-U",
                               "11211", "-o", "bmc=" + maps.folder()},
                              &lab().server());
    EXPECT_NE(result.status, 0);
    EXPECT_EQ(maps.sockets(), 0U);
}

} // namespace

} // namespace bmc::test
