// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_TESTS_LOADER_FIXTURE_H
#define BMC_TESTS_LOADER_FIXTURE_H

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bmc/lib/attach.h"
#include "bmc/lib/detach.h"
#include "tests/harness/lab.h"
#include "tests/harness/process.h"

namespace bmc::test
{

/// A second veth pair inside a network namespace; one end is called `name`.
class ExtraInterface
{
  public:
    ExtraInterface(const NetNs &where, std::string name);
    ExtraInterface(const ExtraInterface &) = delete;
    ExtraInterface &operator=(const ExtraInterface &) = delete;
    ~ExtraInterface();

    const std::string &name() const { return name_; }

  private:
    const NetNs &where_;
    std::string name_;
};

/// A way to attach; a parameter of tests.
struct Way {
    ModeChoice mode;
    TcChoice tc;
};
void PrintTo(const Way &way, std::ostream *out);

/// Every way that this kernel has: modes with XDP and without, both kinds of TC.
std::vector<Way> all_ways();

/// Its name, as gtest takes one: "native_tcx".
std::string way_name(const testing::TestParamInfo<Way> &info);

/// Tests that attach for real, in the server namespace of a lab that those of
/// one executable share. Each has a folder of pins of its own, and must leave
/// neither that nor anything on the lab's interface.
class LoaderTest : public testing::Test
{
  protected:
    static void TearDownTestSuite();

    void SetUp() override;
    void TearDown() override;

    static Lab &lab();
    static const NetNs &server() { return lab().server(); }

    /// Small, on the lab's interface, with this test's folder of pins.
    AttachOptions options() const;
    AttachOptions options(const Way &way) const;

    /// attach() and detach() in a network namespace.
    static bmc::Result<Attached> attach_in(const NetNs &where, const AttachOptions &options);
    static bmc::Result<Detached> detach_in(const NetNs &where, const AttachOptions &options,
                                           const StepReport &report = {});

    /// The folder of the instance that these options name.
    static std::string folder(const AttachOptions &options);

    /// Fails the test unless the interface is as it was before anything.
    static void expect_untouched(const NetNs &where, const std::string &interface);

    /// Fails the test unless the instance is attached, by its own programs, and
    /// XDP is left alone in the mode tc.
    static void expect_attached(const NetNs &where, const AttachOptions &options);

    /// Runs `work` in a child process that is to kill itself within, and returns
    /// its exit status as a shell would say it.
    static int run_in_child(const std::function<void()> &work);

    std::string pin_root_;
};

/// Send a datagram from the memcached port of the lab's server to its client, and
/// from the client to that port.
void send_from_server(const Lab &lab);
void send_to_server(const Lab &lab);

} // namespace bmc::test

#endif
