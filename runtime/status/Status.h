// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Status and Result<T>: how the runtime says that something went wrong. Nothing in runtime/ throws across an API.
//
//   Status checkSpan(uint64_t offset, uint64_t length, uint64_t arena) {
//     if (offset > arena || length > arena - offset)
//       return Status::error(2107, "expected a span inside {} bytes but got [{}, +{})", arena, offset, length);
//     return Status::ok();
//   }
//   Result<Plan> load(const char *path) {
//     MUSTER_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
//     MUSTER_RETURN_IF_ERROR(checkHeader(file));
//     return Plan(std::move(file));
//   }
//
// Every error has a number of four digits, one line of text ("E2107 expected ... but got ...", lower case, no full
// stop) and a page docs/errors/E2107.md. The number's first two digits name the subject, and the subject decides with
// which code a tool exits, unless the place that makes the error says otherwise (Status::unsupported,
// Status::withExitCode):
//
//   E01xx                      usage of a command line                         2 usage
//   E10xx E11xx E12xx          attributes, layouts, counts of a program        1 input
//   E20xx E21xx E22xx          plan file, loader, weights file                 1 input
//   E23xx                      plan and machine do not fit                     1 input
//   E24xx                      session, capacity, requests                     4 runTime
//   E25xx                      communication, lost ranks                       4 runTime
//   E30xx E31xx E32xx E33xx    GGUF, safetensors, tokenizer, model config      1 input
//   E40xx                      pipeline phases                                 1 input
//   E41xx                      code generation                                 3 unsupported
//   anything else                                                              4 runTime
//
// Source: the shape of absl::Status and absl::StatusOr, without their payloads.

#ifndef MUSTER_RUNTIME_STATUS_STATUS_H
#define MUSTER_RUNTIME_STATUS_STATUS_H

#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

namespace muster {

/// What a tool returns to its shell.
enum class ExitCode : int {
  success = 0,
  /// The input or the program is wrong.
  input = 1,
  /// The command line is wrong.
  usage = 2,
  /// The input may be right; this build, machine or version cannot do it.
  unsupported = 3,
  /// A failure while running: a lost rank, a deadline, no capacity.
  runTime = 4,
};

/// The exit code of an error number, by the table above; `success` for 0.
ExitCode exitCodeOfNumber(int number);

/// Success, or one numbered error. Success is a null pointer: making, moving and testing it costs nothing. Copies of an
/// error copy its text. Not synchronised; distinct objects may be used from distinct threads.
class [[nodiscard]] Status {
public:
  /// Success.
  Status() = default;
  Status(const Status &other) : failure(other.failure ? std::make_unique<Failure>(*other.failure) : nullptr) {}
  Status(Status &&) noexcept = default;
  Status &operator=(const Status &other) {
    if (this != &other)
      failure = other.failure ? std::make_unique<Failure>(*other.failure) : nullptr;
    return *this;
  }
  Status &operator=(Status &&) noexcept = default;

  static Status ok() { return Status(); }

  /// An error with the text "E<number> <message>". `number` is 1 to 9999; the exit code follows from it.
  template <typename... Args>
  static Status error(int number, fmt::format_string<Args...> message, Args &&...args) {
    return make(number, fmt::format(message, std::forward<Args>(args)...));
  }

  /// The same with exit code `unsupported`: the input may be right, but cannot be handled here.
  template <typename... Args>
  static Status unsupported(int number, fmt::format_string<Args...> message, Args &&...args) {
    return make(number, fmt::format(message, std::forward<Args>(args)...)).withExitCode(ExitCode::unsupported);
  }

  /// As `error`, for a formatted message. In all of them control characters and what is no UTF-8 become `\xNN`.
  static Status make(int number, std::string_view message);

  /// This error with another exit code. Success stays success.
  Status withExitCode(ExitCode code) &&;

  bool isOk() const { return !failure; }
  /// 0 when ok.
  int number() const { return failure ? failure->number : 0; }
  /// "E2107 expected ..."; "ok" when ok. Lives as long as this object.
  const std::string &text() const;
  ExitCode exitCode() const { return failure ? failure->code : ExitCode::success; }

private:
  struct Failure {
    int number;
    ExitCode code;
    std::string text;
  };
  std::unique_ptr<Failure> failure;
};

/// A value of type T, or the Status that says why there is none. T may be move-only. `status()` is ok exactly when
/// there is a value; `*result` and `result->` need one (asserted).
template <typename T>
class [[nodiscard]] Result {
  static_assert(!std::is_same_v<std::remove_cv_t<T>, Status>, "a Result<Status> is a Status");
  static_assert(!std::is_reference_v<T>, "hold a pointer instead");

public:
  /// Implicit, so that functions can `return value;`.
  template <typename U = T>
    requires(std::is_constructible_v<T, U &&> && std::is_convertible_v<U &&, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Status> && !std::is_same_v<std::remove_cvref_t<U>, Result>)
  Result(U &&value) : held(std::forward<U>(value)) {}
  /// Implicit, so that functions can `return Status::error(...)`. `status` must not be ok.
  Result(Status status) : failure(std::move(status)) { assert(!failure.isOk() && "an ok status holds no value"); }

  bool isOk() const { return held.has_value(); }
  explicit operator bool() const { return isOk(); }

  const Status &status() const & { return failure; }
  Status status() && { return std::move(failure); }

  T &value() & {
    assert(held && "no value");
    return *held;
  }
  const T &value() const & {
    assert(held && "no value");
    return *held;
  }
  T &&value() && {
    assert(held && "no value");
    return std::move(*held);
  }
  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(*this).value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }

private:
  std::optional<T> held;
  Status failure;
};

} // namespace muster

#define MUSTER_STATUS_JOIN_(a, b) a##b
#define MUSTER_STATUS_JOIN(a, b) MUSTER_STATUS_JOIN_(a, b)

/// Returns from the enclosing function (of type Status or Result<...>) when `expression` is a Status that is not ok.
#define MUSTER_RETURN_IF_ERROR(...)                                                                                    \
  do {                                                                                                                 \
    if (::muster::Status musterStatus_ = (__VA_ARGS__); !musterStatus_.isOk())                                         \
      return musterStatus_;                                                                                            \
  } while (false)

/// MUSTER_ASSIGN_OR_RETURN(int x, parse(text)): declares or assigns the left side from a Result, or returns its Status.
/// Two statements: needs braces under an `if`. Commas in the declared type need an alias.
#define MUSTER_ASSIGN_OR_RETURN(left, ...)                                                                             \
  MUSTER_ASSIGN_OR_RETURN_(MUSTER_STATUS_JOIN(musterResult_, __LINE__), left, __VA_ARGS__)
#define MUSTER_ASSIGN_OR_RETURN_(result, left, ...)                                                                    \
  auto result = (__VA_ARGS__);                                                                                         \
  if (!result.isOk())                                                                                                  \
    return std::move(result).status();                                                                                 \
  left = *std::move(result)

#endif // MUSTER_RUNTIME_STATUS_STATUS_H
