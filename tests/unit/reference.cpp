// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/reference.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace bmc::test::reference
{

namespace
{

constexpr std::size_t key_max = 250;
constexpr std::size_t text_max = 1488;
constexpr std::size_t digits_max = 10;
constexpr std::size_t spaces_max = 8; // that the scanner walks over

std::uint8_t byte_at(std::string_view text, std::size_t pos)
{
    return static_cast<std::uint8_t>(text.at(pos));
}

bool is_at(std::string_view text, std::size_t pos, char c)
{
    return pos < text.size() && text[pos] == c;
}

// A number as memcached prints it.
bool is_plain(std::string_view text, std::size_t pos, const Number &number)
{
    return number.end == pos + 1 || text.at(pos) != '0';
}

std::size_t skip_spaces(std::string_view text, std::size_t pos)
{
    for (std::size_t i = 0; i < spaces_max && is_at(text, pos, ' '); i++)
        pos++;
    return pos;
}

enum class Form { key, store, meta_store, touch_get };

constexpr std::array<std::pair<std::string_view, Form>, 16> verbs = {{
    {"set ", Form::store},
    {"add ", Form::store},
    {"replace ", Form::store},
    {"append ", Form::store},
    {"prepend ", Form::store},
    {"cas ", Form::store},
    {"delete ", Form::key},
    {"incr ", Form::key},
    {"decr ", Form::key},
    {"touch ", Form::key},
    {"gat ", Form::touch_get},
    {"gats ", Form::touch_get},
    {"ms ", Form::meta_store},
    {"md ", Form::key},
    {"ma ", Form::key},
    {"mg ", Form::key},
}};

// Where the data of a storage command ends; the end of the line if its numbers
// cannot be read.
std::size_t behind_data(std::string_view text, std::size_t at, std::size_t line, int numbers)
{
    std::uint64_t last = 0;

    for (int i = 0; i < numbers; i++) {
        at = skip_spaces(text, at);
        if (is_at(text, at, '-'))
            at++;
        const auto number = number_at(text.substr(0, line), at);
        if (!number || byte_at(text, number->end) > ' ')
            return line;
        last = number->value;
        at = number->end;
    }
    return last > text_max ? text.size() : line + last + 2;
}

} // namespace

std::size_t token_end(std::string_view text, std::size_t pos)
{
    while (pos < text.size() && byte_at(text, pos) > 0x20)
        pos++;
    return pos;
}

std::optional<std::size_t> line_end(std::string_view text, std::size_t pos)
{
    const std::size_t at = text.find('\n', pos);

    if (at == std::string_view::npos)
        return std::nullopt;
    return at + 1;
}

std::optional<Number> number_at(std::string_view text, std::size_t pos)
{
    Number number{0, pos};

    while (number.end < text.size() && number.end - pos < digits_max && text[number.end] >= '0' &&
           text[number.end] <= '9')
        number.value = number.value * 10 + static_cast<std::uint64_t>(text[number.end++] - '0');
    if (number.end == pos)
        return std::nullopt;
    return number;
}

Value value_at(std::string_view text, std::size_t pos)
{
    constexpr std::string_view verb = "VALUE ";
    Value v;

    if (text.substr(pos, verb.size()) != verb)
        return v;
    v.kind = ValueKind::syntax;
    const std::size_t key = pos + verb.size();
    std::size_t at = token_end(text, key);
    if (at == key || at - key > key_max || !is_at(text, at, ' '))
        return v;
    v.key = text.substr(key, at - key);

    const auto flags = number_at(text, at + 1);
    if (!flags || flags->value > 0xffffffffU || !is_plain(text, at + 1, *flags) ||
        !is_at(text, flags->end, ' '))
        return v;
    v.flags = static_cast<std::uint32_t>(flags->value);

    const auto length = number_at(text, flags->end + 1);
    if (!length || !is_plain(text, flags->end + 1, *length) ||
        text.substr(length->end, 2) != "\r\n")
        return v;
    const std::size_t data = length->end + 2;
    if (length->value > text_max || data + length->value + 2 > text.size() ||
        text.substr(data + length->value, 2) != "\r\n")
        return v;
    v.data = text.substr(data, length->value);
    v.end = data + length->value + 2;
    v.kind = ValueKind::ok;
    return v;
}

Command command_at(std::string_view text, std::size_t pos)
{
    Command c;
    const auto line = line_end(text, pos);

    if (!line)
        return c;
    c.kind = CommandKind::other;
    c.next = *line;
    const std::string_view whole = text.substr(0, *line);
    const auto *const verb = std::find_if(verbs.begin(), verbs.end(), [&](const auto &v) {
        return whole.substr(pos, v.first.size()) == v.first;
    });
    if (verb == verbs.end())
        return c;

    std::size_t at = skip_spaces(whole, pos + verb->first.size());
    if (verb->second == Form::touch_get) {
        const std::size_t exptime_end = token_end(whole, at);
        if (exptime_end - at > key_max)
            return c;
        at = skip_spaces(whole, exptime_end);
    }
    const std::size_t key_end = token_end(whole, at);
    if (key_end == at || key_end - at > key_max)
        return c;
    c.kind = CommandKind::write;
    c.key = whole.substr(at, key_end - at);
    if (verb->second == Form::store)
        c.next = behind_data(text, key_end, *line, 3);
    else if (verb->second == Form::meta_store)
        c.next = behind_data(text, key_end, *line, 1);
    return c;
}

std::uint64_t siphash(int rounds, int finalization, const std::uint64_t (&key)[2],
                      std::string_view data, std::uint64_t twist,
                      std::optional<std::uint64_t> prefix)
{
    std::uint64_t v0 = key[0] ^ 0x736f6d6570736575U, v1 = key[1] ^ 0x646f72616e646f6dU ^ twist;
    std::uint64_t v2 = key[0] ^ 0x6c7967656e657261U, v3 = key[1] ^ 0x7465646279746573U;
    const auto scramble = [&](int times) {
        while (times-- > 0) {
            v0 += v1, v2 += v3;
            v1 = std::rotl(v1, 13), v3 = std::rotl(v3, 16);
            v1 ^= v0, v3 ^= v2;
            v0 = std::rotl(v0, 32);
            v2 += v1, v0 += v3;
            v1 = std::rotl(v1, 17), v3 = std::rotl(v3, 21);
            v1 ^= v2, v3 ^= v0;
            v2 = std::rotl(v2, 32);
        }
    };
    const auto absorb = [&](std::uint64_t word) {
        v3 ^= word;
        scramble(rounds);
        v0 ^= word;
    };

    if (prefix)
        absorb(*prefix);
    for (std::size_t i = 0; i <= data.size() / 8; i++) {
        std::uint64_t word = 0;

        for (std::size_t k = 0; k < 8 && 8 * i + k < data.size(); k++)
            word |= static_cast<std::uint64_t>(byte_at(data, 8 * i + k)) << (8 * k);
        if (i == data.size() / 8)
            word |= static_cast<std::uint64_t>(data.size()) << 56;
        absorb(word);
    }
    v2 ^= 0xff;
    scramble(finalization);
    return v0 ^ v1 ^ v2 ^ v3;
}

std::uint16_t internet_sum(std::string_view data)
{
    std::uint32_t sum = 0;

    for (std::size_t i = 0; i < data.size(); i++) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(byte_at(data, i)) << 8 : byte_at(data, i);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(sum);
}

} // namespace bmc::test::reference
