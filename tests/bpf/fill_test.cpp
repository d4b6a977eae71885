// SPDX-License-Identifier: BSD-3-Clause

// Which replies of the origin are installed. None is ever changed or held back.
#include "tests/bpf/datapath.h"

#include "bmc/bpf/cache.h"

namespace bmc::test
{
namespace
{

class Fill : public BpfTest
{
  protected:
    // Lets the frame out and expects it unchanged, with these counts.
    static void expect_out(const Bytes &frame, const Counts &counts)
    {
        dp().counts();
        const auto [verdict, after, handed] = dp().tx(frame);

        EXPECT_EQ(verdict, go_on);
        EXPECT_EQ(after, frame);
        EXPECT_EQ(dp().counts(), counts);
    }
    static void expect_out(std::string_view text, const Counts &counts)
    {
        SCOPED_TRACE(text);
        expect_out(origin_reply(text), counts);
    }
    static Counts reply_counts(const std::string &reason)
    {
        return {{"tx_replies", 1}, {reason, 1}};
    }
};

TEST_F(Fill, MatchingGrant)
{
    dp().grant_value("key", 7, "value");
    expect_out("VALUE key 7 5\r\nvalue\r\nEND\r\n", reply_counts("fill_keys"));
    expect_reply(dp(), "get key\r\n", "VALUE key 7 5\r\nvalue\r\nEND\r\n");
    expect_out("VALUE key 7 5\r\nvalue\r\nEND\r\n", reply_counts("fill_same_keys"));
    dp().clock("key") += BMC_CLOCK_TICK;
    dp().grant_value("key", 7, "value");
    expect_out("VALUE key 7 5\r\nvalue\r\nEND\r\n", reply_counts("fill_keys"));
    EXPECT_EQ(dp().entries(), 1U);
}

TEST_F(Fill, OverIpv6AndTagsToo)
{
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        for (const std::vector<Vlan> &tags : usual_tags()) {
            const Around around{.family = family, .tags = tags};
            dp().reset();
            dp().grant_value("key", 7, "value");
            expect_out(reply("VALUE key 7 5\r\nvalue\r\nEND\r\n", around),
                       reply_counts("fill_keys"));
            expect_reply(dp(), "get key\r\n", "VALUE key 7 5\r\nvalue\r\nEND\r\n", around);
        }
    }
}

TEST_F(Fill, OtherTraffic)
{
    const Counts other{{"tx_other", 1}};
    const std::string_view text = "VALUE key 0 5\r\nvalue\r\nEND\r\n";
    const Ethernet ethernet{.destination = client_mac, .source = server_mac};
    const Udp udp{.source_port = 11211, .destination_port = 40000};

    dp().grant_value("key", 0, "value");
    for (const Packet &packet :
         {Packet(ethernet) / Layer(Payload{Bytes(28)}),
          Packet(ethernet) / Ipv4{.protocol = 6} / udp / MemcachedFrame{} / text,
          Packet(ethernet) / Ipv4{} / Udp{.source_port = 40000} / MemcachedFrame{} / text,
          Packet(ethernet) / Ipv4{} / Udp{.source_port = 11212} / MemcachedFrame{} / text,
          Packet(ethernet) / Ipv4{.more_fragments = true} / udp / MemcachedFrame{} / text,
          Packet(ethernet) / Ipv4{.fragment_offset = 3} / udp / MemcachedFrame{} / text,
          Packet(ethernet) / Ipv4{.options = Bytes(4)} / udp / MemcachedFrame{} / text,
          Packet(ethernet) / Ipv6{} / Ipv6Extension{} / udp / MemcachedFrame{} / text,
          Packet(ethernet) / Ipv4{} / Udp{.source_port = 11211, .length = 20} / MemcachedFrame{} /
              text,
          Packet(ethernet) / Ipv4{.total_length = 200} / udp / MemcachedFrame{} / text})
        expect_out(packet.build(), other);
    EXPECT_EQ(dp().entries(), 0U);
}

TEST_F(Fill, LengthsThatAreNotLookedAt)
{
    const Ethernet ethernet{.destination = client_mac, .source = server_mac};
    const Udp udp{.source_port = 11211, .destination_port = 40000};

    expect_out((Packet(ethernet) / Ipv4{} / udp).build(), reply_counts("tx_pass_length"));
    expect_out((Packet(ethernet) / Ipv4{} / udp / MemcachedFrame{}).build(),
               reply_counts("tx_pass_length"));
    expect_out(origin_reply(std::string(1465, 'x')), reply_counts("tx_pass_length"));
    expect_out(origin_reply(std::string(1464, 'x')), reply_counts("tx_pass_no_value"));
}

// Row 19: a datagram of a longer reply, whatever its text looks like.
TEST_F(Fill, PartsOfALongerReply)
{
    const std::string_view text = "VALUE victim 0 4\r\nEVIL\r\nEND\r\n";

    dp().grant_value("victim", 0, "EVIL"); // even then
    for (const MemcachedFrame &frame :
         {MemcachedFrame{1, 0, 2, 0}, MemcachedFrame{1, 1, 2, 0}, MemcachedFrame{1, 1, 1, 0},
          MemcachedFrame{1, 0, 0, 0}, MemcachedFrame{1, 0, 1, 1}})
        expect_out(origin_reply(text, frame), reply_counts("tx_pass_sequence"));
    EXPECT_EQ(dp().entries(), 0U);
}

TEST_F(Fill, RepliesWithoutValues)
{
    for (const std::string_view text :
         {"END\r\n", "STORED\r\n", "ERROR\r\n", "SERVER_ERROR out of memory\r\n", "HD\r\n",
          "VA 5 \r\nvalue\r\n", "V", "\r\n"})
        expect_out(text, reply_counts("tx_pass_no_value"));
    // Row 17: a reply to gets must not become one to get.
    dp().grant_value("key", 0, "value");
    for (const std::string_view text :
         {"VALUE key 0 5 77\r\nvalue\r\nEND\r\n", "VALUE key 0 5\r\nvalue\r\n",
          "VALUE key 0 5\r\nvalue\r\nEND", "VALUE key 0 5\r\nval", "VALUE key 0 5\r\nvalueXX",
          "VALUE key 0 6\r\nvalue\r\nEND\r\n", "VALUE key 0 4\r\nvalue\r\nEND\r\n", "VALUE key\r\n",
          "VALUE", "VALUE ", "VALUES", "VALUE key  0 5\r\nvalue\r\nEND\r\n"}) {
        dp().counts();
        const Bytes frame = origin_reply(text);
        const auto out = dp().tx(frame);
        EXPECT_EQ(out.verdict, go_on);
        EXPECT_EQ(out.frame, frame);
        const Counts counted = dp().counts();
        EXPECT_TRUE(counted.contains("tx_pass_syntax")) << text;
    }
    // the value itself was whole and granted in two of them: it may be there, but
    // nothing else
    EXPECT_LE(dp().entries(), 1U);
    if (dp().entries() == 1)
        expect_reply(dp(), "get key\r\n", "VALUE key 0 5\r\nvalue\r\nEND\r\n");
}

TEST_F(Fill, NothingIsInstalledFromARequestForMore)
{
    dp().grant_value("key", 0, "value");
    expect_out("VALUE key 0 5 77\r\nvalue\r\nEND\r\n", reply_counts("tx_pass_syntax"));
    EXPECT_EQ(dp().entries(), 0U);
}

// The bytes must be those that the origin granted.
TEST_F(Fill, WrongContent)
{
    const Counts refused = reply_counts("fill_no_grant_keys");

    expect_out("VALUE key 0 5\r\nvalue\r\nEND\r\n", refused); // no grant at all
    dp().grant_value("key", 0, "value");
    expect_out("VALUE key 0 5\r\nVALUE\r\nEND\r\n", refused);
    expect_out("VALUE key 1 5\r\nvalue\r\nEND\r\n", refused);
    expect_out("VALUE key 0 6\r\nvalue!\r\nEND\r\n", refused);
    expect_out("VALUE key 0 4\r\nvalu\r\nEND\r\n", refused);
    expect_out("VALUE key 0 0\r\n\r\nEND\r\n", refused);
    expect_out("VALUE yek 0 5\r\nvalue\r\nEND\r\n", refused);
    for (std::size_t at = 0; at < 5; at++) {
        std::string value = "value";
        value[at] ^= 0x01;
        expect_out("VALUE key 0 5\r\n" + value + "\r\nEND\r\n", refused);
    }
    dp().grant_absent("key");
    expect_out("VALUE key 0 0\r\n\r\nEND\r\n", refused);
    EXPECT_EQ(dp().entries(), 0U);
}

// Two keys whose grants share a place and whose values are equal.
TEST_F(Fill, GrantOfAnotherKey)
{
    std::string other;

    for (unsigned i = 0; other.empty(); i++) {
        const std::string candidate = "other" + std::to_string(i);
        if (&dp().grant(candidate) == &dp().grant("key"))
            other = candidate;
    }
    dp().grant_value("key", 0, "value");
    expect_out(value_text(other, 0, "value") + "END\r\n", reply_counts("fill_no_grant_keys"));
    expect_out(value_text("key", 0, "value") + "END\r\n", reply_counts("fill_keys"));
}

TEST_F(Fill, EveryBitOfTheGrantCounts)
{
    const std::string_view text = "VALUE key 0 5\r\nvalue\r\nEND\r\n";

    dp().grant_value("key", 0, "value");
    const bmc_grant good = dp().grant("key");
    for (std::size_t bit = 0; bit < 8 * sizeof(bmc_grant); bit++) {
        if (is_outside_check(bit / 8))
            continue;
        bmc_grant bad = good;
        reinterpret_cast<std::uint8_t *>(&bad)[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        dp().grant("key") = bad;
        expect_out(text, reply_counts("fill_no_grant_keys"));
    }
    dp().grant("key") = good;
    expect_out(text, reply_counts("fill_keys"));
}

TEST_F(Fill, GrantFromBeforeAWriteOrFlush)
{
    const std::string_view text = "VALUE key 0 5\r\nvalue\r\nEND\r\n";
    const Counts stale = reply_counts("fill_stale_keys");

    dp().grant_value("key", 0, "value");
    dp().clock("key") += BMC_CLOCK_TICK;
    expect_out(text, stale);
    dp().clock("key") -= 2 * BMC_CLOCK_TICK;
    expect_out(text, stale);
    dp().clock("key") += BMC_CLOCK_TICK;
    dp().control().generation++;
    expect_out(text, stale);
    dp().control().generation++;
    expect_out(text, stale);
    EXPECT_EQ(dp().entries(), 0U);
    dp().control().generation -= 2;
    expect_out(text, reply_counts("fill_keys"));
}

// A new value replaces the old one; an old reply that comes late does not come
// back, whatever its grant was.
TEST_F(Fill, LateRepliesOfOldValues)
{
    dp().fill("key", 0, "old");
    dp().clock("key") += BMC_CLOCK_TICK;
    dp().grant_value("key", 0, "new");
    expect_out("VALUE key 0 3\r\nold\r\nEND\r\n", reply_counts("fill_no_grant_keys"));
    expect_pass(dp(), request("get key\r\n"), get_counts("rx_miss_clock"));
    expect_out("VALUE key 0 3\r\nnew\r\nEND\r\n", reply_counts("fill_keys"));
    expect_out("VALUE key 0 3\r\nold\r\nEND\r\n", reply_counts("fill_no_grant_keys"));
    expect_reply(dp(), "get key\r\n", "VALUE key 0 3\r\nnew\r\nEND\r\n");
}

TEST_F(Fill, ManyValues)
{
    std::string text, line = "get";
    Counts counts{{"tx_replies", 1}, {"fill_keys", 32}};

    for (int i = 0; i < 32; i++) {
        const std::string key = "k" + std::to_string(i), value(static_cast<std::size_t>(i), 'v');
        dp().grant_value(key, 0, value);
        text += value_text(key, 0, value);
    }
    ASSERT_LE(text.size(), 1400U);
    for (int i = 0; i < 32; i++)
        ASSERT_EQ(dp().grant("k" + std::to_string(i)).key_hash, dp().hash("k" + std::to_string(i)))
            << "two of the keys share a grant: choose others";
    expect_out(text + "END\r\n", counts);
    EXPECT_EQ(dp().entries(), 32U);
    for (int i = 0; i < 32; i++) {
        const std::string key = "k" + std::to_string(i), value(static_cast<std::size_t>(i), 'v');
        expect_reply(dp(), "get " + key + "\r\n", value_text(key, 0, value) + "END\r\n");
    }

    // only those of a reply that are granted
    dp().reset();
    dp().grant_value("k1", 0, "v");
    expect_out(text + "END\r\n", {{"tx_replies", 1}, {"fill_keys", 1}, {"fill_no_grant_keys", 31}});
    expect_reply(dp(), "get k1\r\n", "VALUE k1 0 1\r\nv\r\nEND\r\n");
}

TEST_F(Fill, MoreValuesThanOnePassTakes)
{
    std::string text;

    for (int i = 0; i < 60; i++)
        text += value_text("k", 0, "");
    dp().grant_value("k", 0, "");
    const Bytes frame = origin_reply(text + "END\r\n");
    dp().counts();
    const auto out = dp().tx(frame);
    EXPECT_EQ(out.verdict, go_on);
    EXPECT_EQ(out.frame, frame);
    const Counts counted = dp().counts();
    EXPECT_EQ(counted.at("fill_keys"), 1U);
    EXPECT_EQ(counted.at("tx_replies"), 1U);
    EXPECT_EQ(counted.at("tx_pass_values"), 1U);
    EXPECT_EQ(counted.count("tx_pass_tail_call"), 0U);
    expect_reply(dp(), "get k\r\n", "VALUE k 0 0\r\n\r\nEND\r\n");
}

// Rows 6, 16 and 19: values that look like replies or end lines early.
TEST_F(Fill, ValuesThatLookLikeReplies)
{
    dp().grant_value("victim", 0, "EVIL");
    dp().grant("victim").check++; // what the value says must not matter
    for (const std::string_view value :
         {"ab\ncd", "ab\r\ncd", "\r\n", "END\r\n", "x\r\nEND\r\n", "\n\n\n\n",
          "VALUE victim 0 4\r\nEVIL\r\n", "x\r\nVALUE victim 0 4\r\nEVIL\r\nEND\r\n"}) {
        dp().clock("key") += BMC_CLOCK_TICK;
        dp().fill("key", 0, value);
        expect_reply(dp(), "get key\r\n", value_text("key", 0, value) + "END\r\n");
        EXPECT_EQ(dp().entries(), 1U);
        dp().counts();
        expect_pass(dp(), request("get victim\r\n"), get_counts("rx_miss"));
    }
}

TEST_F(Fill, BucketIsBeingWritten)
{
    bmc_bucket bucket = dp().bucket("key");

    bucket.sequence = 5;
    dp().set_bucket("key", bucket);
    dp().grant_value("key", 0, "value");
    expect_out("VALUE key 0 5\r\nvalue\r\nEND\r\n", reply_counts("fill_busy_keys"));
    EXPECT_EQ(dp().bucket("key").sequence, 5U);
    EXPECT_EQ(dp().entries(), 0U);
}

TEST_F(Fill, EvictionIsCounted)
{
    Settings one_bucket;
    one_bucket.buckets = 1;
    Datapath datapath(one_bucket);
    std::uint64_t evicted = 0;
    unsigned filled = 0;

    for (unsigned i = 0; i < 100; i++) {
        const std::string key = "k" + std::to_string(i), value(i * 11 % 700, 'v');
        const unsigned before = datapath.entries();
        datapath.grant_value(key, 0, value);
        datapath.counts();
        datapath.tx(origin_reply(value_text(key, 0, value) + "END\r\n"));
        const Counts counts = datapath.counts();
        ASSERT_EQ(counts.at("fill_keys"), 1U);
        filled++;
        const std::uint64_t now = counts.contains("evict_keys") ? counts.at("evict_keys") : 0;
        evicted += now;
        ASSERT_EQ(datapath.entries(), before + 1 - now);
        expect_reply(datapath, "get " + key + "\r\n", value_text(key, 0, value) + "END\r\n");
        ASSERT_FALSE(HasFailure()) << i;
    }
    EXPECT_EQ(datapath.entries(), filled - evicted);
    EXPECT_GT(evicted, 50U);
}

TEST_F(Fill, StageThatIsNotThere)
{
    dp().grant_value("key", 0, "value");
    dp().remove_stage("tx_stages", 0);
    expect_out("VALUE key 0 5\r\nvalue\r\nEND\r\n", reply_counts("tx_pass_tail_call"));
    EXPECT_EQ(dp().entries(), 0U);
}

TEST_F(Fill, Largest)
{
    const std::string value(1400 - 8 - 5 - 2 - 18, 'v');

    dp().grant_value("key", 0, value);
    const std::string text =
        "VALUE key 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    ASSERT_EQ(8 + text.size() + 5, 1400U);
    expect_out(text + "END\r\n", reply_counts("fill_keys"));
    expect_reply(dp(), "get key\r\n", text + "END\r\n");
    // a datagram longer than memcached's is none of its
    dp().clock("key") += BMC_CLOCK_TICK;
    dp().grant_value("key", 0, value + "v");
    expect_out(value_text("key", 0, value + "v") + "END\r\n", reply_counts("fill_keys"));
}

} // namespace
} // namespace bmc::test
