// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_UNIT_TEXT_H
#define BMC_TESTS_UNIT_TEXT_H

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bmc/protocol/scan.h"

namespace bmc::test
{

/// What lies behind a text. Nothing that a scanner returns may depend on it.
enum class Slack { zeros, ones, spaces, digits, line_feeds, random };

inline constexpr std::array all_slacks = {Slack::zeros,  Slack::ones,       Slack::spaces,
                                          Slack::digits, Slack::line_feeds, Slack::random};

/// A bmc_text on the heap, which AddressSanitizer watches the ends of.
class Text
{
  public:
    explicit Text(std::string_view text, Slack slack = Slack::zeros)
        : text_(std::make_unique<bmc_text>())
    {
        if (text.size() > BMC_TEXT_MAX)
            throw std::length_error("text is longer than BMC_TEXT_MAX");
        const auto &rubbish = filler(slack);
        std::memcpy(text_->byte, rubbish.data(), rubbish.size());
        text_->position = 0xffffffff;
        if (!text.empty())
            std::memcpy(text_->byte, text.data(), text.size());
    }

    [[nodiscard]] bmc_text *get() const { return text_.get(); }

  private:
    using Filler = std::array<std::uint8_t, sizeof(bmc_text::byte)>;

    static const Filler &filler(Slack slack)
    {
        static const std::array<Filler, all_slacks.size()> fillers = [] {
            std::array<Filler, all_slacks.size()> made{};
            std::mt19937 random(1);

            made.at(static_cast<std::size_t>(Slack::ones)).fill(0xff);
            made.at(static_cast<std::size_t>(Slack::spaces)).fill(' ');
            made.at(static_cast<std::size_t>(Slack::digits)).fill('1');
            made.at(static_cast<std::size_t>(Slack::line_feeds)).fill('\n');
            for (std::uint8_t &byte : made.at(static_cast<std::size_t>(Slack::random)))
                byte = static_cast<std::uint8_t>(random());
            return made;
        }();

        return fillers.at(static_cast<std::size_t>(slack));
    }

    std::unique_ptr<bmc_text> text_;
};

/// `length` bytes, each one of `alphabet`, or any byte if that is empty.
inline std::string random_string(std::mt19937 &random, std::size_t length,
                                 std::string_view alphabet = {})
{
    std::string text(length, '\0');

    for (char &c : text)
        c = alphabet.empty() ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    return text;
}

} // namespace bmc::test

#endif
