// SPDX-License-Identifier: BSD-3-Clause
#include "tests/e2e/differential/request.h"

#include <iterator>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace bmc::test
{

namespace
{

constexpr std::size_t max_key = 250;
constexpr std::size_t key_count = 60;
constexpr std::size_t max_value = 2000;
// More than a UDP datagram of the text protocol may well hold; beyond the MTU
// it travels in fragments.
constexpr std::size_t max_get_line = 3000;
// What surely travels in one TCP segment.
constexpr std::size_t one_segment = 1400;
// Ids that the requests use; the others are left to whoever sends them.
constexpr std::uint64_t request_ids = 0xf000;

std::string base64(std::string_view bytes)
{
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;

    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::string_view part = bytes.substr(at, 3);
        unsigned word = 0;
        for (std::size_t i = 0; i < 3; i++)
            word = word << 8 | (i < part.size() ? static_cast<unsigned char>(part[i]) : 0U);
        for (std::size_t i = 0; i < 4; i++)
            text += i <= part.size() ? digits[word >> (18 - 6 * i) & 63] : '=';
    }
    return text;
}

} // namespace

RequestGenerator::RequestGenerator(std::uint64_t seed) : random_(seed)
{
    for (std::size_t length = 1; length <= 12; length++)
        keys_.push_back(key_text(length));
    for (const std::size_t length : {16, 31, 32, 33, 63, 64, 65, 127, 128, 129, 249, 250})
        keys_.push_back(key_text(length));
    while (keys_.size() < key_count) {
        std::string text = key_text(1 + below(max_key));
        // Some keys are the beginning of another.
        if (chance(20))
            text = (keys_[below(keys_.size())] + text).substr(0, max_key);
        keys_.push_back(text);
    }
    for (int i = 5; i < 15; i++)
        numeric_keys_.push_back(fmt::format("number{}", i));
}

std::string RequestGenerator::pick(std::initializer_list<std::string_view> choices)
{
    return std::string(choices.begin()[below(choices.size())]);
}

std::string RequestGenerator::key_text(std::size_t length)
{
    const bool any_byte = chance(20);
    std::string text;

    while (text.size() < length) {
        const char c = any_byte ? static_cast<char>(1 + below(255))
                                : "abcdefghijklmnopqrstuvwxyz0123456789:_-."[below(40)];
        if (c != ' ' && c != '\r' && c != '\n')
            text += c;
    }
    return text;
}

std::string RequestGenerator::key()
{
    if (chance(1))
        return key_text(max_key + 1 + below(20));
    if (chance(3))
        return key_text(1 + below(40)); // as good as certainly absent
    if (chance(5))
        return numeric_key();
    // Low numbers more often, so that values are read before they change.
    return keys_[below(1 + below(keys_.size()))];
}

std::string RequestGenerator::value()
{
    std::size_t size = 0;

    switch (below(10)) {
    case 0:
        return number();
    case 1:
        size = below(3);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        size = below(180);
        break;
    case 6:
        size = 1300 + below(100); // around what one datagram of a reply holds
        break;
    default:
        size = below(max_value + 1);
    }

    const bool binary = chance(60);
    std::string bytes(size, '\0');
    for (char &c : bytes)
        c = static_cast<char>(binary ? below(256) : 'a' + below(26));
    if (chance(30)) {
        const std::string insert =
            pick({"\r\n", "\n", "\r", "\r\nEND\r\n", "END\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n",
                  "set a 0 0 1\r\nx\r\n", "offset ", "\r\nget a\r\n"});
        if (insert.size() <= size)
            bytes.replace(below(size - insert.size() + 1), insert.size(), insert);
    }
    return bytes;
}

std::string RequestGenerator::number()
{
    switch (below(4)) {
    case 0:
        return fmt::to_string(below(10));
    case 1:
        return fmt::to_string(below(100000));
    case 2:
        return fmt::to_string(random_());
    default:
        return pick({"0", "1", "99", "18446744073709551615", "18446744073709551614", "007"});
    }
}

std::string RequestGenerator::flags()
{
    if (chance(3))
        return pick({"-1", "4294967296", "x", "0x1", "+5", "1.5"});
    return chance(60) ? "0" : fmt::to_string(static_cast<std::uint32_t>(random_()));
}

std::string RequestGenerator::exptime(const std::string &key)
{
    if (chance(1))
        return pick({"x", "99999999999999999999", "1x"});
    if (chance(5))
        return pick({"-1", "-100", "2592001", "1000000000"}); // all of them past
    if (may_expire(key) && chance(50))
        return pick({"100000", "2592000", "4000000000"});
    return "0";
}

std::string RequestGenerator::line_end()
{
    if (chance(10))
        return pick({"\n", "\n", "\n", "\r\r\n", " \r\n", " \n"});
    return "\r\n";
}

std::string RequestGenerator::join(const std::vector<std::string> &tokens)
{
    const bool odd = chance(8);
    std::string text = odd && chance(10) ? " " : "";

    for (const std::string &token : tokens) {
        if (!text.empty() && text != " ")
            text += odd && chance(40) ? std::string(1 + below(4), ' ') : " ";
        text += token;
    }
    if (odd && chance(50))
        text += std::string(1 + below(3), ' ');
    if (chance(1) && chance(30))
        text += pick({"\t", " x", std::string_view("\0", 1)});
    return text;
}

std::string RequestGenerator::noreply()
{
    if (chance(2))
        return " " + pick({"norepl", "noreplyy", "NOREPLY", "x"});
    return chance(15) ? " noreply" : "";
}

std::string RequestGenerator::get(Request &request, std::string_view verb)
{
    std::vector<std::string> tokens = {std::string(verb)};
    std::size_t count = 1;
    std::size_t length = 0;

    if (chance(30))
        count = chance(50) ? 2 + below(4) : 2 + below(59);
    for (std::size_t i = 0; i < count && length < max_get_line; i++) {
        tokens.push_back(key());
        length += tokens.back().size() + 1;
    }
    if (chance(1))
        tokens.emplace_back("noreply");
    if (verb == "gets" && count == 1)
        request.cas_of = tokens[1];
    // The second and third time, the kernel may answer.
    request.times = static_cast<int>(verb == "get" ? 2 + below(2) : 1);
    return join(tokens) + line_end();
}

std::string RequestGenerator::get_and_touch(std::string_view verb)
{
    std::string first = key();
    std::vector<std::string> tokens = {std::string(verb), exptime(first), first};

    for (std::uint64_t more = chance(20) ? below(4) : 0; more > 0; more--) {
        std::string another = key();
        if (may_expire(another) == may_expire(first))
            tokens.push_back(std::move(another));
    }
    return join(tokens) + line_end();
}

std::string RequestGenerator::store(std::string_view verb)
{
    const std::string bytes = value();
    std::string k = key();
    std::vector<std::string> tokens = {std::string(verb), k, flags(), exptime(k),
                                       fmt::to_string(bytes.size())};

    if (chance(1) && bytes.size() > 2)
        tokens.back() = fmt::to_string(bytes.size() - 1 - below(bytes.size() - 1)); // too much data
    else if (chance(1))
        tokens.back() = pick({"-1", "x", ""});
    if (verb == "cas") {
        const auto known = cas_.find(k);
        tokens.push_back(known != cas_.end() && chance(80) ? known->second : number());
    }
    return join(tokens) + noreply() + line_end() + bytes + "\r\n";
}

std::string RequestGenerator::arithmetic()
{
    const std::string verb = pick({"incr", "decr"});
    const std::string k = chance(80) ? numeric_key() : key();

    return join({verb, k, chance(95) ? number() : pick({"-1", "x", "18446744073709551616", ""})}) +
           noreply() + line_end();
}

// The key as a meta command takes it: sometimes in base64, with the flag b.
std::string RequestGenerator::meta_key(std::vector<std::string> &flags_out)
{
    std::string k = key();

    if (k.size() > 180 || !chance(10))
        return k;
    flags_out.emplace_back("b");
    return base64(k);
}

std::string RequestGenerator::meta_get()
{
    std::vector<std::string> some;
    const std::string k = meta_key(some);
    // What the key is, when it came in base64, is not told here: such a one is
    // not asked for its time to live, and does not get one.
    const bool plain = some.empty();

    for (const std::string_view flag : {"v", "f", "s", "k", "c"}) {
        if (chance(40))
            some.emplace_back(flag);
    }
    if (plain && !may_expire(k) && chance(20))
        some.emplace_back("t");
    if (plain && may_expire(k) && chance(20))
        some.push_back(pick({"T100000", "N100000", "R30", "T0"}));
    if (chance(10))
        some.push_back(fmt::format("O{}", below(100000)));
    if (chance(10))
        some.emplace_back("q");
    if (chance(2))
        some.push_back(pick({"!", "vv", "E", "O", "N", "Tx"}));
    some.insert(some.begin(), {"mg", k});
    return join(some) + line_end();
}

std::string RequestGenerator::meta_set()
{
    std::vector<std::string> some;
    const std::string k = meta_key(some);
    const bool plain = some.empty();
    const std::string bytes = value();

    if (plain && may_expire(k) && chance(30))
        some.push_back(pick({"T100000", "T0", "T-1"}));
    if (chance(40))
        some.push_back("F" + fmt::to_string(below(1000)));
    if (chance(30))
        some.push_back("M" + pick({"S", "E", "A", "P", "R", "set", "append", "z"}));
    if (chance(10))
        some.push_back("C" + number());
    if (chance(10))
        some.push_back("E" + fmt::to_string(1 + below(1000000)));
    if (chance(10))
        some.emplace_back("I");
    for (const std::string_view flag : {"k", "c", "b", "q", "s"}) {
        if (flag != "b" && chance(10))
            some.emplace_back(flag);
    }
    if (chance(10))
        some.push_back(fmt::format("O{}", below(100000)));
    some.insert(some.begin(), {"ms", k, fmt::to_string(bytes.size())});
    return join(some) + line_end() + bytes + "\r\n";
}

std::string RequestGenerator::meta_delete()
{
    std::vector<std::string> some;
    const std::string k = meta_key(some);
    const bool plain = some.empty();

    if (chance(30))
        some.emplace_back("I");
    if (plain && may_expire(k) && chance(20))
        some.emplace_back("T100000");
    if (chance(10))
        some.push_back("C" + number());
    for (const std::string_view flag : {"k", "q", "x"}) {
        if (chance(15))
            some.emplace_back(flag);
    }
    some.insert(some.begin(), {"md", k});
    return join(some) + line_end();
}

std::string RequestGenerator::meta_arithmetic()
{
    std::vector<std::string> some;
    const bool numeric = chance(80);
    const std::string k = numeric ? numeric_key() : meta_key(some);

    if (chance(40))
        some.push_back("M" + pick({"I", "D", "incr", "decr", "+", "-", "x"}));
    if (chance(40))
        some.push_back("D" + number());
    if (numeric && may_expire(k) && chance(20)) {
        some.emplace_back("N100000");
        some.push_back("J" + number());
    } else if (chance(20)) {
        some.emplace_back("N0");
        some.push_back("J" + number());
    }
    for (const std::string_view flag : {"v", "k", "c", "q"}) {
        if (chance(25))
            some.emplace_back(flag);
    }
    some.insert(some.begin(), {"ma", k});
    return join(some) + line_end();
}

std::string RequestGenerator::bad()
{
    const std::string k = key();

    switch (below(4)) {
    case 0:
        return pick({"",        "get",         "gets",      "gat",         "gat 0",    "set",
                     "set a",   "set a 0 0",   "delete",    "touch",       "touch a",  "incr",
                     "incr a",  "cas a 0 0 1", "mg",        "ms",          "ms a",     "md",
                     "ma",      "me",          "verbosity", "flush_all x", "shutdown", "GET a",
                     "getx a",  "ge a",        "get\ta",    "VALUE a 0 1", "END",      "\r",
                     "noreply", "mn x",        "quit"}) +
               line_end();
    case 1:
        return join({"delete", k, pick({"0", "5", "x", "0 noreply", "noreply x"})}) + line_end();
    case 2: {
        std::string noise(1 + below(60), '\0');
        for (char &c : noise)
            c = static_cast<char>(below(256));
        // 0x80 first would be the binary protocol.
        return "\x01" + noise + "\r\n";
    }
    default:
        return join({pick({"get", "delete", "mg", "incr"}), k}); // a line without an end
    }
}

// A packet of the binary protocol (memcached's doc/protocol-binary.txt).
std::string RequestGenerator::binary()
{
    struct Command {
        std::uint8_t opcode;
        bool has_key;
        bool has_value;
        std::size_t exptime_at; // end of its extras, which end with an exptime; 0: none
    };
    constexpr Command commands[] = {
        {0x00, true, false, 0},  // get
        {0x01, true, true, 8},   // set
        {0x02, true, true, 8},   // add
        {0x03, true, true, 8},   // replace
        {0x04, true, false, 0},  // delete
        {0x05, true, false, 20}, // increment
        {0x06, true, false, 20}, // decrement
        {0x0a, false, false, 0}, // noop
        {0x0c, true, false, 0},  // getk
        {0x0e, true, true, 0},   // append
        {0x0f, true, true, 0},   // prepend
        {0x11, true, true, 8},   // setq
        {0x14, true, false, 0},  // deleteq
        {0x1c, true, false, 4},  // touch
        {0x1d, true, false, 4},  // gat
    };
    const Command &command = commands[below(std::size(commands))];
    const std::string k = !command.has_key ? "" : chance(30) ? numeric_key() : key();
    const std::string bytes = command.has_value ? value() : "";
    std::string extras;
    const auto number = [](std::uint64_t n, std::size_t size) {
        std::string text;
        while (size > 0)
            text += static_cast<char>(n >> 8 * --size & 0xff);
        return text;
    };

    if (command.exptime_at == 8)
        extras = number(below(100000), 4); // flags
    else if (command.exptime_at == 20)
        extras = number(below(1000), 8) + number(below(1000), 8); // by how much, and from where
    if (command.exptime_at != 0)
        extras += number(may_expire(k) && chance(50) ? 100000 : 0, 4);
    return "\x80" + number(command.opcode, 1) + number(k.size(), 2) + number(extras.size(), 1) +
           number(0, 3) + number(extras.size() + k.size() + bytes.size(), 4) +
           number(below(1000000), 4) + number(0, 8) + extras + k + bytes;
}

std::string RequestGenerator::command(Request &request)
{
    const std::uint64_t draw = below(1000);

    if (draw < 450)
        return get(request, "get");
    if (draw < 490)
        return get(request, "gets");
    if (draw < 510)
        return get_and_touch("gat");
    if (draw < 520)
        return get_and_touch("gats");
    if (draw < 660)
        return store("set");
    if (draw < 675)
        return store("add");
    if (draw < 690)
        return store("replace");
    if (draw < 705)
        return store("append");
    if (draw < 720)
        return store("prepend");
    if (draw < 750)
        return store("cas");
    if (draw < 790)
        return arithmetic();
    if (draw < 820)
        return join({"delete", key()}) + noreply() + line_end();
    if (draw < 840) {
        const std::string k = key();
        return join({"touch", k, exptime(k)}) + noreply() + line_end();
    }
    if (draw < 880)
        return meta_get();
    if (draw < 910)
        return meta_set();
    if (draw < 930)
        return meta_delete();
    if (draw < 950)
        return meta_arithmetic();
    if (draw < 960)
        return pick({"version", "mn", "verbosity 1", "verbosity 0 noreply", "version x"}) +
               line_end();
    return bad();
}

Request RequestGenerator::next()
{
    Request request;

    request.ipv6 = chance(50);
    if (chance(3)) {
        request.transport = Request::Transport::tcp;
        for (std::uint64_t n = 1 + below(3); n > 0; n--)
            request.text += binary();
        return request;
    }
    request.frame.request_id = static_cast<std::uint16_t>(below(request_ids));
    request.text = command(request);

    const bool reads = request.text.starts_with("get ");
    request.transport = chance(reads ? 90 : 40) ? Request::Transport::udp : Request::Transport::tcp;

    // After a quit over TCP, data that memcached did not read would turn the end
    // of the connection into a reset, which may overtake a reply.
    if (request.text.starts_with("quit"))
        request.transport = Request::Transport::udp;

    // A few commands in one datagram or segment.
    if (chance(8)) {
        Request more;
        for (std::uint64_t n = 1 + below(3); n > 0; n--)
            request.text += command(more);
        request.cas_of.reset();
        // In several segments, how much memcached has at hand when it meets an
        // error decides whether it drops the replies before.
        if (request.text.size() > one_segment)
            request.transport = Request::Transport::udp;
    }
    if (request.transport == Request::Transport::tcp) {
        request.times = 1;
        return request;
    }

    if (chance(2)) {
        const std::pair<std::uint16_t, std::uint16_t> odd[] = {
            {0, 2}, {0, 0}, {5, 1}, {1, 2}, {0, 65535}};
        std::tie(request.frame.sequence, request.frame.total) = odd[below(std::size(odd))];
    }
    if (chance(2))
        request.frame.reserved = static_cast<std::uint16_t>(random_());
    if (chance(1)) {
        request.bare = true;
        request.text = request.text.substr(0, below(8)); // shorter than a frame header
    }
    return request;
}

} // namespace bmc::test
