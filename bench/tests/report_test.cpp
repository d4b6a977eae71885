// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/report.h"

#include <gtest/gtest.h>

namespace loadgen
{
namespace
{

TEST(Report, JsonHasTheFiguresByName)
{
    Options options;
    options.keys = 77;
    Tally tally;
    tally.requests = 12;
    tally.replies = 10;
    tally.completed = 8;
    tally.lost = 2;
    tally.duration_s = 2;
    for (int i = 0; i < 10; i++)
        tally.latency.record(200);

    const nlohmann::json report = report_json(options, tally);
    EXPECT_EQ(report.at("requests"), 12);
    EXPECT_EQ(report.at("lost"), 2);
    EXPECT_EQ(report.at("ops_per_s"), 4.0);
    EXPECT_EQ(report.at("p50_us"), 0.2);
    EXPECT_EQ(report.at("p999_us"), 0.2);
    EXPECT_EQ(report.at("config").at("keys"), 77);
}

TEST(Report, TableGroupsDigits)
{
    Tally tally;
    tally.requests = 1234567;
    tally.replies = 999;
    const std::string table = report_table({}, tally);
    EXPECT_NE(table.find(" 1,234,567\n"), table.npos);
    EXPECT_NE(table.find(" 999\n"), table.npos);
}

TEST(Report, MergeAddsUpAndKeepsTheFirstWrongReplies)
{
    Tally one;
    Tally two;
    one.requests = 3;
    two.requests = 4;
    two.wrong = 5;
    for (int i = 0; i < 3; i++)
        two.wrong_replies.push_back({"k", "reason", std::string(20, 'x')});
    one.wrong_replies.push_back({"k", "first", "\r\n"});
    one.merge(two);
    EXPECT_EQ(one.requests, 7U);
    EXPECT_EQ(one.wrong, 5U);
    EXPECT_EQ(one.wrong_replies.size(), 3U);
    EXPECT_NE(describe_wrong(one).find("wrong reply to get k: first\n  0000  0d 0a "),
              std::string::npos);
}

TEST(Report, HexDump)
{
    EXPECT_EQ(hex_dump(""), "");
    EXPECT_EQ(hex_dump("abc\n"), "  0000  61 62 63 0a                                      abc.\n");
}

} // namespace
} // namespace loadgen
