// SPDX-License-Identifier: BSD-3-Clause
#include "bench/runner/report.h"

#include "tests/harness/error.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>

namespace runner
{

namespace
{

using bmc::test::Error;
using Json = nlohmann::ordered_json;

/// Rows of a plot's data, columns separated by tabs.
using Rows = std::vector<std::string>;

double median(const Json &details, const std::string &system, const char *figure)
{
    return details.at("systems").at(system).at(figure).at("median");
}

Rows hits(const Json &details)
{
    Rows rows;
    constexpr double us_per_s = 1e6;

    for (const auto &[system, title] :
         {std::pair("stock", "stock memcached"), std::pair("bmc", "bmc"),
          std::pair("echo", "XDP echo (limit)")})
        rows.push_back(fmt::format("\"{}\"\t{}", title,
                                   us_per_s / median(details, system, "cpu_us_per_operation")));
    return rows;
}

Rows workloads(const Json &details)
{
    Rows rows;

    for (const auto &[name, workload] : details.items())
        if (workload.contains("systems"))
            rows.push_back(fmt::format("\"{}\"\t{}\t{}\t{}", name,
                                       median(workload, "stock", "cpu_us_per_operation"),
                                       median(workload, "memcached_sr", "cpu_us_per_operation"),
                                       median(workload, "bmc", "cpu_us_per_operation")));
    return rows;
}

Rows cache_size(const Json &details)
{
    Rows rows;

    for (const Json &size : details.at("sizes"))
        rows.push_back(fmt::format("{}\t{}\t{}\t{}", 100 * size.at("share_of_text").get<double>(),
                                   100 * size.at("hit_ratio").get<double>(),
                                   size.at("cpu_us").get<double>(),
                                   size.at("cpu_us_stock").get<double>()));
    return rows;
}

/// One block of rows for each system, two empty lines between them.
Rows latency(const Json &details)
{
    Rows rows;

    for (const std::string system : {"stock", "bmc"}) {
        for (const Json &rate : details.at("rates"))
            if (rate.at("system") == system)
                rows.push_back(fmt::format("{}\t{}\t{}\t{}", rate.at("offered_per_s").get<double>(),
                                           rate.at("p50_us").get<double>(),
                                           rate.at("p99_us").get<double>(),
                                           rate.at("p999_us").get<double>()));
        rows.insert(rows.end(), {"", ""});
    }
    return rows;
}

struct Plot {
    const char *experiment;
    Rows (*rows)(const Json &details);
};

/// A script of that name draws each into an SVG file of that name.
constexpr Plot plots[] = {
    {"hits", hits}, {"workloads", workloads}, {"cache_size", cache_size}, {"latency", latency}};

/// A file that is gone at the end.
class TemporaryFile
{
  public:
    TemporaryFile(std::filesystem::path path, const Rows &rows) : path_(std::move(path))
    {
        std::ofstream file(path_);
        for (const std::string &row : rows)
            file << row << '\n';
        if (!file.flush())
            throw Error(fmt::format("cannot write {}", path_.string()));
    }
    TemporaryFile(const TemporaryFile &) = delete;
    TemporaryFile &operator=(const TemporaryFile &) = delete;
    ~TemporaryFile()
    {
        std::error_code code;
        std::filesystem::remove(path_, code);
    }

  private:
    std::filesystem::path path_;
};

} // namespace

void draw_plots(const Json &report, const std::string &folder)
{
    const std::filesystem::path to(folder);
    std::error_code code;

    std::filesystem::create_directories(to, code);
    if (code)
        throw Error(fmt::format("cannot make {}: {}", folder, code.message()));
    const Json &machine = report.at("machine");
    const std::string note = fmt::format("{}, Linux {}, {}", machine.at("cpu").get<std::string>(),
                                         machine.at("kernel").get<std::string>(),
                                         machine.at("date").get<std::string>().substr(0, 10));
    for (const Plot &plot : plots) {
        if (!report.at("experiments").contains(plot.experiment))
            continue;
        const Json &details = report.at("experiments").at(plot.experiment);
        const auto data = to / fmt::format(".{}.tsv", plot.experiment);
        const auto picture = to / fmt::format("{}.svg", plot.experiment);
        const TemporaryFile file(data, plot.rows(details));
        bmc::test::run_checked(
            {"gnuplot", "-c",
             bmc::test::source_path(fmt::format("bench/plots/{}.gp", plot.experiment)),
             data.string(), picture.string(), note});
    }
}

} // namespace runner
