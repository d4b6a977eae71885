// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/command.h"
#include "tests/fuzz/fuzz.h"

using namespace bmc::test;

// A datagram of commands as invalidate walks it, against the reference.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view bytes = input(data, size);
    const auto end = static_cast<__u32>(bytes.size());

    for (const Slack slack : all_slacks) {
        const Text text(bytes, slack);

        for (__u32 pos = 0; pos < end;) {
            const reference::Command expected = reference::command_at(bytes, pos);
            bmc_command c{};
            const bmc_command_kind kind = bmc_command_at(text.get(), pos, end, &c);

            require((kind == BMC_COMMAND_CUT) == (expected.kind == reference::CommandKind::cut),
                    "cut or not");
            if (kind == BMC_COMMAND_CUT)
                break;
            require((kind == BMC_COMMAND_WRITE) == (expected.kind == reference::CommandKind::write),
                    "a write or not");
            if (kind == BMC_COMMAND_WRITE) {
                require(c.key_length >= 1 && c.key_length <= BMC_KEY_MAX, "length of the key");
                require(c.key >= pos && c.key + c.key_length <= end, "the key is in the text");
                require(bytes.substr(c.key, c.key_length) == expected.key, "key");
            }
            require(c.next == expected.next, "next command");
            require(c.next > pos, "the walk gets on");
            pos = c.next;
        }
    }
    return 0;
}
