// SPDX-License-Identifier: BSD-3-Clause

// How many instructions the verifier walks for each program. instructions.json
// holds the numbers per kernel series, compiler and configuration; to record
// new ones, copy what this test prints.
#include "tests/bpf/datapath.h"

#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>
#include <sys/utsname.h>

namespace bmc::test
{
namespace
{

constexpr std::uint32_t limit = 100000;
constexpr double growth_limit = 1.25;

// "6.18" of "6.18.44-cloud-amd64".
std::string kernel_series()
{
    utsname name{};

    ::uname(&name);
    const std::string release = name.release;
    return release.substr(0, release.find('.', release.find('.') + 1));
}

// Row 32.
TEST_F(BpfTest, InstructionsOfEveryProgram)
{
    const std::string kernel = kernel_series(), compiler = object_under_test().compiler;
    const auto recorded = nlohmann::json::parse(std::ifstream(BMC_INSTRUCTIONS_FILE));
    nlohmann::json found;

    for (const auto &[name, config] :
         {std::pair{"usual", usual_config()}, {"full", full_config()}}) {
        Settings settings;
        settings.config = config;
        settings.clocks = settings.grants = settings.buckets = 4096;
        const Datapath datapath(settings);
        const auto place = nlohmann::json::json_pointer("/" + kernel + "/" + compiler + "/" + name);

        for (const char *program :
             {"rx_filter", "hash_keys", "take_grant", "invalidate", "skb_rx_filter",
              "skb_hash_keys", "skb_take_grant", "skb_invalidate", "tx_filter", "update_cache"}) {
            const std::uint32_t count = datapath.verified_instructions(program);

            found[kernel][compiler][name][program] = count;
            EXPECT_GT(count, 0U) << program;
            EXPECT_LT(count, limit) << program;
            if (recorded.contains(place / program)) {
                EXPECT_LE(count, growth_limit * recorded.at(place / program).get<double>())
                    << program << " with " << compiler << ", " << name << " configuration";
            }
        }
    }
    std::cout << found.dump(4) << "\n";
    if (!recorded.contains(kernel) || !recorded.at(kernel).contains(compiler))
        std::cout << "not recorded yet for Linux " << kernel << " and " << compiler << "\n";
}

} // namespace
} // namespace bmc::test
