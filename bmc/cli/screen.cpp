// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/cli/screen.h"

#include <cstdio>
#include <cstdlib>

#include <ncurses.h>

namespace bmc::cli
{

namespace
{

constexpr short title_colour = 1;

/// https://no-color.org: set to anything but nothing.
bool colour_wanted()
{
    const char *const value = std::getenv("NO_COLOR");

    return value == nullptr || *value == '\0';
}

} // namespace

void Screen::Close::operator()(screen *terminal) const
{
    endwin();
    delscreen(terminal);
}

Result<Screen> Screen::open()
{
    screen *const terminal = newterm(nullptr, stdout, stdin);

    if (terminal == nullptr) {
        const char *const kind = std::getenv("TERM");
        return Error{"use the terminal",
                     kind == nullptr ? "" : kind,
                     0,
                     "its kind (TERM) is not known; set it, or use --once",
                     {}};
    }
    Screen opened(terminal);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    if (colour_wanted() && has_colors()) {
        start_color();
        use_default_colors();
        opened.colour_ = init_pair(title_colour, COLOR_CYAN, -1) == OK;
    }
    return opened;
}

size_t Screen::width()
{
    return static_cast<size_t>(getmaxx(stdscr));
}

void Screen::draw(const std::vector<TopLine> &lines, const std::string &last)
{
    const int height = getmaxy(stdscr);
    const attr_t title = A_BOLD | (colour_ ? static_cast<attr_t>(COLOR_PAIR(title_colour)) : 0);
    int row = 0;

    werase(stdscr);
    for (const TopLine &line : lines) {
        if (row == height - 1)
            break;
        if (line.title)
            wattron(stdscr, static_cast<int>(title));
        mvwaddnstr(stdscr, row++, 0, line.text.c_str(), getmaxx(stdscr));
        wattroff(stdscr, static_cast<int>(title));
    }
    mvwaddnstr(stdscr, height - 1, 0, last.c_str(), getmaxx(stdscr) - 1);
    wrefresh(stdscr);
}

Screen::Event Screen::wait(std::chrono::milliseconds limit)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;

    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            return Event::timeout;
        wtimeout(stdscr, static_cast<int>(left.count()));
        switch (wgetch(stdscr)) {
        case 'q':
            return Event::quit;
        case KEY_RESIZE:
            return Event::resized;
        case ERR:
            return Event::timeout;
        default:
            break;
        }
    }
}

} // namespace bmc::cli
