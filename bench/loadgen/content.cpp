// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loadgen/content.h"

#include "bench/loadgen/random.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <optional>

namespace loadgen
{

namespace
{

constexpr uint32_t max_size = 1U << 20;      // memcached's default item limit
constexpr uint64_t max_weight = 1000000000U; // keeps the sum far from overflow

std::optional<uint64_t> parse_number(std::string_view text, uint64_t limit)
{
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number > limit)
        return std::nullopt;
    return number;
}

uint64_t seed_of(uint64_t index, uint32_t version)
{
    return mix64(mix64(index + 1) + version);
}

} // namespace

Result<SizeDistribution> SizeDistribution::parse(std::string_view text)
{
    SizeDistribution sizes;
    uint64_t weights = 0;

    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(',', begin), text.size());
        const std::string_view part = text.substr(begin, end - begin);
        begin = end + 1;

        const size_t colon = part.find(':');
        const std::string_view range = part.substr(0, colon);
        const auto weight = colon == part.npos ? std::optional<uint64_t>(1)
                                               : parse_number(part.substr(colon + 1), max_weight);
        const size_t dash = range.find('-');
        const auto min = parse_number(range.substr(0, dash), max_size);
        const auto max = dash == range.npos ? min : parse_number(range.substr(dash + 1), max_size);
        if (!weight || *weight == 0 || !min || !max || *min > *max)
            return error("use", fmt::format("value size '{}'", text),
                         fmt::format("give SIZE, MIN-MAX or a list of these with weights, as in "
                                     "32:90,100-500:10; sizes up to {}",
                                     max_size));
        weights += *weight;
        sizes.ranges_.push_back(
            {static_cast<uint32_t>(*min), static_cast<uint32_t>(*max), weights});
    }
    return sizes;
}

uint32_t SizeDistribution::pick(uint64_t random) const
{
    Random numbers(random);
    const uint64_t draw = numbers.below(ranges_.back().weights);
    const auto range = std::find_if(ranges_.begin(), ranges_.end(),
                                    [draw](const Range &r) { return draw < r.weights; });
    return range->min + static_cast<uint32_t>(numbers.below(range->max - range->min + 1ULL));
}

uint32_t SizeDistribution::max() const
{
    return std::max_element(ranges_.begin(), ranges_.end(),
                            [](const Range &a, const Range &b) { return a.max < b.max; })
        ->max;
}

Result<Content> Content::make(uint64_t key_count, uint32_t key_size, SizeDistribution sizes)
{
    const size_t digits = fmt::formatted_size("{}", key_count - 1);
    if (digits > key_size || key_size > max_key_size)
        return error("use", fmt::format("key size {}", key_size),
                     fmt::format("{} keys need at least {} bytes, and memcached takes at most {}",
                                 key_count, digits, max_key_size));
    return Content(key_count, key_size, std::move(sizes));
}

void Content::write_key(uint64_t index, char *out) const
{
    char *at = out + key_size_;

    do {
        *--at = static_cast<char>('0' + index % 10);
        index /= 10;
    } while (index != 0);
    std::memset(out, 'k', static_cast<size_t>(at - out));
}

uint32_t Content::flags(uint64_t index, uint32_t version) const
{
    return static_cast<uint32_t>(mix64(index)) + version;
}

uint32_t Content::version_of(uint64_t index, uint32_t flags) const
{
    return flags - static_cast<uint32_t>(mix64(index));
}

uint32_t Content::value_size(uint64_t index, uint32_t version) const
{
    return sizes_.pick(seed_of(index, version));
}

void Content::write_value(uint64_t index, uint32_t version, char *out) const
{
    const uint32_t size = value_size(index, version);
    Random bytes(~seed_of(index, version));

    for (uint32_t i = 0; i < size; i += 8) {
        const uint64_t word = bytes.next();
        std::memcpy(out + i, &word, sizeof(word));
    }
}

} // namespace loadgen
