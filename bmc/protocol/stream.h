/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_PROTOCOL_STREAM_H
#define BMC_PROTOCOL_STREAM_H

/*
 * Follows what a client sends to a stock memcached, a piece at a time, and names every
 * key that a command may change, in the ASCII protocol, its meta commands and the binary
 * protocol (protocol.txt, protocol-binary.txt). Lines and headers are read when they are
 * whole, and values are skipped by their length, so it makes no difference where the
 * pieces end.
 *
 * It must never be at another place of the stream than memcached is. So a command is
 * either in a form that every memcached since 1.4 reads alike, or followed no further:
 * what memcached makes of a malformed line (whether it takes the value of a set that it
 * refuses, say) differs.
 */

#include "command.h"

enum bmc_stream_state {
    BMC_STREAM_COMMAND, /* at the start of a command */
    BMC_STREAM_WORDS,   /* in a line: keys of a gat, or flags of a meta command */
    BMC_STREAM_LINE,    /* in a line that is too long to keep, and changes nothing */
    BMC_STREAM_VALUE,   /* in a value, value_left bytes before its end */
    BMC_STREAM_LOST     /* cannot be followed */
};

enum bmc_stream_protocol {
    BMC_STREAM_UNKNOWN, /* the first byte tells */
    BMC_STREAM_ASCII,
    BMC_STREAM_BINARY
};

/* What was come upon; see bmc_stream_next(). */
enum bmc_stream_event {
    BMC_STREAM_NOTHING, /* go on */
    BMC_STREAM_MORE,    /* all that is there was read */
    BMC_STREAM_WRITE,   /* a command that may change `key`; value_left bytes of it follow */
    BMC_STREAM_FLUSH,   /* flush_all */
    BMC_STREAM_END,     /* of a value */
    BMC_STREAM_STRAY    /* what follows cannot be read: the state is BMC_STREAM_LOST */
};

/* Most flags of a meta command (memcached stops at 20 words, key and all). */
#define BMC_STREAM_FLAGS_MAX 16
/* Longest value: memcached's limit (INT_MAX - 2) on the length in a command. */
#define BMC_STREAM_VALUE_MAX 0x7ffffffdU

/*
 * Where in its stream a connection is. Zero is the start. What is read lies at
 * text[cursor, length); it starts with a part of a command that came before, if any.
 */
struct bmc_stream {
    __u32 state;      /* enum bmc_stream_state */
    __u32 protocol;   /* enum bmc_stream_protocol */
    __u32 sequence;   /* of TCP: of the next byte */
    __u32 is_pending; /* the slot of `hash` counts a value that has not come to its end */
    __u64 hash;       /* of the key written last */
    __u64 value_left; /* bytes to come, closing CR LF included */
    __u32 length;
    __u32 cursor;
    /* The piece in work. */
    __u32 offset; /* of the first byte of it that is not in the text */
    __u32 size;
    /* The command in work. */
    __u32 verb; /* enum bmc_verb */
    __u32 stop; /* end of its line, without CR LF */
    __u32 next; /* start of the next line */
    __u32 key;
    __u32 key_length;
    __u32 flags;    /* of a meta command, so far */
    __u32 is_write; /* it changes something */
    __u32 is_base64;
    __u32 exptimes;
    __u32 exptime[2]; /* that it names, as on the wire; of negative ones zero */
    __u32 number;     /* read last */
    __u32 window;     /* of a connection that is let go: its window, while that is kept small */
    __u32 reserved;
    struct bmc_text text;
};

BMC_INLINE enum bmc_stream_event bmc_stream_lose(struct bmc_stream *s)
{
    s->state = BMC_STREAM_LOST;
    return BMC_STREAM_STRAY;
}

BMC_INLINE void bmc_stream_add_exptime(struct bmc_stream *s, __u32 exptime)
{
    if (s->exptimes == 0)
        s->exptime[0] = exptime;
    else
        s->exptime[1] = exptime;
    if (s->exptimes < 2)
        s->exptimes++;
}

/*
 * Position behind the spaces at pos, or 0 if there are more of them than are looked at:
 * no line is read on with a position of 0. Global, as the next three: the verifier walks
 * each once.
 */
BMC_GLOBAL __u32 bmc_stream_skip(struct bmc_stream *s, __u32 pos)
{
    __u32 at;

    if (!s)
        return 0;
    at = bmc_forget(&s->text, bmc_skip_spaces(&s->text, bmc_bounded(pos)));
    return s->text.byte[at] == ' ' ? 0 : at;
}

/*
 * End of the word at pos of the line, or 0 if there is none, or one that is longer than
 * a key, or has a control character: memcached splits lines at spaces only.
 */
BMC_GLOBAL __u32 bmc_stream_word(struct bmc_stream *s, __u32 pos)
{
    __u32 at, stop;

    if (!s)
        return 0;
    pos = bmc_bounded(pos);
    stop = bmc_bounded(s->stop);
    at = bmc_forget(&s->text, bmc_token_end(&s->text, pos, stop));
    if (at <= pos || at > pos + BMC_KEY_MAX || (at < stop && s->text.byte[at] != ' '))
        return 0;
    return at;
}

/*
 * End of the number at pos of the line, a word of digits and nothing else, or 0 if it is
 * none, or larger than `max`. Its value is s->number.
 */
BMC_GLOBAL __u32 bmc_stream_number(struct bmc_stream *s, __u32 pos, __u32 max)
{
    struct bmc_number n;
    __u32 end;

    if (!s)
        return 0;
    pos = bmc_bounded(pos);
    n = bmc_number_at(&s->text, pos);
    end = bmc_forget(&s->text, n.end);
    if (end <= pos || end > s->stop || (end < s->stop && s->text.byte[end] != ' ') || n.value > max)
        return 0;
    s->number = (__u32)n.value;
    return end;
}

/* The same for an exptime; a negative one means that the item is gone at once. */
BMC_GLOBAL __u32 bmc_stream_exptime(struct bmc_stream *s, __u32 pos)
{
    __u32 is_negative, end;

    if (!s)
        return 0;
    pos = bmc_bounded(pos);
    is_negative = s->text.byte[pos] == '-';
    end = bmc_stream_number(s, pos + is_negative, 0x7fffffff);
    if (end)
        bmc_stream_add_exptime(s, is_negative ? 0 : s->number);
    return end;
}

/* The command has come to its end, value and all if one follows. */
BMC_INLINE enum bmc_stream_event bmc_stream_finish(struct bmc_stream *s)
{
    s->cursor = s->next;
    s->state = s->value_left ? BMC_STREAM_VALUE : BMC_STREAM_COMMAND;
    return s->is_write ? BMC_STREAM_WRITE : BMC_STREAM_NOTHING;
}

/*
 * Commands without a key of theirs to be changed, by their first four letters. The ends
 * are not looked at: memcached answers ERROR to what it does not know, and goes on with
 * the next line. What is unknown here might be known to a later memcached.
 */
BMC_INLINE int bmc_stream_is_harmless(const struct bmc_text *text, __u32 pos)
{
    switch (bmc_half(text->byte + pos)) {
    case BMC_FOUR('g', 'e', 't', ' '):
    case BMC_FOUR('g', 'e', 't', 's'):
    case BMC_FOUR('b', 'g', 'e', 't'):
    case BMC_FOUR('s', 't', 'a', 't'): /* stats */
    case BMC_FOUR('v', 'e', 'r', 's'): /* version */
    case BMC_FOUR('v', 'e', 'r', 'b'): /* verbosity */
    case BMC_FOUR('q', 'u', 'i', 't'):
    case BMC_FOUR('s', 'h', 'u', 't'): /* shutdown */
    case BMC_FOUR('s', 'l', 'a', 'b'): /* slabs */
    case BMC_FOUR('l', 'r', 'u', ' '):
    case BMC_FOUR('l', 'r', 'u', '_'): /* lru_crawler */
    case BMC_FOUR('c', 'a', 'c', 'h'): /* cache_memlimit */
    case BMC_FOUR('w', 'a', 't', 'c'): /* watch */
    case BMC_FOUR('r', 'e', 'f', 'r'): /* refresh_certs */
        return 1;
    default:
        break;
    }
    switch (bmc_half(text->byte + pos) & 0xffffff) {
    case BMC_FOUR('m', 'n', '\r', 0):
    case BMC_FOUR('m', 'n', '\n', 0):
    case BMC_FOUR('m', 'n', ' ', 0):
    case BMC_FOUR('m', 'e', ' ', 0):
        return 1;
    default:
        return 0;
    }
}

/* flush_all [<delay>] [noreply], the rest of it at pos. */
BMC_INLINE enum bmc_stream_event bmc_stream_flush_line(struct bmc_stream *s, __u32 pos)
{
    const __u32 at = bmc_bounded(bmc_stream_skip(s, pos));

    if (!at)
        return bmc_stream_lose(s);
    if (at < s->stop && s->text.byte[at] != 'n' && !bmc_stream_exptime(s, at))
        return bmc_stream_lose(s);
    s->cursor = s->next;
    return BMC_STREAM_FLUSH;
}

/*
 * A number of 64 bits at pos of the line: its end, or 0. One of up to 19 digits certainly
 * is one.
 */
BMC_GLOBAL __u32 bmc_stream_long_number(struct bmc_stream *s, __u32 pos)
{
    __u32 i, end;

    if (!s)
        return 0;
    pos = bmc_bounded(pos);
    end = bmc_stream_word(s, pos);
    if (!end || end > pos + 19)
        return 0;
    for (i = 0; i < 19; i++)
        if (pos + i < end && (__u8)(s->text.byte[pos + i] - '0') > 9)
            return 0;
    return end;
}

/* <key> <flags> <exptime> <bytes> [<cas unique>] [noreply], behind the key at pos. */
BMC_GLOBAL int bmc_stream_store_line(struct bmc_stream *s, __u32 pos, int is_cas)
{
    __u32 at;

    if (!s)
        return BMC_STREAM_MORE;
    at = bmc_stream_skip(s, pos);
    at = at ? bmc_stream_number(s, at, 0xffffffff) : 0;
    at = at ? bmc_stream_skip(s, at) : 0;
    at = at ? bmc_stream_exptime(s, at) : 0;
    at = at ? bmc_stream_skip(s, at) : 0;
    at = at ? bmc_stream_number(s, at, BMC_STREAM_VALUE_MAX) : 0;
    if (!at)
        return bmc_stream_lose(s);
    s->value_left = (__u64)s->number + 2;
    at = bmc_stream_skip(s, at);
    if (is_cas) {
        at = at ? bmc_stream_long_number(s, at) : 0;
        at = at ? bmc_stream_skip(s, at) : 0;
    }
    if (at && at < s->stop) { /* noreply, or what memcached overlooks in its place */
        at = bmc_stream_word(s, at);
        at = at ? bmc_stream_skip(s, at) : 0;
        if (at < s->stop)
            at = 0;
    }
    return at ? bmc_stream_finish(s) : bmc_stream_lose(s);
}

/* The line at the cursor. */
BMC_GLOBAL int bmc_stream_line(struct bmc_stream *s)
{
    __u32 pos, line, stop, at, first, length = 0;
    enum bmc_verb verb;

    if (!s)
        return BMC_STREAM_MORE;
    pos = bmc_bounded(s->cursor);
    line = bmc_line_end(&s->text, pos, bmc_bounded(s->length));
    if (!line)
        return BMC_STREAM_MORE;
    line = bmc_forget(&s->text, line);
    s->next = line;
    stop = line - 1;
    if (stop > pos && stop <= BMC_TEXT_MAX && s->text.byte[stop - 1] == '\r')
        stop--;
    s->stop = stop;
    s->flags = s->is_write = s->is_base64 = s->exptimes = 0;
    s->value_left = 0;

    at = bmc_forget(&s->text, bmc_skip_spaces(&s->text, pos));
    if (at >= s->stop) { /* nothing, to which memcached answers ERROR */
        s->cursor = s->next;
        return BMC_STREAM_NOTHING;
    }
    verb = bmc_verb_at(&s->text, at, &length);
    s->verb = verb;
    if (verb == BMC_VERB_NONE) {
        if (bmc_stream_is_harmless(&s->text, at)) {
            s->cursor = s->next;
            return BMC_STREAM_NOTHING;
        }
        if (bmc_word(s->text.byte + at) != 0x6c615f6873756c66ULL || /* "flush_al", then "l" */
            s->text.byte[at + 8] != 'l' || (at + 9 < s->stop && s->text.byte[at + 9] != ' '))
            return bmc_stream_lose(s);
        return bmc_stream_flush_line(s, bmc_forget(&s->text, at + 9));
    }
    first = s->text.byte[at];
    s->is_write = first != 'm' || s->text.byte[at + 1] != 'g'; /* of mg, the flags tell */
    at = bmc_stream_skip(s, bmc_forget(&s->text, at + length));
    if (!at)
        return bmc_stream_lose(s);
    if (verb == BMC_VERB_TOUCH_GET) {
        at = bmc_stream_exptime(s, at);
        if (!at)
            return bmc_stream_lose(s);
        s->cursor = at;
        s->state = BMC_STREAM_WORDS;
        return BMC_STREAM_NOTHING;
    }
    s->key = at;
    at = bmc_stream_word(s, at);
    if (!at)
        return bmc_stream_lose(s);
    s->key_length = at - s->key;
    if (verb == BMC_VERB_STORE)
        return bmc_stream_store_line(s, at, first == 'c');
    if (verb == BMC_VERB_META_STORE) {
        at = bmc_stream_skip(s, at);
        at = at ? bmc_stream_number(s, at, BMC_STREAM_VALUE_MAX) : 0;
        if (!at)
            return bmc_stream_lose(s);
        s->value_left = (__u64)s->number + 2;
    }
    if (first == 'm') {
        s->cursor = at;
        s->state = BMC_STREAM_WORDS;
        return BMC_STREAM_NOTHING;
    }
    if (first == 't') {
        at = bmc_stream_skip(s, at);
        if (!at || !bmc_stream_exptime(s, at))
            return bmc_stream_lose(s);
    }
    return bmc_stream_finish(s);
}

/* Six bits of a letter of base64 (RFC 4648 4), or more if it is none. */
BMC_GLOBAL __u32 bmc_base64_bits(__u8 letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : 64;
}

/*
 * Decodes four letters of the key in its place, those behind `group` others: the number
 * of bytes, or 0 if they are no base64.
 */
BMC_GLOBAL __u32 bmc_stream_decode_four(struct bmc_stream *s, __u32 group)
{
    __u32 i, word = 0, letters = 4;
    const __u8 *from;
    __u8 *to;

    if (!s)
        return 0;
    from = s->text.byte + bmc_bounded(s->key) + 4 * (group & 63);
    to = s->text.byte + bmc_bounded(s->key) + 3 * (group & 63);
    if (4 * (group + 1) == s->key_length && from[3] == '=')
        letters = from[2] == '=' ? 2 : 3;
    for (i = 0; i < 4; i++) {
        const __u32 bits = i < letters ? bmc_base64_bits(from[i]) : 0;

        if (bits > 63)
            return 0;
        word = (word << 6) | bits;
    }
    to[0] = (__u8)(word >> 16);
    to[1] = (__u8)(word >> 8);
    to[2] = (__u8)word;
    return letters - 1;
}

/*
 * Decodes the key in its place; whether it is plain base64. memcached skips letters that
 * are none, which is not done here.
 */
BMC_GLOBAL int bmc_stream_decode_key(struct bmc_stream *s)
{
    __u32 i, length, decoded = 0;

    if (!s)
        return 0;
    length = s->key_length;
    if (length % 4 || length > BMC_KEY_MAX)
        return 0;
    for (i = 0; i < BMC_KEY_MAX / 4; i++) {
        __u32 bytes;

        if (4 * i >= length)
            break;
        bytes = bmc_stream_decode_four(s, i);
        if (!bytes)
            return 0;
        decoded += bytes;
    }
    s->key_length = decoded;
    return decoded != 0;
}

/* The word at the cursor: a key of a gat, or a flag of a meta command. */
BMC_GLOBAL int bmc_stream_next_word(struct bmc_stream *s)
{
    __u32 at, end;

    if (!s)
        return BMC_STREAM_MORE;
    at = bmc_bounded(bmc_stream_skip(s, s->cursor));
    if (!at)
        return bmc_stream_lose(s);
    if (at >= s->stop) {
        if (s->verb == BMC_VERB_TOUCH_GET)
            s->is_write = 0;
        else if (s->is_write && s->is_base64 && !bmc_stream_decode_key(s))
            return bmc_stream_lose(s);
        return bmc_stream_finish(s);
    }
    end = bmc_stream_word(s, at);
    if (!end)
        return bmc_stream_lose(s);
    s->cursor = end;
    if (s->verb == BMC_VERB_TOUCH_GET) {
        s->key = at;
        s->key_length = end - at;
        return BMC_STREAM_WRITE;
    }
    if (s->flags >= BMC_STREAM_FLAGS_MAX)
        return bmc_stream_lose(s);
    s->flags++;
    switch (s->text.byte[at]) {
    case 'b':
        s->is_base64 = 1;
        break;
    case 'N': /* makes the item, to live so long, if there is none */
    case 'T':
        s->is_write = 1;
        if (!bmc_stream_exptime(s, bmc_forget(&s->text, at + 1)))
            return bmc_stream_lose(s);
        break;
    default:
        break;
    }
    return BMC_STREAM_NOTHING;
}

#define BMC_BINARY_HEADER     24
#define BMC_BINARY_EXTRAS_MAX 20

/* Number of four bytes in network byte order. */
BMC_INLINE __u32 bmc_binary_long(const __u8 *p)
{
    return ((__u32)p[0] << 24) | ((__u32)p[1] << 16) | ((__u32)p[2] << 8) | p[3];
}

/* The request of the binary protocol at the cursor. */
BMC_GLOBAL int bmc_stream_request(struct bmc_stream *s)
{
    __u32 pos, end, key_length, extras, body, head, wanted = 0, has_value = 0;
    const __u8 *p;

    if (!s)
        return BMC_STREAM_MORE;
    pos = bmc_bounded(s->cursor);
    end = bmc_bounded(s->length);
    p = s->text.byte + pos;
    if (pos + BMC_BINARY_HEADER > end)
        return BMC_STREAM_MORE;
    key_length = ((__u32)p[2] << 8) | p[3];
    extras = p[4];
    body = bmc_binary_long(p + 8);
    head = BMC_BINARY_HEADER + extras + key_length;
    if (p[0] != 0x80 || key_length > BMC_KEY_MAX || extras > BMC_BINARY_EXTRAS_MAX ||
        extras + key_length > body || body > BMC_STREAM_VALUE_MAX)
        return bmc_stream_lose(s);
    if (pos + head > end)
        return BMC_STREAM_MORE;

    s->exptimes = 0;
    s->is_write = 1;
    switch (p[1]) {
    case 0x01: /* set, add, replace, and the quiet ones */
    case 0x02:
    case 0x03:
    case 0x11:
    case 0x12:
    case 0x13:
        wanted = 8;
        has_value = 1;
        bmc_stream_add_exptime(s, bmc_binary_long(p + BMC_BINARY_HEADER + 4));
        break;
    case 0x0e: /* append, prepend, and the quiet ones */
    case 0x0f:
    case 0x19:
    case 0x1a:
        has_value = 1;
        break;
    case 0x04: /* delete, and the quiet one */
    case 0x14:
        break;
    case 0x05: /* increment, decrement, and the quiet ones */
    case 0x06:
    case 0x15:
    case 0x16:
        wanted = 20;
        if (bmc_binary_long(p + BMC_BINARY_HEADER + 16) != 0xffffffff) /* makes the item */
            bmc_stream_add_exptime(s, bmc_binary_long(p + BMC_BINARY_HEADER + 16));
        break;
    case 0x1c: /* touch, gat, gatq, gatk, gatkq */
    case 0x1d:
    case 0x1e:
    case 0x23:
    case 0x24:
        wanted = 4;
        bmc_stream_add_exptime(s, bmc_binary_long(p + BMC_BINARY_HEADER));
        break;
    case 0x08: /* flush, and the quiet one */
    case 0x18:
        if (key_length || body != extras || (extras && extras != 4))
            return bmc_stream_lose(s);
        if (extras)
            bmc_stream_add_exptime(s, bmc_binary_long(p + BMC_BINARY_HEADER));
        s->cursor = pos + head;
        return BMC_STREAM_FLUSH;
    case 0x00: /* get, getq, getk, getkq, stat, and those without a key */
    case 0x07: /* quit */
    case 0x09:
    case 0x0a: /* noop */
    case 0x0b: /* version */
    case 0x0c:
    case 0x0d:
    case 0x10:
    case 0x17:
        if (body != key_length)
            return bmc_stream_lose(s);
        s->cursor = pos + head;
        return BMC_STREAM_NOTHING;
    default:
        return bmc_stream_lose(s);
    }
    if (!key_length || extras != wanted || (!has_value && body != extras + key_length))
        return bmc_stream_lose(s);
    s->key = pos + BMC_BINARY_HEADER + extras;
    s->key_length = key_length;
    s->next = pos + head;
    s->value_left = body - extras - key_length;
    return bmc_stream_finish(s);
}

/* The end of a line that is skipped. */
BMC_GLOBAL int bmc_stream_skip_line(struct bmc_stream *s)
{
    __u32 line;

    if (!s)
        return BMC_STREAM_MORE;
    line = bmc_line_end(&s->text, bmc_bounded(s->cursor), bmc_bounded(s->length));
    if (line)
        s->state = BMC_STREAM_COMMAND;
    s->cursor = line ? line : s->length;
    return line ? BMC_STREAM_NOTHING : BMC_STREAM_MORE;
}

/* In a value: what of it is in the text, then what of it is in the piece. */
BMC_GLOBAL int bmc_stream_value(struct bmc_stream *s)
{
    __u32 in_text, in_piece;

    if (!s)
        return BMC_STREAM_MORE;
    in_text = s->length - s->cursor;
    in_piece = s->size - s->offset;
    if (s->value_left <= in_text) {
        s->cursor += (__u32)s->value_left;
        s->value_left = 0;
    } else {
        const __u64 rest = s->value_left - in_text;
        const __u32 skipped = rest < in_piece ? (__u32)rest : in_piece;

        s->cursor = s->length = 0;
        s->offset += skipped;
        s->value_left = rest - skipped;
        if (s->value_left)
            return BMC_STREAM_MORE;
    }
    s->state = BMC_STREAM_COMMAND;
    return BMC_STREAM_END;
}

/* Whether the value in work, or about to be, goes on behind the piece. */
BMC_INLINE int bmc_stream_is_cut(const struct bmc_stream *s)
{
    return s->value_left > (__u64)(s->length - s->cursor) + (s->size - s->offset);
}

/*
 * Makes room for more of the piece behind what the text still has, which moves to its
 * front: how many bytes are to be loaded from `offset` of the piece to `length` of the
 * text, or 0 if there is nothing to load or no room.
 */
BMC_GLOBAL __u32 bmc_stream_room(struct bmc_stream *s)
{
    __u32 left, room;

    if (!s || s->state == BMC_STREAM_VALUE || s->state == BMC_STREAM_LOST)
        return 0;
    if (s->cursor) { /* what is left is all of this piece: it is loaded again */
        s->offset -= s->length - s->cursor;
        s->length = s->cursor = 0;
    }
    left = s->size - s->offset;
    room = BMC_TEXT_MAX - bmc_bounded(s->length);
    if (room)
        return left < room ? left : room;
    /* A line that is not at its end after that many bytes. */
    if (left && s->state == BMC_STREAM_COMMAND) {
        const __u32 first = bmc_half(s->text.byte);

        if (s->protocol == BMC_STREAM_ASCII &&
            (first == BMC_FOUR('g', 'e', 't', ' ') || first == BMC_FOUR('g', 'e', 't', 's'))) {
            s->state = BMC_STREAM_LINE;
            s->length = 0;
            return left < BMC_TEXT_MAX ? left : BMC_TEXT_MAX;
        }
        s->state = BMC_STREAM_LOST;
    }
    return 0;
}

/* Starts on a piece of `size` bytes. */
BMC_INLINE void bmc_stream_start(struct bmc_stream *s, __u32 size)
{
    s->offset = 0;
    s->size = size;
}

/*
 * One step on what is in the text. BMC_STREAM_MORE: nothing is done before
 * bmc_stream_room() has said how much more of the piece is to be loaded, and that was.
 */
BMC_INLINE int bmc_stream_next(struct bmc_stream *s)
{
    switch (s->state) {
    case BMC_STREAM_COMMAND:
        if (s->cursor >= s->length)
            return BMC_STREAM_MORE;
        if (s->protocol == BMC_STREAM_UNKNOWN)
            s->protocol =
                s->text.byte[bmc_bounded(s->cursor)] == 0x80 ? BMC_STREAM_BINARY : BMC_STREAM_ASCII;
        return s->protocol == BMC_STREAM_BINARY ? bmc_stream_request(s) : bmc_stream_line(s);
    case BMC_STREAM_WORDS:
        return bmc_stream_next_word(s);
    case BMC_STREAM_LINE:
        return bmc_stream_skip_line(s);
    case BMC_STREAM_VALUE:
        return bmc_stream_value(s);
    default:
        return BMC_STREAM_MORE;
    }
}

#endif
