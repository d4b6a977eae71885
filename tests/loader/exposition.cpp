// SPDX-License-Identifier: BSD-3-Clause
#include "tests/loader/exposition.h"

#include <charconv>
#include <cmath>
#include <regex>
#include <set>
#include <sstream>

#include "tests/harness/error.h"

namespace bmc::test
{

namespace
{

class Parser
{
  public:
    void line(const std::string &text)
    {
        static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\\S.*)");
        static const std::regex type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)");
        static const std::regex sample("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{([^}]*)\\})? (\\S+)");
        std::smatch part;

        if (std::regex_match(text, part, help)) {
            finish();
            name_ = part[1];
            require(!metrics_.contains(name_), "a metric that was there before", text);
            metrics_[name_].help = part[2];
        } else if (std::regex_match(text, part, type)) {
            require(part[1] == name_ && current().type.empty() && current().samples.empty(),
                    "a type that does not follow its help", text);
            current().type = part[2];
            require(current().type != "counter" || name_.ends_with("_total"),
                    "a counter whose name does not end in _total", text);
        } else if (std::regex_match(text, part, sample)) {
            const std::string name = part[1];
            require(name.starts_with(name_) && !current().type.empty(),
                    "a sample that does not follow its type", text);
            const std::string suffix = name.substr(name_.size());
            require(current().type == "histogram"
                        ? suffix == "_bucket" || suffix == "_sum" || suffix == "_count"
                        : suffix.empty(),
                    "a sample that does not follow its type", text);
            current().samples.push_back({labels(part[3], text), value(part[4], text), suffix});
            require(seen_.insert({suffix, current().samples.back().labels}).second,
                    "a sample that was there before", text);
        } else {
            require(false, "not a line of the format", text);
        }
    }

    std::map<std::string, Metric> finish()
    {
        if (!name_.empty())
            require(!current().samples.empty(), "a metric without a sample", name_);
        seen_.clear();
        return metrics_;
    }

  private:
    static void require(bool holds, const std::string &otherwise, const std::string &text)
    {
        if (!holds)
            throw Error(otherwise + ": " + text);
    }

    Metric &current() { return metrics_[name_]; }

    static std::map<std::string, std::string> labels(std::string text, const std::string &line)
    {
        static const std::regex label("([a-zA-Z_][a-zA-Z0-9_]*)=\"([^\"\\\\]*)\"(,|$)");
        std::map<std::string, std::string> all;
        std::smatch part;

        while (!text.empty()) {
            require(std::regex_search(text, part, label, std::regex_constants::match_continuous) &&
                        all.emplace(part[1], part[2]).second,
                    "labels that are not in order", line);
            text = part.suffix();
        }
        return all;
    }

    static double value(const std::string &text, const std::string &line)
    {
        double number = 0;
        const char *const end = text.data() + text.size();
        const auto [stop, failure] = std::from_chars(text.data(), end, number);

        require(failure == std::errc() && stop == end && std::isfinite(number),
                "a value that is no number", line);
        return number;
    }

    std::map<std::string, Metric> metrics_;
    std::string name_;
    std::set<std::pair<std::string, std::map<std::string, std::string>>> seen_;
};

} // namespace

std::map<std::string, Metric> parse_exposition(const std::string &text)
{
    std::istringstream lines(text);
    Parser parser;

    if (text.empty() || text.back() != '\n')
        throw Error("the text does not end with a line's end");
    for (std::string line; std::getline(lines, line);)
        parser.line(line);
    return parser.finish();
}

} // namespace bmc::test
