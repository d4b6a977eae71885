// SPDX-License-Identifier: BSD-3-Clause
#include "bench/trafficgen/reflect.h"

#include "bmc/lib/libbpf_log.h"
#include "reflect.skel.h"

#include <arpa/inet.h>
#include <cerrno>

namespace trafficgen
{

void Reflect::Destroy::operator()(reflect_bpf *skeleton) const
{
    reflect_bpf__destroy(skeleton);
}

Result<Reflect> Reflect::load(bool echo, uint16_t port)
{
    const bmc::LibbpfLog log;
    const auto failed = [&log](int code) {
        Error error = system_error("load", "a BPF program", code, "it takes root");
        error.detail = log.text();
        return error;
    };
    std::unique_ptr<reflect_bpf, Destroy> skeleton(reflect_bpf__open());

    if (!skeleton)
        return failed(errno);
    bpf_program__set_autoload(skeleton->progs.echo, echo);
    bpf_program__set_autoload(skeleton->progs.pass, !echo);
    skeleton->rodata->echo_port = htons(port);
    if (const int code = reflect_bpf__load(skeleton.get()); code != 0)
        return failed(-code);
    const int program = bpf_program__fd(echo ? skeleton->progs.echo : skeleton->progs.pass);
    return Reflect(std::move(skeleton), program);
}

Result<Reflect> Reflect::load_echo(uint16_t port)
{
    return load(true, port);
}

Result<Reflect> Reflect::load_pass()
{
    return load(false, 0);
}

} // namespace trafficgen
