// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/clients.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "tests/history/value.h"

namespace bmc::test::history
{

namespace
{

constexpr std::int32_t at_once = -1; ///< an exptime in the past

std::string excerpt(std::string_view text)
{
    constexpr std::size_t length = 200;

    return std::string(text.substr(0, length)) + (text.size() > length ? "..." : "");
}

} // namespace

std::size_t Keys::draw(Random &random) const
{
    return random() % 100 < hot_percent ? random() % hot : hot + random() % cold;
}

std::string Keys::name(std::size_t key)
{
    return fmt::format("{}-{}", std::string(1 + key % 7 * 4, 'k'), key);
}

bool Flushes::begin(std::int32_t delay)
{
    const std::lock_guard lock(mutex_);

    if (now() < busy_until_)
        return false;
    // memcached counts whole seconds: after this time it is in force, and new
    // items are stored again.
    if (delay > 0)
        busy_until_ = now() + (delay + 1) * Time{1'000'000'000};
    return true;
}

Writer::Writer(std::uint32_t client, std::unique_ptr<Connection> connection,
               std::vector<const Protocol *> protocols, const Keys &keys, const Mix &mix,
               Flushes &flushes, std::uint64_t seed)
    : log_(client), connection_(std::move(connection)), protocols_(std::move(protocols)),
      keys_(keys), mix_(mix), flushes_(flushes), random_(seed)
{
}

std::int32_t Writer::draw_exptime(bool allowed)
{
    if (!allowed || !per_mille(mix_.exptimes))
        return 0;
    return random_() % 4 == 0 ? at_once : static_cast<std::int32_t>(1 + random_() % 3);
}

void Writer::draw_text_write(std::size_t key, Command &c, State &state)
{
    static constexpr std::array verbs = {
        Verb::set,     Verb::set,    Verb::set,   Verb::add, Verb::replace, Verb::append,
        Verb::prepend, Verb::append, Verb::cas,   Verb::cas, Verb::remove,  Verb::touch,
        Verb::gat,     Verb::vivify, Verb::empty, Verb::add, Verb::set,     Verb::invalidate,
    };

    c.verb = verbs[random_() % verbs.size()];
    switch (c.verb) {
    case Verb::append:
    case Verb::prepend:
        state = part(c.verb == Verb::append ? Part::appended : Part::prepended, log_.client(),
                     ++parts_);
        c.data = segment_text(key, state);
        c.create = c.verb == Verb::append && random_() % 4 == 0;
        break;
    case Verb::set:
    case Verb::add:
    case Verb::replace:
    case Verb::cas:
        state = part(Part::base, log_.client(), ++parts_);
        // Short enough to be answered by XDP, and now and then not.
        c.data = base_text(key, state, random_() % 4 == 0 ? random_() % 900 : random_() % 80);
        c.flags = flags_of(state);
        c.exptime = draw_exptime(true);
        break;
    case Verb::touch:
    case Verb::gat:
        c.exptime = random_() % 2 == 0 ? 0 : draw_exptime(true);
        break;
    case Verb::invalidate:
        c.exptime = draw_exptime(true);
        break;
    default:
        break;
    }
}

void Writer::draw_counter_write(Command &c, State &state)
{
    static constexpr std::array verbs = {Verb::set,  Verb::add,  Verb::incr,   Verb::incr,
                                         Verb::incr, Verb::decr, Verb::decr,   Verb::incr,
                                         Verb::decr, Verb::cas,  Verb::remove, Verb::touch};

    c.verb = verbs[random_() % verbs.size()];
    if (counters_ + 1 >= counter_limit && c.verb != Verb::remove && c.verb != Verb::touch)
        c.verb = Verb::incr;
    switch (c.verb) {
    case Verb::incr:
    case Verb::decr:
        c.delta = 1 + random_() % counter_step_limit;
        if (random_() % 4 == 0 && counters_ + 1 < counter_limit) {
            state = counter(log_.client(), ++counters_);
            c.initial = state;
        }
        break;
    case Verb::set:
    case Verb::add:
    case Verb::cas:
        state = counter(log_.client(), ++counters_);
        c.data = std::to_string(state);
        break;
    default:
        break;
    }
}

Command Writer::draw(std::size_t key, State &state)
{
    Command c;

    state = absent;
    if (per_mille(mix_.reads)) {
        c.verb = Verb::get;
    } else if (per_mille(mix_.flushes)) {
        c.verb = Verb::flush;
        c.exptime = random_() % 4 == 0 ? static_cast<std::int32_t>(1 + random_() % 2) : 0;
        if (mix_.strict_flushes)
            c.exptime = 1;
    } else if (keys_.is_counter(key)) {
        draw_counter_write(c, state);
    } else {
        draw_text_write(key, c, state);
    }
    c.key = Keys::name(key);
    return c;
}

bool Writer::may_be_quiet(const Command &command) const
{
    switch (command.verb) {
    case Verb::get:
    case Verb::gets:
    case Verb::gat:
    case Verb::vivify:
    case Verb::touch:
    case Verb::cas:
        return false;
    default:
        return true;
    }
}

std::optional<Reply> Writer::send(const Protocol &protocol, const Command &command, Interval &when)
{
    when.start = now();
    const std::optional<std::string> text =
        connection_->exchange(protocol.request(command), [&](std::string_view reply) {
            return protocol.is_whole(command, reply);
        });
    when.end = text ? now() : never;
    tally_.operations++;
    if (!text) {
        tally_.lost++;
        tally_.losses.push_back({when.start, now()});
        return std::nullopt;
    }
    std::optional<Reply> reply = protocol.reply(command, *text);
    if (!reply) {
        log_.wrong(fmt::format("a reply over {} in the {} protocol that is none: {} to {}",
                               connection_->name(), protocol.name(), excerpt(*text),
                               excerpt(protocol.request(command))));
        return Reply{}; // an error
    }
    return reply;
}

void Writer::step()
{
    const std::size_t key = keys_.draw(random_);
    State state = absent;
    Command command = draw(key, state);
    const Protocol *protocol = protocols_[random_() % protocols_.size()];
    Interval when;

    for (std::size_t i = 0; i < protocols_.size() && !protocol->knows(command); i++)
        protocol = protocols_[i];
    if (!protocol->knows(command))
        return;
    if (command.verb == Verb::flush && !flushes_.begin(command.exptime))
        return;
    if (command.verb == Verb::cas) {
        Command question{.verb = Verb::gets, .key = command.key};
        const auto answer = send(*protocol, question, when);
        record(*protocol, key, question, absent, when, answer);
        if (!answer || answer->result != Reply::Result::done)
            return;
        command.cas = answer->cas;
    }
    command.quiet = may_be_quiet(command) && per_mille(mix_.quiet);
    const auto reply = send(*protocol, command, when);
    record(*protocol, key, command, state, when, reply);
}

void Writer::record(const Protocol &protocol, std::size_t key, const Command &command, State state,
                    Interval when, const std::optional<Reply> &reply)
{
    const bool lost = !reply;
    const bool done =
        !lost && (reply->result == Reply::Result::done || reply->result == Reply::Result::silent);

    // Said of whatever is refused for want of an item.
    if (reply && reply->result == Reply::Result::missing)
        log_.saw(key, when, {});

    switch (command.verb) {
    case Verb::get:
    case Verb::gets:
    case Verb::gat:
    case Verb::vivify:
        record_read(key, command, when, reply);
        break;
    case Verb::remove:
    case Verb::empty:
        if (lost || done)
            log_.removed(key, when, done);
        break;
    case Verb::touch:
    case Verb::invalidate:
        if (command.exptime == at_once && (lost || done))
            log_.removed(key, when, done && reply->result == Reply::Result::done);
        else if (lost || done)
            log_.touched(key, when, command.exptime, std::nullopt);
        break;
    case Verb::incr:
    case Verb::decr:
        record_arithmetic(key, command, when, reply);
        break;
    case Verb::flush:
        if (mix_.strict_flushes && done && reply->result == Reply::Result::done)
            log_.flushed(when);
        break;
    default:
        record_store(protocol, key, command, state, when, reply);
        break;
    }
}

void Writer::record_store(const Protocol &protocol, std::size_t key, const Command &command,
                          State state, Interval when, const std::optional<Reply> &reply)
{
    const bool maybe =
        !reply || (reply->result == Reply::Result::silent && !protocol.silence_is_success());

    if (!maybe && reply->result != Reply::Result::done && reply->result != Reply::Result::silent)
        return;
    // An item that has expired when it comes is as good as none.
    if (command.exptime == at_once)
        log_.removed(key, when, !maybe);
    else
        log_.wrote(key, when, state, !maybe, command.exptime);
}

void Writer::record_arithmetic(std::size_t key, const Command &command, Interval when,
                               const std::optional<Reply> &reply)
{
    State number = 0;

    if (!reply || reply->result == Reply::Result::silent) {
        log_.moved(key, when);
        if (command.initial)
            log_.wrote(key, when, *command.initial, false);
        return;
    }
    if (reply->result != Reply::Result::done)
        return;
    const char *const end = reply->value.data() + reply->value.size();
    const auto [rest, error] = std::from_chars(reply->value.data(), end, number);
    if (error != std::errc() || rest != end || !is_counter(number)) {
        log_.wrong(fmt::format("key {}: incr or decr made {}", key, excerpt(reply->value)));
        return;
    }
    log_.wrote(key, when, number, true);
    // What it was before. Created, it was nothing, which may have come by itself.
    if (number != command.initial)
        log_.saw(key, when,
                 {command.verb == Verb::incr ? number - command.delta : number + command.delta});
}

void Writer::record_read(std::size_t key, const Command &command, Interval when,
                         const std::optional<Reply> &reply)
{
    std::optional<std::vector<State>> parts;

    if (reply && reply->result == Reply::Result::done) {
        parts = parse_value(key, reply->flags, reply->value);
        if (!parts) {
            log_.wrong(fmt::format("key {}: {} saw the value {} with flags {}", key,
                                   connection_->name(), excerpt(reply->value), reply->flags));
            return;
        }
        log_.saw(key, when, *parts);
    }
    if (command.verb != Verb::gat || (reply && !parts))
        return;
    if (command.exptime == at_once)
        log_.removed(key, when, reply.has_value());
    else
        log_.touched(key, when, command.exptime, parts);
}

UdpReader::UdpReader(std::uint32_t client, std::unique_ptr<UdpConnection> connection,
                     const Keys &keys, std::uint64_t seed)
    : log_(client), connection_(std::move(connection)), keys_(keys), random_(seed)
{
}

std::vector<std::size_t> UdpReader::draw_keys()
{
    // Mostly one key; up to more than the kernel programs look up.
    const std::size_t size = !keys_.multi_gets || random_() % 4 != 0 ? 1 : 2 + random_() % (random_() % 16 ? 6 : 40);
    std::vector<std::size_t> result;

    while (result.size() < size) {
        const std::size_t key = keys_.draw(random_);
        // Each once. A small set of hot keys may not have so many.
        if (std::find(result.begin(), result.end(), key) != result.end())
            break;
        result.push_back(key);
    }
    return result;
}

void UdpReader::step()
{
    std::vector<std::vector<std::size_t>> keys(window);
    std::vector<UdpConnection::Exchange> exchanges(window);

    for (std::size_t i = 0; i < window; i++) {
        keys[i] = draw_keys();
        exchanges[i].request = "get";
        for (const std::size_t key : keys[i])
            exchanges[i].request += " " + Keys::name(key);
        exchanges[i].request += "\r\n";
    }
    connection_->exchange(exchanges);
    for (std::size_t i = 0; i < window; i++) {
        if (exchanges[i].reply) {
            tally_.gets++;
            tally_.operations += keys[i].size();
            record(keys[i], exchanges[i]);
        } else {
            tally_.lost++;
            tally_.losses.push_back({exchanges[i].when.start, now()});
        }
    }
}

void UdpReader::record(const std::vector<std::size_t> &keys,
                       const UdpConnection::Exchange &exchange)
{
    const auto values = parse_values(*exchange.reply, false);
    std::map<std::string_view, const Value *> found;

    if (!values) {
        log_.wrong(fmt::format("a reply over UDP that is none: {} to {}", excerpt(*exchange.reply),
                               excerpt(exchange.request)));
        return;
    }
    for (const Value &value : *values)
        found.emplace(value.key, &value);
    std::size_t known = 0;
    for (const std::size_t key : keys) {
        const auto value = found.find(Keys::name(key));
        if (value == found.end()) {
            log_.saw(key, exchange.when, {});
            continue;
        }
        known++;
        const auto parts = parse_value(key, value->second->flags, value->second->data);
        if (parts)
            log_.saw(key, exchange.when, *parts);
        else
            log_.wrong(fmt::format("key {}: UDP saw the value {} with flags {}", key,
                                   excerpt(value->second->data), value->second->flags));
    }
    if (known != values->size())
        log_.wrong(fmt::format("a reply with other keys: {} to {}", excerpt(*exchange.reply),
                               excerpt(exchange.request)));
}

} // namespace bmc::test::history
