// SPDX-License-Identifier: BSD-3-Clause
//
// The three protocols: what is sent, and what is made of the replies.

#include "tests/history/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bmc::test::history
{
namespace
{

using Result = Reply::Result;
using namespace std::string_literals;

/// The result, if the text is a whole reply to the command.
std::optional<Result> result(const Protocol &protocol, const Command &command,
                             std::string_view text)
{
    if (!protocol.is_whole(command, text))
        return std::nullopt;
    const auto reply = protocol.reply(command, text);
    return reply ? std::optional(reply->result) : std::nullopt;
}

TEST(HistoryProtocol, Ascii)
{
    const Command set = {.verb = Verb::set, .key = "k", .data = "abc", .flags = 5, .exptime = 9};
    const Command add = {.verb = Verb::add, .key = "k", .data = "abc", .quiet = true};
    const Command get = {.verb = Verb::gets, .key = "k"};

    EXPECT_EQ(ascii().request(set), "set k 5 9 3\r\nabc\r\n");
    EXPECT_EQ(result(ascii(), set, "STORED\r\n"), Result::done);
    EXPECT_EQ(result(ascii(), set, "STORED"), std::nullopt);
    EXPECT_EQ(result(ascii(), set, "NONSENSE\r\n"), std::nullopt);
    EXPECT_EQ(result(ascii(), set, "SERVER_ERROR out of memory storing object\r\n"), Result::error);

    EXPECT_EQ(ascii().request(add), "add k 0 0 3 noreply\r\nabc\r\nmn\r\n");
    EXPECT_EQ(result(ascii(), add, "MN\r\n"), Result::silent);
    EXPECT_FALSE(ascii().silence_is_success());

    const std::string value = "VALUE k 5 3 77\r\nabc\r\nEND\r\n";
    EXPECT_TRUE(ascii().is_whole(get, value));
    const auto reply = ascii().reply(get, value);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->value, "abc");
    EXPECT_EQ(reply->flags, 5U);
    EXPECT_EQ(reply->cas, 77U);
    EXPECT_EQ(result(ascii(), get, "END\r\n"), Result::missing);
    EXPECT_EQ(result(ascii(), get, "VALUE other 5 3 77\r\nabc\r\nEND\r\n"), std::nullopt);

    // A refused add found something, a refused replace nothing.
    EXPECT_EQ(result(ascii(), {.verb = Verb::add, .key = "k"}, "NOT_STORED\r\n"), Result::refused);
    EXPECT_EQ(result(ascii(), {.verb = Verb::replace, .key = "k"}, "NOT_STORED\r\n"),
              Result::missing);
}

TEST(HistoryProtocol, Meta)
{
    const Command set = {.verb = Verb::add, .key = "k", .data = "abc", .flags = 5, .quiet = true};
    const Command incr = {.verb = Verb::incr, .key = "k", .delta = 3, .initial = 100};
    const Command get = {.verb = Verb::gets, .key = "k"};

    EXPECT_EQ(meta().request(set), "ms k 3 F5 T0 ME q\r\nabc\r\nmn\r\n");
    EXPECT_EQ(result(meta(), set, "MN\r\n"), Result::silent);
    EXPECT_EQ(result(meta(), set, "NS\r\nMN\r\n"), Result::refused);
    EXPECT_EQ(meta().request(incr), "ma k MI D3 v N0 J100\r\nmn\r\n");
    EXPECT_EQ(meta().reply(incr, "VA 3\r\n103\r\nMN\r\n")->value, "103");
    EXPECT_EQ(result(meta(), get, "EN\r\nMN\r\n"), Result::missing);
    const auto reply = meta().reply(get, "VA 3 f5 c77 W Z\r\nabc\r\nMN\r\n");
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->value, "abc");
    EXPECT_EQ(reply->flags, 5U);
    EXPECT_EQ(reply->cas, 77U);
    EXPECT_FALSE(meta().reply(get, "VA 4 f5 c77\r\nabc\r\nMN\r\n"));
}

/// A reply packet with no key.
std::string packet(char opcode, char status, const std::string &extras, const std::string &value)
{
    return "\x81"s + opcode + "\0\0"s + static_cast<char>(extras.size()) + "\0\0"s + status +
           "\0\0\0"s + static_cast<char>(extras.size() + value.size()) + "\0\0\0\0"s +
           "\0\0\0\0\0\0\0\x4d"s + extras + value;
}

TEST(HistoryProtocol, Binary)
{
    const Command get = {.verb = Verb::get, .key = "k"};
    const Command set = {.verb = Verb::set, .key = "k", .data = "abc", .flags = 5, .quiet = true};
    const Command incr = {.verb = Verb::incr, .key = "k", .delta = 3};

    EXPECT_EQ(binary().request(get), "\x80\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0k"s);
    const std::string value = packet(0, 0, "\0\0\0\5"s, "abc");
    EXPECT_FALSE(binary().is_whole(get, value.substr(0, value.size() - 1)));
    EXPECT_TRUE(binary().is_whole(get, value));
    const auto reply = binary().reply(get, value);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->value, "abc");
    EXPECT_EQ(reply->flags, 5U);
    EXPECT_EQ(reply->cas, 77U);
    EXPECT_EQ(result(binary(), get, packet(0, 1, "", "Not found")), Result::missing);

    // Quiet: a no-op behind it, and only that is answered if all went well.
    EXPECT_EQ(binary().request(set).size(), 24U + 8 + 1 + 3 + 24);
    EXPECT_EQ(result(binary(), set, packet(0x0a, 0, "", "")), Result::silent);
    const std::string refused = packet(0x11, 2, "", "exists");
    EXPECT_FALSE(binary().is_whole(set, refused));
    EXPECT_EQ(result(binary(), set, refused + packet(0x0a, 0, "", "")), Result::refused);

    EXPECT_EQ(binary().reply(incr, packet(5, 0, "", "\0\0\0\0\0\0\1\0"s))->value, "256");
}

TEST(HistoryProtocol, Values)
{
    const auto values = parse_values("VALUE a 1 2\r\nxy\r\nVALUE b 0 0\r\n\r\nEND\r\n", false);

    ASSERT_TRUE(values);
    ASSERT_EQ(values->size(), 2U);
    EXPECT_EQ(values->at(0).key, "a");
    EXPECT_EQ(values->at(0).flags, 1U);
    EXPECT_EQ(values->at(0).data, "xy");
    EXPECT_EQ(values->at(1).data, "");
    EXPECT_EQ(parse_values("END\r\n", false)->size(), 0U);
    EXPECT_FALSE(parse_values("VALUE a 1 2\r\nxyz\r\nEND\r\n", false));
    EXPECT_FALSE(parse_values("VALUE a 1 2\r\nxy\r\n", false));
    EXPECT_FALSE(parse_values("", false));
}

} // namespace
} // namespace bmc::test::history
