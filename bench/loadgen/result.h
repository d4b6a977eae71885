// SPDX-License-Identifier: BSD-3-Clause
#ifndef BENCH_LOADGEN_RESULT_H
#define BENCH_LOADGEN_RESULT_H

#include <string>
#include <utility>
#include <variant>

namespace loadgen
{

/// What failed, on which object, why, and what to do: one line for the user.
struct Error {
    std::string message;
};

/// A value, or the Error that kept it from being made.
template <class T>
class [[nodiscard]] Result
{
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T &operator*() { return std::get<0>(state_); }
    T *operator->() { return &std::get<0>(state_); }
    /// The error; only when there is no value.
    Error &error() { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

struct Done {
};
/// Result of an operation that yields nothing but success.
using Status = Result<Done>;

} // namespace loadgen

#endif
