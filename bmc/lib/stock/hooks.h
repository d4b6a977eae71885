// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_STOCK_HOOKS_H
#define BMC_LIB_STOCK_HOOKS_H

#include <cstdint>
#include <functional>
#include <string>

#include "bmc/lib/result.h"
#include "bmc/lib/stock/memcached.h"

namespace bmc
{

/// Attaches the programs that watch memcached's TCP connections, whose pins are in the
/// folder with those of their maps, and pins the link there. Connections that are made
/// from now on, in any cgroup, are followed.
Status attach_connection_hooks(const std::string &folder);

/// Attaches the program that watches datagrams to each of memcached's UDP sockets.
Status attach_filters(const std::string &folder, const Memcached &memcached);

/// Enters memcached's UDP sockets into the map `sockets`, each for the endpoints of the
/// instance that it answers for: from then on the kernel may answer there. An error if
/// there is none.
Status enter_sockets(const std::string &folder, const Memcached &memcached);

/// Called while connections cannot be let go yet, for memcached has not read all that has
/// come over them, with how many these are. False gives up.
using Waiting = std::function<bool(size_t connections)>;

/// Takes away all that watches memcached, if the instance has that: first nothing is
/// answered any more, then every connection is let go when memcached has read what waits
/// for it, so that no byte is lost. What was done stays done if `waiting` gives up, as it
/// does after ten seconds if it is empty: the call can be repeated.
Status remove_hooks(const std::string &folder, const Waiting &waiting = {});

} // namespace bmc

#endif
