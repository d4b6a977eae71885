// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/digest.h"
#include "tests/fuzz/fuzz.h"

using namespace bmc::test;

// The words of a get as hash_keys takes them, every number and line on the way,
// and the digests of every token, against the reference.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view bytes = input(data, size);
    const auto end = static_cast<__u32>(bytes.size());
    const std::uint64_t seed[2] = {0x0123456789abcdef, 0x8000000000000001};
    const __u64 as_abi[2] = {seed[0], seed[1]};

    for (const Slack slack : all_slacks) {
        const Text text(bytes, slack);

        for (__u32 pos = 0; pos <= end; pos++) {
            const std::size_t token = reference::token_end(bytes, pos);
            const __u32 found = bmc_token_end(text.get(), pos, end);

            if (token - pos > BMC_KEY_MAX) {
                require(found > pos + BMC_KEY_MAX && found <= pos + 8 * BMC_KEY_WORDS,
                        "a token that is too long");
            } else {
                require(found == token, "end of the token");
                const std::string_view key = bytes.substr(pos, token - pos);
                require(bmc_text_key_hash(as_abi, text.get(), pos, found - pos) ==
                            reference::siphash(1, 3, seed, key),
                        "hash of a key");
                require(bmc_sum_fold(bmc_text_sum(text.get(), pos, found - pos)) % 0xffff ==
                            bmc_sum_swap(reference::internet_sum(key)) % 0xffff,
                        "sum of a key");
            }
            require(bmc_line_end(text.get(), pos, end) ==
                        reference::line_end(bytes, pos).value_or(0),
                    "end of the line");
            const auto number = reference::number_at(bytes, pos);
            const bmc_number n = bmc_number_at(text.get(), pos);
            // a number that reaches the end may go on behind it: callers look at n.end
            if (number && number->end == end)
                require(n.end >= end, "number at the end");
            else if (pos < end)
                require(n.end == (number ? number->end : pos) &&
                            n.value == (number ? number->value : 0),
                        "number");
            if (pos < end && found == pos)
                continue;
            pos = std::max(pos, std::min(found, end));
        }
    }
    return 0;
}
