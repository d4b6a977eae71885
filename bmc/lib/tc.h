// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_TC_H
#define BMC_LIB_TC_H

#include <cstdint>
#include <vector>

#include <linux/bpf.h>

#include "bmc/lib/fd.h"
#include "bmc/lib/interface.h"
#include "bmc/lib/result.h"

namespace bmc
{

/// BPF_TCX_INGRESS and BPF_TCX_EGRESS of enum bpf_attach_type in Linux 6.6's
/// uapi/linux/bpf.h, which is newer than the headers of Debian 12.
constexpr bpf_attach_type bpf_tcx_ingress = static_cast<bpf_attach_type>(46);
constexpr bpf_attach_type bpf_tcx_egress = static_cast<bpf_attach_type>(47);

/// TCX programs of one direction of an interface (Linux,
/// include/linux/bpf_mprog.h: bpf_mprog_max()).
constexpr int max_tcx_programs = 63;

/// How programs hang at TC. The values are stored in the instance's record.
enum class TcKind : uint32_t { none = 0, tcx = 1, clsact = 2 };

/// What was asked for; automatic is tcx, or clsact if the kernel has no TCX.
enum class TcChoice { automatic, tcx, clsact };

const char *kind_name(TcKind kind);

enum class TcDirection { ingress, egress };

/// "ingress", "egress"
const char *direction_name(TcDirection direction);

/// Attaches a program to TC by a TCX link, before all others there. It must
/// return TC_ACT_UNSPEC for the others to run.
Result<Fd> attach_tcx(int program, const Interface &interface, TcDirection direction);

/// A filter of a clsact qdisc.
struct TcFilter {
    uint32_t handle = 0;
    uint32_t priority = 0;
};

/// Whether the interface has a clsact qdisc.
Result<bool> has_clsact(uint32_t ifindex);

/// Whether the interface has an ingress qdisc, which takes clsact's place.
Result<bool> has_ingress_qdisc(uint32_t ifindex);

/// All filters of one side of an interface's clsact qdisc; none without one.
Result<std::vector<TcFilter>> list_filters(uint32_t ifindex, TcDirection direction);

/// Adds a clsact qdisc; an error if there is one already.
Status add_clsact(const Interface &interface);

/// Chooses a place for our filter: before the others where possible, and at a
/// priority that nobody uses.
Result<TcFilter> choose_filter(const Interface &interface, TcDirection direction);

/// Attaches a direct-action filter; an error if the place is taken.
Status add_filter(const Interface &interface, TcDirection direction, TcFilter filter, int program);

/// Puts another program in the place of the one that a filter has; no packet passes
/// without either.
Status replace_filter(const Interface &interface, TcDirection direction, TcFilter filter,
                      int program);

/// Id of the BPF program of a filter; 0 if there is none.
uint32_t filter_program(uint32_t ifindex, TcDirection direction, TcFilter filter);

/// Removes the filters with our handle that hold one of the programs with these ids.
Status remove_filters(uint32_t ifindex, TcDirection direction,
                      const std::vector<uint32_t> &program_ids);

/// Removes the clsact qdisc, if there is one, unless a filter is left on either
/// side.
Status remove_empty_clsact(uint32_t ifindex);

} // namespace bmc

#endif
