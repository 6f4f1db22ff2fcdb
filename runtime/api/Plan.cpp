// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster.h: versions, plans and text.

#include "runtime/api/Handles.h"

#include <algorithm>
#include <cstdio>

using namespace muster;
using namespace muster::api;

namespace muster::api {

int32_t report(const Status &result, muster_status *status) {
  return reportText(result.number(), result.exitCode(), result.text().c_str(), status);
}

int32_t reportText(int32_t number, ExitCode code, const char *text, muster_status *status) {
  if (status) {
    status->code = number;
    status->exit_code = static_cast<int32_t>(code);
    std::snprintf(status->text, sizeof(status->text), "%s", text);
  }
  return number;
}

namespace {

/// Copies up to `capacity` elements; `*count` is the number of all.
template <typename T>
void copyOut(const T *from, size_t all, T *to, size_t capacity, size_t *count) {
  std::copy_n(from, std::min(all, capacity), to);
  *count = all;
}

Status requireBuffer(const void *buffer, size_t capacity, const char *name) {
  return capacity ? require(buffer, name) : Status::ok();
}

} // namespace
} // namespace muster::api

extern "C" {

const char *muster_version(void) { return MUSTER_VERSION_TEXT; }

uint32_t muster_api_version(void) { return MUSTER_API_VERSION; }

int32_t muster_plan_load(const char *path, const muster_plan_options *options, muster_plan **plan,
                         muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(plan, "plan"));
    *plan = nullptr;
    MUSTER_RETURN_IF_ERROR(require(path, "path"));
    muster_plan_options own = {};
    MUSTER_RETURN_IF_ERROR(readOptions(options, own, sizeof(own)));
    plan::LoadOptions load;
    if (own.weights_path)
      load.weightsPath = own.weights_path;
    MUSTER_ASSIGN_OR_RETURN(auto loaded, plan::loadPlan(path, load));
    *plan = new muster_plan{std::move(loaded), {}};
    return Status::ok();
  });
}

void muster_plan_free(muster_plan *plan) { delete plan; }

uint32_t muster_plan_ranks(const muster_plan *plan) { return plan ? plan->plan->ranks() : 0; }

int32_t muster_plan_tokenizer(const muster_plan *plan, muster_tokenizer **tokenizer, muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(tokenizer, "tokenizer"));
    *tokenizer = nullptr;
    MUSTER_RETURN_IF_ERROR(require(plan, "plan"));
    std::span<const std::byte> section = plan->plan->section(schema::SectionKind::Tokenizer);
    if (section.empty())
      return Status::error(2429, "expected a plan with a tokenizer but got {} without one", plan->plan->file().path);
    MUSTER_ASSIGN_OR_RETURN(Tokenizer loaded,
                            Tokenizer::load({reinterpret_cast<const uint8_t *>(section.data()), section.size()}));
    *tokenizer = new muster_tokenizer{std::move(loaded)};
    return Status::ok();
  });
}

void muster_tokenizer_free(muster_tokenizer *tokenizer) { delete tokenizer; }

int32_t muster_tokenizer_encode(const muster_tokenizer *tokenizer, const char *text, size_t bytes, int32_t add_special,
                                int32_t *tokens, size_t capacity, size_t *count, muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(tokenizer, "tokenizer"));
    MUSTER_RETURN_IF_ERROR(require(count, "count"));
    MUSTER_RETURN_IF_ERROR(requireBuffer(text, bytes, "text"));
    MUSTER_RETURN_IF_ERROR(requireBuffer(tokens, capacity, "tokens"));
    MUSTER_ASSIGN_OR_RETURN(auto ids, tokenizer->tokenizer.encode({text ? text : "", bytes}, add_special != 0));
    copyOut(ids.data(), ids.size(), tokens, capacity, count);
    return Status::ok();
  });
}

int32_t muster_tokenizer_decode(const muster_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                                int32_t skip_special, char *text, size_t capacity, size_t *bytes,
                                muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(tokenizer, "tokenizer"));
    MUSTER_RETURN_IF_ERROR(require(bytes, "bytes"));
    MUSTER_RETURN_IF_ERROR(requireBuffer(tokens, count, "tokens"));
    MUSTER_RETURN_IF_ERROR(requireBuffer(text, capacity, "text"));
    MUSTER_ASSIGN_OR_RETURN(std::string decoded, tokenizer->tokenizer.decode({tokens, count}, skip_special != 0));
    copyOut(decoded.data(), decoded.size(), text, capacity, bytes);
    return Status::ok();
  });
}

int32_t muster_tokenizer_stop_tokens(const muster_tokenizer *tokenizer, int32_t *tokens, size_t capacity, size_t *count,
                                     muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(tokenizer, "tokenizer"));
    MUSTER_RETURN_IF_ERROR(require(count, "count"));
    MUSTER_RETURN_IF_ERROR(requireBuffer(tokens, capacity, "tokens"));
    std::span<const int32_t> stop = tokenizer->tokenizer.stopTokens();
    copyOut(stop.data(), stop.size(), tokens, capacity, count);
    return Status::ok();
  });
}

} // extern "C"
