// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster.h for C++17: owners that free, and errors as values. Header only; nothing throws but std::bad_alloc.
//
//   muster::api::Error error;
//   auto plan = muster::api::Plan::load("model.plan", error);
//   if (!plan) { std::cerr << error.text() << '\n'; return error.exitCode(); }
//   auto session = muster::api::Session::create(plan, nullptr, error);
//   auto options = muster::api::sequenceOptions();
//   options.max_new_tokens = 16;
//   uint64_t sequence = session.submit(prompt, options, error);
//   while (session.hasWork() && session.step(error)) {}
//   std::vector<int32_t> tokens = session.takeTokens(sequence, error);
//
// Every function that can fail takes an Error, and returns an empty object, 0 or false after having filled it. Contracts are those of
// muster.h.
#ifndef MUSTER_MUSTER_HPP
#define MUSTER_MUSTER_HPP

#include "muster/muster.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster::api {

class Error {
public:
  explicit operator bool() const { return status.code != 0; }
  int code() const { return status.code; }
  int exitCode() const { return status.exit_code; }
  const char *text() const { return status.text; }
  muster_status *get() { return &status; }

private:
  muster_status status = {};
};

inline muster_plan_options planOptions() {
  muster_plan_options options = {};
  options.struct_size = sizeof(options);
  return options;
}
inline muster_session_options sessionOptions() {
  muster_session_options options = {};
  options.struct_size = sizeof(options);
  return options;
}
inline muster_sequence_options sequenceOptions() {
  muster_sequence_options options = {};
  options.struct_size = sizeof(options);
  return options;
}

namespace detail {
template <typename T, void (*release)(T *)>
class Owner {
public:
  Owner() = default;
  explicit Owner(T *object) : held(object) {}
  explicit operator bool() const { return held != nullptr; }
  T *get() const { return held.get(); }

private:
  struct Release {
    void operator()(T *object) const { release(object); }
  };
  std::unique_ptr<T, Release> held;
};
} // namespace detail

class Plan : public detail::Owner<muster_plan, muster_plan_free> {
public:
  using Owner::Owner;
  static Plan load(const std::string &path, Error &error, const muster_plan_options *options = nullptr) {
    muster_plan *plan = nullptr;
    muster_plan_load(path.c_str(), options, &plan, error.get());
    return Plan(plan);
  }
  uint32_t ranks() const { return muster_plan_ranks(get()); }
};

class Tokenizer : public detail::Owner<muster_tokenizer, muster_tokenizer_free> {
public:
  using Owner::Owner;
  static Tokenizer of(const Plan &plan, Error &error) {
    muster_tokenizer *tokenizer = nullptr;
    muster_plan_tokenizer(plan.get(), &tokenizer, error.get());
    return Tokenizer(tokenizer);
  }
  std::vector<int32_t> encode(std::string_view text, bool addSpecial, Error &error) const {
    size_t count = 0;
    std::vector<int32_t> tokens(text.size() + 16); // a token has at least one byte, but for those put around a text
    if (muster_tokenizer_encode(get(), text.data(), text.size(), addSpecial, tokens.data(), tokens.size(), &count, error.get()))
      return {};
    if (count > tokens.size()) {
      tokens.resize(count);
      muster_tokenizer_encode(get(), text.data(), text.size(), addSpecial, tokens.data(), tokens.size(), &count, error.get());
    }
    tokens.resize(count);
    return tokens;
  }
  std::string decode(const std::vector<int32_t> &tokens, bool skipSpecial, Error &error) const {
    size_t bytes = 0;
    if (muster_tokenizer_decode(get(), tokens.data(), tokens.size(), skipSpecial, nullptr, 0, &bytes, error.get()))
      return {};
    std::string text(bytes, '\0');
    muster_tokenizer_decode(get(), tokens.data(), tokens.size(), skipSpecial, text.data(), text.size(), &bytes, error.get());
    return text;
  }
  std::vector<int32_t> stopTokens(Error &error) const {
    size_t count = 0;
    if (muster_tokenizer_stop_tokens(get(), nullptr, 0, &count, error.get()))
      return {};
    std::vector<int32_t> tokens(count);
    muster_tokenizer_stop_tokens(get(), tokens.data(), count, &count, error.get());
    return tokens;
  }
};

class Session : public detail::Owner<muster_session, muster_session_free> {
public:
  using Owner::Owner;
  static Session create(const Plan &plan, const muster_session_options *options, Error &error) {
    muster_session *session = nullptr;
    muster_session_create(plan.get(), options, &session, error.get());
    return Session(session);
  }
  uint64_t submit(const std::vector<int32_t> &tokens, const muster_sequence_options &options, Error &error) {
    uint64_t sequence = 0;
    muster_session_submit(get(), tokens.data(), tokens.size(), &options, &sequence, error.get());
    return sequence;
  }
  bool append(uint64_t sequence, const std::vector<int32_t> &tokens, Error &error) {
    return !muster_session_append(get(), sequence, tokens.data(), tokens.size(), error.get());
  }
  bool drop(uint64_t sequence, Error &error) { return !muster_session_drop(get(), sequence, error.get()); }
  bool hasWork() const { return muster_session_has_work(get()) != 0; }
  bool step(Error &error, muster_step_report *report = nullptr) { return !muster_session_step(get(), report, error.get()); }
  std::vector<int32_t> takeTokens(uint64_t sequence, Error &error) {
    muster_sequence_info info = {};
    if (muster_session_sequence_info(get(), sequence, &info, error.get()))
      return {};
    std::vector<int32_t> tokens(info.untaken_tokens);
    size_t count = 0;
    muster_session_take_tokens(get(), sequence, tokens.data(), tokens.size(), &count, error.get());
    return tokens;
  }
};

} // namespace muster::api

#endif // MUSTER_MUSTER_HPP
