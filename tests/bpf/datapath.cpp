// SPDX-License-Identifier: BSD-3-Clause
#include "tests/bpf/datapath.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "bmc/protocol/hash.h"
#include "poison.skel.h"
#include "tests/harness/error.h"

namespace bmc::test
{

namespace
{

constexpr std::size_t frame_max = 8192;

[[noreturn]] void fail(const std::string &what, int error)
{
    throw Error(what + ": " + std::strerror(error));
}

bmc_addr6 address6(const char *text)
{
    bmc_addr6 address{};

    ::inet_pton(AF_INET6, text, address.word);
    return address;
}

// Where the variable lies in the object's .rodata.
void *variable_in_rodata(bpf_object *object, const char *name, std::size_t size)
{
    const btf *types = bpf_object__btf(object);
    const int section_id = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
    const btf_type *section = btf__type_by_id(types, static_cast<__u32>(section_id));

    for (bpf_map *map = bpf_object__next_map(object, nullptr); map != nullptr;
         map = bpf_object__next_map(object, map)) {
        if (std::string_view(bpf_map__name(map)).find(".rodata") == std::string_view::npos)
            continue;
        std::size_t length = 0;
        auto *const memory =
            static_cast<char *>(const_cast<void *>(bpf_map__initial_value(map, &length)));
        for (int i = 0; section != nullptr && i < btf_vlen(section); i++) {
            const btf_var_secinfo &info = btf_var_secinfos(section)[i];
            const btf_type *variable = btf__type_by_id(types, info.type);

            if (std::strcmp(btf__name_by_offset(types, variable->name_off), name) == 0 &&
                info.size == size && info.offset + size <= length)
                return memory + info.offset;
        }
    }
    throw Error(std::string("no variable ") + name + " in .rodata");
}

const char *const counter_names[] = {
#define X(name, help) #name,
    BMC_COUNTERS(X)
#undef X
};

} // namespace

struct Datapath::Poison {
    struct Destroy {
        void operator()(poison_bpf *skeleton) const { poison_bpf__destroy(skeleton); }
    };
    std::unique_ptr<poison_bpf, Destroy> skeleton;
};

Object &object_under_test()
{
    static Object object{BMC_BPF_OBJECT, BMC_BPF_COMPILER};

    return object;
}

const char *request_stages()
{
    return object_under_test().at_tc ? "skb_stages" : "rx_stages";
}

bmc_config usual_config()
{
    bmc_config c{};

    c.served.port_count = 2;
    c.served.port[0] = htons(11211);
    c.served.port[1] = htons(11311);
    c.mac_count = 1;
    std::copy(server_mac.begin(), server_mac.end(), c.mac[0].byte);
    c.served.addr4_count = 2;
    c.served.addr4[0] = ::inet_addr("10.77.0.1");
    c.served.addr4[1] = ::inet_addr("10.77.0.9");
    c.served.addr6_count = 2;
    c.served.addr6[0] = address6("fd77::1");
    c.served.addr6[1] = address6("fd77::9");
    c.vlan_count = 2;
    c.vlan[0] = BMC_VLAN(5, 0);
    c.vlan[1] = BMC_VLAN(7, 8) | BMC_VLAN_SERVICE;
    c.broadcast4_count = 1;
    c.broadcast4[0] = ::inet_addr("10.77.0.255");
    c.mtu = 1500;
    c.partial_checksums = 1;
    c.tc_only = object_under_test().at_tc ? 1 : 0;
    c.hand_over = 1;
    return c;
}

const std::vector<std::vector<Vlan>> &usual_tags()
{
    static const std::vector<std::vector<Vlan>> tags = {
        {},
        {Vlan{.id = 5, .priority = 3}},
        {Vlan{.id = 0, .priority = 7}},
        {Vlan{.id = 7, .priority = 5, .tpid = 0x88a8}, Vlan{.id = 8, .priority = 1}},
        {Vlan{.id = 5, .priority = 5}, Vlan{.id = 0, .priority = 3}},
    };

    return tags;
}

bmc_config full_config()
{
    bmc_config c = usual_config();

    for (c.served.port_count = 0; c.served.port_count < BMC_MAX_PORTS; c.served.port_count++)
        c.served.port[c.served.port_count] =
            htons(static_cast<std::uint16_t>(11211 + c.served.port_count));
    for (c.mac_count = 1; c.mac_count < BMC_MAX_MACS; c.mac_count++)
        c.mac[c.mac_count].byte[5] = static_cast<__u8>(0x80 + c.mac_count);
    for (; c.served.addr4_count < BMC_MAX_ADDRESSES; c.served.addr4_count++)
        c.served.addr4[c.served.addr4_count] = htonl(0x0a4d0100 + c.served.addr4_count);
    for (; c.served.addr6_count < BMC_MAX_ADDRESSES; c.served.addr6_count++) {
        c.served.addr6[c.served.addr6_count] = address6("fd77:1::");
        c.served.addr6[c.served.addr6_count].word[3] = htonl(c.served.addr6_count);
    }
    for (; c.vlan_count < BMC_MAX_VLANS; c.vlan_count++)
        c.vlan[c.vlan_count] = BMC_VLAN(100 + c.vlan_count, 0);
    for (; c.broadcast4_count < BMC_MAX_ADDRESSES; c.broadcast4_count++)
        c.broadcast4[c.broadcast4_count] = htonl(0x0a4d02ff + (c.broadcast4_count << 8));
    return c;
}

bmc_config stock(bmc_config config)
{
    config.stock.enabled = 1;
    config.stock.guard_ns = BMC_NS_PER_S;
    config.stock.refresh_ns = 60 * BMC_NS_PER_S;
    config.stock.tcp_port_count = 1;
    config.stock.tcp_port[0] = htons(11211);
    return config;
}

Fd udp_socket()
{
    sockaddr_in address{};
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0)
        fail("open a UDP socket", errno);
    return fd;
}

std::uint64_t monotonic_ns()
{
    timespec now{};

    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

void Unmap::operator()(void *memory) const
{
    ::munmap(memory, size);
}

Datapath::Datapath(const Settings &settings)
    : settings_(settings), object_(bpf_object__open_file(object_under_test().path.c_str(), nullptr))
{
    if (object_ == nullptr)
        fail("open " + object_under_test().path, errno);
    settings_.config.bucket_count = settings.buckets;
    std::memcpy(variable_in_rodata(object_.get(), "bmc_config", sizeof(bmc_config)),
                &settings_.config, sizeof(bmc_config));
    const auto resize = [&](const char *name, std::uint32_t count) {
        bpf_map__set_max_entries(bpf_object__find_map_by_name(object_.get(), name), count);
    };
    resize("clocks", settings.clocks);
    resize("grants", settings.grants);
    resize("buckets", settings.buckets);
    resize("slots", settings.clocks);
    resize("leases", settings.leases);
    for (const char *const name : {"connection", "follow", "filter", "release"})
        bpf_program__set_autoload(bpf_object__find_program_by_name(object_.get(), name),
                                  settings.config.stock.enabled != 0);
    if (const int error = bpf_object__load(object_.get()))
        fail("load " + object_under_test().path, -error);

    control_memory_ = map_memory("control", sizeof(bmc_control));
    clocks_memory_ = map_memory("clocks", settings.clocks * sizeof(std::uint64_t));
    grants_memory_ = map_memory("grants", settings.grants * sizeof(bmc_grant_slot));
    slots_memory_ = map_memory("slots", settings.clocks * sizeof(bmc_slot));
    control_ = static_cast<bmc_control *>(control_memory_.get());

    origin_ = udp_socket();

    poison_object_ = std::make_unique<Poison>();
    poison_object_->skeleton.reset(poison_bpf__open_and_load());
    if (!poison_object_->skeleton)
        fail("load the poison program", errno);
    const __u32 zero = 0;
    const int entry = program_fd("rx_filter");
    if (bpf_map_update_elem(bpf_map__fd(poison_object_->skeleton->maps.entry), &zero, &entry,
                            BPF_ANY) != 0)
        fail("put rx_filter behind the poison program", errno);
    poison_ = bpf_program__fd(poison_object_->skeleton->progs.poison);
    reset();
}

Datapath::~Datapath() = default;

int Datapath::map_fd(const char *name) const
{
    return bpf_object__find_map_fd_by_name(object_.get(), name);
}

int Datapath::program_fd(const char *name) const
{
    return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), name));
}

std::unique_ptr<void, Unmap> Datapath::map_memory(const char *name, std::size_t size) const
{
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

    size = (size + page - 1) / page * page;
    void *memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd(name), 0);
    if (memory == MAP_FAILED)
        fail(std::string("mmap ") + name, errno);
    return {memory, Unmap{size}};
}

void Datapath::reset()
{
    const bmc_bucket empty{};
    const auto stage = [&](const char *array, __u32 index, const std::string &program) {
        const int fd = program_fd(program.c_str());
        if (bpf_map_update_elem(map_fd(array), &index, &fd, BPF_ANY) != 0)
            fail("restore stage " + program, errno);
    };

    for (__u32 i = 0; i < settings_.buckets; i++)
        if (bpf_map_update_elem(map_fd("buckets"), &i, &empty, BPF_ANY) != 0)
            fail("clear a bucket", errno);
    std::memset(grants_memory_.get(), 0, settings_.grants * sizeof(bmc_grant_slot));
    for (std::uint64_t &clock : clocks())
        clock = BMC_CLOCK_TICK;
    std::memset(slots_memory_.get(), 0, settings_.clocks * sizeof(bmc_slot));
    set_leases(std::vector<bmc_lease>(settings_.leases));
    *control_ = {};
    control_->seed[0] = 0x0123456789abcdef;
    control_->seed[1] = 0xfedcba9876543210;
    control_->generation = 2;
    control_->clock_count = settings_.clocks;
    control_->grant_count = settings_.grants;
    control_->stock.lease_count = settings_.leases;
    control_->stock.fills = 1;
    control_->magic = BMC_MAGIC;
    control_->layout_version = BMC_LAYOUT_VERSION;
    for (__u32 endpoint = 0; endpoint < BMC_MAX_ENDPOINTS; endpoint++)
        set_socket(endpoint, origin_.get());
    __u32 index = 0;
    for (const std::string name : {"hash_keys", "invalidate", "take_grant"}) {
        stage("rx_stages", index, name);
        stage("skb_stages", index, "skb_" + name);
        index++;
    }
    stage("tx_stages", 0, "update_cache");
    counts();
}

void Datapath::poison_scratch(const char *name) const
{
    const bpf_map *map = bpf_object__find_map_by_name(object_.get(), name);
    const std::size_t size = (bpf_map__value_size(map) + 7) / 8 * 8;
    const std::vector<std::uint8_t> rubbish(
        size * static_cast<std::size_t>(libbpf_num_possible_cpus()), 0xff);
    const __u32 zero = 0;

    if (bpf_map_update_elem(bpf_map__fd(map), &zero, rubbish.data(), BPF_ANY) != 0)
        fail(std::string("fill ") + name, errno);
}

Outcome Datapath::run(int program, const Bytes &frame, std::optional<std::uint32_t> linear) const
{
    Bytes out(frame_max);
    xdp_md context{};
    bpf_test_run_opts options{};

    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.data_out = out.data();
    options.data_size_out = frame_max;
    options.repeat = 1;
    if (linear) {
        context.data_end = *linear;
        options.ctx_in = &context;
        options.ctx_size_in = sizeof(context);
    }
    if (const int error = bpf_prog_test_run_opts(program, &options))
        fail("BPF_PROG_TEST_RUN", -error);
    out.resize(options.data_size_out);
    return {static_cast<int>(options.retval), std::move(out)};
}

Outcome Datapath::rx(const Bytes &frame, std::optional<std::uint32_t> linear, std::size_t room)
{
    Bytes with_room(room, 0xff);

    with_room.insert(with_room.end(), frame.begin(), frame.end());
    if (object_under_test().at_tc) {
        poison_scratch("skb_scratch");
        Outcome outcome = run(program_fd("skb_rx_filter"), frame, std::nullopt);
        outcome.verdict = outcome.verdict == redirect ? send_back
                          : outcome.verdict == go_on  ? pass_up
                                                      : outcome.verdict;
        return outcome;
    }
    poison_object_->skeleton->bss->skip = static_cast<__u32>(room);
    poison_scratch("rx_scratch");
    if (linear)
        linear = *linear + static_cast<std::uint32_t>(room);
    Outcome outcome = run(poison_, with_room, linear);
    constexpr std::string_view mark = "bmc hand";
    if (outcome.frame.size() == frame.size() + mark.size() &&
        std::equal(mark.begin(), mark.end(), outcome.frame.begin())) {
        outcome.handed = true;
        outcome.frame.erase(outcome.frame.begin(), outcome.frame.begin() + mark.size());
    }
    return outcome;
}

Outcome Datapath::tx(const Bytes &frame)
{
    poison_scratch("tx_scratch");
    return tx_next(frame);
}

Outcome Datapath::tx_next(const Bytes &frame)
{
    return run(program_fd("tx_filter"), frame, std::nullopt);
}

void Datapath::tx_reply(std::string_view text)
{
    constexpr std::size_t most = BMC_DATAGRAM_DATA;

    if (text.size() <= most) {
        tx(origin_reply(text));
        return;
    }
    tx(origin_reply(text.substr(0, most), {.request_id = 1, .sequence = 0, .total = 2}));
    tx_next(origin_reply(text.substr(most), {.request_id = 1, .sequence = 1, .total = 2}));
}

bmc_counters Datapath::total() const
{
    std::vector<bmc_counters> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    const __u32 zero = 0;
    bmc_counters sum{};

    if (bpf_map_lookup_elem(map_fd("counters"), &zero, each.data()) != 0)
        fail("read the counters", errno);
    for (const bmc_counters &one : each)
        for (std::size_t i = 0; i < BMC_COUNTER_COUNT; i++)
            sum.value[i] += one.value[i];
    return sum;
}

Counts Datapath::counts()
{
    const bmc_counters now = total();
    Counts result;

    for (std::size_t i = 0; i < BMC_COUNTER_COUNT; i++)
        if (now.value[i] != counted_.value[i])
            result[counter_names[i]] = now.value[i] - counted_.value[i];
    counted_ = now;
    EXPECT_EQ(result["hit_tc"], object_under_test().at_tc ? result["hit"] : 0U);
    result.erase("hit_tc");
    std::erase_if(result, [](const auto &counter) { return counter.second == 0; });
    return result;
}

std::uint64_t Datapath::hash(std::string_view key) const
{
    return bmc_key_hash(control_->seed, key.data(), static_cast<__u32>(key.size()));
}

std::span<std::uint64_t> Datapath::clocks() const
{
    return {static_cast<std::uint64_t *>(clocks_memory_.get()), settings_.clocks};
}

std::uint64_t &Datapath::clock(std::string_view key) const
{
    return clocks()[bmc_clock_index(hash(key), settings_.clocks)];
}

bmc_grant &Datapath::grant(std::string_view key) const
{
    return grant_slot(key).grant;
}

bmc_grant_slot &Datapath::grant_slot(std::string_view key) const
{
    return static_cast<bmc_grant_slot *>(
        grants_memory_.get())[bmc_grant_index(hash(key), settings_.grants)];
}

bmc_slot &Datapath::slot(std::string_view key) const
{
    return static_cast<bmc_slot *>(
        slots_memory_.get())[bmc_clock_index(hash(key), settings_.clocks)];
}

std::vector<bmc_lease> Datapath::leases() const
{
    std::vector<bmc_lease> all(settings_.leases);

    for (__u32 i = 0; i < settings_.leases; i++)
        if (bpf_map_lookup_elem(map_fd("leases"), &i, &all[i]) != 0)
            fail("read a lease", errno);
    return all;
}

void Datapath::set_leases(const std::vector<bmc_lease> &leases) const
{
    for (__u32 i = 0; i < leases.size(); i++)
        if (bpf_map_update_elem(map_fd("leases"), &i, &leases[i], BPF_ANY) != 0)
            fail("write a lease", errno);
}

void Datapath::grant_value(std::string_view key, std::uint32_t flags, std::string_view value,
                           std::uint64_t deadline_ns) const
{
    bmc_grant g{};

    g.key_hash = hash(key);
    g.version = bmc_clock_version(clock(key));
    g.generation = control_->generation;
    g.deadline_ns = deadline_ns;
    g.content =
        bmc_content_hash(control_->seed, flags, value.data(), static_cast<__u32>(value.size()));
    g.check = bmc_grant_check(&g);
    grant(key) = g;
}

void Datapath::leave_value(std::string_view key, std::uint32_t flags, std::string_view value,
                           std::uint64_t deadline_ns) const
{
    const std::string text = value_text(key, flags, value);

    grant_value(key, flags, value, deadline_ns);
    std::copy(text.begin(), text.end(), grant_slot(key).text);
    grant(key).text_length = static_cast<__u32>(text.size());
}

void Datapath::grant_absent(std::string_view key) const
{
    grant_value(key, 0, "");
    grant(key).content = BMC_CONTENT_ABSENT;
    grant(key).check = bmc_grant_check(&grant(key));
}

void Datapath::fill(std::string_view key, std::uint32_t flags, std::string_view value,
                    std::uint64_t deadline_ns)
{
    counts();
    grant_value(key, flags, value, deadline_ns);
    tx_reply(value_text(key, flags, value) + "END\r\n");
    Counts counted = counts();
    counted.erase("evict_keys");
    counted.erase("tx_replies");
    counted.erase("tx_halves");
    ASSERT_EQ(counted, (Counts{{"fill_keys", 1}})) << key;
    grant(key) = {}; // the entry must do without it
}

bmc_bucket Datapath::bucket(std::string_view key) const
{
    const auto index = static_cast<__u32>(((hash(key) >> 32) * settings_.buckets) >> 32);
    bmc_bucket bucket{};

    if (bpf_map_lookup_elem(map_fd("buckets"), &index, &bucket) != 0)
        fail("read a bucket", errno);
    return bucket;
}

void Datapath::set_bucket(std::string_view key, const bmc_bucket &bucket) const
{
    const auto index = static_cast<__u32>(((hash(key) >> 32) * settings_.buckets) >> 32);

    if (bpf_map_update_elem(map_fd("buckets"), &index, &bucket, BPF_ANY) != 0)
        fail("write a bucket", errno);
}

unsigned Datapath::entries() const
{
    unsigned count = 0;

    for (__u32 i = 0; i < settings_.buckets; i++) {
        bmc_bucket bucket{};
        if (bpf_map_lookup_elem(map_fd("buckets"), &i, &bucket) != 0)
            fail("read a bucket", errno);
        count += bucket.entries;
    }
    return count;
}

void Datapath::set_socket(std::uint32_t endpoint, int fd) const
{
    const auto value = static_cast<__u64>(fd);

    if (bpf_map_update_elem(map_fd("sockets"), &endpoint, &value, BPF_ANY) != 0)
        fail("put a socket in its place", errno);
}

void Datapath::remove_socket(std::uint32_t endpoint) const
{
    if (bpf_map_delete_elem(map_fd("sockets"), &endpoint) != 0)
        fail("remove a socket", errno);
}

void Datapath::remove_stage(const char *array, std::uint32_t index) const
{
    if (bpf_map_delete_elem(map_fd(array), &index) != 0)
        fail("remove a stage", errno);
}

std::uint32_t Datapath::verified_instructions(const char *program) const
{
    bpf_prog_info info{};
    __u32 size = sizeof(info);

    if (bpf_obj_get_info_by_fd(program_fd(program), &info, &size) != 0)
        fail(std::string("ask about ") + program, errno);
    return info.verified_insns;
}

void BpfTest::SetUp()
{
    if (::geteuid() != 0) {
        const char *ci = std::getenv("CI");
        if (ci != nullptr && std::string_view(ci) == "true")
            FAIL() << "not root, which loading BPF programs needs";
        GTEST_SKIP() << "not root, which loading BPF programs needs";
    }
    dp().reset();
}

Datapath &BpfTest::dp()
{
    static Datapath datapath;

    return datapath;
}

namespace
{

Packet tagged(Packet packet, const std::vector<Vlan> &tags)
{
    for (const Vlan &tag : tags)
        packet /= Layer(tag);
    return packet;
}

} // namespace

Bytes request(std::string_view text, const Around &around)
{
    Packet packet =
        tagged(Layer(Ethernet{.destination = server_mac, .source = client_mac}), around.tags);

    if (around.family == Family::ipv4)
        packet /= Layer(Ipv4{.tos = 0xb8, .id = 0x4242, .ttl = 3, .dont_fragment = true});
    else
        packet /= Layer(Ipv6{.traffic_class = 0xb8, .flow_label = 0x12345, .hop_limit = 3});
    packet /= Layer(Udp{.destination_port = around.port, .checksum = around.udp_checksum});
    packet /= Layer(MemcachedFrame{.request_id = around.request_id});
    packet /= text;
    return packet.build();
}

Bytes reply(std::string_view text, const Around &around, std::uint16_t id, std::uint16_t sequence,
            std::uint16_t total)
{
    Packet packet =
        tagged(Layer(Ethernet{.destination = client_mac, .source = server_mac}), around.tags);

    if (around.family == Family::ipv4)
        packet /= Layer(Ipv4{.source = "10.77.0.1", .destination = "10.77.0.2", .id = id});
    else
        packet /= Layer(Ipv6{.source = "fd77::1", .destination = "fd77::2"});
    packet /= Layer(Udp{.source_port = around.port, .destination_port = 40000});
    packet /= Layer(
        MemcachedFrame{.request_id = around.request_id, .sequence = sequence, .total = total});
    packet /= text;
    return packet.build();
}

Bytes origin_reply(std::string_view text, const MemcachedFrame &frame)
{
    Packet packet = Layer(Ethernet{.destination = client_mac, .source = server_mac});

    packet /= Layer(Ipv4{.source = "10.77.0.1", .destination = "10.77.0.2"});
    packet /= Layer(Udp{.source_port = 11211, .destination_port = 40000});
    packet /= Layer(frame);
    packet /= text;
    return packet.build();
}

std::string value_text(std::string_view key, std::uint32_t flags, std::string_view value)
{
    std::string text = "VALUE ";

    text += key;
    text += " " + std::to_string(flags) + " " + std::to_string(value.size()) + "\r\n";
    text += value;
    return text + "\r\n";
}

void expect_reply(Datapath &datapath, std::string_view request_text, std::string_view reply_text,
                  const Around &around)
{
    const auto [verdict, frame, handed] = datapath.rx(request(request_text, around));

    ASSERT_EQ(verdict, send_back) << testing::PrintToString(datapath.counts());
    const auto parsed = parse(frame);
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(parsed->ip_checksum_right);
    EXPECT_TRUE(parsed->udp_checksum_right);
    EXPECT_NE(parsed->udp.checksum, 0);
    EXPECT_EQ(text_of(parsed->payload.subspan(8)), reply_text);
    ASSERT_EQ(frame, reply(reply_text, around, parsed->ipv4 ? parsed->ipv4->id : 0));
}

void expect_pass(Datapath &datapath, const Bytes &frame, const Counts &counts)
{
    datapath.counts();
    const auto [verdict, after, handed] = datapath.rx(frame);

    EXPECT_EQ(verdict, pass_up);
    EXPECT_EQ(after, frame);
    EXPECT_EQ(datapath.counts(), counts);
}

Counts get_counts(const std::string &reason)
{
    return {{"rx_requests", 1}, {"rx_gets", 1}, {reason, 1}};
}

} // namespace bmc::test
