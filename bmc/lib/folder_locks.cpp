// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/folder_locks.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace bmc
{

std::optional<FolderId> identify(const std::string &path)
{
    struct stat info = {};

    if (stat(path.c_str(), &info) != 0)
        return std::nullopt;
    return FolderId{info.st_dev, info.st_ino};
}

std::vector<FolderId> locked_folders(dev_t device)
{
    std::ifstream file("/proc/locks");
    std::vector<FolderId> found;

    /* "1: FLOCK  ADVISORY  WRITE 812 00:1b:4711 0 EOF": proc_locks(5). */
    for (std::string line; std::getline(file, line);) {
        const std::string_view text = line;
        unsigned major = 0;
        unsigned minor = 0;
        unsigned long long inode = 0;
        const size_t kind = text.find(" FLOCK ");

        if (kind != std::string_view::npos &&
            std::sscanf(line.c_str() + kind, " FLOCK %*s %*s %*d %x:%x:%llu", &major, &minor,
                        &inode) == 3 &&
            makedev(major, minor) == device)
            found.push_back({device, static_cast<ino_t>(inode)});
    }
    return found;
}

bool is_listed_as_locked(const std::string &path)
{
    const auto id = identify(path);
    if (!id)
        return false;
    const auto locked = locked_folders(id->device);

    return std::find(locked.begin(), locked.end(), *id) != locked.end();
}

} // namespace bmc
