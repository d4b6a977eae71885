// SPDX-License-Identifier: BSD-3-Clause
#ifndef BMC_LIB_RESULT_H
#define BMC_LIB_RESULT_H

#include <string>
#include <utility>
#include <variant>

namespace bmc
{

/// Why something could not be done, with all that a person needs to act on it.
struct Error {
    std::string operation; ///< what was tried, as it follows "cannot": "attach XDP to"
    std::string object;    ///< on which object: "eth0", "/sys/fs/bpf/bmc/default"
    int code = 0;          ///< errno, or 0 if no system call failed
    std::string hint;      ///< why, and what to do; may be empty
    std::string detail; ///< many lines for whoever wants to see more (verifier log); may be empty

    /// One line without a line break: "cannot OPERATION OBJECT: ERRNO TEXT: HINT",
    /// leaving out what is empty. Line breaks within the parts become spaces.
    std::string line() const;
};

/// A T, or the Error that kept it from being made. Ignoring one that a
/// function returns is a compiler warning; reading the value of one that holds
/// an error throws std::bad_variant_access.
template <class T>
class [[nodiscard]] Result
{
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }

    T &operator*() { return std::get<0>(state_); }
    const T &operator*() const { return std::get<0>(state_); }
    T *operator->() { return &std::get<0>(state_); }
    const T *operator->() const { return &std::get<0>(state_); }

    /// The error; only if there is no value.
    const Error &error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

/// The value of an operation that yields nothing but its success.
struct Done {
};

using Status = Result<Done>;

} // namespace bmc

/// Returns from the calling function with the error of a Status, if it has one.
#define BMC_TRY(expression)                                       \
    do {                                                          \
        if (const ::bmc::Status status_ = (expression); !status_) \
            return status_.error();                               \
    } while (0)

#endif
