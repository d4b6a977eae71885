// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_METRICS_SERVER_H
#define BMC_CLI_METRICS_SERVER_H

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "bmc/lib/parse.h"
#include "bmc/lib/result.h"

namespace httplib
{
class Server;
}

namespace bmc::cli
{

/// Answers GET /metrics by HTTP, in threads of its own that take no signals, until
/// it is destroyed.
class MetricsServer
{
  public:
    /// Makes the text of a scrape, in any thread; an error is told by status 503.
    using Source = std::function<Result<std::string>()>;

    /// Listens at once, and answers 503 until there is a source.
    static Result<std::unique_ptr<MetricsServer>> open(const ListenAddress &address);

    MetricsServer(const MetricsServer &) = delete;
    MetricsServer &operator=(const MetricsServer &) = delete;
    ~MetricsServer();

    void set_source(Source source);

  private:
    MetricsServer();

    Result<std::string> scrape();

    std::mutex mutex_;
    Source source_;
    std::unique_ptr<httplib::Server> server_;
    std::thread thread_;
};

} // namespace bmc::cli

#endif
