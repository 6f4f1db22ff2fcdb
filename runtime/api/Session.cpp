// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster.h: sessions, sequences and entries.

#include "runtime/api/Handles.h"
#include "runtime/device/host/Affinity.h"
#include "runtime/schema/Elements.h"
#include "runtime/session/EntryCall.h"
#include "runtime/session/PlanStepModel.h"

#include <algorithm>

using namespace muster;
using namespace muster::api;

namespace muster::api {
namespace {

static_assert(MUSTER_BOOL == static_cast<int>(schema::ElementType::Bool));
static_assert(MUSTER_I32 == static_cast<int>(schema::ElementType::I32));
static_assert(MUSTER_SEQUENCE_FINISHED == static_cast<int>(session::SequenceState::finished));
static_assert(MUSTER_SEQUENCE_ELSEWHERE == static_cast<int>(session::SequenceState::elsewhere));
static_assert(MUSTER_FINISH_INVALID_LOGITS == static_cast<int>(session::FinishReason::invalidLogits));

Result<executor::ExecutorOptions> executorOptions(const plan::LoadedPlan &plan, const muster_session_options &options) {
  executor::ExecutorOptions result;
  bool shm = options.transport == MUSTER_TRANSPORT_SHM;
  if (!shm && options.transport != MUSTER_TRANSPORT_LOCAL)
    return Status::error(2430, "expected a transport of 0 or 1 but got {}", options.transport);
  if (shm && !options.group)
    return Status::error(2430, "expected a group for transport shm but got null");
  result.transport = shm ? executor::TransportKind::shm : executor::TransportKind::local;
  result.rank = options.rank;
  if (options.group)
    result.group = options.group;
  size_t cpus = device::allowedCpus().size();
  result.workersPerRank =
      options.workers ? options.workers : static_cast<uint32_t>(std::max<size_t>(cpus / plan.ranks(), 1));
  if (options.deadline_ms)
    result.deadlineMs = options.deadline_ms;
  result.trace = options.trace != 0;
  result.pages = options.pages;
  if (options.pages == 0) {
    MUSTER_ASSIGN_OR_RETURN(result.pages, session::pagesOfMemory(plan, options.kv_memory_bytes));
  }
  return result;
}

/// The session of a handle, or why there is none.
Status sequencesOf(const muster_session *handle, session::Session *&session) {
  MUSTER_RETURN_IF_ERROR(require(handle, "session"));
  if (!handle->session)
    return handle->whyNone;
  session = handle->session.get();
  return Status::ok();
}

Result<session::SequenceOptions> sequenceOptions(const muster_sequence_options *given) {
  muster_sequence_options options = {};
  MUSTER_RETURN_IF_ERROR(readOptions(given, options, sizeof(options)));
  session::SequenceOptions result;
  result.maxNewTokens = options.max_new_tokens;
  result.maxTokens = options.max_tokens;
  result.sampling.temperature = options.temperature;
  result.sampling.topP = options.top_p == 0 ? 1 : options.top_p;
  result.sampling.seed = options.seed;
  switch (options.logits) {
  case MUSTER_LOGITS_NONE:
    result.logits = session::LogitRequest::none;
    break;
  case MUSTER_LOGITS_LAST:
    result.logits = session::LogitRequest::last;
    break;
  case MUSTER_LOGITS_ALL:
    result.logits = session::LogitRequest::all;
    break;
  default:
    return Status::error(2430, "expected logits of 0, 1 or 2 but got {}", options.logits);
  }
  if (options.stop_token_count)
    MUSTER_RETURN_IF_ERROR(require(options.stop_tokens, "stop_tokens"));
  result.stopTokens = {options.stop_tokens, options.stop_token_count};
  return result;
}

Result<session::NamedTensor> namedTensor(const muster_tensor &tensor) {
  MUSTER_RETURN_IF_ERROR(require(tensor.name, "the name of a tensor"));
  if (tensor.dim_count > MUSTER_MAX_DIMS)
    return Status::error(2432, "expected input {} of at most {} dims but got {}", tensor.name, MUSTER_MAX_DIMS,
                         tensor.dim_count);
  if (tensor.element < 0 || tensor.element > MUSTER_BOOL)
    return Status::error(2432, "expected an element of 0 to {} for input {} but got {}", int(MUSTER_BOOL), tensor.name,
                         tensor.element);
  session::NamedTensor result;
  result.name = tensor.name;
  result.element = static_cast<schema::ElementType>(tensor.element);
  result.dims = {tensor.dims, tensor.dim_count};
  result.data = tensor.data;
  uint64_t left = tensor.bytes / schema::elementBytes(result.element); // elements that fit
  uint64_t count = 1;
  for (int64_t size : result.dims) {
    if (size < 0 || (size != 0 && count > left / static_cast<uint64_t>(size)))
      return Status::error(2432, "expected the data of input {} to fill its dims but got {} bytes", tensor.name,
                           tensor.bytes);
    count *= static_cast<uint64_t>(size);
  }
  if (count)
    MUSTER_RETURN_IF_ERROR(require(tensor.data, tensor.name));
  return result;
}

/// Describes one result and copies it where there is room for it.
Status giveResult(const executor::Executor &executor, const std::vector<session::ResultShape> &shapes,
                  muster_tensor &result) {
  MUSTER_RETURN_IF_ERROR(require(result.name, "the name of a result"));
  auto shape = std::find_if(shapes.begin(), shapes.end(), [&](auto &s) { return s.name == result.name; });
  if (shape == shapes.end())
    return Status::error(2431, "references unknown result {}", result.name);
  if (shape->dims.size() > MUSTER_MAX_DIMS)
    return Status::error(2432, "expected result {} of at most {} dims but got {}", result.name, MUSTER_MAX_DIMS,
                         shape->dims.size());
  result.element = static_cast<int32_t>(shape->element);
  result.dim_count = static_cast<uint32_t>(shape->dims.size());
  std::copy(shape->dims.begin(), shape->dims.end(), result.dims);
  if (!result.data)
    return Status::ok();
  if (result.bytes < shape->bytes)
    return Status::error(2433, "expected a buffer of at least {} bytes for result {} but got {}", shape->bytes,
                         result.name, result.bytes);
  return executor.readResult(static_cast<uint32_t>(shape - shapes.begin()), result.data, shape->bytes);
}

} // namespace
} // namespace muster::api

extern "C" {

int32_t muster_session_create(const muster_plan *plan, const muster_session_options *options, muster_session **session,
                              muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(session, "session"));
    *session = nullptr;
    MUSTER_RETURN_IF_ERROR(require(plan, "plan"));
    muster_session_options own = {};
    MUSTER_RETURN_IF_ERROR(readOptions(options, own, sizeof(own)));
    MUSTER_ASSIGN_OR_RETURN(executor::ExecutorOptions runner, executorOptions(*plan->plan, own));
    auto handle = std::make_unique<muster_session>();
    std::unique_lock lock(plan->creating, std::defer_lock);
    if (runner.transport == executor::TransportKind::local) // with shm, ranks wait for each other in there
      lock.lock();
    MUSTER_ASSIGN_OR_RETURN(handle->executor, executor::Executor::create(plan->plan, runner));
    if (lock.owns_lock())
      lock.unlock();
    auto model = session::PlanStepModel::create(handle->executor);
    if (model.isOk())
      handle->session = std::make_unique<session::Session>(*std::move(model));
    else if (plan->plan->findEntry(session::stepEntryName))
      return std::move(model).status();
    else
      handle->whyNone = std::move(model).status();
    *session = handle.release();
    return Status::ok();
  });
}

void muster_session_free(muster_session *session) { delete session; }

int32_t muster_session_limits(const muster_session *session, muster_limits *limits, muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    MUSTER_RETURN_IF_ERROR(require(limits, "limits"));
    const session::StepLimits &from = own->limits();
    *limits = {from.stepTokens, from.sequences,        from.logitRows, from.pages,
               from.pageSlots,  from.pagesPerSequence, from.vocabulary};
    return Status::ok();
  });
}

int32_t muster_session_submit(muster_session *session, const int32_t *tokens, size_t count,
                              const muster_sequence_options *options, uint64_t *sequence, muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    MUSTER_RETURN_IF_ERROR(require(sequence, "sequence"));
    *sequence = 0;
    if (count)
      MUSTER_RETURN_IF_ERROR(require(tokens, "tokens"));
    MUSTER_ASSIGN_OR_RETURN(session::SequenceOptions wanted, sequenceOptions(options));
    MUSTER_ASSIGN_OR_RETURN(*sequence, own->submit({tokens, count}, wanted));
    return Status::ok();
  });
}

int32_t muster_session_append(muster_session *session, uint64_t sequence, const int32_t *tokens, size_t count,
                              muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    if (count)
      MUSTER_RETURN_IF_ERROR(require(tokens, "tokens"));
    return own->append(sequence, {tokens, count});
  });
}

int32_t muster_session_drop(muster_session *session, uint64_t sequence, muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    return own->drop(sequence);
  });
}

int32_t muster_session_has_work(const muster_session *session) {
  return session && session->session && session->session->hasWork();
}

int32_t muster_session_step(muster_session *session, muster_step_report *report, muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    session::StepReport done;
    Status result = own->step(done);
    if (report)
      *report = {done.tokens,  done.sequences, done.newTokens, done.finished,
                 done.waiting, done.active,    done.pagesTaken};
    return result;
  });
}

int32_t muster_session_sequence_info(const muster_session *session, uint64_t sequence, muster_sequence_info *info,
                                     muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    MUSTER_RETURN_IF_ERROR(require(info, "info"));
    MUSTER_ASSIGN_OR_RETURN(session::SequenceInfo found, own->info(sequence));
    *info = {static_cast<int32_t>(found.state),
             static_cast<int32_t>(found.finish),
             found.promptTokens,
             found.computedTokens,
             found.newTokens,
             found.untakenTokens};
    return Status::ok();
  });
}

int32_t muster_session_take_tokens(muster_session *session, uint64_t sequence, int32_t *tokens, size_t capacity,
                                   size_t *count, muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    MUSTER_RETURN_IF_ERROR(require(count, "count"));
    if (capacity)
      MUSTER_RETURN_IF_ERROR(require(tokens, "tokens"));
    MUSTER_ASSIGN_OR_RETURN(*count, own->takeTokens(sequence, {tokens, capacity}));
    return Status::ok();
  });
}

int32_t muster_session_logits(const muster_session *session, uint64_t sequence, const float **logits, size_t *rows,
                              uint64_t *first_position, muster_status *status) {
  return guarded(status, [&]() -> Status {
    session::Session *own = nullptr;
    MUSTER_RETURN_IF_ERROR(sequencesOf(session, own));
    MUSTER_RETURN_IF_ERROR(require(logits, "logits"));
    MUSTER_RETURN_IF_ERROR(require(rows, "rows"));
    MUSTER_ASSIGN_OR_RETURN(session::LogitRows found, own->logits(sequence));
    *logits = found.data;
    *rows = found.rows;
    if (first_position)
      *first_position = found.firstPosition;
    return Status::ok();
  });
}

int32_t muster_session_write_trace(const muster_session *session, const char *path, muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(session, "session"));
    MUSTER_RETURN_IF_ERROR(require(path, "path"));
    return session->executor->writeTrace(path);
  });
}

int32_t muster_entry_run(muster_session *session, const char *entry, const muster_tensor *inputs, size_t input_count,
                         muster_tensor *results, size_t result_count, muster_status *status) {
  return guarded(status, [&]() -> Status {
    MUSTER_RETURN_IF_ERROR(require(session, "session"));
    MUSTER_RETURN_IF_ERROR(require(entry, "entry"));
    if (input_count)
      MUSTER_RETURN_IF_ERROR(require(inputs, "inputs"));
    if (result_count)
      MUSTER_RETURN_IF_ERROR(require(results, "results"));
    std::vector<session::NamedTensor> named;
    for (size_t i = 0; i != input_count; ++i) {
      MUSTER_ASSIGN_OR_RETURN(session::NamedTensor tensor, namedTensor(inputs[i]));
      named.push_back(tensor);
    }
    MUSTER_ASSIGN_OR_RETURN(auto shapes, session::callEntry(*session->executor, entry, named));
    for (size_t i = 0; i != result_count; ++i)
      MUSTER_RETURN_IF_ERROR(giveResult(*session->executor, shapes, results[i]));
    return Status::ok();
  });
}

} // extern "C"
