// SPDX-License-Identifier: BSD-3-Clause
//
// Two memcached-sr get the same requests in the same order, one with the cache
// in front of it. Their answers must be the same, byte for byte.
//
// BMC_TEST_SEED and BMC_TEST_REQUESTS override the seed and the number of the
// random requests.

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <sched.h>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/differential/pair.h"
#include "tests/e2e/fixture.h"
#include "tests/harness/error.h"

namespace bmc::test
{
namespace
{

std::uint64_t environment_number(const char *name, std::uint64_t otherwise)
{
    const char *text = std::getenv(name);
    if (text == nullptr)
        return otherwise;

    const std::string_view view(text);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), number);
    if (error != std::errc{} || end != view.data() + view.size())
        throw Error(fmt::format("{} is '{}', which is not a number", name, view));
    return number;
}

/// Keeps this thread, and the servers it starts, on the CPU it runs on: packets
/// that different CPUs send over a veth may overtake each other.
class PinnedToOneCpu
{
  public:
    PinnedToOneCpu()
    {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
        if (::sched_getaffinity(0, sizeof(before_), &before_) != 0 ||
            ::sched_setaffinity(0, sizeof(one), &one) != 0)
            throw system_error("set the CPU affinity");
    }
    ~PinnedToOneCpu() { ::sched_setaffinity(0, sizeof(before_), &before_); }
    PinnedToOneCpu(const PinnedToOneCpu &) = delete;
    PinnedToOneCpu(PinnedToOneCpu &&) = delete;
    PinnedToOneCpu &operator=(const PinnedToOneCpu &) = delete;
    PinnedToOneCpu &operator=(PinnedToOneCpu &&) = delete;

  private:
    cpu_set_t before_{};
};

// The parameter is the mode of attachment: in generic mode the frames have more
// room to grow in, so that larger replies come from the kernel.
class Differential : public testing::TestWithParam<std::string>
{
  public:
    static void TearDownTestSuite() { pair_.reset(); }

  protected:
    void SetUp() override
    {
        require_root();
        if (IsSkipped() || HasFatalFailure())
            return;
        pin_.emplace();
        if (!pair_)
            pair_ = std::make_unique<Pair>(GetParam());
        before_ = pair().cached().counters();
    }

    void TearDown() override
    {
        // The two may no longer hold the same.
        if (HasFailure())
            pair_.reset();
        pin_.reset();
    }

    Pair &pair() { return *pair_; }

    void set(const std::string &key, const std::string &value, const std::string &exptime = "0")
    {
        Request request;
        request.transport = Request::Transport::tcp;
        request.text = fmt::format("set {} {} {} {}\r\n{}\r\n", key, value.size(), exptime,
                                   value.size(), value);
        ASSERT_EQ(pair().ask(request).parts.at(0), "STORED\r\n");
    }

    /// Over UDP, with the address family alternating and another id each time.
    Answer udp(const std::string &text)
    {
        Request request;
        request.ipv6 = id_ % 2 == 1;
        request.frame.request_id = id_;
        id_ = static_cast<std::uint16_t>((id_ + 1) % 0xf000);
        request.text = text;
        return pair().ask(request);
    }
    /// Both address families, twice: the second may come from the kernel.
    void udp_often(const std::string &text)
    {
        for (int i = 0; i < 4; i++)
            udp(text);
    }

    Counters grown_since_start() { return grown(before_, pair().cached().counters()); }

    /// An idle cache would make any comparison succeed.
    void expect_hits(std::uint64_t at_least)
    {
        const Counters growth = grown_since_start();
        EXPECT_GE(count(growth, "hit"), at_least);
        fmt::print(
            "    {} of {} UDP gets answered by the kernel, {} more but for room in the frame\n",
            count(growth, "hit"), count(growth, "rx_gets"), count(growth, "rx_pass_room"));
    }

  private:
    static std::unique_ptr<Pair> pair_;
    std::optional<PinnedToOneCpu> pin_;
    Counters before_;
    std::uint16_t id_ = 0;
};

std::unique_ptr<Pair> Differential::pair_;

// Each a suite of its own: its tests share the servers.
INSTANTIATE_TEST_SUITE_P(Native, Differential, testing::Values("native"));
INSTANTIATE_TEST_SUITE_P(Generic, Differential, testing::Values("generic"));

// The unique in the reply to a gets of one key, "VALUE key flags bytes unique".
std::optional<std::string> unique_in(const Answer &answer)
{
    if (answer.parts.empty())
        return std::nullopt;
    const std::string &reply = answer.parts[0];
    const std::size_t begin = reply.find("VALUE ");
    const std::size_t end = reply.find("\r\n", begin);
    if (begin == reply.npos || end == reply.npos)
        return std::nullopt;
    return reply.substr(reply.rfind(' ', end) + 1, end - reply.rfind(' ', end) - 1);
}

TEST_P(Differential, RandomRequests)
{
    constexpr std::uint64_t default_requests = 8000;
    constexpr std::uint64_t flushes = 3;
    const std::uint64_t seed = environment_number("BMC_TEST_SEED", GetParam() == "native" ? 1 : 2);
    const std::uint64_t requests = environment_number("BMC_TEST_REQUESTS", default_requests);
    fmt::print("    BMC_TEST_SEED={} BMC_TEST_REQUESTS={}\n", seed, requests);

    RequestGenerator generator(seed);
    for (std::uint64_t i = 0; i < requests; i++) {
        SCOPED_TRACE(fmt::format("request {} of seed {}", i, seed));
        if (i % (requests / flushes + 1) == requests / flushes) {
            // memcached spares some items that were read in the last second.
            std::this_thread::sleep_for(std::chrono::seconds(3));
            udp("flush_all\r\n");
        }
        Request request = generator.next();
        Answer answer;
        for (int time = 0; time < request.times; time++) {
            answer = pair().ask(request);
            request.frame.request_id = static_cast<std::uint16_t>(request.frame.request_id ^ 1);
        }
        if (request.cas_of) {
            if (const auto unique = unique_in(answer))
                generator.learn_cas(*request.cas_of, *unique);
        }
    }
    expect_hits(requests / 10);
}

TEST_P(Differential, Rows10And16And17ValuesOfEverySize)
{
    const std::string key = "sizes";
    std::uint64_t seed = 0;
    // A longer frame may have the room for a longer reply.
    std::string with_absent = "get " + key;
    for (int i = 0; i < 4; i++)
        with_absent += fmt::format(" {}{}", std::string(240, 'a'), i);
    with_absent += "\r\n";

    for (std::size_t size = 0; size <= 1400; size += size < 300 || size > 1300 ? 1 : 11) {
        SCOPED_TRACE(fmt::format("{} bytes", size));
        set(key, content(size, static_cast<unsigned>(++seed), true));
        udp("gets " + key + "\r\n");
        udp_often(get(key));
        udp_often(with_absent);
    }
    expect_hits(300);
}

TEST_P(Differential, Rows9And11And12MultiGets)
{
    std::uint64_t seed = 0;

    for (const std::size_t size : {0, 8, 32, 64, 200}) {
        std::vector<std::string> keys;
        std::string all = "get";
        std::string absent = "get";
        std::string mixed = "get";
        for (int n = 1; n <= 60; n++) {
            SCOPED_TRACE(fmt::format("{} keys with values of {} bytes", n, size));
            const std::string key = fmt::format("multi-{}-{}", size, n);
            set(key, content(size, static_cast<unsigned>(++seed), true));
            all += " " + key;
            absent += " absent-" + key;
            mixed += n % 3 == 0 ? " absent-" + key : " " + key;
            for (int time = 0; time < 2; time++) {
                udp(all + "\r\n");
                udp(absent + "\r\n");
                udp(mixed + "\r\n");
            }
        }
    }
    expect_hits(200);
}

TEST_P(Differential, Row14KeysOfEveryLength)
{
    for (std::size_t length = 1; length <= 251; length++) {
        SCOPED_TRACE(fmt::format("a key of {} bytes", length));
        const std::string key = content(length, static_cast<unsigned>(length));
        udp_often(get(key));
        if (length <= 250)
            set(key, fmt::format("value {}", length));
        udp_often(get(key));
    }
    expect_hits(500);
}

TEST_P(Differential, Row13OddForms)
{
    const std::string key = "odd";
    set(key, "value");
    udp_often(get(key));

    for (const std::string verb : {"get", "gets", "GET", "get\t", "gett", "ge", "get\r", "mg"}) {
        for (const std::string after : {" ", "  ", "     ", "\t", "", "\r", "\n"}) {
            for (const std::string end :
                 {"\r\n", "\n", " \r\n", "   \n", "\r\r\n", " x\r\n", " x\n", " noreply\r\n", "",
                  "\r", "\t\r\n", "\r\nx", "\r\n\r\n", "\n\n", "\r\nget odd\r\n", "\r\nquit\r\n"}) {
                for (int time = 0; time < 2; time++) {
                    udp(verb + after + key + end);
                    udp(" " + verb + after + key + end);
                }
                udp(get(key));
            }
        }
    }
    expect_hits(500);
}

TEST_P(Differential, Row20WritesAndGetsInOneDatagram)
{
    for (int i = 0; i < 100; i++) {
        const std::string one = fmt::format("one{}", i % 7);
        const std::string two = fmt::format("two{}", i % 5);
        set(one, fmt::format("value {}", i));
        udp_often(get(one));
        udp_often(get(two));
        udp(get(one) + fmt::format("set {} 0 0 3\r\n{:03}\r\n", two, i));
        udp_often(get(two));
        udp(fmt::format("delete {}\r\nset {} 0 0 3 noreply\r\nabc\r\n", two, one) + get(one));
        udp_often(get(one) + get(two));
        udp_often(get(one));
        udp_often(get(two));
        // A value with a command in it, and what follows it.
        const std::string value = fmt::format("set {} 0 0 5\r\nhello\r\nend", two);
        udp(fmt::format("set {} 0 0 {}\r\n{}\r\nincr {} 1\r\n", one, value.size(), value, two));
        udp_often(get(one));
        udp_often(get(two));
    }
    expect_hits(300);
}

TEST_P(Differential, Row21FrameHeaders)
{
    const std::string key = "frame";
    set(key, "value");

    for (const std::uint16_t sequence : {0, 1, 5, 65535}) {
        for (const std::uint16_t total : {0, 1, 2, 256, 65535}) {
            for (const std::uint16_t reserved : {0, 1, 0xbeef}) {
                for (const bool ipv6 : {false, true}) {
                    Request request;
                    request.ipv6 = ipv6;
                    request.frame = {.request_id = 77,
                                     .sequence = sequence,
                                     .total = total,
                                     .reserved = reserved};
                    request.text = get(key);
                    pair().ask(request);
                    pair().ask(request);
                }
            }
        }
    }
    for (std::size_t size = 0; size < 8; size++) {
        Request request;
        request.bare = true;
        request.text = std::string(size, '\0');
        pair().ask(request);
    }
    udp_often(get(key));
    expect_hits(4);
}

// What depends on time is asked only when time has decided it.
TEST_P(Differential, Rows1And2ExptimeAndFlush)
{
    constexpr int keys = 40;
    // The longest exptime is two seconds, and memcached's clock shows whole ones.
    constexpr std::chrono::seconds surely_expired{5};
    const auto mortal = [](int i) { return fmt::format("mortal{}", i); };
    const auto old = [](int i) { return fmt::format("old{}", i); };

    for (int i = 0; i < keys; i++) {
        set(mortal(i), "value", i % 2 == 0 ? "2" : "0");
        // What is still there by now is not the matter; that it is cached is.
        for (int time = 0; time < 2; time++) {
            Request request;
            request.text = get(mortal(i));
            pair().ask_anyway(request);
        }
        set(old(i), "value");
        udp_often(get(old(i)));
    }
    for (int i = 1; i < keys; i += 4)
        udp(fmt::format("touch {} 1\r\n", mortal(i)));
    std::this_thread::sleep_for(surely_expired);
    for (int i = 0; i < keys; i++)
        udp_often(get(mortal(i)));

    // These were last read seconds ago: memcached unlinks at once only items of
    // the last second, and may even spare some of those.
    udp("flush_all\r\n");
    for (int i = 0; i < keys; i++)
        udp_often(get(old(i)));

    // With a delay.
    for (int i = 0; i < keys; i++) {
        set(old(i), "value");
        udp_often(get(old(i)));
    }
    udp("flush_all 1\r\n");
    std::this_thread::sleep_for(surely_expired);
    for (int i = 0; i < keys; i++)
        udp_often(get(old(i)));
    expect_hits(100);
}

} // namespace
} // namespace bmc::test
