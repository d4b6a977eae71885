// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/protocol/udp_frame.h"
#include "tests/fuzz/fuzz.h"

using namespace bmc::test;

// The frame header by its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view bytes = input(data, size);

    if (bytes.size() < BMC_FRAME_SIZE)
        return 0;
    const bool is_whole = bytes.substr(2, 6) == std::string_view("\0\0\0\1\0\0", 6);
    for (const Slack slack : all_slacks)
        require((bmc_frame_is_whole(Text(bytes, slack).get()) != 0) == is_whole,
                "a whole message or not");
    return 0;
}
