// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_PROGRAMS_H
#define BMC_LIB_PROGRAMS_H

#include <memory>
#include <string>
#include <vector>

#include "bmc/abi/config.h"
#include "bmc/lib/access.h"
#include "bmc/lib/memory.h"
#include "bmc/lib/result.h"

struct bmc_bpf; // the generated skeleton

namespace bmc
{

/// Descriptors of the programs that hooks run; the others are reached from these.
struct EntryPrograms {
    int rx_filter = -1;     ///< XDP
    int skb_rx_filter = -1; ///< TC ingress
    int tx_filter = -1;     ///< TC egress
};

/// The kernel programs and their maps, loaded but attached to nothing: a *set*. They
/// are freed with this object, save what is pinned or attached by then.
///
/// Some maps are the instance's: all its sets use the same. The others, through which
/// the programs of one packet hand over to each other, are the set's own. The map
/// `counters` is handed from set to set as long as it keeps its size.
class Programs
{
  public:
    /// Loads the programs with this configuration, the sources that it allows (all
    /// if there are none) and maps of these sizes, and initialises the control map with
    /// a random seed and no origin. An error carries the log of libbpf and verifier as
    /// its detail.
    static Result<Programs> load(const bmc_config &config, const std::vector<Prefix> &allow,
                                 const MemorySplit &split, uint64_t netns_cookie);

    /// Loads the programs with this configuration, for the maps that are pinned in the
    /// folder of an instance. Changes nothing in them.
    static Result<Programs> load_for(const std::string &folder, const bmc_config &config,
                                     const std::vector<Prefix> &allow);

    /// Pins the instance's maps under their names in its folder. What was pinned
    /// before a failure stays.
    Status pin_maps(const std::string &folder) const;

    /// Pins the programs and the set's own maps under their names in a folder;
    /// likewise.
    Status pin_set(const std::string &folder) const;

    /// Owned by this object.
    EntryPrograms entry() const;

  private:
    struct Destroy {
        void operator()(bmc_bpf *skeleton) const;
    };

    explicit Programs(std::unique_ptr<bmc_bpf, Destroy> skeleton) : skeleton_(std::move(skeleton))
    {
    }

    std::unique_ptr<bmc_bpf, Destroy> skeleton_;
};

} // namespace bmc

#endif
