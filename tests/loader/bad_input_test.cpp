// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "bmc/abi/layout.h"
#include "bmc/lib/pins.h"
#include "tests/harness/cache.h"
#include "tests/harness/paths.h"
#include "tests/loader/fixture.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class BadInput : public LoaderTest
{
  protected:
    std::string instance() const { return lab().name() + "-bad"; }

    /// Fails the test unless the command failed with one line that has `part`
    /// in it, and left nothing.
    void expect_refused(const test::Result &result, const std::string &part) const
    {
        EXPECT_NE(result.status, 0);
        EXPECT_EQ(result.out, "");
        EXPECT_THAT(result.err, AllOf(StartsWith("bmc: "), EndsWith("\n"), HasSubstr(part)));
        EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
        expect_untouched(server(), Lab::interface);
        EXPECT_FALSE(exists(BMC_PIN_ROOT "/" + instance()));
        EXPECT_FALSE(exists(BMC_PIN_ROOT "/" + instance() + "+new"));
    }

    /// `bmc attach` on the lab's interface, with more arguments.
    std::vector<std::string> attach_with(const std::vector<std::string> &more) const
    {
        std::vector<std::string> arguments = {"attach", "--interface", Lab::interface, "--memory",
                                              "1M",     "--instance",  instance()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }

    /// Runs a command of the shell in a mount namespace of its own, with $0 set
    /// to bmc and the further arguments of attach in "$@".
    test::Result attach_after(const std::string &shell, const std::string &program) const
    {
        std::vector<std::string> arguments = {
            "unshare", "--mount", "sh", "-c", shell + " \"$0\" \"$@\"", program};
        const auto attach = attach_with({});
        arguments.insert(arguments.end(), attach.begin(), attach.end());
        return run(arguments, &server());
    }
};

TEST_F(BadInput, Arguments)
{
    const struct {
        std::vector<std::string> arguments;
        const char *part;
    } rows[] = {
        {{"--interface", "nosuchif0"}, "'nosuchif0'"},
        {{"--interface", "a-name-longer-than-any"}, "'a-name-longer-than-any'"},
        {{"--interface", ""}, "interface ''"},
        {{"--port", "0"}, "ports are 1 to 65535"},
        {{"--port", "65536"}, "ports are 1 to 65535"},
        {{"--port", "-1"}, "-1"},
        {{"--port", "http"}, "'http'"},
        {{"--port", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, "more than 8 ports"},
        {{"--address", "300.1.1.1"}, "'300.1.1.1'"},
        {{"--address", "fd00::g"}, "'fd00::g'"},
        {{"--address", "ff02::1"}, "unicast"},
        {{"--address", Lab::server4, "10.77.0.99"}, "address 10.77.0.99: no interface"},
        {{"--address", "10.77.0.99"}, "veth0 has 10.77.0.1, fd77::1"},
        {{"--address", Lab::client6}, "no interface of this network namespace has it"},
        {{"--address", "0.0.0.0"}, "unicast"},
        {{"--address", "server"}, "'server'"},
        {{"--instance", "a.b"}, "instance name 'a.b'"},
        {{"--instance", "a/../b"}, "instance name 'a/../b'"},
        {{"--instance", ""}, "instance name ''"},
        {{"--memory", ""}, "size ''"},
        {{"--memory", "12X"}, "size '12X'"},
        {{"--memory", "-1"}, "-1"},
        {{"--memory", "1.5G"}, "size '1.5G'"},
        {{"--memory", "1023K"}, "at least 1M"},
        {{"--memory", "0"}, "at least 1M"},
        {{"--memory", "4096T"}, "use a smaller --memory"},
        {{"--memory", "99999999999999999999T"}, "64 bits"},
        {{"--allow", "10.0.0.0/33"}, "prefix '10.0.0.0/33': its length is 0 to 32"},
        {{"--allow", "10.0.0.0/8", "10.0.0.1/8"}, "the prefix is 10.0.0.0/8"},
        {{"--allow", ""}, "prefix ''"},
        {{"--budget", "4095"}, "at least 4K a second"},
        {{"--budget", "fast"}, "size 'fast'"},
        {{"--mode", "fast"}, "mode 'fast'"},
        {{"--tc", "none"}, "TC 'none'"},
        {{"--memory", "1M", "--memory", "2M"}, "--memory"},
        {{"--verbose=7"}, "verbose '7'"},
        {{"--config", "/nosuch/web.toml"}, "/nosuch/web.toml"},
        {{"--config", ""}, "read the file"},
        {{"--colour"}, "--colour"},
        {{"surplus"}, "surplus"},
    };

    for (const auto &row : rows) {
        SCOPED_TRACE(fmt::format("{}", fmt::join(row.arguments, " ")));
        std::vector<std::string> arguments = {"attach"};
        /* What a row does not name gets a good value. */
        for (const auto &[option, value] :
             {std::pair<std::string, std::string>{"--interface", Lab::interface},
              {"--memory", "1M"},
              {"--instance", instance()}})
            if (row.arguments.front() != option) {
                arguments.push_back(option);
                arguments.push_back(value);
            }
        /* An option takes all values that follow it: a surplus one goes first. */
        const bool first = row.arguments.front()[0] != '-';
        arguments.insert(first ? arguments.begin() + 1 : arguments.end(), row.arguments.begin(),
                         row.arguments.end());
        expect_refused(run_bmc(arguments, &server()), row.part);
    }
}

TEST_F(BadInput, Commands)
{
    expect_refused(run_bmc({}, &server()), "--help");
    expect_refused(run_bmc({"attack"}, &server()), "there is no command 'attack'");
    expect_refused(run_bmc({"--attack"}, &server()), "there is no option '--attack'");
    expect_refused(run_bmc({"attach"}, &server()), "--interface");
    expect_refused(run_bmc({"detach", "--instance", instance()}, &server()), "attached: ");
    expect_refused(run_bmc({"detach", "--instance", "../x"}, &server()), "instance name");
    expect_refused(run_bmc({"stats", "--instance", instance()}, &server()), "attached: ");
    expect_refused(run_bmc({"stats", "--instance", ".."}, &server()), "instance name");
    expect_refused(run_bmc({"detach", "--all"}, &server()), "--all");
}

TEST_F(BadInput, File)
{
    const std::string path = testing::TempDir() + lab().name() + ".toml";
    const std::pair<const char *, const char *> rows[] = {
        {"interface = \"veth0\"\nports = 1\n", ".toml:2): there is none"},
        {"interface = \"veth0\"\n\nport = \"1\"\n", ".toml:3): it takes an integer"},
        {"interface = \"veth0\"\nport = 0\n", "port '0' ("},
        {"interface = \"veth0\nport = 1\n", ".toml:1"},
        {"interface = \"nosuchif0\"\n", "'nosuchif0'"},
        {"port = 1\n", "name one with --interface or in the instance's file"},
    };

    for (const auto &[text, part] : rows) {
        SCOPED_TRACE(text);
        std::ofstream(path) << text;
        for (const char *const command : {"attach", "run"})
            expect_refused(
                run_bmc({command, "--config", path, "--instance", instance()}, &server()), part);
    }
    std::filesystem::remove(path);
}

TEST_F(BadInput, InterfaceWithoutAddress)
{
    /* The other end of this pair has none, and no link-local one while down. */
    const ExtraInterface extra(server(), "extra0");

    expect_refused(run_bmc({"attach", "--interface", extra.name() + "p", "--memory", "1M",
                            "--instance", instance()},
                           &server()),
                   "--address");
}

TEST_F(BadInput, NoPrivilege)
{
    /* Where everybody may execute it, which a build folder need not be. */
    std::string folder = testing::TempDir() + "bmc-nobody-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const std::filesystem::path program = std::filesystem::path(folder) / "bmc";
    std::filesystem::copy_file(program_path("bmc"), program);
    std::filesystem::permissions(folder, std::filesystem::perms(0755));
    std::filesystem::permissions(program, std::filesystem::perms(0755));

    ASSERT_EQ(run_bmc(attach_with({}), &server()).status, 0);
    const std::pair<std::vector<std::string>, const char *> rows[] = {
        {attach_with({}), "with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"},
        {{"detach", "--instance", instance()}, "with CAP_BPF and CAP_NET_ADMIN"},
        {{"stats", "--instance", instance()}, "bmc attach --group"},
        {{"dump", "--instance", instance()}, "bmc attach --group"},
        {{"status"}, "name one with --instance"},
    };
    for (const auto &[command, part] : rows) {
        std::vector<std::string> arguments = {"setpriv",        "--reuid=65534",   "--regid=65534",
                                              "--clear-groups", "--inh-caps=-all", program};
        arguments.insert(arguments.end(), command.begin(), command.end());
        expect_refused(run(arguments, &server()), part);
    }
    std::filesystem::remove_all(folder);
    ASSERT_EQ(run_bmc({"detach", "--instance", instance()}).status, 0);

    std::vector<std::string> arguments = {"setpriv", "--bounding-set=-net_admin",
                                          program_path("bmc")};
    const auto attach = attach_with({});
    arguments.insert(arguments.end(), attach.begin(), attach.end());
    expect_refused(run(arguments, &server()), "CAP_NET_ADMIN");
}

/* What the messages ask for is enough. */
TEST_F(BadInput, LeastPrivilegeWorks)
{
    const auto with = [this](const std::string &capabilities, std::vector<std::string> command) {
        std::vector<std::string> arguments = {"setpriv", "--bounding-set=-all," + capabilities,
                                              program_path("bmc")};
        arguments.insert(arguments.end(), command.begin(), command.end());
        const test::Result result = run(arguments, &server());
        EXPECT_EQ(result.status, 0) << command.front() << ": " << result.err;
    };

    with("+bpf,+perfmon,+net_admin", attach_with({}));
    with("-bpf", {"stats", "--instance", instance()});
    with("+bpf,+net_admin", {"detach", "--instance", instance()});
}

TEST_F(BadInput, LostReportIsAnError)
{
    ASSERT_EQ(run_bmc(attach_with({}), &server()).status, 0);
    const test::Result lost = run({"sh", "-c", "exec \"$0\" \"$@\" >/dev/full", program_path("bmc"),
                                   "stats", "--instance", instance()});

    EXPECT_EQ(lost.status, 1);
    EXPECT_THAT(lost.err, AllOf(StartsWith("bmc: "), HasSubstr("standard output")));
    EXPECT_EQ(std::count(lost.err.begin(), lost.err.end(), '\n'), 1) << lost.err;
    EXPECT_EQ(run_bmc({"detach", "--instance", instance()}).status, 0);
}

TEST_F(BadInput, NoTypeInformation)
{
    expect_refused(attach_after("mount -t tmpfs none /sys/kernel/btf && exec", program_path("bmc")),
                   "CONFIG_DEBUG_INFO_BTF");
}

TEST_F(BadInput, NoBpfFileSystem)
{
    expect_refused(attach_after("umount /sys/fs/bpf && exec", program_path("bmc")),
                   "mount -t bpf bpf /sys/fs/bpf");
}

TEST_F(BadInput, MemoryThatTheMachineDoesNotHave)
{
    const auto available = available_memory();
    ASSERT_TRUE(available);
    const uint64_t too_much = *available + (uint64_t{64} << 30);

    expect_refused(run_bmc({"attach", "--interface", Lab::interface, "--instance", instance(),
                            "--memory", std::to_string(too_much)},
                           &server()),
                   "use a smaller --memory");
}

TEST_F(BadInput, HelpAndVersionAreNoErrors)
{
    for (const std::vector<std::string> &arguments : {std::vector<std::string>{"--help"},
                                                      {"attach", "--help"},
                                                      {"detach", "--help"},
                                                      {"dump", "--help"},
                                                      {"run", "--help"},
                                                      {"status", "--help"},
                                                      {"stats", "--help"},
                                                      {"version", "--help"},
                                                      {"version"}}) {
        const test::Result result = run_bmc(arguments);
        EXPECT_EQ(result.status, 0);
        EXPECT_EQ(result.err, "");
        EXPECT_THAT(result.out, HasSubstr("bmc"));
    }
    for (const char *command :
         {"attach", "check", "detach", "dump", "flush", "run", "status", "stats", "version"})
        EXPECT_THAT(run_bmc({command, "--help"}).out, HasSubstr("Examples:\n  bmc ")) << command;
}

} // namespace
} // namespace bmc::test
