// SPDX-License-Identifier: BSD-3-Clause
#include "tests/e2e/fixture.h"

#include <cstdlib>
#include <random>
#include <unistd.h>

#include <fmt/format.h>

#include "tests/harness/error.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

testing::ScopedTrace trace(const Where &where)
{
    return {where.file, where.line, "called from here"};
}

std::ostream &operator<<(std::ostream &out, const Setup &setup)
{
    return out << (setup.family == Family::ipv6 ? "IPv6" : "IPv4")
               << (setup.cached ? ", with cache" : ", without cache");
}

std::string setup_name(const testing::TestParamInfo<Setup> &info)
{
    return info.param.family == Family::ipv6 ? "IPv6" : "IPv4";
}

void require_root()
{
    const char *ci = std::getenv("CI");

    if (::geteuid() == 0)
        return;
    if (ci != nullptr && std::string_view(ci) == "true")
        FAIL() << "network namespaces and BPF need root";
    GTEST_SKIP() << "SKIP: network namespaces and BPF need root";
}

Stand::Stand(bool cached, const std::vector<std::string> &attach_options, bool stock)
    : cached_(cached), stock_(stock), attach_options_(attach_options)
{
    /* A short guard: what these tests do, they do one after the other. */
    if (stock)
        attach_options_.insert(attach_options_.end(), {"--origin", "stock", "--guard", "0.1"});
    attach();
    start_origin();
}

void Stand::attach()
{
    if (cached_)
        cache_.emplace(lab_.server(), lab_.name(), std::vector<std::string>{Lab::interface},
                       attach_options_);
}

void Stand::start_origin()
{
    origin_.reset();
    origin_.emplace(lab_.server(), Origin::Options{.pins = cached_ && !stock_ ? cache_->pins() : "",
                                                    .stock = stock_});
    wait_until_served();
}

void Stand::wait_until_served()
{
    const std::string name = "stand-is-served";
    TcpClient tcp(lab_.client(), {Lab::server4});
    UdpClient udp(lab_.client(), {Lab::server4});

    if (tcp.ask("set " + name + " 0 0 1\r\nx\r\n") != "STORED\r\n")
        throw Error("memcached does not store");
    wait_until("the server answers a GET", [&] {
        const std::uint64_t before = cached_ ? count(cache_->counters(), "hit") : 0;

        return udp.ask(get(name)) == value_reply(name, "x") &&
               (!cached_ || count(cache_->counters(), "hit") > before);
    });
}

std::unique_ptr<Stand> E2e::stand_;
std::string E2e::broken_;

void E2e::TearDownTestSuite()
{
    stand_.reset();
    broken_.clear();
}

void E2e::SetUp()
{
    require_root();
    if (IsSkipped() || HasFatalFailure())
        return;
    // What failed to start once is not tried again for every test.
    if (!broken_.empty())
        FAIL() << broken_;
    try {
        if (!stand_)
            stand_ = std::make_unique<Stand>(cached(), attach_options(), stock());
    } catch (const std::exception &error) {
        broken_ = error.what();
        throw;
    }
    connect();
    if (cached())
        at_start_ = stand().cache().counters();
}

void E2e::TearDown()
{
    if (!HasFailure() || !stand_ || !stand().cached())
        return;
    for (const auto &[name, value] : grown(at_start_, stand().cache().counters()))
        std::printf("    %s +%llu\n", name.c_str(), static_cast<unsigned long long>(value));
}

void E2e::connect()
{
    tcp_.emplace(lab().client(), server());
    udp_.emplace(lab().client(), server());
}

std::string E2e::key(std::string_view name)
{
    static unsigned tests = 0;

    return fmt::format("{}-{}", name, ++tests);
}

void E2e::store(const std::string &key, const std::string &value, unsigned flags, int exptime,
                Where where)
{
    const auto scope = trace(where);

    EXPECT_EQ(tcp().ask(fmt::format("set {} {} {} {}\r\n{}\r\n", key, flags, exptime, value.size(),
                                    value)),
              "STORED\r\n");
}

void E2e::expect_tcp(const std::string &command, const std::string &reply, Where where)
{
    const auto scope = trace(where);

    tcp().send(command + "\r\n");
    EXPECT_EQ(tcp().read(reply.size() + 2), reply + "\r\n");
}

void E2e::expect_udp(const std::string &request, const std::string &reply, Where where)
{
    const auto scope = trace(where);

    EXPECT_EQ(udp().ask(request).value_or(no_reply), reply);
}

void E2e::expect_hit(const std::string &request, const std::string &reply, Where where)
{
    const auto scope = trace(where);
    const Counters growth = during([&] { expect_udp(request, reply, where); });

    if (cached() && stock()) {
        if (reply != "END\r\n" && count(growth, "hit") == 0)
            wait_until("the kernel answers " + request, [&] {
                return count(during([&] { expect_udp(request, reply, where); }), "hit") > 0;
            });
    } else if (cached()) {
        EXPECT_EQ(count(growth, "hit"), 1U) << "the kernel did not answer " << request;
    }
}

void E2e::expect_no_hit(const std::string &request, const std::string &reply, Where where)
{
    const auto scope = trace(where);
    const Counters growth = during([&] { expect_udp(request, reply, where); });

    EXPECT_EQ(count(growth, "hit"), 0U) << "the kernel answered " << request;
}

void E2e::warm(const std::string &key, const std::string &value, unsigned flags, Where where)
{
    const auto scope = trace(where);

    expect_udp(get(key), value_reply(key, value, flags), where);
    expect_hit(get(key), value_reply(key, value, flags), where);
}

std::string E2e::cached_key(std::string_view name, const std::string &value, unsigned flags,
                            int exptime, Where where)
{
    const std::string k = key(name);

    store(k, value, flags, exptime, where);
    warm(k, value, flags, where);
    return k;
}

void E2e::fill(const std::string &key, const std::string &reply, Where where)
{
    constexpr std::size_t datagram_size = 1400 - 8; // memcached's
    constexpr std::size_t longest = 1480;           // that fills anything
    constexpr int tries = 50;

    for (int i = 0; i < tries; i++) {
        const Counters growth = during([&] { expect_udp(get(key), reply, where); });
        if (reply.size() <= datagram_size || reply.size() > longest ||
            count(growth, "tx_halves") == 0 || count(growth, "fill_keys") > 0)
            return;
    }
    ADD_FAILURE() << "memcached changed the CPU in the middle of " << tries << " replies";
}

Counters E2e::during(const std::function<void()> &work)
{
    if (!cached()) {
        work();
        return {};
    }
    const Counters before = stand().cache().counters();
    work();
    return grown(before, stand().cache().counters());
}

std::string get(const std::string &key)
{
    return "get " + key + "\r\n";
}

std::string value_block(const std::string &key, const std::string &value, unsigned flags)
{
    return fmt::format("VALUE {} {} {}\r\n{}\r\n", key, flags, value.size(), value);
}

std::string value_reply(const std::string &key, const std::string &value, unsigned flags)
{
    return value_block(key, value, flags) + "END\r\n";
}

std::string content(std::size_t size, unsigned seed, bool binary)
{
    std::minstd_rand random(seed + 1);
    std::string result(size, '\0');

    for (char &c : result)
        c = static_cast<char>(binary ? random() % 256 : 'a' + random() % 26);
    return result;
}

std::uint64_t count(const Counters &counters, const std::string &name)
{
    const auto found = counters.find(name);

    return found == counters.end() ? 0 : found->second;
}

std::uint64_t count_prefix(const Counters &counters, const std::string &prefix)
{
    std::uint64_t sum = 0;

    for (const auto &[name, value] : counters) {
        if (name.starts_with(prefix))
            sum += value;
    }
    return sum;
}

} // namespace bmc::test
