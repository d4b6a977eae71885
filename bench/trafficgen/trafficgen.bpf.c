// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * The client's end: `generate` writes requests, `count_replies` is the sink for
 * what comes back.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/trafficgen/layout.h"

#define ETH_HEADER_SIZE  14
#define IPV4_HEADER_SIZE 20
#define IPV6_HEADER_SIZE 40
#define ETH_P_IP_BE      bpf_htons(0x0800)
#define ETH_P_IPV6_BE    bpf_htons(0x86dd)
#define FRAME_SIZE       8 /* memcached's frame header: id, sequence, total, reserved */

const volatile struct trafficgen_request request;
const volatile struct trafficgen_sink sink;

__u32 samples[TRAFFICGEN_SAMPLES];

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct trafficgen_frame);
} frames SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct trafficgen_counters);
} counters SEC(".maps");

/*
 * Writes the last bytes of the key with this index at `at` and returns their
 * sum: its decimal digits behind as much padding as they need.
 */
static __always_inline __u32 write_digits(__u8 *bytes, __u32 at, __u32 index)
{
    __u64 left = index;
    __u32 sum = 0, i;

    for (i = 0; i < 10 && i < request.digits; i++) {
        const __u32 to = at + request.digits - 1 - i;
        const __u64 next = (left * 0xcccccccdULL) >> 35; /* left / 10, for 32 bits */
        const __u32 c = left || !i ? '0' + (left - next * 10) : 'k';

        if (to >= TRAFFICGEN_FRAME_MAX)
            break;
        bytes[to] = c;
        sum += to & 1 ? c << 8 : c;
        left = next;
    }
    return sum;
}

/* The index of the next key: see TRAFFICGEN_RUN. */
static __always_inline __u32 next_key(struct trafficgen_frame *f)
{
    __u32 at = f->next_sample;

    if (!(at & (TRAFFICGEN_RUN - 1)))
        at = bpf_get_prandom_u32() & -TRAFFICGEN_RUN;
    f->next_sample = at + 1;
    return samples[at & (TRAFFICGEN_SAMPLES - 1)];
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
    const __u32 zero = 0, udp_at = request.udp;
    struct trafficgen_frame *f = bpf_map_lookup_elem(&frames, &zero);
    __u64 sum = request.sum;
    struct udphdr *udp;
    __u16 *id, number;
    __u32 i;

    if (!f || request.length > TRAFFICGEN_FRAME_MAX ||
        udp_at > TRAFFICGEN_FRAME_MAX - sizeof(*udp) - FRAME_SIZE)
        return XDP_ABORTED;
    udp = (void *)f->byte + udp_at;
    id = (__u16 *)(udp + 1);

    number = f->next_id++;
    *id = bpf_htons(number);
    udp->source = bpf_htons(request.first_port + number % request.port_count);
    sum += udp->source + *id;
    for (i = 0; i < TRAFFICGEN_KEYS_MAX && i < request.key_count; i++) {
        const __u32 end = request.first_key + i * (request.key_size + 1) + request.key_size;

        sum += write_digits(f->byte, end - request.digits, next_key(f));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~sum & 0xffff;
    udp->check = sum ? sum : 0xffff; /* RFC 768: zero would mean none */

    if (bpf_xdp_store_bytes(ctx, 0, f->byte, request.length))
        return XDP_ABORTED;
    return bpf_redirect(request.ifindex, 0);
}

/* The UDP header, if the packet is from the server to one of our ports. */
static __always_inline struct udphdr *find_reply(void *data, void *data_end)
{
    const struct ethhdr *eth = data;
    struct udphdr *udp;
    __u16 port;

    if (sink.is_ipv6) {
        const struct ipv6hdr *ip = (void *)(eth + 1);
        const __u32 *source = ip->saddr.in6_u.u6_addr32;

        udp = (void *)(ip + 1);
        if ((void *)(udp + 1) > data_end || eth->h_proto != ETH_P_IPV6_BE ||
            ip->nexthdr != IPPROTO_UDP || source[0] != sink.server[0] ||
            source[1] != sink.server[1] || source[2] != sink.server[2] ||
            source[3] != sink.server[3])
            return 0;
    } else {
        const struct iphdr *ip = (void *)(eth + 1);

        udp = (void *)(ip + 1);
        if ((void *)(udp + 1) > data_end || eth->h_proto != ETH_P_IP_BE || ip->version != 4 ||
            ip->ihl != 5 || ip->protocol != IPPROTO_UDP || ip->saddr != sink.server[0])
            return 0;
    }
    port = bpf_ntohs(udp->dest) - sink.first_port;
    return udp->source == sink.server_port && port < sink.port_count ? udp : 0;
}

enum reply_kind { REPLY_VALUE, REPLY_END, REPLY_FURTHER, REPLY_MALFORMED, REPLY_OTHER };

/* Looks at the fewest bytes that tell; the text is at `text`. */
static __always_inline enum reply_kind classify(const struct udphdr *udp, void *data_end)
{
    const __u8 *frame = (const void *)(udp + 1), *text = frame + FRAME_SIZE;
    const __u8 *key = text + 6;
    __u8 last;

    if ((void *)text > data_end)
        return REPLY_OTHER;
    if (*(const __u16 *)(frame + 2))
        return REPLY_FURTHER;
    if ((void *)(text + 5) > data_end)
        return REPLY_OTHER;
    if (text[0] == 'E' && text[1] == 'N' && text[2] == 'D' && text[3] == '\r' && text[4] == '\n')
        return REPLY_END;
    if ((void *)(key + sink.key_size + 1) > data_end || text[0] != 'V' || text[1] != 'A' ||
        text[2] != 'L' || text[3] != 'U' || text[4] != 'E' || text[5] != ' ')
        return REPLY_OTHER;
    last = key[sink.key_size - 1];
    return key[sink.key_size] == ' ' && last >= '0' && last <= '9' &&
                   (key[0] == 'k' || (key[0] >= '0' && key[0] <= '9'))
               ? REPLY_VALUE
               : REPLY_MALFORMED;
}

SEC("xdp")
int count_replies(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
    const struct udphdr *udp = find_reply(data, data_end);
    const __u32 zero = 0;
    struct trafficgen_counters *c;

    if (!udp)
        return XDP_PASS;
    c = bpf_map_lookup_elem(&counters, &zero);
    if (!c)
        return XDP_PASS;
    c->frames++;
    c->bytes += data_end - data;
    switch (classify(udp, data_end)) {
    case REPLY_VALUE:
        c->values++;
        break;
    case REPLY_END:
        c->ends++;
        break;
    case REPLY_FURTHER:
        c->further++;
        break;
    case REPLY_MALFORMED:
        c->malformed++;
        break;
    case REPLY_OTHER:
        c->other++;
        break;
    }
    return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
