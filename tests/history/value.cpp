// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/value.h"

#include <charconv>

#include <fmt/format.h>

namespace bmc::test::history
{

namespace
{

constexpr unsigned kind_shift = 60;
constexpr unsigned client_shift = 40;
constexpr State counter_mark = State{1} << 62;
constexpr State counter_middle = State{1} << 39;
constexpr unsigned counter_shift = 40;

char filler_byte(State base, std::size_t at)
{
    return static_cast<char>('a' + (base + at) % 26);
}

/// Takes what it reads off a text.
class Cursor
{
  public:
    explicit Cursor(std::string_view text) : text_(text) {}

    [[nodiscard]] bool at_end() const { return text_.empty(); }

    bool take(std::string_view expected)
    {
        if (!text_.starts_with(expected))
            return false;
        text_.remove_prefix(expected.size());
        return true;
    }

    template <typename Number>
    bool take_number(Number &number, int radix)
    {
        const auto [end, error] =
            std::from_chars(text_.data(), text_.data() + text_.size(), number, radix);

        if (error != std::errc())
            return false;
        text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
        return true;
    }

    bool take_filler(State base, std::size_t length)
    {
        if (text_.size() < length)
            return false;
        for (std::size_t i = 0; i < length; i++) {
            if (text_[i] != filler_byte(base, i))
                return false;
        }
        text_.remove_prefix(length);
        return true;
    }

  private:
    std::string_view text_;
};

bool take_part(Cursor &cursor, std::size_t key, char sign, State &state)
{
    std::size_t length = 0;

    if (!cursor.take(fmt::format("[{}{}.", sign, key)) || !cursor.take_number(state, 16))
        return false;
    if (sign != '=')
        return cursor.take("]");
    return cursor.take(".") && cursor.take_number(length, 10) && cursor.take("]") &&
           cursor.take_filler(state, length);
}

char sign_of(Part kind)
{
    switch (kind) {
    case Part::base:
        return '=';
    case Part::appended:
        return '+';
    case Part::prepended:
        return '-';
    }
    return '?';
}

std::optional<State> parse_counter(std::string_view text)
{
    State number = 0;
    Cursor cursor(text);

    if (!cursor.take_number(number, 10) || !cursor.at_end() || !is_counter(number))
        return std::nullopt;
    return number;
}

} // namespace

State part(Part kind, std::uint32_t client, std::uint64_t count)
{
    return State{static_cast<unsigned>(kind)} << kind_shift | State{client} << client_shift | count;
}

Part kind_of(State part)
{
    return static_cast<Part>(part >> kind_shift);
}

State counter(std::uint32_t client, std::uint64_t count)
{
    return counter_mark | (client * counter_limit + count) << counter_shift | counter_middle;
}

bool is_counter(State state)
{
    return state >> 62 == 1;
}

State counter_base(State state)
{
    return (state >> counter_shift << counter_shift) | counter_middle;
}

std::string base_text(std::size_t key, State base, std::size_t filler)
{
    std::string text = fmt::format("[={}.{:x}.{}]", key, base, filler);

    for (std::size_t i = 0; i < filler; i++)
        text += filler_byte(base, i);
    return text;
}

std::string segment_text(std::size_t key, State segment)
{
    return fmt::format("[{}{}.{:x}]", sign_of(kind_of(segment)), key, segment);
}

std::uint32_t flags_of(State base)
{
    return is_counter(base) || kind_of(base) != Part::base ? 0 : base & 0xffff;
}

std::optional<std::vector<State>> parse_value(std::size_t key, std::uint32_t flags,
                                              std::string_view text)
{
    std::vector<State> parts;
    std::uint32_t expected_flags = 0;
    State state = 0;
    Cursor cursor(text);

    if (text.empty())
        return parts;
    if (text[0] != '[') {
        const std::optional<State> number = parse_counter(text);
        if (!number || flags != 0)
            return std::nullopt;
        return std::vector{*number};
    }
    while (take_part(cursor, key, '-', state))
        parts.push_back(state);
    if (take_part(cursor, key, '=', state)) {
        parts.push_back(state);
        expected_flags = flags_of(state);
    }
    while (take_part(cursor, key, '+', state))
        parts.push_back(state);
    if (!cursor.at_end() || flags != expected_flags)
        return std::nullopt;
    return parts;
}

} // namespace bmc::test::history
