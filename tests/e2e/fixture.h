// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_E2E_FIXTURE_H
#define BMC_TESTS_E2E_FIXTURE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/harness/cache.h"
#include "tests/harness/client.h"
#include "tests/harness/lab.h"
#include "tests/harness/origin.h"

/*
 * Every test here runs twice: against memcached-sr alone, which shows that what
 * the test expects is memcached's own behaviour, and with the cache in front of
 * it, where the client must see the same. Some do the same with the memcached that
 * Debian has. Tests carry the number of the row of
 * known defects that they hold down.
 */
namespace bmc::test
{

enum class Family { ipv4, ipv6 };

struct Setup {
    bool cached = false;
    Family family = Family::ipv4;
    bool stock = false; ///< not memcached-sr
};

/// For googletest's messages and test names.
std::ostream &operator<<(std::ostream &out, const Setup &setup);
std::string setup_name(const testing::TestParamInfo<Setup> &info);

/// What to instantiate a suite with.
inline const auto without_cache =
    testing::Values(Setup{false, Family::ipv4}, Setup{false, Family::ipv6});
inline const auto with_cache =
    testing::Values(Setup{true, Family::ipv4}, Setup{true, Family::ipv6});
inline const auto stock_without_cache =
    testing::Values(Setup{false, Family::ipv4, true}, Setup{false, Family::ipv6, true});
inline const auto stock_with_cache =
    testing::Values(Setup{true, Family::ipv4, true}, Setup{true, Family::ipv6, true});
inline const auto without_cache_ipv4 = testing::Values(Setup{false, Family::ipv4});
inline const auto with_cache_ipv4 = testing::Values(Setup{true, Family::ipv4});

/// Skips the test if it is not run by root, which namespaces and BPF need. Where
/// the environment variable CI is "true", it fails instead.
void require_root();

/// A line of a test, by default that of the caller. (std::source_location, which
/// clang 14 cannot compile.)
struct Where {
    const char *file;
    int line;

    static constexpr Where current(const char *caller_file = __builtin_FILE(),
                                   int caller_line = __builtin_LINE())
    {
        return {caller_file, caller_line};
    }
};

/// A lab with memcached-sr in its server namespace and, if asked for, the cache
/// attached in front of it.
class Stand
{
  public:
    explicit Stand(bool cached, const std::vector<std::string> &attach_options = {},
                   bool stock = false);

    const Lab &lab() const { return lab_; }
    bool cached() const { return cache_.has_value(); }
    /// Only if cached.
    Cache &cache() { return *cache_; }
    Origin &origin() { return *origin_; }

    void attach();
    void detach() { cache_.reset(); }
    /// Starts memcached, empty, and waits until the cache serves it.
    void start_origin();
    /// Stores a key and GETs it until the kernel answers.
    void wait_until_served();

  private:
    bool cached_;
    bool stock_;
    std::vector<std::string> attach_options_;
    Lab lab_;
    // In this order: the cache goes after the origin that has its maps mapped.
    std::optional<Cache> cache_;
    std::optional<Origin> origin_;
};

/// Base of the suites. The tests of a suite share one stand, made before the
/// first; each has its own clients and, through key(), keys.
class E2e : public testing::TestWithParam<Setup>
{
  public:
    static void TearDownTestSuite();

  protected:
    /// Further options for `bmc attach`.
    virtual std::vector<std::string> attach_options() const { return {}; }

    void SetUp() override;
    void TearDown() override;

    Stand &stand() { return *stand_; }
    const Lab &lab() const { return stand_->lab(); }
    bool cached() const { return GetParam().cached; }
    bool stock() const { return GetParam().stock; }
    bool ipv6() const { return GetParam().family == Family::ipv6; }
    Endpoint server() const { return {ipv6() ? Lab::server6 : Lab::server4}; }
    TcpClient &tcp() { return *tcp_; }
    UdpClient &udp() { return *udp_; }
    /// New connections, as after a restart of the origin.
    void connect();

    /// A key that no other test uses.
    static std::string key(std::string_view name);
    /// Stores over TCP.
    void store(const std::string &key, const std::string &value, unsigned flags = 0,
               int exptime = 0, Where where = Where::current());
    /// Sends a command over TCP and expects this reply; the last CR LF of both
    /// is added.
    void expect_tcp(const std::string &command, const std::string &reply,
                    Where where = Where::current());
    /// Sends the request over UDP and expects this reply.
    void expect_udp(const std::string &request, const std::string &reply,
                    Where where = Where::current());
    /// The same, and with the cache attached the kernel must have answered. With stock
    /// memcached the kernel must do so after some tries, for a value is cached when its
    /// guard time is over; absence is not.
    void expect_hit(const std::string &request, const std::string &reply,
                    Where where = Where::current());
    /// The same, and with the cache attached memcached must have answered.
    void expect_no_hit(const std::string &request, const std::string &reply,
                       Where where = Where::current());
    /// GETs the key until it is cached: expects it from memcached or the
    /// kernel first, and from the kernel then.
    void warm(const std::string &key, const std::string &value, unsigned flags = 0,
              Where where = Where::current());
    /// A new key that is stored and cached.
    std::string cached_key(std::string_view name, const std::string &value, unsigned flags = 0,
                           int exptime = 0, Where where = Where::current());
    /// GETs a key that was just stored until its reply has filled the cache: at once, but
    /// for replies of two datagrams, which fill nothing if memcached changed the CPU
    /// between them.
    void fill(const std::string &key, const std::string &reply, Where where = Where::current());
    /// What the counters grow by while `work` is done; empty without the cache.
    Counters during(const std::function<void()> &work);

  private:
    static std::unique_ptr<Stand> stand_;
    static std::string broken_; // why the stand could not be made

    std::optional<TcpClient> tcp_;
    std::optional<UdpClient> udp_;
    Counters at_start_;
};

/// Names the line of the test in messages, until it goes out of scope.
testing::ScopedTrace trace(const Where &where);
/// Stands for a reply that did not come.
inline constexpr const char *no_reply = "(no reply)";

/// "get KEY\r\n"
std::string get(const std::string &key);
/// What memcached replies to a GET of this key alone.
std::string value_reply(const std::string &key, const std::string &value, unsigned flags = 0);
/// The same without the closing END.
std::string value_block(const std::string &key, const std::string &value, unsigned flags = 0);
/// Bytes without a pattern, the same for each seed. None of them is special to
/// the protocol unless `binary`.
std::string content(std::size_t size, unsigned seed, bool binary = false);
/// One of them, or 0.
std::uint64_t count(const Counters &counters, const std::string &name);
/// The sum of those whose name starts so.
std::uint64_t count_prefix(const Counters &counters, const std::string &prefix);

} // namespace bmc::test

#endif
