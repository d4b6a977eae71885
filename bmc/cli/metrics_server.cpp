// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/metrics_server.h"

#include <cerrno>
#include <csignal>
#include <future>

#include <httplib.h>

#include "bmc/lib/metrics.h"

namespace bmc::cli
{

namespace
{

constexpr size_t workers = 2;
constexpr size_t request_body_max = 1024;
constexpr int io_limit_seconds = 2;

/// Not SO_REUSEPORT, which the library sets by itself: two servers would share the port.
void share_no_port(int socket)
{
    const int on = 1;

    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

/// Keeps signals from threads that are made in its life: they are for the main thread.
class WithoutSignals
{
  public:
    WithoutSignals()
    {
        sigset_t all = {};

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    WithoutSignals(const WithoutSignals &) = delete;
    WithoutSignals &operator=(const WithoutSignals &) = delete;
    ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_ = {};
};

} // namespace

MetricsServer::MetricsServer() : server_(std::make_unique<httplib::Server>())
{
    server_->set_socket_options(share_no_port);
    server_->set_payload_max_length(request_body_max);
    /* One request a connection, or an idle client would hold up the end. */
    server_->set_keep_alive_max_count(1);
    server_->set_keep_alive_timeout(io_limit_seconds);
    server_->set_read_timeout(io_limit_seconds);
    server_->set_write_timeout(io_limit_seconds);
    server_->Get("/metrics", [this](const httplib::Request &, httplib::Response &response) {
        if (const auto text = scrape(); text) {
            response.set_content(*text, metrics_media_type);
        } else {
            response.status = 503;
            response.set_content(text.error().line() + "\n", "text/plain");
        }
    });
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const ListenAddress &address)
{
    std::unique_ptr<MetricsServer> metrics(new MetricsServer());
    httplib::Server &server = *metrics->server_;
    /* Its thread may still be in set_value() when the wait ends. */
    const auto started = std::make_shared<std::promise<void>>();

    errno = 0;
    if (!server.bind_to_port(address.host, address.port))
        return Error{"listen on", address.text(), errno, "choose another --metrics", {}};

    /* The library asks for this once stop() would be heard. */
    server.new_task_queue = [started] {
        started->set_value();
        return new httplib::ThreadPool(workers); /* the library's to delete */
    };
    const WithoutSignals here;
    metrics->thread_ = std::thread([&server] { server.listen_after_bind(); });
    started->get_future().wait();
    return metrics;
}

MetricsServer::~MetricsServer()
{
    if (!thread_.joinable())
        return;
    server_->stop();
    thread_.join();
}

void MetricsServer::set_source(Source source)
{
    const std::lock_guard lock(mutex_);

    source_ = std::move(source);
}

Result<std::string> MetricsServer::scrape()
{
    const std::lock_guard lock(mutex_);

    if (!source_)
        return Error{"show metrics", "", 0, "nothing is attached yet", {}};
    return source_();
}

} // namespace bmc::cli
