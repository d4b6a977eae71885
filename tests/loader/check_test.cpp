// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc check`, beside what `bmc attach` then does.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/if_link.h>
#include <nlohmann/json.hpp>

#include "bmc/lib/instance.h"
#include "bmc/lib/pins.h"
#include "tests/harness/cache.h"
#include "tests/harness/origin.h"
#include "tests/harness/paths.h"
#include "tests/loader/fixture.h"
#include "tests/loader/kernel_state.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::HasSubstr;

/// What `bmc check --json` said of one thing.
struct Item {
    std::string verdict;
    std::string message;
    std::string advice;
};

struct Report {
    int status = -1;
    /// The first of each name.
    std::map<std::string, Item> items;
    std::vector<nlohmann::json> all;

    bool fails() const
    {
        return std::any_of(all.begin(), all.end(),
                           [](const auto &item) { return item.at("verdict") == "fail"; });
    }

    Item operator[](const std::string &name) const
    {
        const auto place = items.find(name);

        EXPECT_NE(place, items.end()) << name;
        return place == items.end() ? Item{} : place->second;
    }
};

class Check : public LoaderTest
{
  protected:
    std::string instance() const { return lab().name() + "-check"; }

    void TearDown() override
    {
        EXPECT_FALSE(exists(instance_folder(BMC_PIN_ROOT, instance())));
        LoaderTest::TearDown();
    }

    /// Options on the lab's interface, unless `more` names another.
    std::vector<std::string> arguments(const std::string &command,
                                       const std::vector<std::string> &more) const
    {
        std::vector<std::string> made = {command, "--instance", instance()};

        for (const auto &[option, value] :
             {std::pair{"--interface", Lab::interface}, std::pair{"--memory", "1M"}})
            if (std::find(more.begin(), more.end(), option) == more.end()) {
                made.emplace_back(option);
                made.emplace_back(value);
            }
        made.insert(made.end(), more.begin(), more.end());
        return made;
    }

    static Report parse(const test::Result &result)
    {
        Report report;

        EXPECT_EQ(result.err, "");
        report.status = result.status;
        for (const auto &item : nlohmann::json::parse(result.out)) {
            EXPECT_EQ(item.size(), 4U) << item;
            report.all.push_back(item);
            report.items.try_emplace(
                item.at("name"), Item{item.at("verdict"), item.at("message"), item.at("advice")});
        }
        EXPECT_EQ(report.status, report.fails() ? 1 : 0) << result.out;
        return report;
    }

    Report check(std::vector<std::string> more = {}) const
    {
        more.emplace_back("--json");
        return parse(run_bmc(arguments("check", more), &server()));
    }

    /// check() after a command of the shell in a mount namespace of its own.
    Report check_after(const std::string &shell, std::vector<std::string> more = {}) const
    {
        std::vector<std::string> command = {
            "unshare",          "--mount", "sh", "-c", shell + " && exec \"$0\" \"$@\"",
            program_path("bmc")};
        more.emplace_back("--json");
        const auto rest = arguments("check", more);
        command.insert(command.end(), rest.begin(), rest.end());
        return parse(run(command, &server()));
    }

    /// Fails the test unless attach succeeds where check has found no failure, and
    /// only there.
    void expect_attach_agrees(const std::vector<std::string> &more) const
    {
        const Report report = check(more);
        const test::Result attached = run_bmc(arguments("attach", more), &server());

        EXPECT_EQ(attached.status == 0, !report.fails())
            << attached.out << attached.err << nlohmann::json(report.all).dump(1);
        if (attached.status == 0) {
            EXPECT_EQ(run_bmc({"detach", "--instance", instance()}, &server()).status, 0);
        }
    }
};

TEST_F(Check, FindsEverythingThere)
{
    const Report report = check();

    EXPECT_EQ(report.status, 0);
    for (const char *name :
         {"options", "kernel", "BTF", "privileges", "BPF file system", "BPF", "memory", "instance",
          "interface veth0", "MTU veth0", "TC ingress of veth0", "TC egress of veth0",
          "addresses and ports", "sources", "origin", "VLAN tags of veth0",
          "room in frames of veth0", "path MTU"})
        EXPECT_EQ(report[name].verdict, "ok") << name << ": " << report[name].message;
    EXPECT_THAT(
        report["addresses and ports"].message,
        AllOf(HasSubstr("UDP port 11211 on "), HasSubstr(Lab::server4), HasSubstr(Lab::server6)));
    EXPECT_THAT(report["XDP of veth0"].message, HasSubstr("native"));
    EXPECT_THAT(report["TC egress of veth0"].message, HasSubstr("TCX"));
    EXPECT_EQ(report["memcached"].verdict, "warning");
    EXPECT_THAT(report["memcached"].message,
                AllOf(HasSubstr("500 ms"), HasSubstr("10.77.0.1:11211 (nothing listens)")));
    expect_attach_agrees({});
}

/* By attach, too. */
TEST_F(Check, PublicAddressesAreWarnedOf)
{
    const ExtraInterface extra(server(), "extra0"); /* 192.0.2.1 */
    const std::vector<std::string> on_extra = {"--interface", extra.name()};
    const auto with = [&on_extra](const std::vector<std::string> &more) {
        std::vector<std::string> all = on_extra;
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };

    for (const std::vector<std::string> &open :
         {with({}), with({"--allow", "0.0.0.0/1", "128.0.0.0/1"})}) {
        const Item sources = check(open)["sources"];
        EXPECT_EQ(sources.verdict, "warning");
        EXPECT_THAT(sources.message, HasSubstr("192.0.2.1 is not a private address"));
        EXPECT_THAT(sources.advice, HasSubstr("--allow"));

        const test::Result attached = run_bmc(arguments("attach", open), &server());
        EXPECT_EQ(attached.status, 0) << attached.err;
        EXPECT_THAT(attached.out,
                    HasSubstr("warning: " + sources.message + ": " + sources.advice + "\n"));
        EXPECT_EQ(run_bmc({"detach", "--instance", instance()}, &server()).status, 0);
    }

    const std::vector<std::string> listed = with({"--allow", "192.0.2.0/24"});
    EXPECT_EQ(check(listed)["sources"].message, "192.0.2.0/24");
    EXPECT_EQ(check(listed)["sources"].verdict, "ok");
    for (const std::vector<std::string> &closed : {listed, std::vector<std::string>{}}) {
        const test::Result attached = run_bmc(arguments("attach", closed), &server());
        EXPECT_THAT(attached.out, testing::Not(HasSubstr("warning")));
        EXPECT_EQ(run_bmc({"detach", "--instance", instance()}, &server()).status, 0);
    }
}

TEST_F(Check, LinesSayTheSame)
{
    const Report report = check({"--mode", "generic", "--tc", "clsact"});
    const test::Result lines =
        run_bmc(arguments("check", {"--mode", "generic", "--tc", "clsact"}), &server());
    std::string expected;

    for (const auto &item : report.all) {
        const std::string advice = item.at("advice");
        expected +=
            fmt::format("{:<8} {}: {}{}\n", item.at("verdict").get<std::string>(),
                        item.at("name").get<std::string>(), item.at("message").get<std::string>(),
                        advice.empty() ? "" : "; " + advice);
    }
    /* How much memory is free changes by the moment. */
    const auto without_memory = [](std::string text) {
        const size_t start = text.find(" memory: ");
        return text.erase(start, text.find('\n', start) - start);
    };
    EXPECT_EQ(without_memory(lines.out), without_memory(expected));
    EXPECT_EQ(lines.status, report.status);
}

TEST_F(Check, NothingButTheMachineWithoutAnInterface)
{
    const test::Result result = run_bmc({"check", "--instance", instance()}, &server());

    EXPECT_EQ(result.status, 0) << result.out;
    EXPECT_THAT(result.out, AllOf(HasSubstr("ok       kernel: Linux "),
                                  HasSubstr("warning  interface: none was named")));
}

TEST_F(Check, AnotherXdpProgramIsNamed)
{
    const Fd foreign = load_xdp_pass();
    const Fd link = attach_foreign_xdp(server(), Lab::interface, foreign.get(), XDP_FLAGS_DRV_MODE);

    for (const char *mode : {"auto", "native", "generic"}) {
        const Item item = check({"--mode", mode})["XDP of veth0"];
        EXPECT_EQ(item.verdict, "fail") << mode;
        EXPECT_THAT(item.message, HasSubstr(fmt::format("(id {})", program_id(foreign.get()))));
        EXPECT_THAT(item.advice, HasSubstr("--mode tc"));
        expect_attach_agrees({"--mode", mode});
    }
    EXPECT_EQ(check({"--mode", "tc"})["XDP of veth0"].verdict, "ok");
    expect_attach_agrees({"--mode", "tc"});
}

/* Its programs need not go: TC ingress is beside them. */
TEST_F(Check, DispatcherOfLibxdpIsNamed)
{
    const Fd dispatcher = load_libxdp_dispatcher();
    const Fd link =
        attach_foreign_xdp(server(), Lab::interface, dispatcher.get(), XDP_FLAGS_DRV_MODE);
    const Item item = check()["XDP of veth0"];
    const test::Result refused = run_bmc(arguments("attach", {}), &server());

    EXPECT_EQ(item.verdict, "fail");
    EXPECT_THAT(item.message, HasSubstr("libxdp's dispatcher is attached"));
    EXPECT_THAT(item.advice, AllOf(HasSubstr("--mode tc"), HasSubstr("xdp-loader unload veth0")));
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr(item.message + "; " + item.advice));
    expect_attach_agrees({"--mode", "tc"});
    EXPECT_EQ(xdp_program(server(), Lab::interface), program_id(dispatcher.get()));
}

TEST_F(Check, OtherTcProgramsAreNamed)
{
    const CountingProgram foreign;
    const std::string name = fmt::format("'foreign_tc' (id {})", program_id(foreign.fd()));
    run_checked({"tc", "qdisc", "add", "dev", Lab::interface, "clsact"}, &server());
    attach_foreign_filter(server(), Lab::interface, TcDirection::ingress, foreign.fd(), 3);
    const Fd link = attach_foreign_tcx(server(), Lab::interface, TcDirection::egress, foreign.fd());
    run_checked({"tc", "filter", "add", "dev", Lab::interface, "egress", "protocol", "all", "prio",
                 "7", "u32", "match", "u32", "0", "0", "flowid", "1:1"},
                &server());

    for (const char *tc : {"tcx", "clsact"}) {
        const Report report = check({"--tc", tc});
        EXPECT_EQ(report["TC ingress of veth0"].verdict, "warning");
        EXPECT_THAT(report["TC ingress of veth0"].message, HasSubstr(name));
        EXPECT_EQ(report["TC egress of veth0"].verdict, "ok");
        EXPECT_THAT(report["TC egress of veth0"].message,
                    AllOf(HasSubstr(name), HasSubstr("a filter of priority 7")));
        EXPECT_EQ(report.status, 0);
    }
    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "clsact"}, &server());
}

TEST_F(Check, WhatIsInTheWayOfClsact)
{
    run_checked({"tc", "qdisc", "add", "dev", Lab::interface, "ingress"}, &server());

    const Item item = check({"--tc", "clsact"})["TC of veth0"];
    EXPECT_EQ(item.verdict, "fail");
    EXPECT_THAT(item.message, HasSubstr("ingress qdisc"));
    expect_attach_agrees({"--tc", "clsact"});
    expect_attach_agrees({"--tc", "tcx"});
    run_checked({"tc", "qdisc", "del", "dev", Lab::interface, "ingress"}, &server());
}

TEST_F(Check, FullTcxIsSaid)
{
    const std::vector<CountingProgram> programs(max_tcx_programs);
    std::vector<Fd> links;
    for (const CountingProgram &program : programs)
        links.push_back(
            attach_foreign_tcx(server(), Lab::interface, TcDirection::ingress, program.fd()));

    const Item item = check()["TC ingress of veth0"];
    EXPECT_EQ(item.verdict, "fail");
    EXPECT_THAT(item.message, HasSubstr("63 programs"));
    expect_attach_agrees({});
}

TEST_F(Check, DriverWithoutXdp)
{
    const Report automatic = check({"--interface", "lo"});
    EXPECT_EQ(automatic["XDP of lo"].verdict, "ok");
    EXPECT_THAT(automatic["XDP of lo"].message, HasSubstr("TC ingress answers instead"));
    EXPECT_EQ(check({"--interface", "lo", "--mode", "native"})["XDP of lo"].verdict, "fail");
    for (const char *mode : {"auto", "native", "generic"})
        expect_attach_agrees({"--interface", "lo", "--mode", mode});
}

TEST_F(Check, InterfaceThatIsDownOrNarrow)
{
    const ExtraInterface extra(server(), "extra0");
    const Report wide = check({"--interface", extra.name()});
    EXPECT_EQ(wide["interface extra0"].verdict, "warning");
    EXPECT_THAT(wide["interface extra0"].message, HasSubstr("down"));
    EXPECT_EQ(wide["MTU extra0"].verdict, "ok");

    run_checked({"ip", "link", "set", extra.name(), "mtu", "900"}, &server());
    EXPECT_EQ(check({"--interface", extra.name()})["MTU extra0"].verdict, "warning");
    expect_attach_agrees({"--interface", extra.name()});
}

TEST_F(Check, WhatTheOptionsAskForIsNotThere)
{
    const struct {
        std::vector<std::string> more;
        const char *name;
        const char *part;
    } rows[] = {
        {{"--interface", "nosuchif0"}, "interface nosuchif0", "No such device"},
        {{"--address", "10.77.0.99"}, "addresses and ports", "10.77.0.99"},
        {{"--memory", "4096G"}, "memory", "4T"},
        {{"--port", "0"}, "options", "port '0'"},
        {{"--address", "x"}, "options", "address 'x'"},
        {{"--config", "/nosuch.toml"}, "options", "/nosuch.toml"},
    };

    for (const auto &row : rows) {
        SCOPED_TRACE(row.more.back());
        const Report report = check(row.more);
        EXPECT_EQ(report.status, 1);
        EXPECT_EQ(report[row.name].verdict, "fail");
        EXPECT_THAT(report[row.name].message, HasSubstr(row.part));
        EXPECT_NE(report[row.name].message + report[row.name].advice, row.part);
    }
    EXPECT_THAT(check({"--address", "10.77.0.99"})["addresses and ports"].advice,
                HasSubstr("veth0 has 10.77.0.1, fd77::1"));
}

TEST_F(Check, File)
{
    const std::string path = testing::TempDir() + instance() + ".toml";
    std::ofstream(path) << "interface = \"veth0\"\nmemory = \"1M\"\n";
    const test::Result good = run_bmc({"check", "--config", path}, &server());
    EXPECT_EQ(good.status, 0) << good.out;
    EXPECT_THAT(good.out, AllOf(HasSubstr("ok       options: from " + path),
                                HasSubstr("ok       interface veth0: ")));

    std::ofstream(path) << "interface = \"veth0\"\nmemory = 1\n";
    const test::Result bad = run_bmc({"check", "--config", path}, &server());
    EXPECT_EQ(bad.status, 1);
    EXPECT_EQ(bad.out, "fail     options: cannot use the memory size 1 (" + path +
                           ":2); give at least 1M\n");
    std::filesystem::remove(path);
}

TEST_F(Check, MachineThatCannot)
{
    const Report no_btf = check_after("mount -t tmpfs none /sys/kernel/btf");
    EXPECT_EQ(no_btf["BTF"].verdict, "fail");
    EXPECT_THAT(no_btf["BTF"].advice, HasSubstr("CONFIG_DEBUG_INFO_BTF"));

    const Report no_bpffs = check_after("umount /sys/fs/bpf");
    EXPECT_EQ(no_bpffs["BPF file system"].verdict, "fail");
    EXPECT_THAT(no_bpffs["BPF file system"].advice, HasSubstr("mount -t bpf"));

    const Report read_only = check_after("mount -o remount,bind,ro /sys/fs/bpf");
    EXPECT_EQ(read_only["BPF file system"].verdict, "fail");
    EXPECT_THAT(read_only["BPF file system"].message, HasSubstr("Read-only"));
}

TEST_F(Check, Group)
{
    const auto with_mode = [this](const char *mode) {
        return check_after(fmt::format("mount -t bpf -o mode={} bpf /sys/fs/bpf", mode),
                           {"--group", "daemon"})["group"];
    };

    EXPECT_EQ(with_mode("0711").verdict, "ok");
    EXPECT_EQ(with_mode("0700").verdict, "warning");
    EXPECT_THAT(with_mode("0700").advice, HasSubstr("chmod 711 /sys/fs/bpf"));
    EXPECT_THAT(check({"--group", "nosuch"})["options"].message, HasSubstr("group 'nosuch'"));
    EXPECT_EQ(check().items.count("group"), 0U);
}

TEST_F(Check, WithoutPrivileges)
{
    std::vector<std::string> command = {"setpriv", "--bounding-set=-all", program_path("bmc")};
    const auto rest = arguments("check", {"--json"});
    command.insert(command.end(), rest.begin(), rest.end());
    const Report report = parse(run(command, &server()));

    EXPECT_EQ(report["privileges"].verdict, "fail");
    EXPECT_THAT(report["privileges"].advice, HasSubstr("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"));
    EXPECT_EQ(report["BPF features"].verdict, "warning");
    EXPECT_EQ(report["interface veth0"].verdict, "ok");
    EXPECT_EQ(report["TC of veth0"].verdict, "warning");

    std::vector<std::string> for_group = command;
    for_group.insert(for_group.end(), {"--group", "daemon"});
    EXPECT_EQ(parse(run(for_group, &server()))["group"].verdict, "fail");

    /* What attach asks for is enough. */
    command[1] = "--bounding-set=-all,+bpf,+perfmon,+net_admin";
    EXPECT_EQ(parse(run(command, &server())).status, 0);
}

TEST_F(Check, OriginAndInstance)
{
    Origin early(server(), {});
    const Report before = check();
    EXPECT_EQ(before["memcached"].verdict, "ok");
    EXPECT_THAT(before["memcached"].message, HasSubstr("10.77.0.1:11211 (1.6."));
    EXPECT_EQ(before["origin"].verdict, "warning");
    EXPECT_THAT(before["origin"].advice, HasSubstr("memcached-sr -U 11211 -o bmc=" BMC_PIN_ROOT));
    early.stop();

    Cache cache(server(), instance(), {Lab::interface}, {"--memory", "1M"});
    const Report attached = check();
    EXPECT_EQ(attached.status, 0);
    EXPECT_THAT(attached["instance"].message, HasSubstr("would be upgraded"));
    EXPECT_EQ(attached["programs of veth0"].verdict, "ok");
    EXPECT_EQ(attached["origin"].verdict, "warning");
    EXPECT_EQ(attached["memcached"].verdict, "warning");

    Origin origin(server(), {.pins = cache.pins()});
    const Report working = check();
    EXPECT_EQ(working["memcached"].verdict, "ok");
    EXPECT_EQ(working["origin"].verdict, "ok");
    EXPECT_THAT(working["origin"].message,
                HasSubstr(fmt::format("pid {} holds the instance", origin.process().pid())));

    /* Another instance cannot have the interface. */
    const Report other = parse(run_bmc({"check", "--interface", Lab::interface, "--memory", "1M",
                                        "--instance", instance() + "2", "--json"},
                                       &server()));
    EXPECT_EQ(other.status, 1);
    EXPECT_THAT(other["programs of veth0"].advice, HasSubstr("--instance " + instance()));
    origin.stop();
    cache.detach();
}

} // namespace
} // namespace bmc::test
