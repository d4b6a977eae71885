// SPDX-License-Identifier: BSD-3-Clause
//
// The ways to attach besides the preferred ones, native XDP and TCX: generic XDP, TC
// ingress without XDP, and clsact filters.

#include "tests/e2e/fixture.h"

namespace bmc::test
{
namespace
{

class OtherModes : public E2e
{
  protected:
    /// Largest value that the kernel must answer.
    virtual std::size_t largest() const = 0;

    void writes();
    void values_of_every_size();
    void multi_get();
};

void OtherModes::writes()
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

// Row 10.
void OtherModes::values_of_every_size()
{
    constexpr std::size_t ipv6_most = 1100; // what fits the MTU that every IPv6 link has

    for (std::size_t size = 0; size <= 1500; size += size == 1342 ? 38 : 61) {
        SCOPED_TRACE(size);
        const std::string k = key("k");
        const std::string value = content(size, static_cast<unsigned>(size), true);

        store(k, value);
        fill(k, value_reply(k, value));
        const Counters growth = during([&] {
            expect_udp(get(k), value_reply(k, value));
            expect_udp(get(k), value_reply(k, value));
        });
        if (cached() && size <= largest() && !(ipv6() && size > ipv6_most)) {
            EXPECT_EQ(count(growth, "hit"), 2U);
        }
    }
}

void OtherModes::multi_get()
{
    std::string request = "get";
    std::string reply;

    for (int n = 1; n <= 20; n++) {
        SCOPED_TRACE(n);
        const std::string k = cached_key("k", "value");

        request += " " + k;
        reply += value_block(k, "value");
        if (n <= 5 || largest() > 1000)
            expect_hit(request + "\r\n", reply + "END\r\n");
        expect_udp(request + "\r\n", reply + "END\r\n");
    }
}

class GenericXdp : public OtherModes
{
  protected:
    std::vector<std::string> attach_options() const override
    {
        return {"--mode", "generic", "--tc", "clsact"};
    }
    std::size_t largest() const override { return 99; }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, GenericXdp, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, GenericXdp, with_cache, setup_name);

TEST_P(GenericXdp, Row02Writes)
{
    writes();
}
TEST_P(GenericXdp, Row10ValuesOfEverySize)
{
    values_of_every_size();
}
TEST_P(GenericXdp, Row11MultiGet)
{
    multi_get();
}

/// TC ingress has room for every reply that the kernel gives.
class TcOnly : public OtherModes
{
  protected:
    std::vector<std::string> attach_options() const override { return {"--mode", "tc"}; }
    std::size_t largest() const override { return 1400; }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, TcOnly, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, TcOnly, with_cache, setup_name);

TEST_P(TcOnly, Row02Writes)
{
    writes();
}
TEST_P(TcOnly, Row10ValuesOfEverySize)
{
    values_of_every_size();
}
TEST_P(TcOnly, Row11MultiGet)
{
    multi_get();
}

class TcOnlyByClsact : public OtherModes
{
  protected:
    std::vector<std::string> attach_options() const override
    {
        return {"--mode", "tc", "--tc", "clsact"};
    }
    std::size_t largest() const override { return 1400; }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, TcOnlyByClsact, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, TcOnlyByClsact, with_cache, setup_name);

TEST_P(TcOnlyByClsact, Row02Writes)
{
    writes();
}
TEST_P(TcOnlyByClsact, Row10ValuesOfEverySize)
{
    values_of_every_size();
}
TEST_P(TcOnlyByClsact, Row11MultiGet)
{
    multi_get();
}

/// As most use it: XDP, and TC ingress for what XDP has no room for.
class XdpThenTc : public OtherModes
{
  protected:
    std::vector<std::string> attach_options() const override { return {}; }
    std::size_t largest() const override { return 1400; }
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, XdpThenTc, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, XdpThenTc, with_cache, setup_name);

TEST_P(XdpThenTc, Row02Writes)
{
    writes();
}
TEST_P(XdpThenTc, Row10ValuesOfEverySize)
{
    values_of_every_size();
}
TEST_P(XdpThenTc, Row11MultiGet)
{
    multi_get();
}

} // namespace
} // namespace bmc::test
