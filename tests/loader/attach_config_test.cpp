// SPDX-License-Identifier: BSD-3-Clause
//
// `bmc attach` and `bmc run` with a file of options.

#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "bmc/abi/layout.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/pins.h"
#include "tests/harness/cache.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"
#include "tests/loader/fixture.h"

namespace bmc::test
{
namespace
{

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AttachConfig : public LoaderTest
{
  protected:
    void TearDown() override
    {
        std::filesystem::remove(file());
        LoaderTest::TearDown();
    }

    std::string instance() const { return lab().name() + "-file"; }
    std::string file() const { return testing::TempDir() + instance() + ".toml"; }

    std::string write(const std::string &text) const
    {
        std::ofstream(file()) << text;
        return file();
    }

    void detach() const
    {
        const test::Result result = run_bmc({"detach", "--instance", instance()});

        EXPECT_EQ(result.status, 0) << result.err;
        EXPECT_FALSE(exists(instance_folder(BMC_PIN_ROOT, instance())));
    }
};

TEST_F(AttachConfig, FileHasWhatIsNotTyped)
{
    const std::string path = write("interface = \"veth0\"\nport = [11211, 11212]\nmemory = \"8M\"\n"
                                   "instance = \"" +
                                   instance() + "\"\nmode = \"tc\"\nkeep = true\n");
    const test::Result result = run_bmc(
        {"attach", "--config", path, "--memory", "1M", "--port", "11213", "11213"}, &server());

    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    EXPECT_THAT(result.out,
                AllOf(HasSubstr("attached '" + instance() + "'"),
                      HasSubstr("1M of memory, UDP port 11213 on"),
                      HasSubstr("veth0: TC without XDP"), Not(HasSubstr("options from"))));
    detach();
}

TEST_F(AttachConfig, FileIsFoundByTheInstancesName)
{
    /* In a mount namespace whose /etc has nothing else. */
    const std::string shell = "mount -t tmpfs none /etc && mkdir /etc/bmc && cp \"$1\" "
                              "/etc/bmc/\"$2\".toml && exec \"$0\" attach --instance \"$2\"";
    const test::Result result = run({"unshare", "--mount", "sh", "-c", shell, program_path("bmc"),
                                     write("interface = \"veth0\"\nmemory = \"1M\"\n"), instance()},
                                    &server());

    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, AllOf(HasSubstr("options from /etc/bmc/" + instance() + ".toml\n"),
                                  HasSubstr("attached '" + instance() + "'")));
    detach();
}

/* As long as there is no terminal, only what was done. */
TEST_F(AttachConfig, ShowsOnATerminalWhatItDoes)
{
    const std::string path =
        write("interface = \"veth0\"\nmemory = \"1M\"\ninstance = \"" + instance() + "\"\n");
    constexpr const char *step = "taking 1M of memory and loading the programs";
    const test::Result piped = run_bmc({"attach", "--config", path}, &server());
    ASSERT_EQ(piped.status, 0) << piped.err;
    EXPECT_EQ(piped.err, "");
    detach();

    const test::Result shown =
        run({"script", "--quiet", "--return", "--command",
             fmt::format("{} attach --config {}", program_path("bmc"), path), "/dev/null"},
            &server());
    ASSERT_EQ(shown.status, 0) << shown.out;
    const std::string clear = "\r\x1b[K";
    EXPECT_THAT(shown.out, AllOf(HasSubstr(clear + "bmc: " + step + clear),
                                 HasSubstr(clear + "attached '" + instance() + "'")));
    detach();
}

TEST_F(AttachConfig, Json)
{
    const std::string path = write("interface = \"veth0\"\nmemory = \"1M\"\nmode = \"tc\"\n");
    const std::vector<std::string> attach = {"attach",     "--config", path,
                                             "--instance", instance(), "--json"};
    const test::Result attached = run_bmc(attach, &server());
    ASSERT_EQ(attached.status, 0) << attached.err;
    const auto report = nlohmann::json::parse(attached.out);
    EXPECT_EQ(report.at("instance"), instance());
    EXPECT_EQ(report.at("folder"), instance_folder(BMC_PIN_ROOT, instance()));
    EXPECT_EQ(report.at("interfaces").at(0).at("name"), "veth0");
    EXPECT_EQ(report.at("interfaces").at(0).at("mode"), "tc");
    EXPECT_EQ(report.at("ports").at(0), 11211);
    EXPECT_EQ(report.at("addresses").size(), 2U);
    EXPECT_TRUE(report.at("kept").is_null());
    EXPECT_TRUE(report.at("notes").empty());

    const test::Result upgraded = run_bmc(attach, &server());
    ASSERT_EQ(upgraded.status, 0) << upgraded.err;
    EXPECT_EQ(nlohmann::json::parse(upgraded.out).at("kept"), 0);

    const test::Result detached = run_bmc({"detach", "--instance", instance(), "--json"});
    ASSERT_EQ(detached.status, 0) << detached.err;
    const auto last = nlohmann::json::parse(detached.out);
    EXPECT_EQ(last.at("instance"), instance());
    EXPECT_TRUE(last.at("origin").is_null());
    EXPECT_TRUE(last.at("notes").empty());

    const auto version = nlohmann::json::parse(run_bmc({"version", "--json"}).out);
    EXPECT_EQ(version.at("layout"), BMC_LAYOUT_VERSION);
}

TEST_F(AttachConfig, RunTakesItsOwnOptionsFromTheFile)
{
    const std::string path = write("interface = \"veth0\"\nmemory = \"1M\"\nkeep = true\n");
    for (const bool keep : {true, false}) {
        std::vector<std::string> arguments = {program_path("bmc"), "run",     "--config", path,
                                              "--instance",        instance()};
        if (!keep)
            arguments.emplace_back("--keep=false");
        Process run(arguments, &server());
        wait_until("bmc run has attached", [&] {
            return run.out().find("start the origin with") != std::string::npos || !run.running();
        });
        run.signal(SIGTERM);

        EXPECT_EQ(run.wait(), 0) << run.err();
        EXPECT_EQ(exists(instance_folder(BMC_PIN_ROOT, instance())), keep);
        if (keep)
            detach();
    }
}

} // namespace
} // namespace bmc::test
