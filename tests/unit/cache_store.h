// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_UNIT_CACHE_STORE_H
#define BMC_TESTS_UNIT_CACHE_STORE_H

#include <bitset>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bmc/bpf/cache.h"
#include "tests/unit/text.h"

namespace bmc::test
{

/// A reply text of exactly `length` bytes for the key, whose value repeats `fill`.
/// length must leave room for the line; lengths that no value gives are refused.
inline std::string text_of_length(std::string_view key, std::size_t length, char fill)
{
    for (std::size_t digits = 1; digits <= 4; digits++) {
        const std::size_t head = 6 + key.size() + 3 + digits + 2 + 2;
        if (length < head)
            break;
        const std::string count = std::to_string(length - head);
        if (count.size() == digits)
            return "VALUE " + std::string(key) + " 0 " + count + "\r\n" +
                   std::string(length - head, fill) + "\r\n";
    }
    throw std::length_error("no value makes a text of this length");
}

/// One bucket of the storage, driven as the programs drive it.
class Store
{
  public:
    struct Found {
        bmc_cache_result result = BMC_CACHE_MISS;
        std::string text{};
        bmc_entry head{};
    };
    struct Filled {
        bmc_fill_result result = BMC_FILL_BUSY;
        std::uint32_t evicted = 0;
    };

    [[nodiscard]] bmc_bucket &bucket() const { return *bucket_; }

    [[nodiscard]] Found copy(std::string_view key, __u64 hash, std::uint32_t key_at = 12,
                             std::uint32_t reply_at = 0) const
    {
        const Text request(std::string(key_at, ' ') + std::string(key), Slack::random);
        auto reply = std::make_unique<bmc_reply>();
        Found found;

        std::memset(reply->byte, 0xa5, sizeof(reply->byte));
        found.result = bmc_cache_copy(bucket_.get(), hash, request.get(), key_at,
                                      static_cast<__u32>(key.size()), reply.get(),
                                      BMC_REPLY_HEADERS + reply_at, &found.head);
        if (found.result == BMC_CACHE_HIT)
            found.text.assign(reinterpret_cast<const char *>(reply->byte) + BMC_REPLY_HEADERS +
                                  reply_at,
                              found.head.length);
        // what stands in front of the place is part of the reply already
        for (std::uint32_t i = 0; i < BMC_REPLY_HEADERS + reply_at; i++)
            if (reply->byte[i] != 0xa5)
                throw std::logic_error("copy wrote in front of its place");
        return found;
    }

    Filled fill(std::string_view key, __u64 hash, std::string_view text, __u64 version,
                std::uint32_t pos = 8, __u64 generation = 2, __u64 deadline = BMC_NO_DEADLINE,
                std::uint32_t seconds = 0)
    {
        const Text source(std::string(pos, '.') + std::string(text), Slack::random);
        bmc_entry head{};
        Filled filled;

        head.version = version;
        head.generation = generation;
        head.deadline_ns = deadline;
        head.length = static_cast<__u16>(text.size());
        head.key_length = static_cast<__u8>(key.size());
        bmc_entry_set_filled(&head, seconds);
        head.sum = bmc_sum_fold(bmc_text_sum(source.get(), pos, static_cast<__u32>(text.size())));
        filled.result =
            bmc_cache_fill(bucket_.get(), hash, &head, source.get(), pos, &filled.evicted);
        return filled;
    }

    void drop(__u64 hash) { bmc_cache_drop(bucket_.get(), hash); }

    /// What is wrong with the bucket's bookkeeping; nothing if all agrees.
    [[nodiscard]] std::optional<std::string> disagreement() const
    {
        const bmc_bucket &b = *bucket_;
        std::bitset<BMC_BUCKET_BLOCKS> blocks;
        std::uint32_t entries = 0;

        if (b.sequence % 2 != 0)
            return "locked";
        for (unsigned way = 0; way < BMC_BUCKET_WAYS; way++) {
            if ((b.tag[way] != 0) != ((b.occupied >> way & 1) != 0))
                return "way " + std::to_string(way) + " is occupied without a tag, or has one free";
            if (b.tag[way] == 0)
                continue;
            entries++;
            if (b.first[way] < BMC_HEADER_BLOCKS || b.first[way] >= BMC_BUCKET_BLOCKS)
                return "way " + std::to_string(way) + " starts outside the bucket";
            bmc_entry head{};
            std::memcpy(&head, reinterpret_cast<const char *>(&b) + b.first[way] * BMC_BLOCK_SIZE,
                        sizeof(head));
            const unsigned end =
                b.first[way] + (sizeof(head) + head.length + BMC_BLOCK_SIZE - 1) / BMC_BLOCK_SIZE;
            if (end > BMC_BUCKET_BLOCKS)
                return "way " + std::to_string(way) + " ends outside the bucket";
            for (unsigned at = b.first[way]; at < end; at++) {
                if (blocks[at])
                    return "block " + std::to_string(at) + " belongs to two entries";
                blocks.set(at);
            }
            for (unsigned other = 0; other < way; other++)
                if (b.tag[other] == b.tag[way])
                    return "two ways have one tag";
        }
        for (unsigned at = 0; at < BMC_BUCKET_BLOCKS; at++)
            if (blocks[at] != ((b.used[at / 64] >> at % 64 & 1) != 0))
                return "used blocks are not those of the entries";
        if (entries != b.entries)
            return "the count of entries is wrong";
        return std::nullopt;
    }

  private:
    std::unique_ptr<bmc_bucket> bucket_ = std::make_unique<bmc_bucket>();
};

/// A hash with this tag. The bits below the tag differ with `salt`, as keys that
/// share a tag differ in them.
constexpr __u64 hash_of_tag(unsigned tag, unsigned salt = 0)
{
    return static_cast<__u64>(tag) << 16 | (salt & 0xffff);
}

} // namespace bmc::test

#endif
