/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef BMC_PROTOCOL_VALUE_H
#define BMC_PROTOCOL_VALUE_H

/*
 * The reply to a get (protocol.txt, "Retrieval command"):
 *   VALUE <key> <flags> <bytes>\r\n<data block>\r\n   ... END\r\n
 */

#include "scan.h"

/* Where the parts of one VALUE lie; all positions are in the text. */
struct bmc_value {
    __u32 key;
    __u32 key_length;
    __u32 flags;
    __u32 data;
    __u32 data_length;
    __u32 end; /* behind the closing CR LF */
};

enum bmc_value_result {
    BMC_VALUE_OK,
    BMC_VALUE_NONE,  /* the text at pos does not start with "VALUE " */
    BMC_VALUE_SYNTAX /* it does, but is not the plain form, or is cut short */
};

/*
 * Whether the number at pos is longer than it must be. memcached prints none so;
 * a reply that does is not its own, and would reach clients byte for byte.
 */
BMC_INLINE int bmc_has_leading_zero(const struct bmc_text *text, __u32 pos)
{
    return text->byte[pos] == '0' && text->byte[pos + 1] >= '0' && text->byte[pos + 1] <= '9';
}

/*
 * Parses the VALUE at pos of a text that ends at `end`. A reply to gets (cas
 * unique as a third number) is BMC_VALUE_SYNTAX: it must never be cached as the
 * reply to a get. pos, end <= BMC_TEXT_MAX.
 */
BMC_INLINE enum bmc_value_result bmc_value_at(struct bmc_text *text, __u32 pos, __u32 end,
                                              struct bmc_value *v)
{
    struct bmc_number n;
    __u32 at;

    if (pos + 6 > end || bmc_half(text->byte + pos) != BMC_FOUR('V', 'A', 'L', 'U') ||
        bmc_two(text->byte + pos + 4) != ('E' | (' ' << 8)))
        return BMC_VALUE_NONE;

    v->key = bmc_forget(text, pos + 6);
    at = bmc_forget(text, bmc_token_end(text, v->key, end));
    v->key_length = at - v->key;
    if (at < v->key || v->key_length == 0 || v->key_length > BMC_KEY_MAX || at >= end ||
        text->byte[at] != ' ')
        return BMC_VALUE_SYNTAX;

    at++;
    n = bmc_number_at(text, at);
    if (n.end == at || n.value > 0xffffffffULL || bmc_has_leading_zero(text, at))
        return BMC_VALUE_SYNTAX;
    v->flags = (__u32)n.value;
    at = bmc_forget(text, n.end);
    if (at >= end || text->byte[at] != ' ')
        return BMC_VALUE_SYNTAX;

    at++;
    n = bmc_number_at(text, at);
    if (n.end == at || n.value > BMC_TEXT_MAX || bmc_has_leading_zero(text, at))
        return BMC_VALUE_SYNTAX;
    v->data_length = (__u32)n.value;
    at = bmc_forget(text, n.end);
    if (at + 2 > end || bmc_two(text->byte + at) != BMC_CRLF)
        return BMC_VALUE_SYNTAX;

    v->data = bmc_forget(text, at + 2);
    at = v->data + v->data_length;
    if (at + 2 > end)
        return BMC_VALUE_SYNTAX;
    at = bmc_forget(text, at);
    if (bmc_two(text->byte + at) != BMC_CRLF)
        return BMC_VALUE_SYNTAX;
    v->end = at + 2;
    return BMC_VALUE_OK;
}

/* Whether the text at pos is the closing "END\r\n" and ends the text. */
BMC_INLINE int bmc_is_end(const struct bmc_text *text, __u32 pos, __u32 end)
{
    return pos + 5 == end && bmc_half(text->byte + pos) == BMC_FOUR('E', 'N', 'D', '\r') &&
           text->byte[pos + 4] == '\n';
}

#endif
