// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/stock/connections.h"

#include <algorithm>

#include <bpf/bpf.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/maps.h"
#include "bmc/protocol/stream.h"

namespace bmc
{

Result<Connections> Connections::open(const std::string &folder)
{
    auto streams =
        open_map(folder + "/" BMC_PIN_STREAMS, BPF_MAP_TYPE_HASH, sizeof(bmc_stream));

    if (!streams)
        return streams.error();
    return Connections(std::move(*streams));
}

bool Connections::is_followed(uint64_t cookie) const
{
    bmc_stream stream = {};

    return bpf_map_lookup_elem(streams_.get(), &cookie, &stream) == 0 &&
           stream.state != BMC_STREAM_LOST;
}

Result<std::vector<ListedSocket>> Connections::blind(const std::vector<uint16_t> &ports) const
{
    std::vector<ListedSocket> found;

    for (const uint16_t port : ports) {
        /*
         * A dump of the kernel's goes on where it was, in a hash bucket, by counting: it
         * passes over a connection if others of the bucket are closed just then. Hence
         * a second one.
         */
        for (int i = 0; i < 2; i++) {
            const auto listed = list_sockets(SocketKind::tcp_connected, port);
            if (!listed)
                return listed.error();
            for (const ListedSocket &one : *listed) {
                const auto is_same = [&](const ListedSocket &other) {
                    return other.cookie == one.cookie;
                };
                if (is_followed(one.cookie) || std::any_of(found.begin(), found.end(), is_same))
                    continue;
                /* One that was closed meanwhile is not followed any more either. */
                const auto open = is_open(one);
                if (!open)
                    return open.error();
                if (*open)
                    found.push_back(one);
            }
        }
    }
    return found;
}

size_t Connections::followed() const
{
    uint64_t cookie = 0;
    size_t count = 0;

    for (const void *before = nullptr;
         bpf_map_get_next_key(streams_.get(), before, &cookie) == 0; before = &cookie)
        if (is_followed(cookie))
            count++;
    return count;
}

} // namespace bmc
