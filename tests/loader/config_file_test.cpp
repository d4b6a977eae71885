// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/config_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bmc
{
namespace
{

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(ConfigFile, TakesEverySetting)
{
    Settings settings;
    const Status taken = parse_config("# one of everything\n"
                                      "interface = [\"eth0\", \"eth1\"]\n"
                                      "port = [11211, 11212, 11211]\n"
                                      "address = \"10.0.0.1\"\n"
                                      "memory = \"2G\"\n"
                                      "instance = \"web\"\n"
                                      "mode = \"tc\"\n"
                                      "tc = \"clsact\"\n"
                                      "verbose = true\n"
                                      "metrics = \"[::1]:9250\"\n"
                                      "keep = true\n"
                                      "origin = \"stock\"\n"
                                      "guard = 0.25\n"
                                      "refresh = 30\n"
                                      "max-age = 3600\n"
                                      "reset-connections = true\n"
                                      "accept-blind-spots = true\n",
                                      "web.toml", settings);

    ASSERT_TRUE(taken) << taken.error().line();
    EXPECT_THAT(settings.attach.interfaces, ElementsAre("eth0", "eth1"));
    EXPECT_THAT(settings.attach.ports, ElementsAre(11211, 11212));
    EXPECT_THAT(settings.attach.addresses, ElementsAre(*parse_address("10.0.0.1")));
    EXPECT_EQ(settings.attach.memory, uint64_t{2} << 30);
    EXPECT_EQ(settings.attach.instance, "web");
    EXPECT_EQ(settings.attach.mode, ModeChoice::tc);
    EXPECT_EQ(settings.attach.tc, TcChoice::clsact);
    EXPECT_TRUE(settings.verbose);
    EXPECT_EQ(settings.metrics->text(), "[::1]:9250");
    EXPECT_TRUE(settings.keep);
    EXPECT_EQ(settings.attach.origin, OriginKind::stock);
    EXPECT_EQ(settings.attach.stock.guard.count(), 250);
    EXPECT_EQ(settings.attach.stock.refresh.count(), 30'000);
    EXPECT_EQ(settings.attach.stock.max_age->count(), 3'600'000);
    EXPECT_TRUE(settings.attach.stock.reset_connections);
    EXPECT_TRUE(settings.attach.stock.accept_blind_spots);
}

/* Whoever adds a setting is to add it above, too. */
TEST(ConfigFile, SettingsAreThoseTested)
{
    std::vector<std::string_view> names;
    for (const Setting &setting : all_settings())
        names.push_back(setting.name);

    EXPECT_THAT(names,
                testing::UnorderedElementsAre("interface", "port", "address", "memory", "instance",
                                              "mode", "tc", "verbose", "metrics", "keep", "origin",
                                              "guard", "refresh", "max-age", "reset-connections",
                                              "accept-blind-spots"));
}

TEST(ConfigFile, EmptyFileLeavesTheDefaults)
{
    Settings settings;

    for (const char *text : {"", "\n\n", "# nothing\n"})
        EXPECT_TRUE(parse_config(text, "x.toml", settings)) << text;
    EXPECT_THAT(settings.attach.ports, ElementsAre(default_port));
    EXPECT_EQ(settings.attach.memory, default_memory);
    EXPECT_THAT(settings.attach.interfaces, IsEmpty());
}

TEST(ConfigFile, OtherWaysToSayIt)
{
    Settings settings;
    const Status taken = parse_config("\"interface\" = 'eth0'\r\n"
                                      "port = 0x2bcb # 11211\r\n"
                                      "memory = 268_435_456",
                                      "x.toml", settings);

    ASSERT_TRUE(taken) << taken.error().line();
    EXPECT_THAT(settings.attach.interfaces, ElementsAre("eth0"));
    EXPECT_THAT(settings.attach.ports, ElementsAre(11211));
    EXPECT_EQ(settings.attach.memory, uint64_t{256} << 20);
}

TEST(ConfigFile, RefusesWithTheLine)
{
    const struct {
        const char *text;
        const char *line;
        const char *part;
    } rows[] = {
        /* not TOML */
        {"port", "x.toml:1", ""},
        {"port = \n", "x.toml:1", ""},
        {"\nport = 1\nport = 2\n", "x.toml:3", ""},
        {"interface = \"eth0\n", "x.toml:1", ""},
        {"memory = 256M\n", "x.toml:1", ""},
        {"mode = native\n", "x.toml:1", ""},
        {"port = [1,\n2\n", "x.toml:", ""},
        {"\n\nport = 1 # \xff\n", "x.toml:3", ""},
        {"port = 99999999999999999999\n", "x.toml:1", ""},
        /* unknown keys */
        {"prot = 11211\n", "(x.toml:1)", "cannot use the key 'prot'"},
        {"\n# x\nPort = 11211\n", "(x.toml:3)", "'Port'"},
        {"config = \"y.toml\"\n", "(x.toml:1)", "'config'"},
        {"web.port = 1\n", "(x.toml:1)", "'web'"},
        {"port = 1\n[web]\nport = 2\n", "(x.toml:2)", "'web'"},
        /* the first from above, whatever its name */
        {"zebra = 1\nmode = 7\n", "(x.toml:1)", "'zebra'"},
        /* wrong types */
        {"port = \"11211\"\n", "(x.toml:1)", "an integer or a list of integers, not a string"},
        {"port = 11211.0\n", "(x.toml:1)", "not a number with a fraction"},
        {"port = [1, 2,\n\"3\"]\n", "(x.toml:2)", "'port'"},
        {"[port]\n", "(x.toml:1)", "not a table"},
        {"port = [[1]]\n", "(x.toml:1)", "not a list"},
        {"interface = 7\n", "(x.toml:1)", "a string or a list of strings, not an integer"},
        {"interface = []\n", "(x.toml:1)", "the list is empty"},
        {"instance = [\"a\"]\n", "(x.toml:1)", "it takes a string, not a list"},
        {"memory = true\n", "(x.toml:1)", "it takes an integer or a string, not true or false"},
        {"memory = 1979-05-27\n", "(x.toml:1)", "not a date or time"},
        {"keep = 1\n", "(x.toml:1)", "it takes true or false, not an integer"},
        {"verbose = \"true\"\n", "(x.toml:1)", "not a string"},
        /* bad values */
        {"port = 0\n", "'0' (x.toml:1)", "ports are 1 to 65535"},
        {"port = [\n11211,\n65536]\n", "'65536' (x.toml:3)", "ports are 1 to 65535"},
        {"port = -1\n", "'-1' (x.toml:1)", "ports are 1 to 65535"},
        {"port = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n", "(x.toml:1)", "more than 8 ports"},
        {"address = \"10.0.0.256\"\n", "'10.0.0.256' (x.toml:1)", "IPv4 or IPv6"},
        {"address = \"ff02::1\"\n", "'ff02::1' (x.toml:1)", "unicast"},
        {"address = \"10.0.0.1\\u0000\"\n", "(x.toml:1)", "control character"},
        {"memory = \"256MB\"\n", "'256MB' (x.toml:1)", "as in 256M"},
        {"memory = \"1023K\"\n", "1023K (x.toml:1)", "at least 1M"},
        {"memory = -5\n", "'-5' (x.toml:1)", "size"},
        {"instance = \"a/b\"\n", "'a/b' (x.toml:1)", "instance name"},
        {"interface = \"a-name-longer-than-any\"\n", "(x.toml:1)", "'a-name-longer-than-any'"},
        {"interface = \"\"\n", "'' (x.toml:1)", "interface"},
        {"mode = \"fast\"\n", "'fast' (x.toml:1)", "give one of auto, native, generic, tc"},
        {"metrics = 65536\n", "'65536' (x.toml:1)", "[ADDRESS:]PORT"},
        {"tc = \"\"\n", "'' (x.toml:1)", "give one of auto, tcx, clsact"},
    };

    for (const auto &row : rows) {
        SCOPED_TRACE(row.text);
        Settings settings;
        const Status taken = parse_config(row.text, "x.toml", settings);

        ASSERT_FALSE(taken);
        const std::string line = taken.error().line();
        EXPECT_THAT(line, AllOf(StartsWith("cannot "), HasSubstr(row.line), HasSubstr(row.part)));
        EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 0) << line;
    }
}

class ChooseSettings : public testing::Test
{
  protected:
    void SetUp() override { ASSERT_NE(mkdtemp(folder_.data()), nullptr); }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string &name, const std::string &text) const
    {
        const std::string path = folder_ + "/" + name;

        std::ofstream(path) << text;
        return path;
    }

    static Typed typed(std::string_view name, std::vector<std::string> values)
    {
        return {find_setting(name), std::move(values)};
    }

    Result<ChosenSettings> choose(const std::vector<Typed> &typed,
                                  const std::optional<std::string> &config = {}) const
    {
        return choose_settings(typed, config, folder_);
    }

    std::string folder_ = testing::TempDir() + "bmc-config-XXXXXX";
};

TEST_F(ChooseSettings, DefaultsWithoutAnything)
{
    const auto chosen = choose({});

    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->file, "");
    EXPECT_EQ(chosen->settings.attach.instance, default_instance);
}

TEST_F(ChooseSettings, TypedComesBeforeTheFile)
{
    const std::string path = write("x.toml", "interface = [\"eth0\", \"eth1\"]\nport = [1, 2]\n"
                                             "memory = \"1G\"\nkeep = true\nmode = \"tc\"\n");
    const auto chosen = choose({typed("port", {"3", "3", "4"}), typed("interface", {"eth2"}),
                                typed("memory", {"1M"}), typed("keep", {"false"})},
                               path);

    ASSERT_TRUE(chosen) << chosen.error().line();
    EXPECT_EQ(chosen->file, path);
    EXPECT_FALSE(chosen->by_name);
    EXPECT_THAT(chosen->settings.attach.ports, ElementsAre(3, 4));
    EXPECT_THAT(chosen->settings.attach.interfaces, ElementsAre("eth2"));
    EXPECT_EQ(chosen->settings.attach.memory, min_memory);
    EXPECT_FALSE(chosen->settings.keep);
    EXPECT_EQ(chosen->settings.attach.mode, ModeChoice::tc);
}

TEST_F(ChooseSettings, FileIsFoundByTheInstancesName)
{
    const std::string path = write("web.toml", "port = 7\n");
    const auto chosen = choose({typed("instance", {"web"})});

    ASSERT_TRUE(chosen) << chosen.error().line();
    EXPECT_EQ(chosen->file, path);
    EXPECT_TRUE(chosen->by_name);
    EXPECT_EQ(chosen->settings.attach.instance, "web");
    EXPECT_THAT(chosen->settings.attach.ports, ElementsAre(7));

    /* Another instance has nothing to do with it, and a named file comes before it. */
    EXPECT_EQ(choose({})->file, "");
    const std::string other = write("other.toml", "port = 8\n");
    EXPECT_THAT(choose({typed("instance", {"web"})}, other)->settings.attach.ports, ElementsAre(8));

    write("default.toml", "port = 9\n");
    EXPECT_THAT(choose({})->settings.attach.ports, ElementsAre(9));
}

TEST_F(ChooseSettings, FileFoundByNameCannotBeAnothers)
{
    write("web.toml", "port = 7\ninstance = \"shop\"\n");
    const auto refused = choose({typed("instance", {"web"})});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(),
                AllOf(HasSubstr("'shop'"), HasSubstr("web.toml:2"), HasSubstr("'web'")));

    write("web.toml", "instance = \"default\"\n");
    EXPECT_FALSE(choose({typed("instance", {"web"})}));
    write("web.toml", "instance = \"web\"\n");
    EXPECT_TRUE(choose({typed("instance", {"web"})}));

    /* A file that was named may. */
    const std::string path = write("y.toml", "instance = \"shop\"\n");
    EXPECT_EQ(choose({}, path)->settings.attach.instance, "shop");
    EXPECT_EQ(choose({typed("instance", {"web"})}, path)->settings.attach.instance, "web");
}

TEST_F(ChooseSettings, NameIsNoPath)
{
    const auto refused = choose({typed("instance", {"../web"})});

    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("instance name"));
}

TEST_F(ChooseSettings, FileThatCannotBeReadIsNamed)
{
    const std::string missing = folder_ + "/nosuch.toml";
    for (const std::string &path : {missing, folder_}) {
        const auto refused = choose({}, path);
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().line(), HasSubstr("read the file " + path));
    }

    const auto endless = choose({}, "/dev/zero");
    ASSERT_FALSE(endless);
    EXPECT_THAT(endless.error().line(), HasSubstr("1 MiB"));
}

} // namespace
} // namespace bmc
