// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/protocol.h"

#include <charconv>

#include <fmt/format.h>

namespace bmc::test::history
{

namespace
{

/// The meta no-op and its answer: no value of ours holds this.
constexpr std::string_view barrier = "mn\r\n";
constexpr std::string_view barrier_reply = "MN\r\n";

bool is_error(std::string_view reply)
{
    return reply.starts_with("ERROR") || reply.starts_with("CLIENT_ERROR") ||
           reply.starts_with("SERVER_ERROR");
}

template <typename Number>
bool take_number(std::string_view &text, Number &number)
{
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);

    if (error != std::errc())
        return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool take(std::string_view &text, std::string_view expected)
{
    if (!text.starts_with(expected))
        return false;
    text.remove_prefix(expected.size());
    return true;
}

/// The bytes of an item, and the CR LF behind them.
bool take_data(std::string_view &text, std::size_t length, std::string_view &data)
{
    if (text.size() < length)
        return false;
    data = text.substr(0, length);
    text.remove_prefix(length);
    return take(text, "\r\n");
}

bool stores(Verb verb)
{
    switch (verb) {
    case Verb::set:
    case Verb::add:
    case Verb::replace:
    case Verb::append:
    case Verb::prepend:
    case Verb::cas:
        return true;
    default:
        return false;
    }
}

bool is_arithmetic(Verb verb)
{
    return verb == Verb::incr || verb == Verb::decr;
}

/// What is common to the protocols of lines.
class TextProtocol : public Protocol
{
  public:
    std::string request(const Command &command) const override
    {
        std::string text = line(command);

        if (needs_barrier(command))
            text += barrier;
        return text;
    }

    bool is_whole(const Command &command, std::string_view reply) const override
    {
        return reply.ends_with(needs_barrier(command) ? barrier_reply : ending(command)) ||
               (!needs_barrier(command) && is_error(reply) && reply.ends_with("\r\n"));
    }

    std::optional<Reply> reply(const Command &command, std::string_view text) const override
    {
        if (needs_barrier(command)) {
            if (!text.ends_with(barrier_reply))
                return std::nullopt;
            text.remove_suffix(barrier_reply.size());
        }
        if (text.empty())
            return command.quiet ? std::optional(Reply{.result = Reply::Result::silent})
                                 : std::nullopt;
        if (is_error(text))
            return Reply{.result = Reply::Result::error};
        return answer(command, text);
    }

  protected:
    virtual std::string line(const Command &command) const = 0;
    virtual bool needs_barrier(const Command &command) const = 0;
    /// How a reply ends that has no barrier.
    virtual std::string_view ending(const Command &command) const = 0;
    virtual std::optional<Reply> answer(const Command &command, std::string_view text) const = 0;
};

std::optional<Reply> one_of(std::string_view text,
                            std::initializer_list<std::pair<std::string_view, Reply::Result>> known)
{
    for (const auto &[line, result] : known) {
        if (text == line)
            return Reply{.result = result};
    }
    return std::nullopt;
}

class Ascii : public TextProtocol
{
  public:
    const char *name() const override { return "ASCII"; }
    /// noreply hides errors as well.
    bool silence_is_success() const override { return false; }

    bool knows(const Command &command) const override
    {
        switch (command.verb) {
        case Verb::vivify:
        case Verb::invalidate:
        case Verb::empty:
            return false;
        default:
            return !command.initial && !command.create;
        }
    }

  protected:
    bool needs_barrier(const Command &command) const override { return command.quiet; }

    std::string_view ending(const Command &command) const override
    {
        switch (command.verb) {
        case Verb::get:
        case Verb::gets:
        case Verb::gat:
            return "END\r\n";
        default:
            return "\r\n";
        }
    }

    std::string line(const Command &c) const override
    {
        const char *noreply = c.quiet ? " noreply" : "";

        switch (c.verb) {
        case Verb::get:
            return fmt::format("get {}\r\n", c.key);
        case Verb::gets:
            return fmt::format("gets {}\r\n", c.key);
        case Verb::gat:
            return fmt::format("gat {} {}\r\n", c.exptime, c.key);
        case Verb::cas:
            return fmt::format("cas {} {} {} {} {}{}\r\n{}\r\n", c.key, c.flags, c.exptime,
                               c.data.size(), c.cas, noreply, c.data);
        case Verb::set:
        case Verb::add:
        case Verb::replace:
        case Verb::append:
        case Verb::prepend:
            return fmt::format("{} {} {} {} {}{}\r\n{}\r\n", word(c.verb), c.key, c.flags,
                               c.exptime, c.data.size(), noreply, c.data);
        case Verb::incr:
        case Verb::decr:
            return fmt::format("{} {} {}{}\r\n", word(c.verb), c.key, c.delta, noreply);
        case Verb::touch:
            return fmt::format("touch {} {}{}\r\n", c.key, c.exptime, noreply);
        case Verb::flush:
            return fmt::format("flush_all {}{}\r\n", c.exptime, noreply);
        default:
            return fmt::format("delete {}{}\r\n", c.key, noreply);
        }
    }

    std::optional<Reply> answer(const Command &c, std::string_view text) const override
    {
        using Result = Reply::Result;

        switch (c.verb) {
        case Verb::get:
        case Verb::gets:
        case Verb::gat:
            return values_answer(c, text);
        case Verb::incr:
        case Verb::decr:
            if (text == "NOT_FOUND\r\n")
                return Reply{.result = Result::missing};
            return Reply{.result = Result::done,
                         .value = std::string(text.substr(0, text.find_first_of(" \r")))};
        case Verb::flush:
            return one_of(text, {{"OK\r\n", Result::done}});
        case Verb::touch:
            return one_of(text,
                          {{"TOUCHED\r\n", Result::done}, {"NOT_FOUND\r\n", Result::missing}});
        case Verb::remove:
            return one_of(text,
                          {{"DELETED\r\n", Result::done}, {"NOT_FOUND\r\n", Result::missing}});
        default:
            return one_of(text, {{"STORED\r\n", Result::done},
                                 {"EXISTS\r\n", Result::refused},
                                 {"NOT_FOUND\r\n", Result::missing},
                                 {"NOT_STORED\r\n",
                                  c.verb == Verb::add ? Result::refused : Result::missing}});
        }
    }

  private:
    static const char *word(Verb verb)
    {
        switch (verb) {
        case Verb::add:
            return "add";
        case Verb::replace:
            return "replace";
        case Verb::append:
            return "append";
        case Verb::prepend:
            return "prepend";
        case Verb::incr:
            return "incr";
        case Verb::decr:
            return "decr";
        default:
            return "set";
        }
    }

    static std::optional<Reply> values_answer(const Command &c, std::string_view text)
    {
        const auto values = parse_values(text, c.verb == Verb::gets);

        if (!values || values->size() > 1)
            return std::nullopt;
        if (values->empty())
            return Reply{.result = Reply::Result::missing};
        const Value &value = values->front();
        if (value.key != c.key)
            return std::nullopt;
        return Reply{.result = Reply::Result::done,
                     .flags = value.flags,
                     .value = std::string(value.data),
                     .cas = value.cas};
    }
};

class Meta : public TextProtocol
{
  public:
    const char *name() const override { return "meta"; }
    bool silence_is_success() const override { return true; }

    bool knows(const Command &command) const override { return command.verb != Verb::flush; }

  protected:
    bool needs_barrier(const Command &) const override { return true; }
    std::string_view ending(const Command &) const override { return barrier_reply; }

    std::string line(const Command &c) const override
    {
        const char *quiet = c.quiet ? " q" : "";

        switch (c.verb) {
        case Verb::get:
            return fmt::format("mg {} v f\r\n", c.key);
        case Verb::gets:
            return fmt::format("mg {} v f c\r\n", c.key);
        case Verb::gat:
            return fmt::format("mg {} v f T{}\r\n", c.key, c.exptime);
        case Verb::touch:
            return fmt::format("mg {} T{}\r\n", c.key, c.exptime);
        case Verb::vivify:
            return fmt::format("mg {} v f N{}\r\n", c.key, c.exptime);
        case Verb::remove:
            return fmt::format("md {}{}\r\n", c.key, quiet);
        case Verb::empty:
            return fmt::format("md {} x{}\r\n", c.key, quiet);
        case Verb::invalidate:
            return fmt::format("md {} I T{}{}\r\n", c.key, c.exptime, quiet);
        case Verb::incr:
        case Verb::decr:
            return fmt::format("ma {} M{} D{} v{}{}\r\n", c.key, c.verb == Verb::incr ? 'I' : 'D',
                               c.delta, c.initial ? fmt::format(" N0 J{}", *c.initial) : "", quiet);
        default:
            return fmt::format("ms {} {} F{} T{} M{}{}{}{}\r\n{}\r\n", c.key, c.data.size(),
                               c.flags, c.exptime, mode(c.verb),
                               c.verb == Verb::cas ? fmt::format(" C{}", c.cas) : "",
                               c.create ? " N0" : "", quiet, c.data);
        }
    }

    std::optional<Reply> answer(const Command &c, std::string_view text) const override
    {
        using Result = Reply::Result;

        if (take(text, "VA "))
            return value_answer(c, text);
        if (text.size() < 4 || !text.ends_with("\r\n"))
            return std::nullopt;
        const std::string_view code = text.substr(0, 2);
        if (code == "HD")
            return Reply{.result = Result::done};
        if (code == "EN" || code == "NF")
            return Reply{.result = Result::missing};
        if (code == "EX")
            return Reply{.result = Result::refused};
        if (code == "NS")
            return Reply{.result = c.verb == Verb::add ? Result::refused : Result::missing};
        return std::nullopt;
    }

  private:
    static char mode(Verb verb)
    {
        switch (verb) {
        case Verb::add:
            return 'E';
        case Verb::replace:
            return 'R';
        case Verb::append:
            return 'A';
        case Verb::prepend:
            return 'P';
        default:
            return 'S';
        }
    }

    static std::optional<Reply> value_answer(const Command &c, std::string_view text)
    {
        Reply reply{.result = Reply::Result::done};
        std::size_t length = 0;
        std::string_view data;

        if (!take_number(text, length))
            return std::nullopt;
        while (take(text, " ")) {
            if (take(text, "f")) {
                if (!take_number(text, reply.flags))
                    return std::nullopt;
            } else if (take(text, "c")) {
                if (!take_number(text, reply.cas))
                    return std::nullopt;
            } else if (!take(text, "W") && !take(text, "X") && !take(text, "Z")) {
                return std::nullopt; // of stale items and created ones
            }
        }
        if (!take(text, "\r\n") || !take_data(text, length, data) || !text.empty())
            return std::nullopt;
        if (is_arithmetic(c.verb))
            data = data.substr(0, data.find(' '));
        reply.value = data;
        return reply;
    }
};

constexpr std::size_t header_size = 24;

class Binary : public Protocol
{
  public:
    const char *name() const override { return "binary"; }
    bool silence_is_success() const override { return true; }

    bool knows(const Command &command) const override
    {
        switch (command.verb) {
        case Verb::vivify:
        case Verb::invalidate:
        case Verb::empty:
            return false;
        default:
            return !command.create;
        }
    }

    std::string request(const Command &c) const override
    {
        std::string extras;

        if (stores(c.verb) && c.verb != Verb::append && c.verb != Verb::prepend) {
            put(extras, c.flags, 4);
            put(extras, seconds(c.exptime), 4);
        } else if (is_arithmetic(c.verb)) {
            put(extras, c.delta, 8);
            put(extras, c.initial.value_or(0), 8);
            put(extras, c.initial ? 0 : 0xffffffff, 4);
        } else if (c.verb == Verb::touch || c.verb == Verb::gat || c.verb == Verb::flush) {
            put(extras, seconds(c.exptime), 4);
        }
        std::string text = packet(opcode(c), extras, c.verb == Verb::flush ? "" : c.key, c.data,
                                  c.verb == Verb::cas ? c.cas : 0);
        if (c.quiet)
            text += packet(noop, "", "", "", 0);
        return text;
    }

    bool is_whole(const Command &c, std::string_view reply) const override
    {
        while (const auto first = next(reply)) {
            if (!c.quiet || first->opcode == noop)
                return true;
        }
        return false;
    }

    std::optional<Reply> reply(const Command &c, std::string_view text) const override
    {
        const auto first = next(text);

        if (!first)
            return std::nullopt;
        if (c.quiet && first->opcode == noop)
            return Reply{.result = Reply::Result::silent};
        if (first->opcode != opcode(c))
            return std::nullopt;
        switch (first->status) {
        case 0:
            return success(c, *first);
        case 1: // key not found
        case 5: // not stored
            return Reply{.result = Reply::Result::missing};
        case 2: // key exists
            return Reply{.result = Reply::Result::refused};
        default:
            return Reply{.result = Reply::Result::error};
        }
    }

  private:
    static constexpr std::uint8_t noop = 0x0a;

    struct Packet {
        std::uint8_t opcode = 0;
        std::uint16_t status = 0;
        std::uint64_t cas = 0;
        std::string_view extras;
        std::string_view value;
    };

    /// An exptime as an unsigned number: what is over 30 days is a time of day, so
    /// that the first such one is long over.
    static std::uint32_t seconds(std::int32_t exptime)
    {
        constexpr std::uint32_t first_time_of_day = 60 * 60 * 24 * 30 + 1;

        return exptime < 0 ? first_time_of_day : static_cast<std::uint32_t>(exptime);
    }

    static void put(std::string &text, std::uint64_t number, unsigned bytes)
    {
        while (bytes-- > 0)
            text += static_cast<char>(number >> (8 * bytes));
    }

    static std::uint64_t take_bytes(std::string_view text, std::size_t at, std::size_t bytes)
    {
        std::uint64_t number = 0;

        for (std::size_t i = 0; i < bytes; i++)
            number = number << 8 | static_cast<std::uint8_t>(text[at + i]);
        return number;
    }

    static std::uint8_t opcode(const Command &c)
    {
        switch (c.verb) {
        case Verb::set:
        case Verb::cas:
            return c.quiet ? 0x11 : 0x01;
        case Verb::add:
            return c.quiet ? 0x12 : 0x02;
        case Verb::replace:
            return c.quiet ? 0x13 : 0x03;
        case Verb::remove:
            return c.quiet ? 0x14 : 0x04;
        case Verb::incr:
            return c.quiet ? 0x15 : 0x05;
        case Verb::decr:
            return c.quiet ? 0x16 : 0x06;
        case Verb::flush:
            return c.quiet ? 0x18 : 0x08;
        case Verb::append:
            return c.quiet ? 0x19 : 0x0e;
        case Verb::prepend:
            return c.quiet ? 0x1a : 0x0f;
        case Verb::touch:
            return 0x1c;
        case Verb::gat:
            return c.quiet ? 0x1e : 0x1d;
        default:
            return c.quiet ? 0x09 : 0x00;
        }
    }

    static std::string packet(std::uint8_t opcode, std::string_view extras, std::string_view key,
                              std::string_view value, std::uint64_t cas)
    {
        std::string text;

        put(text, 0x80, 1);
        put(text, opcode, 1);
        put(text, key.size(), 2);
        put(text, extras.size(), 1);
        put(text, 0, 3); // data type, virtual bucket
        put(text, extras.size() + key.size() + value.size(), 4);
        put(text, 0, 4); // opaque
        put(text, cas, 8);
        text += extras;
        text += key;
        text += value;
        return text;
    }

    /// Takes the first packet off, if all of it is there.
    static std::optional<Packet> next(std::string_view &text)
    {
        if (text.size() < header_size || text[0] != '\x81')
            return std::nullopt;
        const std::size_t key = take_bytes(text, 2, 2);
        const std::size_t extras = take_bytes(text, 4, 1);
        const std::size_t body = take_bytes(text, 8, 4);
        if (text.size() < header_size + body || extras + key > body)
            return std::nullopt;
        const Packet packet{.opcode = static_cast<std::uint8_t>(text[1]),
                            .status = static_cast<std::uint16_t>(take_bytes(text, 6, 2)),
                            .cas = take_bytes(text, 16, 8),
                            .extras = text.substr(header_size, extras),
                            .value = text.substr(header_size + extras + key, body - extras - key)};
        text.remove_prefix(header_size + body);
        return packet;
    }

    static std::optional<Reply> success(const Command &c, const Packet &packet)
    {
        Reply reply{.result = Reply::Result::done, .cas = packet.cas};

        if (c.verb == Verb::get || c.verb == Verb::gets || c.verb == Verb::gat) {
            if (packet.extras.size() != 4)
                return std::nullopt;
            reply.flags = static_cast<std::uint32_t>(take_bytes(packet.extras, 0, 4));
            reply.value = packet.value;
        } else if (is_arithmetic(c.verb)) {
            if (packet.value.size() != 8)
                return std::nullopt;
            reply.value = std::to_string(take_bytes(packet.value, 0, 8));
        }
        return reply;
    }
};

} // namespace

const Protocol &ascii()
{
    static const Ascii protocol;
    return protocol;
}

const Protocol &meta()
{
    static const Meta protocol;
    return protocol;
}

const Protocol &binary()
{
    static const Binary protocol;
    return protocol;
}

std::optional<std::vector<Value>> parse_values(std::string_view reply, bool with_cas)
{
    std::vector<Value> values;

    while (take(reply, "VALUE ")) {
        Value value;
        std::size_t length = 0;
        value.key = reply.substr(0, reply.find(' '));
        reply.remove_prefix(value.key.size());
        if (!take(reply, " ") || !take_number(reply, value.flags) || !take(reply, " ") ||
            !take_number(reply, length))
            return std::nullopt;
        if (with_cas && (!take(reply, " ") || !take_number(reply, value.cas)))
            return std::nullopt;
        if (!take(reply, "\r\n") || !take_data(reply, length, value.data))
            return std::nullopt;
        values.push_back(value);
    }
    if (reply != "END\r\n")
        return std::nullopt;
    return values;
}

} // namespace bmc::test::history
