// SPDX-License-Identifier: BSD-3-Clause
#include "memcached-sr/tests/fixture.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#include <fmt/format.h>

#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/wait.h"

namespace bmc::test
{

namespace
{

std::unique_ptr<Lab> the_lab;

const testing::Environment *const lab_owner =
    testing::AddGlobalTestEnvironment(new Server::LabOwner); // googletest deletes it

} // namespace

std::string binary_request(std::uint8_t opcode, std::string_view key, std::string_view extras,
                           std::string_view value)
{
    std::string header(24, '\0');
    const std::uint16_t key_length = htons(static_cast<std::uint16_t>(key.size()));
    const std::uint32_t body =
        htonl(static_cast<std::uint32_t>(extras.size() + key.size() + value.size()));

    header[0] = '\x80';
    header[1] = static_cast<char>(opcode);
    std::memcpy(&header[2], &key_length, sizeof(key_length));
    header[4] = static_cast<char>(extras.size());
    std::memcpy(&header[8], &body, sizeof(body));
    return fmt::format("{}{}{}{}", header, extras, key, value);
}

void Server::LabOwner::SetUp()
{
    if (::geteuid() != 0)
        GTEST_SKIP() << "SKIP: needs root for network namespaces and BPF maps";
    the_lab = std::make_unique<Lab>();
}

void Server::LabOwner::TearDown()
{
    the_lab.reset();
}

const Lab &Server::lab()
{
    return *the_lab;
}

Origin Server::start(const std::vector<std::string> &more, const std::string &pins)
{
    return Origin(lab().server(),
                  Origin::Options{.pins = pins, .more = more, .udp_reuseport = false});
}

void Server::expect_refusal(const std::vector<std::string> &arguments, std::string_view line)
{
    std::vector<std::string> command = {program_path("memcached-sr"), "-u", "nobody"};

    command.insert(command.end(), arguments.begin(), arguments.end());
    const Result result = run(command, &lab().server());
    EXPECT_NE(result.status, 0) << fmt::format("{}", fmt::join(arguments, " "));
    EXPECT_NE(result.err.find(line), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TcpClient Server::tcp()
{
    return {lab().client(), {Lab::server4}};
}

UdpClient Server::udp()
{
    return {lab().client(), {Lab::server4}};
}

void WithMaps::SetUp()
{
    maps_.emplace(lab().server());
    start_origin();
}

void WithMaps::start_origin(const std::vector<std::string> &more)
{
    origin_.reset();
    origin_.emplace(start(more, maps_->folder()));
    wait_until("the generation is even", [this] { return maps_->generation() % 2 == 0; });
    tcp_.emplace(Server::tcp());
    udp_.emplace(Server::udp());
}

void WithMaps::expect_tcp(std::string_view request, std::string_view reply)
{
    tcp_->send(request);
    EXPECT_EQ(tcp_->read(reply.size()), reply) << "request: " << request;
}

void WithMaps::carry_out_binary(std::string_view request)
{
    const std::string noop = binary_request(0x0a, "", "", "");
    std::string noop_reply = noop;
    TcpClient client = Server::tcp();

    noop_reply[0] = '\x81';
    client.send(fmt::format("{}{}", request, noop));
    client.read_until(noop_reply);
}

void WithMaps::store(std::string_view key, std::string_view value, unsigned flags, int exptime)
{
    expect_tcp(fmt::format("set {} {} {} {}\r\n{}\r\n", key, flags, exptime, value.size(), value),
               "STORED\r\n");
}

void WithMaps::expect_value_granted(std::string_view key, std::string_view value, unsigned flags)
{
    EXPECT_EQ(udp_->ask(fmt::format("get {}\r\n", key)),
              fmt::format("VALUE {} {} {}\r\n{}\r\nEND\r\n", key, flags, value.size(), value));

    const bmc_grant grant = maps_->grant(key);

    EXPECT_EQ(grant.key_hash, maps_->hash(key));
    EXPECT_EQ(grant.version, maps_->version(key));
    EXPECT_EQ(grant.generation, maps_->generation());
    EXPECT_EQ(grant.content, maps_->content(flags, value));
    EXPECT_EQ(grant.check, bmc_grant_check(&grant));
}

void WithMaps::expect_absence_granted(std::string_view key)
{
    EXPECT_EQ(udp_->ask(fmt::format("get {}\r\n", key)), "END\r\n");

    const bmc_grant grant = maps_->grant(key);

    EXPECT_EQ(grant.key_hash, maps_->hash(key));
    EXPECT_EQ(grant.version, maps_->version(key));
    EXPECT_EQ(grant.generation, maps_->generation());
    EXPECT_EQ(grant.content, BMC_CONTENT_ABSENT);
    EXPECT_EQ(grant.deadline_ns, BMC_NO_DEADLINE);
    EXPECT_EQ(grant.check, bmc_grant_check(&grant));
}

std::string WithMaps::expect_no_grant(const std::string &request, std::string_view key)
{
    maps_->clear_grant(key);
    std::string reply = udp_->ask(request).value_or("no reply");
    EXPECT_EQ(maps_->grant(key).check, 0U) << request;
    return reply;
}

} // namespace bmc::test
