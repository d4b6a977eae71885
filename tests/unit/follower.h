// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_UNIT_FOLLOWER_H
#define BMC_TESTS_UNIT_FOLLOWER_H

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/protocol/stream.h"
#include "tests/unit/text.h"

namespace bmc::test
{

/// Follows a stream with bmc/protocol/stream.h as the kernel program does.
class Follower
{
  public:
    explicit Follower(Slack slack = Slack::zeros) : stream_(std::make_unique<bmc_stream>())
    {
        const Text rubbish("", slack);
        std::memcpy(stream_->text.byte, rubbish.get()->byte, sizeof stream_->text.byte);
    }

    /// Reads the next piece.
    void feed(std::string_view piece)
    {
        bmc_stream *const s = stream_.get();

        bmc_stream_start(s, static_cast<__u32>(piece.size()));
        for (;;) {
            const int event = bmc_stream_next(s);

            if (event == BMC_STREAM_MORE) {
                const __u32 room = bmc_stream_room(s);
                if (room == 0)
                    break;
                std::memcpy(s->text.byte + s->length, piece.data() + s->offset, room);
                s->length += room;
                s->offset += room;
            } else if (event == BMC_STREAM_STRAY) {
                break;
            } else {
                note(event);
            }
        }
    }

    /// Every write so far, as "<key>", with " <exptime>" for each that it names; a flush
    /// as "*".
    [[nodiscard]] const std::vector<std::string> &writes() const { return writes_; }
    [[nodiscard]] bool is_lost() const { return stream_->state == BMC_STREAM_LOST; }
    /// Of a value whose command came in an earlier piece.
    [[nodiscard]] bool is_pending() const { return is_pending_; }
    [[nodiscard]] const bmc_stream &stream() const { return *stream_; }

  private:
    void note(int event)
    {
        const bmc_stream *const s = stream_.get();

        if (event == BMC_STREAM_END)
            is_pending_ = false;
        if (event != BMC_STREAM_WRITE && event != BMC_STREAM_FLUSH)
            return;
        std::string text = "*";
        if (event == BMC_STREAM_WRITE) {
            text.assign(reinterpret_cast<const char *>(s->text.byte) + s->key, s->key_length);
            is_pending_ = bmc_stream_is_cut(s) != 0;
        }
        for (unsigned i = 0; i < s->exptimes; i++)
            text += " " + std::to_string(s->exptime[i]);
        writes_.push_back(std::move(text));
    }

    std::unique_ptr<bmc_stream> stream_;
    std::vector<std::string> writes_;
    bool is_pending_ = false;
};

} // namespace bmc::test

#endif
