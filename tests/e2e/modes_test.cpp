// SPDX-License-Identifier: BSD-3-Clause
//
// The ways to attach besides the preferred ones, native XDP and TCX: generic
// XDP and a clsact filter.

#include "tests/e2e/fixture.h"

namespace bmc::test
{
namespace
{

class OtherModes : public E2e
{
  protected:
    std::vector<std::string> attach_options() const override
    {
        return {"--mode", "generic", "--tc", "clsact"};
    }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, OtherModes, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, OtherModes, with_cache, setup_name);

TEST_P(OtherModes, Row02Writes)
{
    const std::string k = cached_key("k", "10");

    expect_tcp("incr " + k + " 5", "15");
    warm(k, "15");
    expect_udp("set " + k + " 0 0 3\r\nnew\r\n", "STORED\r\n");
    warm(k, "new");
    expect_tcp("delete " + k, "DELETED");
    expect_udp(get(k), "END\r\n");
    expect_hit(get(k), "END\r\n");
}

TEST_P(OtherModes, Row10ValuesOfEverySize)
{
    const std::string k = key("k");

    for (std::size_t size = 0; size <= 1500; size += 61) {
        SCOPED_TRACE(size);
        const std::string value = content(size, static_cast<unsigned>(size), true);

        store(k, value);
        expect_udp(get(k), value_reply(k, value));
        const Counters growth = during([&] {
            expect_udp(get(k), value_reply(k, value));
            expect_udp(get(k), value_reply(k, value));
        });
        if (cached() && size < 100) {
            EXPECT_EQ(count(growth, "hit"), 2U);
        }
    }
}

TEST_P(OtherModes, Row11MultiGet)
{
    std::string request = "get";
    std::string reply;

    for (int n = 1; n <= 20; n++) {
        SCOPED_TRACE(n);
        const std::string k = cached_key("k", "value");

        request += " " + k;
        reply += value_block(k, "value");
        if (n <= 5)
            expect_hit(request + "\r\n", reply + "END\r\n");
        expect_udp(request + "\r\n", reply + "END\r\n");
    }
}

} // namespace
} // namespace bmc::test
