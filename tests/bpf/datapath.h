// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_BPF_DATAPATH_H
#define BMC_TESTS_BPF_DATAPATH_H

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include "bmc/abi/bucket.h"
#include "bmc/abi/config.h"
#include "bmc/abi/counters.h"
#include "bmc/abi/layout.h"
#include "bmc/lib/fd.h"
#include "bmc/protocol/udp_frame.h"
#include "tests/harness/packet.h"

/*
 * The kernel programs, loaded but attached to nothing: packets go in through
 * BPF_PROG_TEST_RUN, and the tests play the origin by writing the shared maps.
 */
namespace bmc::test
{

/// The object under test, who compiled it ("clang-19"), and where it gets its
/// requests; set by main().
struct Object {
    std::string path;
    std::string compiler;
    bool at_tc = false; ///< TC ingress (as with `bmc attach --mode tc`), not XDP
};
Object &object_under_test();
/// The program array of the stages that requests go through.
const char *request_stages();

inline constexpr int pass_up = 2;   // XDP_PASS
inline constexpr int send_back = 3; // XDP_TX
inline constexpr int go_on = -1;    // TC_ACT_UNSPEC
inline constexpr int redirect = 7;  // TC_ACT_REDIRECT

/// Two ports (11211, 11311), two addresses of each family (10.77.0.1, 10.77.0.9,
/// fd77::1, fd77::9) in a subnet with the broadcast address 10.77.0.255, one
/// Ethernet address, VLAN 5 and VLAN 8 in VLAN 7, partial checksums accepted.
bmc_config usual_config();
/// No tag, and all kinds of tags that usual_config() takes.
const std::vector<std::vector<Vlan>> &usual_tags();

/// As many of everything as the configuration holds.
bmc_config full_config();
/// The same with a stock memcached as origin: guard of a second, a refresh after 60 s,
/// TCP port 11211 of this network namespace.
bmc_config stock(bmc_config config);

struct Settings {
    bmc_config config = usual_config();
    std::uint32_t clocks = 1024;
    std::uint32_t grants = 1024;
    std::uint32_t buckets = 16;
    std::uint32_t leases = 256;
};

struct Outcome {
    int verdict = 0;
    Bytes frame{};
    bool handed = false; ///< from XDP to TC ingress: marked in front of the frame
};

using Counts = std::map<std::string, std::uint64_t>;

/// Deleter of mapped memory.
struct Unmap {
    std::size_t size = 0;
    void operator()(void *memory) const;
};

class Datapath
{
  public:
    /// More than any reply needs in front of its request when there is room behind.
    static constexpr std::size_t usual_room = 200;

    /// Loads the object under test. Throws Error.
    explicit Datapath(const Settings &settings = {});
    ~Datapath();
    Datapath(const Datapath &) = delete;
    Datapath &operator=(const Datapath &) = delete;

    /// Empty cache, no grants, clocks one tick on, an origin at every endpoint.
    void reset();

    /// Runs rx_filter on the frame, with 0xff in all memory that it must not take
    /// over: the scratch map and `room` bytes in front of the packet. `linear`
    /// bytes of the frame lie in one piece (all, unless given), the rest in
    /// fragments. At TC runs skb_rx_filter, which has no use for either, and gives
    /// its verdicts the names that they have for XDP.
    Outcome rx(const Bytes &frame, std::optional<std::uint32_t> linear = std::nullopt,
               std::size_t room = usual_room);
    /// Runs tx_filter on the frame.
    Outcome tx(const Bytes &frame);
    /// Runs it on the origin's reply with this text, of one datagram or two.
    void tx_reply(std::string_view text);
    /// The same for the second of two datagrams: what the first left stays.
    Outcome tx_next(const Bytes &frame);

    /// What has been counted since the last call, without zeros, and without hit_tc,
    /// which must be hit at TC and nothing elsewhere.
    Counts counts();

    [[nodiscard]] bmc_control &control() const { return *control_; }
    [[nodiscard]] std::uint64_t hash(std::string_view key) const;
    [[nodiscard]] std::uint64_t &clock(std::string_view key) const;
    [[nodiscard]] std::span<std::uint64_t> clocks() const;
    [[nodiscard]] bmc_grant &grant(std::string_view key) const;
    [[nodiscard]] bmc_grant_slot &grant_slot(std::string_view key) const;

    /// Grants as the origin writes them, at the clock and generation of now.
    void grant_value(std::string_view key, std::uint32_t flags, std::string_view value,
                     std::uint64_t deadline_ns = BMC_NO_DEADLINE) const;
    /// The same, with the value's text left in the grant's place.
    void leave_value(std::string_view key, std::uint32_t flags, std::string_view value,
                     std::uint64_t deadline_ns = BMC_NO_DEADLINE) const;
    void grant_absent(std::string_view key) const;
    /// Grants the value, lets the origin's reply with it pass and expects that it
    /// was installed.
    void fill(std::string_view key, std::uint32_t flags, std::string_view value,
              std::uint64_t deadline_ns = BMC_NO_DEADLINE);

    [[nodiscard]] bmc_bucket bucket(std::string_view key) const;
    void set_bucket(std::string_view key, const bmc_bucket &bucket) const;
    /// Entries in all buckets.
    [[nodiscard]] unsigned entries() const;

    /// With a stock memcached.
    [[nodiscard]] bmc_slot &slot(std::string_view key) const;
    [[nodiscard]] std::vector<bmc_lease> leases() const;
    void set_leases(const std::vector<bmc_lease> &leases) const;

    /// Puts a UDP socket of the origin's in the place of an endpoint, or takes the
    /// one that is there out.
    void set_socket(std::uint32_t endpoint, int fd) const;
    void remove_socket(std::uint32_t endpoint) const;
    /// The file descriptor of a map or program, this object's.
    [[nodiscard]] int map_fd(const char *name) const;
    [[nodiscard]] int program_fd(const char *name) const;
    void remove_stage(const char *array, std::uint32_t index) const;
    [[nodiscard]] std::uint32_t verified_instructions(const char *program) const;

  private:
    struct Close {
        void operator()(bpf_object *object) const { bpf_object__close(object); }
    };
    void poison_scratch(const char *name) const;
    Outcome run(int program, const Bytes &frame, std::optional<std::uint32_t> linear) const;
    std::unique_ptr<void, Unmap> map_memory(const char *name, std::size_t size) const;
    [[nodiscard]] bmc_counters total() const;

    Settings settings_;
    std::unique_ptr<bpf_object, Close> object_;
    std::unique_ptr<void, Unmap> control_memory_, clocks_memory_, grants_memory_, slots_memory_;
    bmc_control *control_ = nullptr;
    Fd origin_; ///< a UDP socket
    bmc_counters counted_{};
    int poison_ = -1;
    struct Poison;
    std::unique_ptr<Poison> poison_object_;
};

/// A UDP socket on a free port of the loopback interface. Throws Error.
Fd udp_socket();

/// Whether a byte of the first line of a grant is not under its check word.
constexpr bool is_outside_check(std::size_t offset)
{
    return offset >= offsetof(bmc_grant, text_length) && offset < offsetof(bmc_grant, check);
}

/// CLOCK_MONOTONIC in nanoseconds.
std::uint64_t monotonic_ns();

/// Base of the tests: skips without root, fails instead where CI is promised.
class BpfTest : public testing::Test
{
  protected:
    void SetUp() override;

    /// Shared by the tests of a run, reset before each.
    static Datapath &dp();
};

inline const Mac server_mac = {2, 0, 0, 0, 0, 1};
inline const Mac client_mac = {2, 0, 0, 0, 0, 2};

enum class Family { ipv4, ipv6 };

/// What requests and replies of the tests have around their text.
struct Around {
    Family family = Family::ipv4;
    std::vector<Vlan> tags{};
    std::uint16_t request_id = 0x1234;
    std::optional<std::uint16_t> udp_checksum{};
    std::uint16_t port = 11211;
};

/// A request, with odd TTL, TOS and id, which no reply may take over.
Bytes request(std::string_view text, const Around &around = {});
/// What the kernel must answer; `id` is the free choice of an IPv4 reply.
Bytes reply(std::string_view text, const Around &around = {}, std::uint16_t id = 0,
            std::uint16_t sequence = 0, std::uint16_t total = 1);
/// A reply of the origin on its way out.
Bytes origin_reply(std::string_view text, const MemcachedFrame &frame = {});

/// "VALUE <key> <flags> <bytes>\r\n<value>\r\n"
std::string value_text(std::string_view key, std::uint32_t flags, std::string_view value);

/// Runs the request and expects exactly this reply, byte for byte.
void expect_reply(Datapath &datapath, std::string_view request_text, std::string_view reply_text,
                  const Around &around = {});
/// Runs the frame and expects it to go up as it came, with these counts.
void expect_pass(Datapath &datapath, const Bytes &frame, const Counts &counts);
/// The counts of a request that goes up for one reason.
Counts get_counts(const std::string &reason);

} // namespace bmc::test

#endif
