// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_HISTORY_PROTOCOL_H
#define BMC_TESTS_HISTORY_PROTOCOL_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/*
 * The commands of memcached in its three protocols. A request ends in a command
 * that is always answered, also where the one before is not (noreply, quiet
 * forms): so every request has a reply, and when that has come the command is
 * known to be over.
 */
namespace bmc::test::history
{

enum class Verb {
    get,
    gets, ///< get with the cas unique
    set,
    add,
    replace,
    append,
    prepend,
    cas,
    incr,
    decr,
    remove, ///< delete, md
    touch,
    gat,
    vivify,     ///< mg N: get, and on a miss create an empty item
    invalidate, ///< md I: mark as stale, which get does not show
    empty,      ///< md x: keep the item, drop its value
    flush,      ///< flush_all
};

struct Command {
    Verb verb = Verb::get;
    std::string key{};
    std::string data{};
    std::uint32_t flags = 0;
    std::int32_t exptime = 0; ///< in seconds; negative: over at once; of flush: the delay
    std::uint64_t cas = 0;
    std::uint64_t delta = 0;
    std::optional<std::uint64_t> initial{}; ///< incr, decr: create with this number on a miss
    bool create = false;                    ///< append: create on a miss
    bool quiet = false;
};

struct Reply {
    enum class Result {
        done,
        missing, ///< nothing is there: NOT_FOUND, NF, a refused replace or append
        refused, ///< something is there: EXISTS, a refused add
        silent,  ///< the command was quiet and said nothing
        error,   ///< memcached could not do it, or would not
    };

    Result result = Result::error;
    std::uint32_t flags = 0;
    std::string value{}; ///< of get and gat; of incr and decr, the number
    std::uint64_t cas = 0;
};

class Protocol
{
  public:
    Protocol() = default;
    Protocol(const Protocol &) = delete;
    Protocol &operator=(const Protocol &) = delete;
    virtual ~Protocol() = default;

    [[nodiscard]] virtual const char *name() const = 0;
    /// What it has commands for.
    [[nodiscard]] virtual bool knows(const Command &command) const = 0;
    [[nodiscard]] virtual std::string request(const Command &command) const = 0;
    /// Whether the reply to the request is there to its end.
    [[nodiscard]] virtual bool is_whole(const Command &command, std::string_view reply) const = 0;
    /// nullopt if no memcached replies so.
    [[nodiscard]] virtual std::optional<Reply> reply(const Command &command,
                                                     std::string_view text) const = 0;
    /// Whether a quiet command that failed says so: silence is success.
    [[nodiscard]] virtual bool silence_is_success() const = 0;
};

/// The classic text commands.
const Protocol &ascii();
/// mg, ms, md, ma.
const Protocol &meta();
const Protocol &binary();

/// One VALUE of a reply.
struct Value {
    std::string_view key;
    std::uint32_t flags = 0;
    std::uint64_t cas = 0;
    std::string_view data;
};

/// The values of the reply to get or gets. nullopt if it is anything else.
std::optional<std::vector<Value>> parse_values(std::string_view reply, bool with_cas);

} // namespace bmc::test::history

#endif
