// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_E2E_DIFFERENTIAL_REQUEST_H
#define BMC_TESTS_E2E_DIFFERENTIAL_REQUEST_H

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/harness/packet.h"

namespace bmc::test
{

/// Something a client sends, the same to two servers whose answers are compared.
struct Request {
    enum class Transport { udp, tcp };

    Transport transport = Transport::udp;
    bool ipv6 = false;
    /// UDP: the frame header, put in front of the text unless `bare`. TCP: not
    /// used.
    MemcachedFrame frame{};
    bool bare = false;
    std::string text{};
    /// The key of a gets of one key: its reply shows a cas unique.
    std::optional<std::string> cas_of{};
    /// UDP: how often it is sent, each time under another request id.
    int times = 1;
};

/// Makes random requests of all commands of the text protocol, right and wrong
/// ones, plain and odd, and some of the binary protocol (over TCP). The same seed gives the same
/// requests, provided that the replies lead to the same calls of learn_cas().
///
/// What a reply depends on besides the order of the requests is left out, so
/// that two servers must answer alike:
///  - time: an exptime is none, past, or more than a day away; time to live
///    (meta flag t) is asked of keys only that never get an exptime;
///  - access (meta flags h, l; commands me and stats; flush_all, which spares
///    some of the items that were read in the last second): a get that the
///    kernel answers is not seen by memcached;
///  - datagrams that hold less of a value than they announce, over UDP: memcached
///    takes the next datagrams, whole, for the rest.
class RequestGenerator
{
  public:
    explicit RequestGenerator(std::uint64_t seed);

    Request next();
    /// Tells the unique that a gets has shown, for later cas commands.
    void learn_cas(const std::string &key, const std::string &unique) { cas_[key] = unique; }

  private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    bool chance(unsigned percent) { return below(100) < percent; }
    std::string pick(std::initializer_list<std::string_view> choices);

    std::string key();
    std::string key_text(std::size_t length);
    std::string numeric_key() { return numeric_keys_[below(numeric_keys_.size())]; }
    std::string value();
    std::string number();
    std::string flags();
    /// For a key that may have one.
    std::string exptime(const std::string &key);
    bool may_expire(const std::string &key) const { return key.size() % 2 == 0; }
    std::string join(const std::vector<std::string> &tokens);
    std::string line_end();
    std::string noreply();

    std::string command(Request &request);
    std::string get(Request &request, std::string_view verb);
    std::string get_and_touch(std::string_view verb);
    std::string store(std::string_view verb);
    std::string arithmetic();
    std::string meta_get();
    std::string meta_set();
    std::string meta_delete();
    std::string meta_arithmetic();
    std::string meta_key(std::vector<std::string> &flags_out);
    std::string bad();
    std::string binary();

    std::mt19937_64 random_;
    std::vector<std::string> keys_;
    std::vector<std::string> numeric_keys_;
    std::map<std::string, std::string> cas_;
};

} // namespace bmc::test

#endif
