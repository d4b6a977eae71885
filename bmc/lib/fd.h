// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_FD_H
#define BMC_LIB_FD_H

#include <unistd.h>
#include <utility>

namespace bmc
{

/// Sole owner of a file descriptor; closes it when destroyed. A negative
/// number means that it owns none.
class Fd
{
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd &operator=(Fd &&other) noexcept
    {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Fd(const Fd &) = delete;
    Fd &operator=(const Fd &) = delete;
    ~Fd() { close(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

    /// Closes now. For a BPF link that is not pinned this detaches the program.
    void close()
    {
        if (fd_ >= 0)
            ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_ = -1;
};

} // namespace bmc

#endif
