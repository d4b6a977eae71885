// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_CLI_SCREEN_H
#define BMC_CLI_SCREEN_H

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bmc/lib/result.h"
#include "bmc/lib/top.h"

struct screen; // curses' SCREEN

namespace bmc::cli
{

/// The terminal in full-screen mode, until it is destroyed. One at a time.
class Screen
{
  public:
    enum class Event { timeout, quit, resized };

    /// Fails if the terminal is of a kind (TERM) that is not known.
    static Result<Screen> open();

    Screen(Screen &&) = default;
    Screen &operator=(Screen &&) = delete;
    Screen(const Screen &) = delete;
    Screen &operator=(const Screen &) = delete;
    ~Screen() = default;

    /// Columns of the terminal as it is now.
    static size_t width();

    /// Shows the lines, as many as there is room for, and the last line always.
    void draw(const std::vector<TopLine> &lines, const std::string &last);

    /// Waits for `q`, for another size of the terminal, or so long; a signal that is
    /// caught ends it too, as a timeout.
    static Event wait(std::chrono::milliseconds limit);

  private:
    struct Close {
        void operator()(screen *terminal) const;
    };

    explicit Screen(screen *terminal) : terminal_(terminal) {}

    std::unique_ptr<screen, Close> terminal_;
    bool colour_ = false;
};

} // namespace bmc::cli

#endif
