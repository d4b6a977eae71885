// SPDX-License-Identifier: BSD-3-Clause
#include "bench/storage/key_set.h"

#include "bench/loadgen/random.h"
#include "bmc/protocol/hash.h"
#include "bmc/protocol/udp_frame.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace storage
{

namespace
{

constexpr std::string_view command = "VALUE ";
constexpr uint32_t version = 0; // of every value: nothing is stored twice

} // namespace

KeySet::KeySet(const loadgen::Content &content, uint64_t seed) : content_(content)
{
    loadgen::Random random(seed);
    const __u64 hash_seed[2] = {random.next(), random.next()};
    char key[loadgen::max_key_size];

    hashes_.reserve(content.key_count());
    lengths_.reserve(content.key_count());
    for (uint64_t i = 0; i < content.key_count(); i++) {
        const uint32_t size = content.value_size(i, version);

        content.write_key(i, key);
        hashes_.push_back(bmc_key_hash(hash_seed, key, content.key_size()));
        lengths_.push_back(static_cast<uint32_t>(
            command.size() + content.key_size() +
            fmt::formatted_size(" {} {}\r\n\r\n", content.flags(i, version), size) + size));
    }
}

uint32_t KeySet::max_length() const
{
    return *std::max_element(lengths_.begin(), lengths_.end());
}

uint32_t KeySet::blocks(uint32_t key) const
{
    return lengths_[key] > BMC_REPLY_TEXT_MAX ? 0 : bmc_entry_blocks(lengths_[key]);
}

uint64_t KeySet::entry_bytes() const
{
    uint64_t sum = 0;

    for (uint32_t key = 0; key < size(); key++)
        sum += blocks(key);
    return sum * BMC_BLOCK_SIZE;
}

void KeySet::write_key(uint32_t key, uint8_t *out) const
{
    content_.write_key(key, reinterpret_cast<char *>(out));
}

void KeySet::write_text(uint32_t key, bmc_text &out) const
{
    auto *at = reinterpret_cast<char *>(out.byte);

    std::memcpy(at, command.data(), command.size());
    content_.write_key(key, at + command.size());
    fmt::format_to(at + command.size() + content_.key_size(), FMT_STRING(" {} {}\r\n"),
                   content_.flags(key, version), content_.value_size(key, version));
    std::memcpy(at + lengths_[key] - 2, "\r\n", 2);
}

} // namespace storage
