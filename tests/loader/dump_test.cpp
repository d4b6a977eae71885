// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc dump`, of entries that the test writes into the maps.

#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "bmc/abi/sample.h"
#include "bmc/lib/maps.h"
#include "bmc/protocol/hash.h"
#include "tests/harness/cache.h"
#include "tests/loader/fixture.h"
#include "tests/unit/cache_store.h"

namespace bmc::test
{
namespace
{

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t generation = 6;
constexpr uint64_t second_ns = 1'000'000'000;

class DumpTest : public LoaderTest
{
  protected:
    void SetUp() override
    {
        LoaderTest::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        cache_.emplace(server(), lab().name() + "-dump", std::vector<std::string>{Lab::interface},
                       std::vector<std::string>{"--memory", "1M"});
        set_generation(generation);
    }
    void TearDown() override
    {
        cache_.reset();
        LoaderTest::TearDown();
    }

    /// As the origin would.
    void set_generation(uint64_t value)
    {
        const auto map = open("control", sizeof(bmc_control));
        ASSERT_TRUE(read_first(map, "control", &control_));
        control_.generation = value;
        ASSERT_TRUE(write_first(map.get(), "control", &control_));
    }

    Fd open(const std::string &name, size_t value_size) const
    {
        auto map = open_map(cache_->pins() + "/" + name, BPF_MAP_TYPE_ARRAY, value_size);
        return map ? std::move(*map) : Fd();
    }

    struct Entry {
        std::string key;
        std::string value = "v";
        uint64_t version = 0; ///< what a clock shows that was never ticked
        uint64_t generation = test::generation;
        uint64_t deadline_ns = BMC_NO_DEADLINE;
        uint64_t age = 0; ///< seconds
        bool hit = false;
    };

    /// Puts entries into the bucket with this number.
    void put(uint32_t bucket, const std::vector<Entry> &entries)
    {
        Store store;

        for (const Entry &entry : entries) {
            const uint64_t hash = hash_of(entry.key);
            const std::string text =
                fmt::format("VALUE {} 7 {}\r\n{}\r\n", entry.key, entry.value.size(), entry.value);
            ASSERT_EQ(store
                          .fill(entry.key, hash, text, entry.version, 8, entry.generation,
                                entry.deadline_ns,
                                static_cast<uint32_t>(now_ns() / second_ns - entry.age))
                          .result,
                      BMC_FILL_DONE);
            if (entry.hit) {
                ASSERT_EQ(store.copy(entry.key, hash).result, BMC_CACHE_HIT);
            }
        }
        const Fd map = open("buckets", sizeof(bmc_bucket));
        ASSERT_EQ(bpf_map_update_elem(map.get(), &bucket, &store.bucket(), BPF_ANY), 0);
    }

    uint64_t hash_of(const std::string &key) const
    {
        return bmc_key_hash(control_.seed, key.data(), static_cast<__u32>(key.size()));
    }

    /// Samples of a key, as its hits leave them, and one that is half written.
    void put_samples(const std::string &key, uint32_t count) const
    {
        const auto map = open_map(cache_->pins() + "/" BMC_PIN_KEY_SAMPLES,
                                  BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(bmc_key_sample));
        ASSERT_TRUE(map);
        for (uint32_t i = 0; i <= count; i++) {
            std::vector<bmc_key_sample> values(static_cast<size_t>(libbpf_num_possible_cpus()));
            values[0].hash = hash_of(key) ^ (i == count ? 1 : 0);
            values[0].key_length = static_cast<__u32>(key.size());
            key.copy(reinterpret_cast<char *>(values[0].key), sizeof values[0].key);
            ASSERT_EQ(bpf_map_update_elem(map->get(), &i, values.data(), BPF_ANY), 0);
        }
    }

    /// Advances the clock of a key.
    void tick(const std::string &key) const
    {
        const Fd map = open("clocks", sizeof(__u64));
        const __u32 index = bmc_clock_index(hash_of(key), control_.clock_count);
        const __u64 clock = BMC_CLOCK_TICK | BMC_CLOCK_VISITED;

        ASSERT_EQ(bpf_map_update_elem(map.get(), &index, &clock, BPF_ANY), 0);
    }

    static uint64_t now_ns()
    {
        timespec now = {};
        clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<uint64_t>(now.tv_sec) * second_ns + static_cast<uint64_t>(now.tv_nsec);
    }

    std::string dump(const std::vector<std::string> &more = {}) const
    {
        std::vector<std::string> arguments = {"dump", "--instance", cache_->instance()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const test::Result result = run_bmc(arguments);
        EXPECT_EQ(result.status, 0) << result.err;
        return result.out;
    }

    nlohmann::json json(std::vector<std::string> more = {}) const
    {
        more.emplace_back("--json");
        return nlohmann::json::parse(dump(more));
    }

    /// The keys that `bmc dump` shows, in its order.
    std::vector<std::string> keys(const std::vector<std::string> &more = {}) const
    {
        std::vector<std::string> all;
        const nlohmann::json shown = json(more);
        for (const auto &entry : shown.at("entries"))
            all.push_back(entry.at("key"));
        return all;
    }

    std::optional<Cache> cache_;
    bmc_control control_ = {};
};

TEST_F(DumpTest, EmptyCache)
{
    EXPECT_THAT(dump(), HasSubstr("\n0 entries, 0 of them current\n"));
    EXPECT_EQ(json(), (nlohmann::json{{"instance", cache_->instance()},
                                      {"entries", nlohmann::json::array()},
                                      {"complete", true},
                                      {"busy_buckets", 0}}));
}

TEST_F(DumpTest, SaysWhetherAnEntryIsCurrent)
{
    const uint64_t now = now_ns();
    put(3, {{.key = "fine"},
            {.key = "lives", .deadline_ns = now + 3600 * second_ns},
            {.key = "gone", .deadline_ns = now - 90 * second_ns},
            {.key = "older", .generation = generation - 2},
            {.key = "stale"}});
    tick("stale");
    std::map<std::string, nlohmann::json> entries;
    nlohmann::json shown = json();
    for (const auto &entry : shown.at("entries"))
        entries[entry.at("key")] = entry;

    EXPECT_EQ(entries.size(), 5U);
    for (const auto &[key, state] : std::map<std::string, std::string>{{"fine", "current"},
                                                                       {"lives", "current"},
                                                                       {"gone", "expired"},
                                                                       {"older", "flushed"},
                                                                       {"stale", "written"}}) {
        EXPECT_EQ(entries[key].at("state"), state) << key;
        EXPECT_EQ(entries[key].at("current"), state == "current") << key;
    }
    EXPECT_TRUE(entries["fine"].at("expires_in_ms").is_null());
    EXPECT_LE(entries["gone"].at("expires_in_ms"), -90'000);
    EXPECT_LE(entries["lives"].at("expires_in_ms"), 3'600'000);
    EXPECT_GT(entries["lives"].at("expires_in_ms"), 0);
    EXPECT_THAT(dump(), HasSubstr("\n5 entries, 2 of them current\n"));

    /* During a flush nothing is answered. */
    set_generation(generation + 1);
    shown = json();
    for (const auto &entry : shown.at("entries"))
        EXPECT_EQ(entry.at("current"), false) << entry;
}

TEST_F(DumpTest, ShowsWhatIsStored)
{
    put(0, {{.key = "short", .value = std::string(3, 'x'), .age = 90, .hit = true},
            {.key = "long", .value = std::string(1000, 'x'), .age = BMC_FILLED_MASK - 100}});
    put_samples("long", 3);
    const auto entries = json().at("entries");

    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].at("size"), 3);
    EXPECT_EQ(entries[0].at("flags"), 7);
    EXPECT_EQ(entries[0].at("memory"), BMC_BLOCK_SIZE);
    EXPECT_EQ(entries[0].at("visited"), true);
    EXPECT_EQ(entries[1].at("size"), 1000);
    EXPECT_EQ(entries[1].at("memory"), 17 * BMC_BLOCK_SIZE);
    EXPECT_EQ(entries[1].at("visited"), false);
    EXPECT_GE(entries[0].at("age"), 90);
    EXPECT_LT(entries[0].at("age"), BMC_FILLED_MASK - 100);
    EXPECT_GE(entries[1].at("age"), BMC_FILLED_MASK - 100);
    EXPECT_EQ(entries[0].at("sampled_hits"), 0);
    EXPECT_EQ(entries[1].at("sampled_hits"), 3);
    EXPECT_THAT(dump(), ContainsRegex(
                            "\n       3 +[0-9]+ s           never  current  yes        0  short\n"
                            "    1000 +167771[0-9][0-9] s           never  current  no         3  "
                            "long\n"));
}

TEST_F(DumpTest, KeysAreEscaped)
{
    put(1, {{.key = "a\\b\x7f\xc3\xa9\x1b[2J"}});

    EXPECT_THAT(keys(), ElementsAre("a\\\\b\\x7f\\xc3\\xa9\\x1b[2J"));
    EXPECT_THAT(dump(), HasSubstr("  a\\\\b\\x7f\\xc3\\xa9\\x1b[2J\n"));
}

TEST_F(DumpTest, CanBeNarrowed)
{
    put(0, {{.key = "user:1"}, {.key = "user:12"}, {.key = "group:1"}});
    put(2, {{.key = "user:3"}});

    EXPECT_THAT(keys(), ElementsAre("user:1", "user:12", "group:1", "user:3"));
    EXPECT_THAT(keys({"--match", "user:*"}), ElementsAre("user:1", "user:12", "user:3"));
    EXPECT_THAT(keys({"--match", "user:?"}), ElementsAre("user:1", "user:3"));
    EXPECT_THAT(keys({"--match", "user"}), ElementsAre());
    EXPECT_THAT(keys({"--limit", "2"}), ElementsAre("user:1", "user:12"));
    EXPECT_THAT(keys({"--limit", "0"}), ElementsAre());
    EXPECT_THAT(keys({"--match", "user:?", "--limit", "2"}), ElementsAre("user:1", "user:3"));
    EXPECT_EQ(json({"--limit", "3"}).at("complete"), false);
    EXPECT_EQ(json({"--limit", "4"}).at("complete"), true);
    EXPECT_THAT(dump({"--limit", "1"}),
                HasSubstr("\n1 entry, 1 of them current; there are more\n"));
}

TEST_F(DumpTest, BucketThatIsBeingWrittenIsLeftOut)
{
    put(0, {{.key = "a"}});
    put(1, {{.key = "b"}});
    bmc_bucket bucket = {};
    const Fd map = open("buckets", sizeof(bmc_bucket));
    const __u32 index = 1;
    ASSERT_EQ(bpf_map_lookup_elem(map.get(), &index, &bucket), 0);
    bucket.sequence++;
    ASSERT_EQ(bpf_map_update_elem(map.get(), &index, &bucket, BPF_ANY), 0);

    EXPECT_THAT(keys(), ElementsAre("a"));
    EXPECT_EQ(json().at("busy_buckets"), 1);
    EXPECT_THAT(dump(), HasSubstr("\nnot shown: a bucket that was being written\n"));
}

TEST_F(DumpTest, BadInputIsRefused)
{
    EXPECT_EQ(run_bmc({"dump", "--limit", "-1"}).status, 2);
    EXPECT_EQ(run_bmc({"dump", "--limit", "few"}).status, 2);
    const test::Result result = run_bmc({"dump", "--instance", "nobody"});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("cannot show the instance 'nobody': there is none"));
}

} // namespace
} // namespace bmc::test
