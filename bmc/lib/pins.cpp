// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/pins.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <fmt/format.h>

namespace bmc
{

Result<PinRoot> PinRoot::lock(const std::string &path, Missing missing)
{
    const auto failed = [&path](const char *operation, int code, std::string hint) {
        return Error{operation, path, code, std::move(hint), {}};
    };

    for (;;) {
        if (missing == Missing::create && mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
            return failed("make the folder", errno, "pins need a writable BPF file system");

        Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        if (!fd && errno == ENOENT && missing == Missing::create)
            continue; /* another loader has just removed it */
        if (!fd)
            return failed("open the folder", errno, "");

        struct stat opened = {};
        if (fstat(fd.get(), &opened) != 0)
            return failed("examine the folder", errno, "");
        if (opened.st_uid != geteuid() || (opened.st_mode & (S_IWGRP | S_IWOTH)) != 0)
            return failed("trust the folder", 0,
                          fmt::format("it belongs to user {} or others may write to it; remove it",
                                      opened.st_uid));

        if (flock(fd.get(), LOCK_EX) != 0)
            return failed("lock the folder", errno, "another bmc is at work");

        /* The former holder may have removed the folder while we waited. */
        struct stat named = {};
        if (stat(path.c_str(), &named) == 0 && named.st_dev == opened.st_dev &&
            named.st_ino == opened.st_ino)
            return PinRoot(path, std::move(fd));
    }
}

PinRoot::~PinRoot()
{
    if (fd_)
        rmdir(path_.c_str()); /* fails, as it should, while anything is in it */
}

Status pin(int fd, const std::string &path)
{
    if (bpf_obj_pin(fd, path.c_str()) != 0)
        return Error{"pin", path, errno, {}, {}};
    return Done{};
}

Result<Fd> open_pin(const std::string &path)
{
    Fd fd(bpf_obj_get(path.c_str()));

    if (!fd)
        return Error{"open the pinned object", path, errno, {}, {}};
    return fd;
}

Result<std::vector<std::string>> list_folder(const std::string &path)
{
    std::error_code code;
    std::vector<std::string> names;

    for (std::filesystem::directory_iterator entry(path, code), end; !code && entry != end;
         entry.increment(code))
        names.push_back(entry->path().filename().string());
    if (code)
        return Error{"list the folder", path, code.value(), {}, {}};
    std::sort(names.begin(), names.end());
    return names;
}

bool exists(const std::string &path)
{
    struct stat info = {};

    return lstat(path.c_str(), &info) == 0;
}

} // namespace bmc
