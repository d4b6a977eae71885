// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/generator.h"

#include "bmc/lib/libbpf_log.h"
#include "trafficgen.skel.h"

#include <bpf/bpf.h>
#include <cerrno>
#include <cstring>
#include <linux/bpf.h>

namespace trafficgen
{

namespace
{

Error load_error(int code, const std::string &log)
{
    Error error = system_error("load", "the generator's BPF programs", code,
                               "it takes root and Linux 5.18 or newer");
    error.detail = log;
    return error;
}

/// Gives every CPU its copy of the request.
Status write_frames(int map, const Request &request)
{
    std::vector<trafficgen_frame> frames(static_cast<size_t>(libbpf_num_possible_cpus()));
    const uint32_t zero = 0;

    for (trafficgen_frame &frame : frames)
        std::memcpy(frame.byte, request.frame.data(), request.frame.size());
    if (bpf_map_update_elem(map, &zero, frames.data(), BPF_ANY) != 0)
        return system_error("write", "the map of frames", errno);
    return Done{};
}

} // namespace

void Generator::Destroy::operator()(trafficgen_bpf *skeleton) const
{
    trafficgen_bpf__destroy(skeleton);
}

Result<Generator> Generator::load(const Request &request, const trafficgen_sink &sink,
                                  uint32_t ifindex, const std::function<uint64_t()> &draw)
{
    const bmc::LibbpfLog log;
    std::unique_ptr<trafficgen_bpf, Destroy> skeleton(trafficgen_bpf__open());

    if (!skeleton)
        return load_error(errno, log.text());
    skeleton->rodata->request = request.layout;
    skeleton->rodata->request.ifindex = ifindex;
    skeleton->rodata->sink = sink;
    if (const int code = trafficgen_bpf__load(skeleton.get()); code != 0)
        return load_error(-code, log.text());

    for (uint32_t &sample : skeleton->bss->samples)
        sample = static_cast<uint32_t>(draw());
    BMC_TRY(write_frames(bpf_map__fd(skeleton->maps.frames), request));
    return Generator(std::move(skeleton), request.layout.length);
}

Status Generator::send(uint32_t packets, uint32_t batch) const
{
    LIBBPF_OPTS(bpf_test_run_opts, options);
    const std::vector<uint8_t> frame(length_);
    xdp_md context = {};

    context.data_end = length_;
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    options.data_in = frame.data();
    options.data_size_in = length_;
    options.repeat = static_cast<int>(packets);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    options.batch_size = batch;
    if (const int code = bpf_prog_test_run_opts(request_program(), &options); code != 0)
        return system_error("send packets", "from the kernel", -code);
    return Done{};
}

Result<trafficgen_counters> Generator::counters() const
{
    std::vector<trafficgen_counters> each(static_cast<size_t>(libbpf_num_possible_cpus()));
    const uint32_t zero = 0;
    trafficgen_counters sum = {};

    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &zero, each.data()) != 0)
        return system_error("read", "the sink's counters", errno);
    for (const trafficgen_counters &one : each) {
        sum.frames += one.frames;
        sum.bytes += one.bytes;
        sum.values += one.values;
        sum.ends += one.ends;
        sum.further += one.further;
        sum.malformed += one.malformed;
        sum.other += one.other;
    }
    return sum;
}

int Generator::request_program() const
{
    return bpf_program__fd(skeleton_->progs.generate);
}

int Generator::sink_program() const
{
    return bpf_program__fd(skeleton_->progs.count_replies);
}

} // namespace trafficgen
