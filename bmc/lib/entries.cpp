// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/entries.h"

#include <charconv>
#include <cstring>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "bmc/protocol/scan.h"

namespace bmc
{

namespace
{

/// A copy takes less than a microsecond, a fill too: a bucket that is written again
/// and again for so long is not the normal case.
constexpr int copy_tries = 64;

/// Copies what others write, word by word, if it stands still meanwhile (bmc/bpf/cache.h
/// has the rules of the sequence).
bool copy_bucket(const bmc_bucket &from, bmc_bucket &to)
{
    using Word = uint64_t __attribute__((may_alias));
    const auto *const source = reinterpret_cast<const Word *>(&from);
    auto *const target = reinterpret_cast<Word *>(&to);

    for (int i = 0; i < copy_tries; i++) {
        const uint32_t sequence = __atomic_load_n(&from.sequence, __ATOMIC_ACQUIRE);
        if (sequence % 2 != 0)
            continue;
        for (size_t word = 0; word < sizeof from / sizeof(Word); word++)
            target[word] = __atomic_load_n(source + word, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&from.sequence, __ATOMIC_RELAXED) == sequence)
            return true;
    }
    return false;
}

/// Takes a number and the byte behind it off the text.
bool take_number(std::string_view &text, char behind, uint32_t &number)
{
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);

    if (failure != std::errc() || stop == text.data() + text.size() || *stop != behind)
        return false;
    text.remove_prefix(static_cast<size_t>(stop - text.data()) + 1);
    return true;
}

/// The entry that starts at this block; nothing if its head or text makes no sense,
/// which the programs never write.
std::optional<CachedEntry> parse_entry(const bmc_bucket &bucket, uint32_t first)
{
    constexpr std::string_view value = "VALUE ";
    const auto *const bytes = reinterpret_cast<const char *>(&bucket);
    bmc_entry head = {};
    CachedEntry entry;

    if (first < BMC_HEADER_BLOCKS || first >= BMC_BUCKET_BLOCKS)
        return std::nullopt;
    std::memcpy(&head, bytes + size_t{first} * BMC_BLOCK_SIZE, sizeof head);
    if (first + bmc_entry_blocks(head.length) > BMC_BUCKET_BLOCKS)
        return std::nullopt;

    std::string_view text(bytes + size_t{first} * BMC_BLOCK_SIZE + sizeof head, head.length);
    if (!text.starts_with(value) || text.size() <= value.size() + head.key_length ||
        text[value.size() + head.key_length] != ' ')
        return std::nullopt;
    entry.key = text.substr(value.size(), head.key_length);
    text.remove_prefix(value.size() + head.key_length + 1);
    if (!take_number(text, ' ', entry.flags) || !take_number(text, '\r', entry.size) ||
        text.size() != entry.size + std::string_view("\n\r\n").size())
        return std::nullopt;
    entry.memory = bmc_entry_blocks(head.length) * BMC_BLOCK_SIZE;
    entry.text = head.length;
    entry.filled = bmc_entry_filled(&head);
    entry.version = head.version;
    entry.generation = head.generation;
    entry.deadline_ns = head.deadline_ns;
    return entry;
}

} // namespace

bool read_bucket(const bmc_bucket &bucket, std::vector<CachedEntry> &entries)
{
    bmc_bucket copy;

    if (!copy_bucket(bucket, copy))
        return false;
    for (uint32_t way = 0; way < BMC_BUCKET_WAYS; way++) {
        if (copy.tag[way] == 0)
            continue;
        if (auto entry = parse_entry(copy, copy.first[way])) {
            entry->visited = (copy.visited >> way & 1) != 0;
            entries.push_back(std::move(*entry));
        }
    }
    return true;
}

std::string escape_key(std::string_view key)
{
    std::string text;

    for (const char c : key) {
        if (c == '\\')
            text += "\\\\";
        else if (c > ' ' && c <= '~')
            text += c;
        else
            fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
    }
    return text;
}

std::optional<std::string> unescape_key(std::string_view text)
{
    constexpr size_t digits = 2;
    std::string key;

    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c != '\\') {
            key += c;
        } else if (text.starts_with('\\')) {
            key += c;
            text.remove_prefix(1);
        } else {
            uint8_t byte = 0;
            if (!text.starts_with('x') || text.size() < 1 + digits)
                return std::nullopt;
            const char *const end = text.data() + 1 + digits;
            const auto [stop, failure] = std::from_chars(text.data() + 1, end, byte, 16);
            if (failure != std::errc() || stop != end)
                return std::nullopt;
            key += static_cast<char>(byte);
            text.remove_prefix(1 + digits);
        }
    }
    constexpr std::string_view none_of_a_key(" \r\n\0", 4);
    if (key.empty() || key.size() > BMC_KEY_MAX ||
        key.find_first_of(none_of_a_key) != std::string::npos)
        return std::nullopt;
    return key;
}

} // namespace bmc
