// SPDX-License-Identifier: BSD-3-Clause
#include "tests/history/checker.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace bmc::test::history
{

namespace
{

/// The operations that bound a cluster's zone.
struct Zone {
    Op first_ended;
    Op last_started;

    [[nodiscard]] Time f() const { return first_ended.end; }
    [[nodiscard]] Time s() const { return last_started.start; }
    [[nodiscard]] bool forward() const { return f() < s(); }
};

/// All operations on one value.
struct Cluster {
    std::span<const Op> ops;
    const Op *write = nullptr;
    std::size_t writes = 0;
    std::size_t reads = 0;

    explicit Cluster(std::span<const Op> all) : ops(all)
    {
        for (const Op &op : ops) {
            if (op.kind == Op::Kind::wrote) {
                write = &op;
                writes++;
            } else if (op.kind == Op::Kind::saw) {
                reads++;
            }
        }
    }
};

bool is_bound(const Op &op)
{
    return op.kind != Op::Kind::touched;
}

Zone zone_of(const Cluster &cluster)
{
    std::optional<Zone> zone;

    for (const Op &op : cluster.ops) {
        if (!is_bound(op))
            continue;
        if (!zone)
            zone = Zone{op, op};
        if (op.end < zone->first_ended.end)
            zone->first_ended = op;
        if (op.start > zone->last_started.start)
            zone->last_started = op;
    }
    return *zone;
}

class Judge
{
  public:
    explicit Judge(std::span<const Op> history) : ops_(history.begin(), history.end())
    {
        std::stable_sort(ops_.begin(), ops_.end(),
                         [](const Op &a, const Op &b) { return a.state < b.state; });
    }

    Judgement run()
    {
        for (auto begin = ops_.begin(); begin != ops_.end();) {
            const auto end = std::find_if(begin, ops_.end(),
                                          [&](const Op &op) { return op.state != begin->state; });
            const std::span<const Op> group(begin, end);
            if (begin->state == absent)
                take_absences(group);
            else
                take_value(Cluster(group));
            begin = end;
        }
        compare_forward_zones();
        place_backward_zones();
        return std::move(result_);
    }

  private:
    void blame(Rule rule, std::vector<Op> ops)
    {
        result_.violations.push_back({rule, std::move(ops)});
    }

    void take_absences(std::span<const Op> group)
    {
        for (const Op &op : group) {
            if (op.kind == Op::Kind::touched)
                touches_.push_back(op);
            else if (op.kind == Op::Kind::saw || op.certain)
                backward_.push_back({op, op});
        }
    }

    void take_value(const Cluster &cluster)
    {
        if (cluster.writes > 1) {
            result_.values_unjudged++;
            return;
        }
        if (cluster.write == nullptr) {
            for (const Op &op : cluster.ops) {
                if (op.kind == Op::Kind::saw) {
                    blame(Rule::never_written, {op});
                    return;
                }
            }
            return;
        }
        if (cluster.reads == 0 && !cluster.write->certain)
            return;

        const Zone zone = zone_of(cluster);
        if (zone.f() < cluster.write->start) {
            blame(Rule::too_early, {zone.first_ended, *cluster.write});
            return;
        }
        (zone.forward() ? forward_ : backward_).push_back(zone);
        judge_lifetime(cluster);
    }

    void judge_lifetime(const Cluster &cluster)
    {
        const Op &write = *cluster.write;
        std::vector<Op> settings = {write};

        for (const Op &op : cluster.ops) {
            if (op.kind == Op::Kind::touched)
                settings.push_back(op);
        }
        if (std::all_of(settings.begin(), settings.end(),
                        [](const Op &op) { return op.expires == never; }))
            return;
        const std::size_t known = settings.size();
        for (const Op &op : touches_) {
            if (op.end > write.start)
                settings.push_back(op);
        }
        for (const Op &read : cluster.ops) {
            if (read.kind != Op::Kind::saw)
                continue;
            if (const std::optional<Op> last = last_lifetime(settings, known, read);
                last && last->expires < read.start) {
                blame(Rule::expired, {write, *last, read});
                return;
            }
        }
    }

    /// Of the settings that may have been the last before the read, the one that
    /// lasts longest. The first `known` of them met the value for certain.
    static std::optional<Op> last_lifetime(const std::vector<Op> &settings, std::size_t known,
                                           const Op &read)
    {
        // A setting that was over before this one began has been followed by it.
        Time followed = std::numeric_limits<Time>::min();
        std::optional<Op> longest;

        for (std::size_t i = 0; i < known; i++) {
            if (settings[i].end < read.start)
                followed = std::max(followed, settings[i].start);
        }
        for (const Op &op : settings) {
            if (op.start < read.end && op.end >= followed &&
                (!longest || op.expires > longest->expires))
                longest = op;
        }
        return longest;
    }

    void compare_forward_zones()
    {
        std::sort(forward_.begin(), forward_.end(),
                  [](const Zone &a, const Zone &b) { return a.f() < b.f(); });
        // Of those so far, the one that lasts longest.
        for (const Zone &zone : forward_) {
            if (!longest_.empty() && zone.f() < longest_.back().s())
                blame(Rule::two_values, {longest_.back().first_ended, zone.first_ended,
                                         longest_.back().last_started, zone.last_started});
            longest_.push_back(
                longest_.empty() || zone.s() > longest_.back().s() ? zone : longest_.back());
        }
    }

    void place_backward_zones()
    {
        for (const Zone &zone : backward_) {
            // The forward zones that begin before it, and the longest of them.
            const auto behind =
                std::lower_bound(forward_.begin(), forward_.end(), zone.s(),
                                 [](const Zone &forward, Time time) { return forward.f() < time; });
            if (behind == forward_.begin())
                continue;
            const Zone &around = longest_[static_cast<std::size_t>(behind - forward_.begin()) - 1];
            if (zone.f() < around.s())
                blame(Rule::came_back,
                      {around.first_ended, zone.last_started, around.last_started});
        }
    }

    std::vector<Op> ops_;
    std::vector<Op> touches_; // of unknown values
    std::vector<Zone> forward_;
    std::vector<Zone> longest_; // of forward_ up to the same place
    std::vector<Zone> backward_;
    Judgement result_;
};

std::string microseconds(Time time, Time origin)
{
    return time == never ? "?" : fmt::format("{:.3f}", static_cast<double>(time - origin) / 1000.0);
}

} // namespace

const char *name(Rule rule)
{
    switch (rule) {
    case Rule::never_written:
        return "a value that nobody wrote";
    case Rule::too_early:
        return "a value seen before it was written";
    case Rule::two_values:
        return "two values at the same time";
    case Rule::came_back:
        return "a value that came back";
    case Rule::expired:
        return "a value seen after its lifetime";
    }
    return "?";
}

std::string describe(const Violation &violation)
{
    std::string text = name(violation.rule);
    Time origin = never;

    for (const Op &op : violation.ops)
        origin = std::min(origin, op.start);
    for (const Op &op : violation.ops) {
        const char *verb = op.kind == Op::Kind::wrote ? "wrote"
                           : op.kind == Op::Kind::saw ? "saw"
                                                      : "touched";
        text += fmt::format("\n    client {} {} {} from {} to {} us", op.client, verb,
                            op.state == absent ? "nothing" : fmt::format("{:x}", op.state),
                            microseconds(op.start, origin), microseconds(op.end, origin));
        if (op.kind != Op::Kind::saw && op.expires != never)
            text += fmt::format(", until {} us", microseconds(op.expires, origin));
    }
    return text;
}

Judgement judge(std::span<const Op> ops)
{
    return Judge(ops).run();
}

} // namespace bmc::test::history
