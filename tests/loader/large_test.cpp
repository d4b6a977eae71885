// SPDX-License-Identifier: BSD-3-Clause
//
// Budgets beyond what 32 bits count.

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/abi/bucket.h"
#include "bmc/abi/layout.h"
#include "tests/loader/fixture.h"

namespace bmc::test
{
namespace
{

constexpr uint64_t gib = uint64_t{1} << 30;

class Large : public LoaderTest
{
  protected:
    /// Writes the last element of a map and reads it back; the first must not
    /// have become it.
    static void expect_last_element(const std::string &path, uint32_t count, size_t value_size)
    {
        const Fd map(bpf_obj_get(path.c_str()));
        std::vector<unsigned char> written(value_size, 0xa5);
        std::vector<unsigned char> read(value_size);
        const uint32_t first = 0;
        const uint32_t last = count - 1;

        ASSERT_EQ(bpf_map_update_elem(map.get(), &last, written.data(), BPF_ANY), 0) << path;
        ASSERT_EQ(bpf_map_lookup_elem(map.get(), &last, read.data()), 0) << path;
        EXPECT_EQ(read, written) << path;
        ASSERT_EQ(bpf_map_lookup_elem(map.get(), &first, read.data()), 0) << path;
        EXPECT_EQ(read, std::vector<unsigned char>(value_size, 0)) << path;
        EXPECT_NE(bpf_map_lookup_elem(map.get(), &count, read.data()), 0) << path;
    }
};

TEST_F(Large, EightGibibytesLoad)
{
    constexpr uint64_t budget = 8 * gib;
    const auto available = available_memory();
    ASSERT_TRUE(available) << available.error().line();
    if (*available < budget + gib)
        GTEST_SKIP() << fmt::format("SKIP: needs {} M of free memory, there are {} M",
                                    (budget + gib) >> 20, *available >> 20);

    AttachOptions wanted = options();
    wanted.memory = budget;
    const auto attached = attach_in(server(), wanted);
    ASSERT_TRUE(attached) << attached.error().line();
    EXPECT_GT(attached->split.bytes(), budget - sizeof(bmc_bucket));
    expect_last_element(folder(wanted) + "/buckets", attached->split.bucket_count,
                        sizeof(bmc_bucket));
    expect_last_element(folder(wanted) + "/clocks", attached->split.clock_count, sizeof(__u64));
    expect_last_element(folder(wanted) + "/grants", attached->split.grant_count,
                        sizeof(bmc_grant_slot));
    ASSERT_TRUE(detach_in(server(), wanted));
}

} // namespace
} // namespace bmc::test
