// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/value.h"
#include "tests/fuzz/fuzz.h"

using namespace bmc::test;

// A reply of VALUEs as update_cache walks it, against the reference.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view bytes = input(data, size);
    const auto end = static_cast<__u32>(bytes.size());

    for (const Slack slack : all_slacks) {
        const Text text(bytes, slack);

        for (__u32 pos = 0; pos <= end;) {
            const reference::Value expected = reference::value_at(bytes, pos);
            bmc_value v{};
            const bmc_value_result result = bmc_value_at(text.get(), pos, end, &v);

            require((result == BMC_VALUE_OK) == (expected.kind == reference::ValueKind::ok),
                    "value found or not");
            require((result == BMC_VALUE_NONE) == (expected.kind == reference::ValueKind::none),
                    "VALUE there or not");
            require(bmc_is_end(text.get(), pos, end) == (bytes.substr(pos) == "END\r\n"), "END");
            if (result != BMC_VALUE_OK)
                break;
            require(v.key_length >= 1 && v.key_length <= BMC_KEY_MAX, "length of the key");
            require(bytes.substr(v.key, v.key_length) == expected.key, "key");
            require(v.flags == expected.flags, "flags");
            require(bytes.substr(v.data, v.data_length) == expected.data, "data");
            require(v.end == expected.end && v.end > pos && v.end <= end, "end");
            pos = v.end;
        }
    }
    return 0;
}
