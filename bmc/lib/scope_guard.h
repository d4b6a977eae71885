// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_SCOPE_GUARD_H
#define BMC_LIB_SCOPE_GUARD_H

#include <functional>
#include <utility>

namespace bmc
{

/// Undoes an operation when it goes out of scope, unless it was committed.
class ScopeGuard
{
  public:
    /// The function must not throw.
    explicit ScopeGuard(std::function<void()> undo) : undo_(std::move(undo)) {}
    ScopeGuard(const ScopeGuard &) = delete;
    ScopeGuard &operator=(const ScopeGuard &) = delete;
    ~ScopeGuard()
    {
        if (undo_)
            undo_();
    }

    /// The operation succeeded: nothing will be undone.
    void commit() { undo_ = nullptr; }

  private:
    std::function<void()> undo_;
};

} // namespace bmc

#endif
