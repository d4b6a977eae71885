// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_VALUE_H
#define BMC_TESTS_HISTORY_VALUE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/history/checker.h"

/*
 * Values that say who wrote them.
 *
 * A text is one base, written by set and the like, and segments that append and
 * prepend put around it. Each part names its key, its writer and the writer's
 * count, so that no two writes make the same text:
 *
 *     [-KEY.STATE]...  [=KEY.STATE.LENGTH]filler  [+KEY.STATE]...
 *
 * (a key that was empty has no base). A counter is a number, 2^62 plus the
 * writer's mark in bits 40 to 61, plus 2^39; incr and decr move it by random
 * amounts up to 2^32, so that the mark stays and no sum comes twice but by a
 * chance that the checker finds out about.
 */
namespace bmc::test::history
{

/// Which of the parts of a text. A part is the State of the write that made it.
enum class Part { base, appended, prepended };

/// A part of a text: unique if a client uses each count once. count > 0.
State part(Part kind, std::uint32_t client, std::uint64_t count);
Part kind_of(State part);

/// How many counters each client may begin, and how many clients there may be.
inline constexpr std::uint64_t counter_limit = 1 << 17;
inline constexpr std::uint32_t client_limit = 32;
/// The number that a counter begins with; count < counter_limit.
State counter(std::uint32_t client, std::uint64_t count);
bool is_counter(State state);
/// What a counter that has come to `state` began with.
State counter_base(State state);
inline constexpr std::uint64_t counter_step_limit = std::uint64_t{1} << 32;

/// A base with `filler` bytes behind it.
std::string base_text(std::size_t key, State base, std::size_t filler);
std::string segment_text(std::size_t key, State segment);
/// The client flags that go with a base; 0 without one and for counters.
std::uint32_t flags_of(State base);

/// The parts of a text in their order, or the one number of a counter; nothing
/// for the empty text, which is nobody's. nullopt if it is not a text that was
/// written to this key with these flags, to the last byte.
std::optional<std::vector<State>> parse_value(std::size_t key, std::uint32_t flags,
                                              std::string_view text);

} // namespace bmc::test::history

#endif
