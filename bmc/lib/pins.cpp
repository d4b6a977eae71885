// SPDX-License-Identifier: BSD-3-Clause
#include "bmc/lib/pins.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bmc/lib/folder_locks.h"

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

Status PinRoot::let_others_pass() const
{
    return set_mode(path_, 0711);
}

Status pin(int fd, const std::string &path)
{
    if (bpf_obj_pin(fd, path.c_str()) != 0)
        return Error{"pin", path, errno, {}, {}};
    return Done{};
}

Result<Fd> open_pin(const std::string &path)
{
    LIBBPF_OPTS(bpf_obj_get_opts, options);
    Fd fd(bpf_obj_get(path.c_str()));

    if (!fd && errno == EACCES) {
        options.file_flags = BPF_F_RDONLY;
        fd = Fd(bpf_obj_get_opts(path.c_str(), &options));
    }
    if (!fd && (errno == EACCES || errno == EPERM))
        return Error{"open the pinned object",
                     path,
                     errno,
                     "run as its owner, or as a member of the group that it was given to with "
                     "`bmc attach --group`",
                     {}};
    if (!fd)
        return Error{"open the pinned object", path, errno, {}, {}};
    return fd;
}

Status set_mode(const std::string &path, mode_t mode)
{
    if (chmod(path.c_str(), mode) != 0)
        return Error{"change the mode of", path, errno, {}, {}};
    return Done{};
}

Status give_to_group(const std::string &path, gid_t group, mode_t mode)
{
    if (chown(path.c_str(), static_cast<uid_t>(-1), group) != 0)
        return Error{
            "give to the group", path, errno, "that takes a member of the group, or CAP_CHOWN", {}};
    return set_mode(path, mode);
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

bool is_folder(const std::string &path)
{
    struct stat info = {};

    return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Status remove_pin(const std::string &path)
{
    if (unlink(path.c_str()) != 0)
        return Error{"remove the pin", path, errno, {}, {}};
    return Done{};
}

Status make_folder(const std::string &path)
{
    if (mkdir(path.c_str(), 0700) != 0)
        return Error{"make the folder", path, errno, {}, {}};
    return Done{};
}

Status exchange_folders(const std::string &one, const std::string &other)
{
    if (renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) != 0)
        return Error{"exchange the folder", one, errno, {}, {}};
    return Done{};
}

Status remove_folder(const std::string &path)
{
    const auto names = list_folder(path);

    if (!names && names.error().code == ENOENT)
        return Done{};
    if (!names)
        return names.error();
    for (const std::string &name : *names)
        BMC_TRY(remove_pin(fmt::format("{}/{}", path, name)));
    if (rmdir(path.c_str()) != 0)
        return Error{"remove the folder", path, errno, {}, {}};
    return Done{};
}

Result<std::optional<Fd>> try_lock_folder(const std::string &path)
{
    Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    if (!folder)
        return Error{"open the folder", path, errno, {}, {}};
    if (flock(folder.get(), LOCK_EX | LOCK_NB) == 0)
        return std::optional<Fd>(std::move(folder));
    if (errno != EWOULDBLOCK)
        return Error{"lock the folder", path, errno, {}, {}};
    return std::optional<Fd>();
}

bool is_folder_locked(const std::string &path)
{
    const Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    if (!folder && errno == EACCES)
        return is_listed_as_locked(path);
    return folder && flock(folder.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

} // namespace bmc
