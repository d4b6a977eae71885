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

/// The kernel programs and their maps, loaded but attached to nothing. They are
/// freed with this object, save what is pinned or attached by then.
class Programs
{
  public:
    /// Loads the programs with this configuration, the sources that it allows (all
    /// if there are none) and maps of these sizes, and initialises the control map with
    /// a random seed and no origin. An error carries the log of libbpf and verifier as
    /// its detail.
    static Result<Programs> load(const bmc_config &config, const std::vector<Prefix> &allow,
                                 const MemorySplit &split, uint64_t netns_cookie);

    /// Pin all maps, all programs, under their names in a folder. What was
    /// pinned before a failure stays.
    Status pin_maps(const std::string &folder) const;
    Status pin_programs(const std::string &folder) const;

    /// Descriptors of the entry programs, owned by this object.
    int rx_filter() const;
    int skb_rx_filter() const;
    int tx_filter() const;

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
