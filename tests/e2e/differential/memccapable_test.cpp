// SPDX-License-Identifier: BSD-3-Clause
//
// memccapable of libmemcached-tools, which checks a server against the text and
// the binary protocol over TCP, passes with the cache attached as without.

#include <gtest/gtest.h>

#include "tests/e2e/fixture.h"
#include "tests/harness/process.h"

namespace bmc::test
{
namespace
{

class Memccapable : public E2e
{
};

INSTANTIATE_TEST_SUITE_P(WithoutCache, Memccapable, without_cache, setup_name);
INSTANTIATE_TEST_SUITE_P(WithCache, Memccapable, with_cache, setup_name);

TEST_P(Memccapable, AllTestsPass)
{
    const std::string before = key("before");
    store(before, "value");
    warm(before, "value");

    const Endpoint to = server();
    const Result result =
        run({"memccapable", "-h", to.address, "-p", std::to_string(to.port)}, &lab().client());
    EXPECT_EQ(result.status, 0);
    EXPECT_NE(result.out.find("All tests passed"), std::string::npos);
    EXPECT_EQ(result.out.find("[FAIL]"), std::string::npos);
    if (HasFailure())
        std::printf("%s%s", result.out.c_str(), result.err.c_str());

    // It has flushed the server more than once.
    expect_udp(get(before), "END\r\n");
    store(before, "after");
    warm(before, "after");
}

} // namespace
} // namespace bmc::test
