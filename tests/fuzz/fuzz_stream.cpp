// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/follower.h"

using namespace bmc::test;

// A stream to a stock memcached, cut into pieces by the first bytes of the input: it is
// read as it is in one piece.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    constexpr std::size_t cuts = 8;
    if (size < cuts)
        return 0;
    const std::string_view stream(reinterpret_cast<const char *>(data) + cuts, size - cuts);

    Follower whole;
    whole.feed(stream);
    for (const Slack slack : all_slacks) {
        Follower pieces(slack);
        for (std::size_t at = 0, i = 0; at < stream.size(); i++) {
            const std::string_view piece = stream.substr(at, 1U + data[i % cuts]);
            pieces.feed(piece);
            at += piece.size();
            const bmc_stream &s = pieces.stream();
            require(s.cursor <= s.length && s.length <= BMC_TEXT_MAX, "the text");
            require(s.state == BMC_STREAM_LOST || s.state == BMC_STREAM_VALUE || s.offset == s.size,
                    "all of the piece is read");
        }
        require(pieces.writes() == whole.writes(), "the same writes");
        require(pieces.is_lost() == whole.is_lost(), "lost or not");
        require(pieces.is_pending() == whole.is_pending(), "in a value or not");
    }
    return 0;
}
