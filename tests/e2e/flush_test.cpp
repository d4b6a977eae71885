// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc flush` under a living origin: what was cached is asked for again, nothing else.

#include "tests/e2e/fixture.h"

namespace bmc::test
{
namespace
{

class Flush : public E2e
{
  protected:
    /// Does nothing without the cache, where nothing may change either.
    void flush(std::vector<std::string> more = {})
    {
        if (!cached())
            return;
        more.insert(more.begin(), {"flush", "--instance", stand().cache().instance()});
        const Result result = run_bmc(more);
        EXPECT_EQ(result.status, 0) << result.err;
    }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, Flush, without_cache_ipv4, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Flush, with_cache_ipv4, setup_name);

TEST_P(Flush, EveryKeyGoesUpOnce)
{
    const std::string a = cached_key("a", "first");
    const std::string b = cached_key("b", "second");
    const std::string absent = key("absent");
    expect_udp(get(absent), "END\r\n");
    expect_hit(get(absent), "END\r\n");

    flush();
    const Counters growth = during([&] {
        expect_no_hit(get(a), value_reply(a, "first"));
        expect_no_hit(get(b), value_reply(b, "second"));
        expect_no_hit(get(absent), "END\r\n");
    });
    if (cached()) {
        EXPECT_EQ(count(growth, "rx_miss_generation"), 2U);
    }

    expect_hit(get(a), value_reply(a, "first"));
    expect_hit(get(b), value_reply(b, "second"));
    expect_hit(get(absent), "END\r\n");
}

TEST_P(Flush, WhatAStoreLeftIsUseless)
{
    const std::string k = cached_key("k", "old");

    store(k, "new");
    flush();
    expect_no_hit(get(k), value_reply(k, "new"));
    expect_hit(get(k), value_reply(k, "new"));
}

TEST_P(Flush, OneKey)
{
    const std::string a = cached_key("a", "first");
    const std::string b = cached_key("b", "second");

    flush({"--key", a});
    expect_hit(get(b), value_reply(b, "second"));
    const Counters growth = during([&] { expect_no_hit(get(a), value_reply(a, "first")); });
    if (cached()) {
        EXPECT_EQ(count(growth, "rx_miss_clock"), 1U);
    }
    expect_hit(get(a), value_reply(a, "first"));
}

TEST_P(Flush, BetweenAndAfterFlushesOfTheOrigin)
{
    const std::string k = cached_key("k", "value");

    flush();
    expect_tcp("flush_all", "OK");
    flush();
    expect_no_hit(get(k), "END\r\n");
    store(k, "again");
    warm(k, "again");
    expect_tcp("flush_all", "OK");
    expect_no_hit(get(k), "END\r\n");
}

TEST_P(Flush, WithoutAnOrigin)
{
    const std::string k = cached_key("k", "value");

    stand().origin().stop();
    flush();
    stand().start_origin();
    connect();
    expect_udp(get(k), "END\r\n");
    store(k, "new");
    warm(k, "new");
}

} // namespace
} // namespace bmc::test
