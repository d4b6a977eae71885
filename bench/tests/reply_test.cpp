// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/reply.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>

namespace loadgen
{
namespace
{

constexpr uint64_t key_index = 7;

class ReplyTest : public testing::Test
{
  protected:
    static Content make_content(const char *sizes)
    {
        auto distribution = SizeDistribution::parse(sizes);
        auto content = Content::make(1000, 8, *distribution);
        return *content;
    }

    static std::string header(uint16_t id = 1, uint16_t sequence = 0, uint16_t total = 1,
                              uint16_t reserved = 0)
    {
        std::string bytes(frame_header_size, '\0');
        write_frame_header({id, sequence, total, reserved}, bytes.data());
        return bytes;
    }

    static std::string key(uint64_t index)
    {
        std::string text(8, '\0');
        content.write_key(index, text.data());
        return text;
    }

    static std::string value(uint64_t index, uint32_t version)
    {
        std::string bytes(content.value_size(index, version) + 8, '\0');
        content.write_value(index, version, bytes.data());
        bytes.resize(bytes.size() - 8);
        return bytes;
    }

    static std::string body(uint64_t index, uint32_t version)
    {
        const std::string bytes = value(index, version);
        return fmt::format("VALUE {} {} {}\r\n{}\r\nEND\r\n", key(index),
                           content.flags(index, version), bytes.size(), bytes);
    }

    static Judgement judge(const std::string &datagram, uint32_t oldest = 1, uint32_t newest = 1)
    {
        return judge_get_reply(content, {{key_index, oldest, newest}}, datagram);
    }

    static const Content content;
};

const Content ReplyTest::content = ReplyTest::make_content("5-40");

TEST_F(ReplyTest, FrameHeaderIsInNetworkByteOrder)
{
    const std::string bytes = header(0x0102, 0x0304, 0x0506, 0xf708);
    EXPECT_EQ(bytes, "\x01\x02\x03\x04\x05\x06\xf7\x08");
    const auto read = read_frame_header(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->request_id, 0x0102);
    EXPECT_EQ(read->sequence, 0x0304);
    EXPECT_EQ(read->total, 0x0506);
    EXPECT_EQ(read->reserved, 0xf708);
    EXPECT_FALSE(read_frame_header(bytes.substr(1)));
}

TEST_F(ReplyTest, RequestIsOneGet)
{
    std::string bytes = "before";
    append_get(content, 0xabcd, {{key_index, 1}}, bytes);
    EXPECT_EQ(bytes, "before" + header(0xabcd) + "get kkkkkkk7\r\n");
}

TEST_F(ReplyTest, RequestMayNameSeveralKeys)
{
    std::string bytes;
    append_get(content, 1, {{key_index, 1}, {12, 1}, {key_index, 1}}, bytes);
    EXPECT_EQ(bytes, header() + "get kkkkkkk7 kkkkkk12 kkkkkkk7\r\n");
}

TEST_F(ReplyTest, SeveralKeysAreJudgedInTheirOrder)
{
    const auto without_end = [](const std::string &text) {
        return text.substr(0, text.size() - 5);
    };
    const auto judged = [](const std::string &text) {
        return judge_get_reply(content, {{1, 1, 1}, {2, 1, 2}, {3, 1, 1}}, header() + text);
    };
    const std::string one = without_end(body(1, 1));
    const std::string two = without_end(body(2, 2));
    const std::string three = without_end(body(3, 1));

    const Judgement all = judged(one + two + three + "END\r\n");
    EXPECT_EQ(all.verdict, Verdict::hit);
    EXPECT_EQ(all.hits, 3U);
    EXPECT_EQ(all.misses, 0U);

    const Judgement some = judged(one + three + "END\r\n");
    EXPECT_EQ(some.verdict, Verdict::miss);
    EXPECT_EQ(some.hits, 2U);
    EXPECT_EQ(some.misses, 1U);
    EXPECT_EQ(judged("END\r\n").misses, 3U);

    EXPECT_EQ(judged(two + one + three + "END\r\n").verdict, Verdict::wrong);
    EXPECT_EQ(judged(one + one + "END\r\n").verdict, Verdict::wrong);
    EXPECT_EQ(judged(one + two + three).verdict, Verdict::wrong);
    const Judgement bad = judged(one + without_end(body(2, 3)) + three + "END\r\n");
    EXPECT_EQ(bad.verdict, Verdict::wrong);
    EXPECT_EQ(bad.key, 2U);
}

TEST_F(ReplyTest, RightRepliesPass)
{
    EXPECT_EQ(judge(header() + body(key_index, 1)).verdict, Verdict::hit);
    EXPECT_EQ(judge(header() + "END\r\n").verdict, Verdict::miss);
}

TEST_F(ReplyTest, AnyVersionInTheWindowPasses)
{
    for (uint32_t version = 1; version < 10; version++) {
        const bool right = version >= 3 && version <= 6;
        EXPECT_EQ(judge(header() + body(key_index, version), 3, 6).verdict,
                  right ? Verdict::hit : Verdict::wrong)
            << version;
    }
    EXPECT_EQ(judge(header() + body(key_index, 0), 0, 2).verdict, Verdict::wrong);
}

TEST_F(ReplyTest, WindowMayWrapAround)
{
    EXPECT_EQ(judge(header() + body(key_index, 1), UINT32_MAX, 2).verdict, Verdict::hit);
    EXPECT_EQ(judge(header() + body(key_index, UINT32_MAX), UINT32_MAX, 2).verdict, Verdict::hit);
    EXPECT_EQ(judge(header() + body(key_index, 3), UINT32_MAX, 2).verdict, Verdict::wrong);
}

TEST_F(ReplyTest, BadFrameHeadersAreWrong)
{
    for (const std::string &bad :
         {header(1, 1), header(1, 0, 2), header(1, 0, 0), header(1, 0, 1, 1), std::string("\0", 1)})
        EXPECT_EQ(judge(bad + body(key_index, 1)).verdict, Verdict::wrong);
    EXPECT_EQ(judge("").verdict, Verdict::wrong);
    EXPECT_EQ(judge(header()).verdict, Verdict::wrong);
}

TEST_F(ReplyTest, AnyChangedByteIsWrong)
{
    const std::string right = header() + body(key_index, 1);
    for (size_t at = 2; at < right.size(); at++) { // the id is matched before
        for (int bit = 0; bit < 8; bit++) {
            std::string bad = right;
            bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
            EXPECT_EQ(judge(bad).verdict, Verdict::wrong) << at << " " << bit;
        }
    }
}

TEST_F(ReplyTest, AnyTruncationOrExtensionIsWrong)
{
    const std::string right = header() + body(key_index, 1);
    for (size_t size = 0; size < right.size(); size++)
        EXPECT_EQ(judge(right.substr(0, size)).verdict, Verdict::wrong) << size;
    EXPECT_EQ(judge(right + "\n").verdict, Verdict::wrong);
    EXPECT_EQ(judge(right + "END\r\n").verdict, Verdict::wrong);
    EXPECT_EQ(judge(header() + "END\r\nEND\r\n").verdict, Verdict::wrong);
}

TEST_F(ReplyTest, OtherRepliesAreWrong)
{
    const std::string bytes = value(key_index, 1);
    const uint32_t flags = content.flags(key_index, 1);
    const std::string k = key(key_index);

    for (const std::string &bad : {
             body(key_index + 1, 1), // another key's
             fmt::format("VALUE {} 0{} {}\r\n{}\r\nEND\r\n", k, flags, bytes.size(), bytes),
             fmt::format("VALUE {} {} 0{}\r\n{}\r\nEND\r\n", k, flags, bytes.size(), bytes),
             fmt::format("VALUE {} {} {} 5\r\n{}\r\nEND\r\n", k, flags, bytes.size(), bytes), // cas
             fmt::format("VALUE {}  {} {}\r\n{}\r\nEND\r\n", k, flags, bytes.size(), bytes),
             fmt::format("VALUE {} {} {}\r\n{}\r\nEND\r\n", k, flags, bytes.size() - 1,
                         bytes.substr(1)),
             fmt::format("VALUE {} {} {}\r\n{}\r\n", k, flags, bytes.size(), bytes), // no END
             body(key_index, 1).substr(0, body(key_index, 1).size() - 5) + body(key_index, 1),
             std::string("ERROR\r\n"),
             std::string("SERVER_ERROR out of memory\r\n"),
         })
        EXPECT_EQ(judge(header() + bad).verdict, Verdict::wrong) << bad;
}

TEST_F(ReplyTest, ReasonsNameWhatIsWrong)
{
    EXPECT_EQ(judge(header(1, 0, 2) + body(key_index, 1)).reason, "not datagram 0 of 1");
    EXPECT_EQ(judge(header() + body(key_index + 1, 1)).reason, "another key, or keys out of order");
    EXPECT_EQ(judge(header() + body(key_index, 1), 2, 2).reason,
              "older version than acknowledged before the get (or bad flags)");
    EXPECT_EQ(judge(header() + body(key_index, 2), 1, 1).reason,
              "version that was not stored yet (or bad flags)");
}

TEST(ReplySize, LargestReplyIsBounded)
{
    auto sizes = SizeDistribution::parse("1000");
    auto content = Content::make(1000, 100, *sizes);
    // header, "VALUE ", key, " 4294967295 1000\r\n", value, "\r\nEND\r\n"
    EXPECT_EQ(max_reply_size(*content, 1), 8U + 6 + 100 + 1 + 10 + 1 + 4 + 2 + 1000 + 7);
    EXPECT_EQ(max_reply_size(*content, 2), 8U + 2 * (6 + 100 + 1 + 10 + 1 + 4 + 2 + 1002) + 5);
}

} // namespace
} // namespace loadgen
