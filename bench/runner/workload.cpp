// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/workload.h"

#include "bench/loadgen/content.h"
#include "bench/loadgen/random.h"
#include "tests/harness/error.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <set>

namespace runner
{

namespace
{

using bmc::test::Error;
using Json = nlohmann::ordered_json;

loadgen::SizeDistribution sizes_of(const std::string &text)
{
    auto sizes = loadgen::SizeDistribution::parse(text);
    if (!sizes)
        throw Error(sizes.error().line());
    return *sizes;
}

/// Reads the fields of an object, each once, and then knows which are left.
class Fields
{
  public:
    explicit Fields(const Json &object) : object_(object)
    {
        if (!object.is_object())
            throw Error("it is no object");
        for (const auto &[name, value] : object.items())
            unread_.insert(name);
    }

    template <class T>
    void read(const char *name, T &value)
    {
        if (!object_.contains(name))
            throw Error(fmt::format("field '{}' is missing", name));
        unread_.erase(name);
        try {
            value = object_.at(name).get<T>();
        } catch (const Json::exception &) {
            throw Error(fmt::format("field '{}' is of the wrong kind", name));
        }
        if constexpr (std::is_integral_v<T>)
            if (!object_.at(name).is_number_unsigned() || object_.at(name) != value)
                throw Error(fmt::format("field '{}' is no whole number in range", name));
    }
    template <class T>
    void read_if_there(const char *name, T &value)
    {
        if (object_.contains(name))
            read(name, value);
    }
    void check_all_read() const
    {
        if (!unread_.empty())
            throw Error(fmt::format("unknown field '{}'", *unread_.begin()));
    }

  private:
    const Json &object_;
    std::set<std::string> unread_;
};

void check_range(const char *name, double number, double min, double max)
{
    if (!(number >= min && number <= max))
        throw Error(fmt::format("field '{}' must be from {} to {}", name, min, max));
}

Workload parse(const Json &object)
{
    Workload workload;
    Fields fields(object);

    fields.read("name", workload.name);
    fields.read("what", workload.what);
    fields.read("source", workload.source);
    fields.read("keys", workload.keys);
    fields.read("key_size", workload.key_size);
    fields.read("value_size", workload.value_size);
    fields.read_if_there("distribution", workload.distribution);
    fields.read_if_there("theta", workload.theta);
    fields.read_if_there("set_ratio", workload.set_ratio);
    fields.read_if_there("keys_per_get", workload.keys_per_get);
    fields.read_if_there("memory_share", workload.memory_share);
    fields.check_all_read();

    check_range("theta", workload.theta, 0.01, 5);
    check_range("set_ratio", workload.set_ratio, 0, 1);
    check_range("keys_per_get", workload.keys_per_get, 1, 64);
    check_range("memory_share", workload.memory_share, 0, 10);
    check_range("keys", static_cast<double>(workload.keys), 1, 1e8);
    const std::set<std::string> choices = {"zipf", "uniform", "hot-set", "sequential"};
    if (choices.count(workload.distribution) == 0)
        throw Error(fmt::format("unknown distribution '{}'", workload.distribution));
    if (auto content =
            loadgen::Content::make(workload.keys, workload.key_size, sizes_of(workload.value_size));
        !content)
        throw Error(content.error().line());
    return workload;
}

} // namespace

Workload read_workload(const std::string &path)
{
    std::ifstream file(path);
    const Json object = Json::parse(file, nullptr, false);

    if (!file.is_open())
        throw Error(fmt::format("workload {}: cannot be read", path));
    if (object.is_discarded())
        throw Error(fmt::format("workload {}: it is no JSON", path));
    try {
        Workload workload = parse(object);
        if (std::filesystem::path(path).stem() != workload.name)
            throw Error(fmt::format("its name '{}' is not the file's", workload.name));
        return workload;
    } catch (const Error &error) {
        throw Error(fmt::format("workload {}: {}", path, error.what()));
    }
}

std::vector<Workload> read_workloads(const std::string &folder)
{
    std::vector<Workload> workloads;
    std::error_code code;

    for (const auto &entry : std::filesystem::directory_iterator(folder, code))
        if (entry.path().extension() == ".json")
            workloads.push_back(read_workload(entry.path()));
    if (code)
        throw Error(fmt::format("workloads in {}: {}", folder, code.message()));
    std::sort(workloads.begin(), workloads.end(),
              [](const Workload &a, const Workload &b) { return a.name < b.name; });
    return workloads;
}

namespace
{

std::vector<std::string> common_arguments(const Workload &workload)
{
    return {"--keys",         fmt::to_string(workload.keys),
            "--key-size",     fmt::to_string(workload.key_size),
            "--distribution", workload.distribution,
            "--theta",        fmt::to_string(workload.theta),
            "--keys-per-get", fmt::to_string(workload.keys_per_get)};
}

} // namespace

std::vector<std::string> loadgen_arguments(const Workload &workload)
{
    std::vector<std::string> arguments = common_arguments(workload);

    arguments.insert(arguments.end(), {"--value-size", workload.value_size, "--set-ratio",
                                       fmt::to_string(workload.set_ratio)});
    return arguments;
}

std::vector<std::string> trafficgen_arguments(const Workload &workload)
{
    return common_arguments(workload);
}

uint64_t text_bytes(const Workload &workload)
{
    constexpr uint64_t samples = 10000;
    constexpr uint64_t frame = 26; // "VALUE  4294967295 32\r\n\r\n"
    const auto sizes = sizes_of(workload.value_size);
    uint64_t sum = 0;

    for (uint64_t i = 0; i < samples; i++)
        sum += sizes.pick(loadgen::mix64(i)) + workload.key_size + frame;
    return workload.keys * sum / samples;
}

std::string memory_for(const Workload &workload)
{
    constexpr uint64_t megabyte = 1 << 20;
    // Clocks and grants take a part of the budget, and buckets are never all full.
    constexpr uint64_t spare = 6;
    const double bytes = workload.memory_share > 0
                             ? workload.memory_share * static_cast<double>(text_bytes(workload))
                             : static_cast<double>(spare * text_bytes(workload) + 16 * megabyte);

    return fmt::format("{}M", std::max<uint64_t>(1, static_cast<uint64_t>(bytes) / megabyte));
}

nlohmann::ordered_json to_json(const Workload &workload)
{
    return {
        {"name", workload.name},
        {"what", workload.what},
        {"source", workload.source},
        {"keys", workload.keys},
        {"key_size", workload.key_size},
        {"value_size", workload.value_size},
        {"distribution", workload.distribution},
        {"theta", workload.theta},
        {"set_ratio", workload.set_ratio},
        {"keys_per_get", workload.keys_per_get},
        {"memory_share", workload.memory_share},
    };
}

} // namespace runner
