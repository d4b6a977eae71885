// SPDX-License-Identifier: BSD-3-Clause
#include "tests/loader/kernel_state.h"

#include <array>
#include <cerrno>
#include <filesystem>
#include <glob.h>
#include <iterator>
#include <memory>
#include <net/if.h>
#include <string_view>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "tests/harness/error.h"
#include "tests/harness/process.h"

namespace bmc::test
{

namespace
{

/// BPF_TCX_INGRESS and BPF_TCX_EGRESS of Linux 6.6.
bpf_attach_type tcx_hook(TcDirection direction)
{
    return static_cast<bpf_attach_type>(direction == TcDirection::ingress ? 46 : 47);
}

int index_of(const std::string &interface)
{
    const unsigned index = if_nametoindex(interface.c_str());

    if (index == 0)
        throw system_error("find interface " + interface);
    return static_cast<int>(index);
}

constexpr bpf_insn instruction(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
    bpf_insn made = {};

    made.code = code;
    made.dst_reg = dst & 0xf;
    made.src_reg = src & 0xf;
    made.off = off;
    made.imm = imm;
    return made;
}

constexpr bpf_insn move(uint8_t dst, int32_t value)
{
    return instruction(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

constexpr bpf_insn leave()
{
    return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

Fd load(bpf_prog_type type, const char *name, const bpf_insn *program, size_t count, uint32_t flags)
{
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.prog_flags = flags;
    Fd fd(bpf_prog_load(type, name, "GPL", program, count, &options));

    if (!fd)
        throw system_error(std::string("load program ") + name);
    return fd;
}

template <class Info>
Info info_of(int fd, const std::string &what)
{
    Info info = {};
    __u32 size = sizeof info;

    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0)
        throw system_error("examine " + what);
    return info;
}

Fd open_pinned(const std::string &path)
{
    Fd fd(bpf_obj_get(path.c_str()));

    if (!fd)
        throw system_error("open " + path);
    return fd;
}

} // namespace

uint32_t xdp_program(const NetNs &where, const std::string &interface)
{
    uint32_t id = 0;

    where.enter([&] {
        LIBBPF_OPTS(bpf_xdp_query_opts, query);
        if (bpf_xdp_query(index_of(interface), 0, &query) != 0)
            throw system_error("query XDP of " + interface);
        for (const uint32_t found : {query.drv_prog_id, query.skb_prog_id, query.prog_id})
            if (id == 0)
                id = found;
    });
    return id;
}

std::vector<uint32_t> tcx_programs(const NetNs &where, const std::string &interface,
                                   TcDirection direction)
{
    std::array<uint32_t, 64> ids = {};
    uint32_t count = ids.size();

    where.enter([&] {
        if (bpf_prog_query(index_of(interface), tcx_hook(direction), 0, nullptr, ids.data(),
                           &count) == 0)
            return;
        if (errno != ENOENT && errno != EINVAL) // EINVAL: a kernel without TCX
            throw system_error("query TCX of " + interface);
        count = 0;
    });
    return {ids.begin(), ids.begin() + count};
}

std::string tc_filters(const NetNs &where, const std::string &interface, TcDirection direction)
{
    return run_checked({"tc", "filter", "show", "dev", interface, direction_name(direction)},
                       &where);
}

std::string tc_qdiscs(const NetNs &where, const std::string &interface)
{
    return run_checked({"tc", "qdisc", "show", "dev", interface}, &where);
}

uint32_t program_id(int program)
{
    return info_of<bpf_prog_info>(program, "program").id;
}

uint32_t program_id(const std::string &pin)
{
    return program_id(open_pinned(pin).get());
}

PinnedIds pinned_ids(const std::string &folder)
{
    PinnedIds ids;

    for (const auto &entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_directory())
            continue;
        const Fd object = open_pinned(entry.path());
        /* "anon_inode:bpf-map", "anon_inode:bpf-prog", "anon_inode:bpf_link" */
        const std::string kind =
            std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", object.get()));
        if (kind == "anon_inode:bpf-map")
            ids.maps.push_back(info_of<bpf_map_info>(object.get(), entry.path()).id);
        else if (kind == "anon_inode:bpf-prog")
            ids.programs.push_back(program_id(object.get()));
    }
    return ids;
}

uint32_t map_id(const std::string &pin)
{
    return info_of<bpf_map_info>(open_pinned(pin).get(), pin).id;
}

bool program_exists(uint32_t id)
{
    const Fd fd(bpf_prog_get_fd_by_id(id));

    return static_cast<bool>(fd);
}

bool map_exists(uint32_t id)
{
    const Fd fd(bpf_map_get_fd_by_id(id));

    return static_cast<bool>(fd);
}

Fd load_xdp_pass(bool frags)
{
    const bpf_insn program[] = {move(BPF_REG_0, XDP_PASS), leave()};

    return load(BPF_PROG_TYPE_XDP, "foreign_xdp", program, std::size(program),
                frags ? BPF_F_XDP_HAS_FRAGS : 0);
}

Fd load_libxdp_dispatcher()
{
    constexpr const char *program = "xdp_dispatcher";
    glob_t found = {};
    if (glob("/usr/lib/*/bpf/xdp-dispatcher.o", 0, nullptr, &found) != 0)
        throw Error("libxdp's dispatcher is not installed: run tools/setup");
    const std::string path = found.gl_pathv[0];
    globfree(&found);

    const std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object(
        bpf_object__open(path.c_str()), bpf_object__close);
    if (!object)
        throw system_error("open " + path);
    bpf_program *other = nullptr;
    bpf_object__for_each_program(other, object.get())
        bpf_program__set_autoload(other, bpf_program__name(other) == std::string_view(program));
    if (bpf_object__load(object.get()) != 0)
        throw system_error("load " + path);
    return Fd(dup(bpf_program__fd(bpf_object__find_program_by_name(object.get(), program))));
}

CountingProgram::CountingProgram()
    : map_(bpf_map_create(BPF_MAP_TYPE_ARRAY, "foreign_count", sizeof(uint32_t), sizeof(uint64_t),
                          1, nullptr))
{
    if (!map_)
        throw system_error("make a map");

    const bpf_insn program[] = {
        /* r0 = &map[0] */
        instruction(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
        instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
        instruction(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_.get()),
        instruction(0, 0, 0, 0, 0),
        instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
        /* if (r0) *r0 += 1, atomically */
        instruction(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
        move(BPF_REG_1, 1),
        instruction(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD),
        /* return TC_ACT_OK */
        move(BPF_REG_0, 0),
        leave(),
    };
    program_ = load(BPF_PROG_TYPE_SCHED_CLS, "foreign_tc", program, std::size(program), 0);
}

uint64_t CountingProgram::count() const
{
    const uint32_t first = 0;
    uint64_t value = 0;

    if (bpf_map_lookup_elem(map_.get(), &first, &value) != 0)
        throw system_error("read the count");
    return value;
}

Fd attach_foreign_xdp(const NetNs &where, const std::string &interface, int program, uint32_t flags)
{
    Fd link;

    where.enter([&] {
        LIBBPF_OPTS(bpf_link_create_opts, wanted);
        wanted.flags = flags;
        link = Fd(bpf_link_create(program, index_of(interface), BPF_XDP, &wanted));
        if (!link)
            throw system_error("attach a foreign XDP program");
    });
    return link;
}

Fd attach_foreign_tcx(const NetNs &where, const std::string &interface, TcDirection direction,
                      int program)
{
    Fd link;

    where.enter([&] {
        link = Fd(bpf_link_create(program, index_of(interface), tcx_hook(direction), nullptr));
        if (!link)
            throw system_error("attach a foreign TCX program");
    });
    return link;
}

void attach_foreign_filter(const NetNs &where, const std::string &interface, TcDirection direction,
                           int program, uint32_t priority, uint32_t handle)
{
    where.enter([&] {
        LIBBPF_OPTS(bpf_tc_hook, hook);
        LIBBPF_OPTS(bpf_tc_opts, options);
        hook.ifindex = index_of(interface);
        hook.attach_point = direction == TcDirection::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
        options.prog_fd = program;
        options.handle = handle;
        options.priority = priority;
        errno = -bpf_tc_attach(&hook, &options);
        if (errno != 0)
            throw system_error("attach a foreign filter");
    });
}

} // namespace bmc::test
