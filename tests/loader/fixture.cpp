// SPDX-License-Identifier: BSD-3-Clause
#include "tests/loader/fixture.h"

#include <arpa/inet.h>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/lib/features.h"
#include "bmc/lib/instance.h"
#include "tests/harness/error.h"
#include "tests/loader/kernel_state.h"

namespace bmc::test
{

namespace
{

std::unique_ptr<Lab> shared_lab;

} // namespace

ExtraInterface::ExtraInterface(const NetNs &where, std::string name)
    : where_(where), name_(std::move(name))
{
    run_checked({"ip", "link", "add", name_, "type", "veth", "peer", "name", name_ + "p"}, &where_);
    run_checked({"ip", "address", "add", "192.0.2.1/24", "dev", name_}, &where_);
}

ExtraInterface::~ExtraInterface()
{
    const test::Result result = run({"ip", "link", "delete", name_}, &where_);

    EXPECT_EQ(result.status, 0) << result.err;
}

void LoaderTest::TearDownTestSuite()
{
    shared_lab.reset();
}

void LoaderTest::SetUp()
{
    if (geteuid() != 0) {
        const char *const ci = std::getenv("CI");

        if (ci != nullptr && std::string_view(ci) == "true")
            FAIL() << "cannot run: network namespaces and BPF need root";
        GTEST_SKIP() << "SKIP: network namespaces and BPF need root";
    }
    pin_root_ = fmt::format("/sys/fs/bpf/bmc-test-{}", getpid());
    if (!shared_lab)
        shared_lab = std::make_unique<Lab>();
}

void LoaderTest::TearDown()
{
    if (!shared_lab)
        return;
    EXPECT_FALSE(exists(pin_root_)) << pin_root_;
    expect_untouched(server(), Lab::interface);
}

Lab &LoaderTest::lab()
{
    return *shared_lab;
}

AttachOptions LoaderTest::options() const
{
    AttachOptions made;

    made.instance = "t";
    made.interfaces = {Lab::interface};
    made.memory = min_memory;
    made.pin_root = pin_root_;
    return made;
}

AttachOptions LoaderTest::options(const Way &way) const
{
    AttachOptions made = options();

    made.mode = way.mode;
    made.tc = way.tc;
    return made;
}

bmc::Result<Attached> LoaderTest::attach_in(const NetNs &where, const AttachOptions &options)
{
    std::optional<bmc::Result<Attached>> result;

    where.enter([&] { result = attach(options, Features()); });
    return std::move(*result);
}

bmc::Result<Detached> LoaderTest::detach_in(const NetNs &where, const AttachOptions &options,
                                            const StepReport &report)
{
    std::optional<bmc::Result<Detached>> result;

    where.enter([&] {
        result = detach(options.instance, Features(), options.pin_root, std::nullopt, report);
    });
    return std::move(*result);
}

std::string LoaderTest::folder(const AttachOptions &options)
{
    return instance_folder(options.pin_root, options.instance);
}

void LoaderTest::expect_untouched(const NetNs &where, const std::string &interface)
{
    EXPECT_EQ(xdp_program(where, interface), 0U) << interface;
    for (const TcDirection direction : {TcDirection::ingress, TcDirection::egress}) {
        EXPECT_THAT(tcx_programs(where, interface, direction), testing::IsEmpty()) << interface;
        EXPECT_EQ(tc_filters(where, interface, direction), "") << interface;
    }
    EXPECT_THAT(tc_qdiscs(where, interface), testing::Not(testing::HasSubstr("clsact")))
        << interface;
}

void LoaderTest::expect_attached(const NetNs &where, const AttachOptions &options)
{
    const std::string set = programs_folder(folder(options));
    const uint32_t xdp = options.mode == ModeChoice::tc ? 0 : program_id(set + "/rx_filter");
    const std::pair<TcDirection, uint32_t> hooks[] = {
        {TcDirection::ingress, program_id(set + "/skb_rx_filter")},
        {TcDirection::egress, program_id(set + "/tx_filter")},
    };

    const bool filters = options.tc == TcChoice::clsact || !Features().tcx();

    for (const std::string &interface : options.interfaces) {
        EXPECT_EQ(xdp_program(where, interface), xdp) << interface;
        for (const auto &[direction, program] : hooks) {
            if (filters) {
                EXPECT_THAT(tc_filters(where, interface, direction),
                            testing::HasSubstr(fmt::format(" id {} ", program)));
            } else {
                EXPECT_THAT(tcx_programs(where, interface, direction), testing::Contains(program));
            }
        }
    }
}

int LoaderTest::run_in_child(const std::function<void()> &work)
{
    const pid_t pid = fork();

    if (pid < 0)
        throw system_error("fork");
    if (pid == 0) {
        try {
            work();
        } catch (const std::exception &error) {
            fmt::print(stderr, "{}\n", error.what());
            _exit(EXIT_FAILURE);
        }
        _exit(EXIT_SUCCESS);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid)
        throw system_error("wait for the child");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

namespace
{

/// Of the discard protocol.
constexpr uint16_t other_port = 9;

sockaddr_in endpoint(const char *address, uint16_t port)
{
    sockaddr_in made = {};

    made.sin_family = AF_INET;
    made.sin_port = htons(port);
    inet_pton(AF_INET, address, &made.sin_addr);
    return made;
}

void send_datagram(const NetNs &where, const sockaddr_in &from, const sockaddr_in &to)
{
    where.enter([&] {
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

        if (!socket ||
            bind(socket.get(), reinterpret_cast<const sockaddr *>(&from), sizeof from) != 0 ||
            sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr *>(&to), sizeof to) !=
                1)
            throw system_error("send a datagram");
    });
}

std::string name_of(const Way &way)
{
    return fmt::format("{}_{}", choice_name(way.mode), way.tc == TcChoice::tcx ? "tcx" : "clsact");
}

} // namespace

void send_from_server(const Lab &lab)
{
    send_datagram(lab.server(), endpoint(Lab::server4, default_port),
                  endpoint(Lab::client4, other_port));
}

void send_to_server(const Lab &lab)
{
    send_datagram(lab.client(), endpoint(Lab::client4, other_port),
                  endpoint(Lab::server4, default_port));
}

void PrintTo(const Way &way, std::ostream *out)
{
    *out << name_of(way);
}

std::vector<Way> all_ways()
{
    const bool tcx = Features().tcx();
    std::vector<Way> ways;

    for (const ModeChoice mode : {ModeChoice::native, ModeChoice::generic, ModeChoice::tc}) {
        if (tcx)
            ways.push_back({mode, TcChoice::tcx});
        ways.push_back({mode, TcChoice::clsact});
    }
    return ways;
}

std::string way_name(const testing::TestParamInfo<Way> &info)
{
    return name_of(info.param);
}

} // namespace bmc::test
