// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_UNIT_REFERENCE_H
#define BMC_TESTS_UNIT_REFERENCE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

/*
 * The scanners of bmc/protocol, written again a byte at a time and in the plain
 * way, to compare with. Positions count from the start of the text that is
 * given whole.
 */
namespace bmc::test::reference
{

/// First byte <= 0x20 at or behind pos, or the end of the text.
std::size_t token_end(std::string_view text, std::size_t pos);

/// Behind the first line feed at or behind pos; nothing if there is none.
std::optional<std::size_t> line_end(std::string_view text, std::size_t pos);

struct Number {
    std::uint64_t value = 0;
    std::size_t end = 0;
};

/// The decimal digits at pos, at most ten of them; nothing if there is none.
std::optional<Number> number_at(std::string_view text, std::size_t pos);

enum class ValueKind { ok, none, syntax };

struct Value {
    ValueKind kind = ValueKind::none;
    std::string_view key{};
    std::uint32_t flags = 0;
    std::string_view data{};
    std::size_t end = 0;
};

/// "VALUE <key> <flags> <bytes>\r\n<data>\r\n" at pos.
Value value_at(std::string_view text, std::size_t pos);

enum class CommandKind { other, write, cut };

struct Command {
    CommandKind kind = CommandKind::cut;
    std::string_view key{};
    std::size_t next = 0;
};

/// The command at pos, as bmc/protocol/command.h describes it.
Command command_at(std::string_view text, std::size_t pos);

/// SipHash with `rounds` compression and `finalization` rounds of `data`, from
/// the text of the paper: the state starts as the four constants xor the key.
/// `twist` is xored into v1 and `prefix`, if any, is absorbed first.
std::uint64_t siphash(int rounds, int finalization, const std::uint64_t (&key)[2],
                      std::string_view data, std::uint64_t twist = 0,
                      std::optional<std::uint64_t> prefix = std::nullopt);

/// RFC 1071's sum over 16-bit words in network order, folded, not complemented.
std::uint16_t internet_sum(std::string_view data);

} // namespace bmc::test::reference

#endif
