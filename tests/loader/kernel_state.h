// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_LOADER_KERNEL_STATE_H
#define BMC_TESTS_LOADER_KERNEL_STATE_H

#include <cstdint>
#include <string>
#include <vector>

#include "bmc/lib/fd.h"
#include "bmc/lib/tc.h"
#include "tests/harness/netns.h"

/*
 * What the kernel says about an interface, asked without the library under
 * test, and foreign programs for bmc to meet. All throw Error on failure.
 */
namespace bmc::test
{

/// Id of the XDP program on an interface; 0 if there is none.
uint32_t xdp_program(const NetNs &where, const std::string &interface);

/// Ids of the TCX programs of an interface, in the order they run.
std::vector<uint32_t> tcx_programs(const NetNs &where, const std::string &interface,
                                   TcDirection direction);

/// What tc(8) shows of an interface.
std::string tc_filters(const NetNs &where, const std::string &interface, TcDirection direction);
std::string tc_qdiscs(const NetNs &where, const std::string &interface);

/// Id of an open or pinned program.
uint32_t program_id(int program);
uint32_t program_id(const std::string &pin);

/// Ids of the programs and maps that are pinned below a folder, links left out.
struct PinnedIds {
    std::vector<uint32_t> programs;
    std::vector<uint32_t> maps;
};
PinnedIds pinned_ids(const std::string &folder);

/// Id of a pinned map.
uint32_t map_id(const std::string &pin);

/// Whether anything still keeps the program, the map alive.
bool program_exists(uint32_t id);
bool map_exists(uint32_t id);

/// An XDP program that passes everything; with `frags`, frames of any MTU.
Fd load_xdp_pass(bool frags = true);

/// The dispatcher of libxdp, as installed, with no program in it.
Fd load_libxdp_dispatcher();

/// A TC program that counts the packets it sees and lets them pass.
class CountingProgram
{
  public:
    CountingProgram();

    int fd() const { return program_.get(); }
    uint64_t count() const;

  private:
    Fd map_;
    Fd program_;
};

/// Attaches a program by an XDP link.
Fd attach_foreign_xdp(const NetNs &where, const std::string &interface, int program,
                      uint32_t flags);

/// Attaches a program by a TCX link, behind what is there.
Fd attach_foreign_tcx(const NetNs &where, const std::string &interface, TcDirection direction,
                      int program);

/// Attaches a program by a filter of the clsact qdisc, which is there.
void attach_foreign_filter(const NetNs &where, const std::string &interface, TcDirection direction,
                           int program, uint32_t priority, uint32_t handle = 1);

} // namespace bmc::test

#endif
