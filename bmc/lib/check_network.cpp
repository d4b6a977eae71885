// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bmc/lib/access.h"
#include "bmc/lib/attached_programs.h"
#include "bmc/lib/check.h"
#include "bmc/lib/config.h"
#include "bmc/lib/driver_xdp.h"
#include "bmc/lib/instance.h"
#include "bmc/lib/plan.h"
#include "bmc/protocol/udp_frame.h"

namespace bmc
{

namespace
{

/// An IPv6 packet with the longest reply in one datagram.
constexpr uint32_t full_reply_mtu = 40 + 8 + BMC_UDP_PAYLOAD_MAX;

/// The largest MTU that fits one page of a driver with the head room that XDP wants
/// and what the kernel keeps behind the data, by a cautious measure of drivers.
constexpr uint32_t one_page_mtu = 3498;

/// Finds out about one interface.
class InterfaceCheck
{
  public:
    /// Without `has_tcx` it is not known whether the kernel has TCX.
    InterfaceCheck(const AttachOptions &options, std::optional<bool> has_tcx,
                   const Interface &interface, Findings &findings)
        : options_(options), interface_(interface), findings_(findings), has_tcx_(has_tcx),
          use_tcx_(options.tc == TcChoice::tcx ||
                   (options.tc == TcChoice::automatic && has_tcx == true))
    {
    }

    void run()
    {
        check_interface();
        check_vlans();
        if (const auto here = network_namespace()) {
            const auto instance = instance_at(options_.pin_root, interface_.index, *here);
            if (instance && *instance) {
                /* What is attached there is ours. */
                add_instance(**instance);
                return;
            }
        }
        check_xdp();
        check_tc();
    }

  private:
    void add(const char *what, Verdict verdict, std::string message, std::string advice = "")
    {
        findings_.push_back({fmt::format("{} {}", what, interface_.name), verdict,
                             std::move(message), std::move(advice)});
    }

    void fail(const char *what, const Error &error)
    {
        findings_.push_back(failed(fmt::format("{} {}", what, interface_.name), error));
    }

    void check_interface()
    {
        const std::string &name = interface_.name;

        if (!interface_.up)
            add("interface", Verdict::warning, "it is down: no request comes in",
                fmt::format("`ip link set {} up`", name));
        else if (!interface_.carrier)
            add("interface", Verdict::warning, "it has no link: no request comes in",
                "look at its cable, or at its other end");
        else
            add("interface", Verdict::ok,
                interface_.driver.empty() ? "it is up"
                                          : fmt::format("it is up; driver {}", interface_.driver));

        if (interface_.mtu < full_reply_mtu)
            add("MTU", Verdict::warning,
                fmt::format("{}: larger replies come from memcached", interface_.mtu),
                fmt::format("replies have up to {} bytes", full_reply_mtu));
        else
            add("MTU", Verdict::ok, fmt::format("{}", interface_.mtu));
    }

    /// Whether XDP sees the tags of the VLAN devices on top.
    void check_vlans()
    {
        std::vector<std::string> on_top;
        for (const VlanDevice &vlan : vlan_devices())
            if (vlan.parent == interface_.name)
                on_top.push_back(vlan.name);

        const char *const what = "VLAN tags of";
        if (on_top.empty())
            add(what, Verdict::ok, "no VLAN device is on top: tagged frames go to the stack");
        else if (options_.mode == ModeChoice::tc)
            add(what, Verdict::ok, fmt::format("TC sees those of {}", fmt::join(on_top, ", ")));
        else if (!interface_.strips_vlan_tags)
            add(what, Verdict::ok, fmt::format("XDP sees those of {}", fmt::join(on_top, ", ")));
        else
            add(what, Verdict::fail,
                fmt::format("the device strips them, and {} on top of it",
                            on_top.size() == 1 ? on_top.front() + " is"
                                               : fmt::format("{} are", fmt::join(on_top, ", "))),
                fmt::format("`ethtool -K {} rxvlan off` keeps them, or use --mode tc",
                            interface_.name));
    }

    /// How much larger than its request a reply of XDP may be.
    void check_room(bool native)
    {
        const char *const what = "room in frames of";

        if (!native)
            add(what, Verdict::ok,
                "what the stack leaves, some hundred bytes: larger replies come from memcached");
        else if (interface_.driver == "veth")
            add(what, Verdict::ok,
                "veth gives small packets none behind and about 200 bytes in front: larger "
                "replies leave from TC ingress");
        else
            add(what, Verdict::ok, "the driver's; replies that do not fit leave from TC ingress");
    }

    void add_instance(const std::string &instance)
    {
        if (instance == options_.instance)
            add("programs of", Verdict::ok, fmt::format("'{}' is attached there", instance));
        else
            add("programs of", Verdict::fail,
                fmt::format("the instance '{}' is attached there", instance),
                fmt::format("remove it with `bmc detach --instance {}`, or name another interface",
                            instance));
    }

    void check_xdp()
    {
        if (options_.mode == ModeChoice::tc) {
            add("XDP of", Verdict::ok, "left alone with --mode tc");
            return;
        }
        const auto others = xdp_programs_at(interface_.index);
        if (!others)
            return fail("XDP of", others.error());
        if (!others->empty()) {
            Occupied occupied = describe_occupied(*others, interface_.name);
            add("XDP of", Verdict::fail, std::move(occupied.message), std::move(occupied.advice));
            return;
        }
        if (options_.mode == ModeChoice::generic) {
            add("XDP of", Verdict::ok, "generic: every interface has it, slower than the driver's");
            check_room(false);
            return;
        }
        check_driver();
    }

    /// Whether the driver takes our program, and answers leave by it.
    void check_driver()
    {
        const auto driver = driver_xdp(interface_.index);

        if (!driver) {
            add("XDP of", Verdict::ok,
                "no other program; before Linux 6.3 only attaching tells "
                "whether the driver has XDP");
        } else if (!driver->native && options_.mode == ModeChoice::native) {
            add("XDP of", Verdict::fail, "its driver has no native XDP",
                "use --mode auto, generic or tc");
            return;
        } else if (!driver->native) {
            add("XDP of", Verdict::ok, "its driver has no native XDP: TC ingress answers instead");
            return;
        } else if (!driver->fragments && interface_.mtu > one_page_mtu) {
            add("XDP of", Verdict::warning,
                fmt::format("its driver runs XDP on frames of one page, which an MTU of {} may "
                            "exceed",
                            interface_.mtu),
                "lower the MTU on both ends, or use --mode generic or tc");
        } else if (interface_.driver == "veth") {
            /* Linux, drivers/net/veth.c: veth_xdp_xmit() wants a receiver with NAPI. */
            add("XDP of", Verdict::warning,
                "native; what XDP sends over a veth is lost unless an XDP program is at its other "
                "end",
                "attach one there that passes everything, or use --mode tc");
        } else {
            add("XDP of", Verdict::ok, "native");
        }
        check_room(true);
    }

    void check_tc()
    {
        if (!has_tcx_) {
            add("TC of", Verdict::warning, "not examined: that takes the privileges, too");
            return;
        }
        if (options_.tc == TcChoice::tcx && !*has_tcx_) {
            add("TC of", Verdict::fail, "the kernel has no TCX", "use --tc auto or clsact");
            return;
        }
        if (!use_tcx_) {
            const auto in_place = has_ingress_qdisc(interface_.index);
            if (!in_place)
                return fail("TC of", in_place.error());
            if (*in_place) {
                add("TC of", Verdict::fail, "an ingress qdisc is in the place of clsact",
                    fmt::format("remove it (`tc qdisc del dev {} ingress`) or use --tc tcx",
                                interface_.name));
                return;
            }
        }
        for (const TcDirection direction : {TcDirection::ingress, TcDirection::egress})
            check_tc_side(direction);
    }

    void check_tc_side(TcDirection direction)
    {
        const char *const what =
            direction == TcDirection::ingress ? "TC ingress of" : "TC egress of";
        const char *const ours = use_tcx_ ? "by a TCX link" : "by a filter of clsact";
        auto others = tcx_programs_at(interface_.index, direction);
        if (!others)
            return fail(what, others.error());
        if (use_tcx_ && others->size() >= static_cast<size_t>(max_tcx_programs)) {
            add(what, Verdict::fail,
                fmt::format("{} programs are attached, which is all that fit", others->size()),
                "use --tc clsact");
            return;
        }
        const auto filters = filters_at(interface_.index, direction);
        if (!filters)
            return fail(what, filters.error());
        others->insert(others->end(), filters->begin(), filters->end());

        if (others->empty())
            add(what, Verdict::ok, fmt::format("{}; nothing else is there", ours));
        else if (direction == TcDirection::egress)
            add(what, Verdict::ok, fmt::format("{}, beside {}", ours, join(*others)));
        else
            add(what, Verdict::warning, fmt::format("{}, beside {}", ours, join(*others)),
                "these do not see requests that the kernel answers");
    }

    const AttachOptions &options_;
    const Interface &interface_;
    Findings &findings_;
    const std::optional<bool> has_tcx_;
    const bool use_tcx_;
};

/// Who is answered at these addresses.
Finding check_sources(const std::vector<Address> &addresses, const Access &access)
{
    std::vector<std::string> texts;

    if (const auto exposed = exposure(addresses, access))
        return {"sources", Verdict::warning, exposed->message, exposed->advice};
    for (const Prefix &prefix : access.allow)
        texts.push_back(prefix.text());
    return {"sources", Verdict::ok,
            texts.empty() ? "all, at private addresses" : fmt::format("{}", fmt::join(texts, ", ")),
            ""};
}

Findings check_endpoints(const AttachOptions &options, std::vector<Interface> interfaces)
{
    /* InterfaceCheck has said it of each. */
    for (Interface &interface : interfaces)
        interface.strips_vlan_tags = false;

    const char *const name = "addresses and ports";
    Surroundings surroundings;
    surroundings.vlans = vlan_devices();
    const auto addresses = plan_addresses(options, surroundings.vlans);
    if (!addresses)
        return {failed(name, addresses.error())};
    auto broadcast = broadcast_addresses();
    if (!broadcast)
        return {failed(name, broadcast.error())};
    surroundings.broadcast4 = std::move(*broadcast);
    const auto config = make_config(interfaces, options.ports, *addresses, split_memory(min_memory),
                                    surroundings, options.mode);
    if (!config)
        return {failed(name, config.error())};

    std::vector<std::string> texts;
    for (const Address &address : *addresses)
        texts.push_back(address.text());
    return {
        {name, Verdict::ok,
         fmt::format("UDP port {} on {}", fmt::join(options.ports, ", "), fmt::join(texts, ", ")),
         ""},
        check_sources(*addresses, options.access)};
}

} // namespace

Findings check_network(const AttachOptions &options, const Features &features)
{
    Findings findings;
    std::vector<Interface> interfaces;

    if (options.interfaces.empty())
        return {{"interface", Verdict::warning, "none was named, so nothing of it was examined",
                 "name one with --interface"}};
    std::optional<bool> has_tcx;
    if (features.privilege(Work::attach))
        has_tcx = features.tcx();
    for (const std::string &name : options.interfaces) {
        const auto interface = find_interface(name);
        if (!interface) {
            findings.push_back(failed(fmt::format("interface {}", name), interface.error()));
            continue;
        }
        interfaces.push_back(*interface);
        InterfaceCheck(options, has_tcx, interfaces.back(), findings).run();
    }
    if (interfaces.empty())
        return findings;
    for (Finding &finding : check_endpoints(options, interfaces))
        findings.push_back(std::move(finding));
    /* bmc/bpf/reply.bpf.h: IPV6_MTU_MIN, and no DF over IPv4. */
    findings.push_back({"path MTU", Verdict::ok,
                        "not known to the kernel's replies: over IPv4 routers may fragment "
                        "them, over IPv6 those above 1280 bytes come from memcached",
                        ""});
    return findings;
}

} // namespace bmc
