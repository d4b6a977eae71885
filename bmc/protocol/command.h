/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_PROTOCOL_COMMAND_H
#define BMC_PROTOCOL_COMMAND_H

/*
 * Finds the key that one ASCII command line may change, and where the next
 * command starts (protocol.txt: storage, deletion, incr/decr, touch, gat, and
 * the meta commands). Lines that change nothing are walked over.
 */

#include "value.h"

enum bmc_command_kind {
    BMC_COMMAND_OTHER, /* changes no single key, as far as the line says */
    BMC_COMMAND_WRITE, /* may change the key at [key, key + key_length) */
    BMC_COMMAND_CUT    /* the line does not end inside the text */
};

struct bmc_command {
    __u32 key;
    __u32 key_length;
    __u32 next; /* start of the next command; beyond the text if data is cut short */
};

enum bmc_verb {
    BMC_VERB_NONE,
    BMC_VERB_KEY,        /* <verb> <key> ...: delete, incr, decr, touch, md, ma, mg */
    BMC_VERB_STORE,      /* <verb> <key> <flags> <exptime> <bytes> ... and data */
    BMC_VERB_META_STORE, /* ms <key> <bytes> ... and data */
    BMC_VERB_TOUCH_GET   /* gat, gats <exptime> <key>* : only the first key is named */
};

/*
 * The verb at pos; *length gets its length, space included. A verb is compared
 * by its first four bytes and the rest.
 */
BMC_INLINE enum bmc_verb bmc_verb_at(const struct bmc_text *text, __u32 pos, __u32 *length)
{
    const __u8 *p = text->byte + pos;

    switch (bmc_half(p)) {
    case BMC_FOUR('s', 'e', 't', ' '):
    case BMC_FOUR('a', 'd', 'd', ' '):
    case BMC_FOUR('c', 'a', 's', ' '):
        *length = 4;
        return BMC_VERB_STORE;
    case BMC_FOUR('r', 'e', 'p', 'l'): /* replace */
        *length = 8;
        return bmc_half(p + 4) == BMC_FOUR('a', 'c', 'e', ' ') ? BMC_VERB_STORE : BMC_VERB_NONE;
    case BMC_FOUR('p', 'r', 'e', 'p'): /* prepend */
        *length = 8;
        return bmc_half(p + 4) == BMC_FOUR('e', 'n', 'd', ' ') ? BMC_VERB_STORE : BMC_VERB_NONE;
    case BMC_FOUR('a', 'p', 'p', 'e'): /* append */
        *length = 7;
        return bmc_half(p + 3) == BMC_FOUR('e', 'n', 'd', ' ') ? BMC_VERB_STORE : BMC_VERB_NONE;
    case BMC_FOUR('d', 'e', 'l', 'e'): /* delete */
        *length = 7;
        return bmc_half(p + 3) == BMC_FOUR('e', 't', 'e', ' ') ? BMC_VERB_KEY : BMC_VERB_NONE;
    case BMC_FOUR('i', 'n', 'c', 'r'):
    case BMC_FOUR('d', 'e', 'c', 'r'):
        *length = 5;
        return p[4] == ' ' ? BMC_VERB_KEY : BMC_VERB_NONE;
    case BMC_FOUR('t', 'o', 'u', 'c'): /* touch */
        *length = 6;
        return bmc_two(p + 4) == ('h' | (' ' << 8)) ? BMC_VERB_KEY : BMC_VERB_NONE;
    case BMC_FOUR('g', 'a', 't', ' '):
        *length = 4;
        return BMC_VERB_TOUCH_GET;
    case BMC_FOUR('g', 'a', 't', 's'):
        *length = 5;
        return p[4] == ' ' ? BMC_VERB_TOUCH_GET : BMC_VERB_NONE;
    default:
        break;
    }
    *length = 3;
    switch (bmc_half(p) & 0xffffff) {
    case BMC_FOUR('m', 's', ' ', 0):
        return BMC_VERB_META_STORE;
    case BMC_FOUR('m', 'd', ' ', 0):
    case BMC_FOUR('m', 'a', ' ', 0):
    case BMC_FOUR('m', 'g', ' ', 0):
        return BMC_VERB_KEY;
    default:
        return BMC_VERB_NONE;
    }
}

/* Position behind the spaces at pos; memcached takes any number of them. */
BMC_INLINE __u32 bmc_skip_spaces(const struct bmc_text *text, __u32 pos)
{
    __u32 i;

    for (i = 0; i < 8; i++)
        if (text->byte[pos + i] != ' ')
            break;
    return pos + i;
}

/*
 * Reads the command at pos of a text that ends at `end`. Fields that cannot be
 * read leave c->next at the next line: what follows is then taken as commands,
 * which can only name keys too many. pos, end <= BMC_TEXT_MAX.
 */
BMC_INLINE enum bmc_command_kind bmc_command_at(struct bmc_text *text, __u32 pos, __u32 end,
                                                struct bmc_command *c)
{
    __u32 at, line, numbers, i, length = 0;
    struct bmc_number n;
    enum bmc_verb verb;

    line = bmc_line_end(text, pos, end);
    if (!line)
        return BMC_COMMAND_CUT;
    line = bmc_forget(text, line);
    c->next = line;

    verb = bmc_verb_at(text, pos, &length);
    if (verb == BMC_VERB_NONE)
        return BMC_COMMAND_OTHER;
    at = bmc_forget(text, bmc_skip_spaces(text, bmc_forget(text, pos + length)));
    if (verb == BMC_VERB_TOUCH_GET) {
        i = bmc_forget(text, bmc_token_end(text, at, line));
        if (i > at + BMC_KEY_MAX) /* no exptime, and not looked at to its end */
            return BMC_COMMAND_OTHER;
        at = bmc_forget(text, bmc_skip_spaces(text, i));
    }
    c->key = at;
    at = bmc_forget(text, bmc_token_end(text, c->key, line));
    c->key_length = at - c->key;
    if (at <= c->key || c->key_length > BMC_KEY_MAX)
        return BMC_COMMAND_OTHER;

    if (verb == BMC_VERB_KEY || verb == BMC_VERB_TOUCH_GET)
        return BMC_COMMAND_WRITE;

    /* The data's length is the last of three numbers, or the only one. */
    numbers = verb == BMC_VERB_STORE ? 3 : 1;
    n.value = 0;
    for (i = 0; i < 3; i++) {
        if (i >= numbers)
            break;
        at = bmc_forget(text, bmc_skip_spaces(text, at));
        if (text->byte[at] == '-') /* a negative exptime */
            at = bmc_forget(text, at + 1);
        n = bmc_number_at(text, at);
        if (n.end == at)
            return BMC_COMMAND_WRITE;
        at = bmc_forget(text, n.end);
        if (text->byte[at] > ' ')
            return BMC_COMMAND_WRITE;
    }
    c->next = n.value > BMC_TEXT_MAX ? end : line + (__u32)n.value + 2;
    return BMC_COMMAND_WRITE;
}

#endif
