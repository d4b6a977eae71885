// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc flush` on the shared memory, with an origin at work on it at the same time.

#include "bmc/lib/flush.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "bmc/lib/control.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/mapped_array.h"
#include "bmc/protocol/hash.h"
#include "tests/harness/cache.h"
#include "tests/loader/fixture.h"

namespace bmc::test
{
namespace
{

using testing::HasSubstr;

class FlushTest : public LoaderTest
{
  protected:
    void SetUp() override
    {
        LoaderTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        cache_.emplace(server(), lab().name() + "-flush", std::vector<std::string>{Lab::interface},
                       std::vector<std::string>{"--memory", "1M"});
    }
    void TearDown() override
    {
        cache_.reset();
        LoaderTest::TearDown();
    }

    bmc_control control() const
    {
        const auto control = load_control(cache_->pins());
        EXPECT_TRUE(control);
        return control ? *control : bmc_control{};
    }

    MappedArray map(const std::string &name, size_t value_size) const
    {
        auto array =
            MappedArray::open(cache_->pins() + "/" + name, value_size, MappedArray::Access::write);
        return array ? std::move(*array) : MappedArray();
    }

    std::string flush(std::vector<std::string> more = {}) const
    {
        more.insert(more.begin(), {"flush", "--instance", cache_->instance()});
        const test::Result result = run_bmc(more);
        EXPECT_EQ(result.status, 0) << result.err;
        return result.out;
    }

    std::optional<Cache> cache_;
};

TEST_F(FlushTest, AdvancesTheGenerationByTwo)
{
    const uint64_t before = control().generation;

    EXPECT_EQ(flush(), "flushed '" + cache_->instance() + "': generation " +
                           std::to_string(before + 2) + "\n");
    EXPECT_EQ(control().generation, before + 2);
    EXPECT_EQ(nlohmann::json::parse(flush({"--json"})),
              (nlohmann::json{{"instance", cache_->instance()}, {"generation", before + 4}}));
}

TEST_F(FlushTest, KeyTicksItsClockAndNothingElse)
{
    constexpr std::string_view key = "a\x7f";
    auto clocks = map("clocks", sizeof(__u64));
    __u64 *const words = clocks.writable<__u64>();
    ASSERT_NE(words, nullptr);
    const bmc_control before = control();
    const uint32_t index = bmc_clock_index(
        bmc_key_hash(before.seed, key.data(), static_cast<__u32>(key.size())), clocks.count());
    words[index] = 40 | BMC_CLOCK_VISITED;

    EXPECT_EQ(flush({"--key", "a\\x7f"}),
              "flushed the key 'a\\x7f' of '" + cache_->instance() + "'\n");
    EXPECT_EQ(
        nlohmann::json::parse(flush({"--key", "a\\x7f", "--json"})),
        (nlohmann::json{{"instance", cache_->instance()}, {"key", "a\\x7f"}, {"version", 44}}));
    EXPECT_EQ(words[index], 44 | BMC_CLOCK_VISITED);
    words[index] = 0;
    EXPECT_EQ(std::count(words, words + clocks.count(), 0), clocks.count());
    EXPECT_EQ(control().generation, before.generation);
}

/* An origin that steps from even to odd and back, as fast as it can, until it has often
   come in between. */
TEST(AdvanceGeneration, LosesNoStepOfTheOrigin)
{
    constexpr uint64_t enough = 1'000;
    __u64 generation = 6;
    uint64_t steps = 0;
    uint64_t flushes = 0;
    std::atomic<bool> stop = false;
    std::thread origin([&] {
        for (; !stop; steps++)
            __atomic_fetch_add(&generation, 1, __ATOMIC_SEQ_CST);
    });

    for (uint64_t between = 0; between < enough; flushes++) {
        const __u64 before = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
        between += advance_generation(generation) != before + 2 ? 1 : 0;
    }
    stop = true;
    origin.join();
    EXPECT_EQ(generation, 6 + steps + 2 * flushes);
}

TEST_F(FlushTest, BadInputIsRefused)
{
    const uint64_t before = control().generation;

    for (const std::string key : {"", "two words", "\\x4", "a\\n"}) {
        const test::Result result =
            run_bmc({"flush", "--instance", cache_->instance(), "--key", key});
        EXPECT_EQ(result.status, 2) << key;
        EXPECT_THAT(result.err, HasSubstr("is no key of memcached")) << key;
    }
    EXPECT_EQ(control().generation, before);
    const test::Result result = run_bmc({"flush", "--instance", "nobody"});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("cannot flush the instance 'nobody': there is none"));
}

} // namespace
} // namespace bmc::test
