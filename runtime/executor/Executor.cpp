// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Executor.h"

#include "runtime/comm/local/LocalGroup.h"
#include "runtime/comm/shm/ShmGroup.h"
#include "runtime/count/CountProgram.h"
#include "runtime/device/host/Affinity.h"
#include "runtime/device/host/Arena.h"
#include "runtime/executor/Ports.h"
#include "runtime/executor/StepAgreement.h"
#include "runtime/executor/Team.h"
#include "runtime/plan/CollectiveSignature.h"
#include "runtime/plan/MemoryOrder.h"

#include <algorithm>
#include <cstring>

namespace muster::executor {

namespace {

/// What the threads of a process need; kept alive by each of them.
struct Core {
  std::shared_ptr<const plan::LoadedPlan> plan;
  std::unique_ptr<comm::Transport> transport;
  comm::Control *control = nullptr;               // the same object
  std::vector<std::vector<device::Arena>> states; // [own rank][state]
  std::shared_ptr<const kernels::MatmulLibrary> matmuls;
  std::vector<int64_t> slots;
  RunState run;
  std::vector<std::unique_ptr<Team>> teams; // of each own rank: its workers, then its transfer thread where it has one
};

constexpr uint32_t roundsOfSpinning = 2000; // about 40 us

class PlanExecutor final : public Executor {
public:
  PlanExecutor(std::shared_ptr<const plan::LoadedPlan> plan, const ExecutorOptions &options)
      : loaded(std::move(plan)), chosen(options), core(std::make_shared<Core>()), agreement(*loaded) {
    core->plan = loaded;
  }
  ~PlanExecutor() override;

  Status make();

  Status begin(uint32_t entry, std::span<const int64_t> record, std::span<const comm::StepNote> notes) override;
  Status refuse(const Status &cause) override;
  const comm::StepNote &note(uint32_t rank) const override { return allRecords[rank].note; }
  uint32_t variant() const override { return core->run.variant; }
  int64_t count(uint32_t slot) const override { return core->slots[slot]; }
  std::span<const int64_t> inputDims(uint32_t input) const override { return current().inputs[input].dims(); }
  uint64_t inputBytes(uint32_t input) const override { return current().inputs[input].bytes(); }
  std::span<const int64_t> resultDims(uint32_t result) const override { return current().results[result].dims(); }
  uint64_t resultBytes(uint32_t result) const override { return current().results[result].bytes(); }
  int64_t inputPartDim(uint32_t input, uint32_t rank, uint32_t dim) const override {
    return current().inputs[input].partDim(dim, coordinates[rank]);
  }
  int64_t resultPartDim(uint32_t result, uint32_t rank, uint32_t dim) const override {
    return current().results[result].partDim(dim, coordinates[rank]);
  }
  uint64_t inputPartBytes(uint32_t input, uint32_t rank) const override {
    return current().inputs[input].partBytes(coordinates[rank]);
  }
  Status setInput(uint32_t input, const void *data, uint64_t bytes) override;
  Status setInputPart(uint32_t input, uint32_t rank, const void *data, uint64_t bytes) override;
  uint32_t firstOwn() const override { return core->transport->firstOwn(); }
  uint32_t ownCount() const override { return core->transport->ownCount(); }
  Status run() override;
  Status readResult(uint32_t result, void *data, uint64_t bytes) const override;
  const std::byte *rankResult(uint32_t result, uint32_t rank) const override;
  std::byte *state(uint32_t rank, uint32_t index) override;
  ExecutorStats stats() const override;
  Status writeTrace(const std::string &path) const override;
  const plan::LoadedPlan &plan() const override { return *loaded; }
  const ExecutorOptions &options() const override { return chosen; }

private:
  struct EntryPorts {
    std::vector<PortShape> inputs, results;
  };

  Status checkOptions() const;
  Status makeGroup();
  Status makeShmGroup();
  Status makeStates();
  Status makeMatmuls();
  Status prepare();
  bool wantsTransferThreads() const;
  Status makeWorkers(uint32_t index);
  Status makeTransferThread(uint32_t index);
  RankView viewOf(uint32_t index) const;
  void addWorker(Team &team, Team::Worker &worker) const;
  uint32_t threadCount() const;
  void makePorts();
  void startThreads();
  Status checkOwn(uint32_t entry, std::span<const int64_t> record, size_t notes) const;
  Status beginAgreed(std::string_view text);
  const EntryPorts &current() const { return ports[core->run.entry]; }
  const schema::VariantT &currentVariant() const {
    return *loaded->root().entries[core->run.entry]->variants[core->run.variant];
  }
  Status checkInput(uint32_t input, uint64_t expected, uint64_t bytes) const;
  uint8_t &unset(uint32_t input, uint32_t rank) {
    return isUnset[size_t(input) * core->transport->ownCount() + rank - core->transport->firstOwn()];
  }
  bool isOwn(uint32_t rank) const { return rank - core->transport->firstOwn() < core->transport->ownCount(); }
  Status awaitDone(uint32_t number);
  Status awaitPeers();
  uint64_t activity() const;
  Status poison(const Status &cause);
  Status describe(const Failure &failure) const;
  Status describe(const RowFault &fault) const;
  uint32_t rankFurthestBehind() const;

  std::shared_ptr<const plan::LoadedPlan> loaded;
  ExecutorOptions chosen;
  std::shared_ptr<Core> core;
  StepAgreement agreement;
  std::vector<comm::StepRecord> ownRecords;
  std::vector<comm::GatheredRecord> allRecords;
  std::vector<int64_t> agreedRecord;
  std::vector<std::vector<uint32_t>> coordinates; // by rank
  std::vector<EntryPorts> ports;                  // by entry
  std::vector<kernels::MatmulShape> shapes;
  std::vector<uint8_t> isUnset; // [input][own rank] of the current step
  uint64_t exchanges = 0;
  bool hasBegun = false;
  bool hasResults = false;
  Status poisoned;
  ExecutorStats facts;
};

// ---- making

Status PlanExecutor::checkOptions() const {
  if (loaded->isInspectOnly())
    return Status::error(2402, "expected a plan loaded to run but {} was loaded for inspection", loaded->file().path);
  if (chosen.workersPerRank == 0 || chosen.workersPerRank > 1024)
    return Status::error(2401, "expected between 1 and 1024 workers a rank but got {}", chosen.workersPerRank);
  if (chosen.deadlineMs == 0)
    return Status::error(2401, "expected a deadline of at least 1 ms but got 0");
  for (const auto &state : loaded->root().states)
    if (state->paged && chosen.pages == 0)
      return Status::error(2401, "expected at least 1 page for paged state {} but got 0", state->name);
  return Status::ok();
}

bool PlanExecutor::wantsTransferThreads() const {
  auto isBeside = [](const auto &step) { return step->stream != 0; };
  bool hasStreams = false;
  for (const auto &entry : loaded->root().entries)
    for (const auto &variant : entry->variants)
      hasStreams |= std::any_of(variant->steps.begin(), variant->steps.end(), isBeside);
  uint64_t threads = uint64_t(loaded->ranks()) * (uint64_t(chosen.workersPerRank) + 1);
  return hasStreams &&
         (chosen.transferThreads == TransferThreads::always ||
          (chosen.transferThreads == TransferThreads::automatic && threads <= device::allowedCpus().size()));
}

Status PlanExecutor::makeGroup() {
  for (const auto &entry : loaded->root().entries)
    for (const auto &variant : entry->variants)
      facts.arenaBytes = std::max(facts.arenaBytes, variant->arena_bytes);
  if (chosen.transport == TransportKind::shm)
    return makeShmGroup();
  facts.transferThreads = wantsTransferThreads();
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<comm::LocalGroup> group,
                          comm::LocalGroup::make(loaded->ranks(), facts.arenaBytes));
  core->control = group.get();
  core->transport = std::move(group);
  return Status::ok();
}

Status PlanExecutor::makeShmGroup() {
  comm::ShmOptions options;
  options.group = chosen.group;
  options.rank = chosen.rank;
  options.ranks = loaded->ranks();
  options.recordFields = agreement.fieldCount();
  options.arenaBytes = facts.arenaBytes;
  options.deadlineMs = chosen.deadlineMs;
  std::copy(loaded->digest().begin(), loaded->digest().end(), options.agreement.planDigest.begin());
  options.agreement.collectiveSignature = plan::collectiveSignature(loaded->root());
  options.agreement.pages = chosen.pages;
  options.agreement.hasTransferThread = wantsTransferThreads();
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<comm::ShmGroup> group, comm::ShmGroup::join(options));
  // What ranks wait for depends on it, so all do alike.
  facts.transferThreads = group->haveTransferThreads();
  core->run.policy.isLost = &comm::ShmGroup::isBroken;
  core->run.policy.context = group.get();
  core->run.policy.sliceMs = 5;
  core->control = group.get();
  core->transport = std::move(group);
  return Status::ok();
}

Status PlanExecutor::makeStates() {
  for (uint32_t i = 0; i != core->transport->ownCount(); ++i) {
    std::vector<device::Arena> own;
    uint64_t total = 0;
    for (const auto &state : loaded->root().states) {
      uint64_t bytes = state->page_bytes;
      if (state->paged && __builtin_mul_overflow(bytes, chosen.pages, &bytes))
        return Status::error(2404, "cannot reserve {} pages of {} bytes for state {}: more than 2^64 bytes",
                             chosen.pages, state->page_bytes, state->name);
      MUSTER_ASSIGN_OR_RETURN(device::Arena arena, device::Arena::makePrivate(bytes, state->name.c_str()));
      own.push_back(std::move(arena));
      total += bytes;
    }
    core->states.push_back(std::move(own));
    facts.stateBytes = total;
  }
  return Status::ok();
}

kernels::MatmulShape shapeOf(const schema::PlanT &plan, const schema::MatmulT &matmul) {
  return {matmul.n,
          matmul.k,
          matmul.source_stride,
          matmul.result_stride,
          plan.weights[matmul.weight->index()]->packing,
          matmul.accumulate};
}

Status PlanExecutor::makeMatmuls() {
  const schema::PlanT &root = loaded->root();
  for (const auto &entry : root.entries)
    for (const auto &variant : entry->variants)
      for (const auto &step : variant->steps)
        if (const schema::MatmulT *matmul = step->action.AsMatmul()) {
          kernels::MatmulShape shape = shapeOf(root, *matmul);
          if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end())
            shapes.push_back(shape);
        }
  MUSTER_ASSIGN_OR_RETURN(core->matmuls, kernels::MatmulLibrary::make(shapes, root.matmul_rows, chosen.workersPerRank));
  return Status::ok();
}

/// Without products.
RankView PlanExecutor::viewOf(uint32_t index) const {
  RankView view;
  view.rank = core->transport->firstOwn() + index;
  view.hasStreams = facts.transferThreads;
  view.arena = [this](uint32_t other) { return core->transport->arena(other); };
  view.state = [this, index](uint32_t state) { return core->states[index][state].data(); };
  return view;
}

void PlanExecutor::addWorker(Team &team, Team::Worker &worker) const {
  uint32_t index = team.stream() == 0 ? worker.index : chosen.workersPerRank;
  worker.random = chosen.delaySeed * 0x9e3779b97f4a7c15u + team.rank() * 1024 + index;
  if (chosen.trace)
    worker.track.emplace(team.rank(), index, team.stream() == 0 ? fmt::format("worker {}", index) : "transfers",
                         chosen.traceEventsPerWorker);
}

Status PlanExecutor::makeWorkers(uint32_t index) {
  const schema::PlanT &root = loaded->root();
  RankView view = viewOf(index);
  auto team = std::make_unique<Team>(view.rank, 0, chosen.workersPerRank, core->run);
  for (auto &worker : team->workers()) {
    MUSTER_ASSIGN_OR_RETURN(worker->matmuls, kernels::MatmulWorker::make(core->matmuls, worker->index));
    addWorker(*team, *worker);
  }
  view.bindMatmul = [&](const schema::MatmulT &matmul, const std::byte *weight) -> Result<uint32_t> {
    auto shape = std::find(shapes.begin(), shapes.end(), shapeOf(root, matmul));
    uint32_t binding = 0;
    for (auto &worker : team->workers()) {
      MUSTER_ASSIGN_OR_RETURN(binding, worker->matmuls->bind(static_cast<uint32_t>(shape - shapes.begin()), weight));
    }
    return binding;
  };
  for (uint32_t entry = 0; entry != root.entries.size(); ++entry) {
    team->variants.emplace_back();
    team->sizes.emplace_back();
    for (const auto &variant : root.entries[entry]->variants)
      team->sizes.back().push_back(makeSizeLists(*loaded, *variant, view.rank));
    for (uint32_t variant = 0; variant != root.entries[entry]->variants.size(); ++variant) {
      MUSTER_ASSIGN_OR_RETURN(PreparedVariant prepared, prepareVariant(*loaded, *root.entries[entry]->variants[variant],
                                                                       team->sizes[entry][variant], view));
      team->variants.back().push_back(std::move(prepared));
    }
  }
  core->teams.push_back(std::move(team));
  return Status::ok();
}

Status PlanExecutor::makeTransferThread(uint32_t index) {
  RankView view = viewOf(index);
  view.stream = 1;
  auto team = std::make_unique<Team>(view.rank, view.stream, 1, core->run);
  addWorker(*team, *team->workers()[0]);
  for (const auto &entry : loaded->root().entries) {
    team->variants.emplace_back();
    for (const auto &variant : entry->variants) {
      MUSTER_ASSIGN_OR_RETURN(PreparedVariant prepared, prepareVariant(*loaded, *variant, SizeLists(), view));
      team->variants.back().push_back(std::move(prepared));
    }
  }
  core->teams.push_back(std::move(team));
  return Status::ok();
}

uint32_t PlanExecutor::threadCount() const {
  return core->transport->ownCount() * (chosen.workersPerRank + facts.transferThreads);
}

Status PlanExecutor::prepare() {
  core->slots.resize(loaded->counts().slots());
  ownRecords.resize(core->transport->ownCount());
  allRecords.resize(loaded->ranks());
  agreedRecord.resize(loaded->counts().recordLength());
  core->run.slots = core->slots.data();
  core->run.transport = core->transport.get();
  core->run.isTraced = chosen.trace;
  core->run.isDelayed = chosen.delaySeed != 0;
  core->run.policy.deadlineMs = chosen.deadlineMs;
  core->run.policy.stop = &core->run.stop;
  bool isPadded = std::any_of(shapes.begin(), shapes.end(), kernels::hasPadding);
  if (isPadded)
    MUSTER_RETURN_IF_ERROR(loaded->weightsFile()->setWritable(true));
  Status status;
  for (uint32_t i = 0; i != core->transport->ownCount() && status.isOk(); ++i) {
    status = makeWorkers(i);
    if (status.isOk() && facts.transferThreads)
      status = makeTransferThread(i);
  }
  if (isPadded)
    MUSTER_RETURN_IF_ERROR(loaded->weightsFile()->setWritable(false));
  return status;
}

void PlanExecutor::makePorts() {
  for (uint32_t rank = 0; rank != loaded->ranks(); ++rank)
    coordinates.push_back(loaded->coordinates(rank));
  size_t mostInputs = 0;
  for (const auto &entry : loaded->root().entries) {
    EntryPorts own;
    for (const auto &port : entry->inputs)
      own.inputs.emplace_back(*port, *loaded->root().mesh);
    for (const auto &port : entry->results)
      own.results.emplace_back(*port, *loaded->root().mesh);
    mostInputs = std::max(mostInputs, own.inputs.size());
    ports.push_back(std::move(own));
  }
  isUnset.resize(mostInputs * core->transport->ownCount());
}

void PlanExecutor::startThreads() {
  std::vector<uint32_t> cpus = device::allowedCpus();
  uint32_t ofRank = chosen.workersPerRank + facts.transferThreads;
  uint64_t threads = uint64_t(loaded->ranks()) * ofRank;
  facts.pinned = threads <= cpus.size();
  core->run.policy.spins = facts.pinned ? roundsOfSpinning : 0;
  for (auto &team : core->teams) {
    std::vector<uint32_t> own;
    if (facts.pinned) {
      auto first = cpus.begin() + team->rank() * ofRank + (team->stream() == 0 ? 0 : chosen.workersPerRank);
      own.assign(first, first + static_cast<ptrdiff_t>(team->workers().size()));
    }
    team->start(std::move(own), core);
  }
  // What threads and libraries allocate when they start belongs here, not into the first step.
  comm::await(core->run.ready, threadCount(), comm::WaitPolicy());
}

Status PlanExecutor::make() {
  MUSTER_RETURN_IF_ERROR(checkOptions());
  MUSTER_RETURN_IF_ERROR(makeGroup());
  MUSTER_RETURN_IF_ERROR(makeStates());
  MUSTER_RETURN_IF_ERROR(makeMatmuls());
  MUSTER_RETURN_IF_ERROR(prepare());
  makePorts();
  startThreads();
  return Status::ok();
}

PlanExecutor::~PlanExecutor() {
  core->run.stop.store(1, std::memory_order_seq_cst);
  comm::wakeAll(core->run.go);
  for (auto &team : core->teams)
    team->wakeAll();
  // A thread that is stuck in a kernel is left behind, with all that it may touch.
  comm::WaitPolicy policy;
  policy.deadlineMs = std::min<uint32_t>(chosen.deadlineMs, 5000);
  uint32_t started = 0;
  for (auto &team : core->teams)
    for (auto &worker : team->workers())
      started += worker->thread.joinable();
  if (comm::await(core->run.left, started, policy) != comm::WaitOutcome::reached)
    for (auto &team : core->teams)
      team->detach();
  else
    for (auto &team : core->teams)
      for (auto &worker : team->workers())
        if (worker->thread.joinable())
          worker->thread.join();
}

// ---- a step

/// What this process can see of a step without its peers.
Status PlanExecutor::checkOwn(uint32_t entry, std::span<const int64_t> record, size_t notes) const {
  if (entry >= loaded->root().entries.size())
    return Status::error(2418, "expected an entry below {} but got {}", loaded->root().entries.size(), entry);
  uint32_t fields = agreement.fieldCount();
  if (record.size() != fields && record.size() != size_t(fields) * core->transport->ownCount())
    return Status::error(2410, "expected a step record of {} fields but got {}", fields, record.size());
  if (notes != 0 && notes != core->transport->ownCount())
    return Status::error(2410, "expected notes of {} ranks with a step record but got {}", core->transport->ownCount(),
                         notes);
  return Status::ok();
}

Status PlanExecutor::begin(uint32_t entry, std::span<const int64_t> record, std::span<const comm::StepNote> notes) {
  MUSTER_RETURN_IF_ERROR(poisoned);
  // A rank with a bad request says so to its peers, so that all return an error instead of waiting for it.
  if (Status status = checkOwn(entry, record, notes.size()); !status.isOk())
    return refuse(status);
  uint32_t fields = agreement.fieldCount();
  for (uint32_t i = 0; i != ownRecords.size(); ++i)
    ownRecords[i] = {exchanges,
                     agreement.planMark(),
                     entry,
                     0,
                     0,
                     record.subspan(record.size() == fields ? 0 : size_t(i) * fields, fields),
                     notes.empty() ? comm::StepNote() : notes[i]};
  return beginAgreed("");
}

Status PlanExecutor::refuse(const Status &cause) {
  MUSTER_RETURN_IF_ERROR(poisoned);
  for (comm::StepRecord &own : ownRecords)
    own = {exchanges,
           agreement.planMark(),
           0,
           static_cast<uint32_t>(cause.number()),
           static_cast<uint32_t>(cause.exitCode()),
           {}};
  Status agreed = beginAgreed(std::string_view(cause.text()).substr(6)); // without its number
  bool isFirst = std::none_of(allRecords.begin(), allRecords.begin() + core->transport->firstOwn(),
                              [](const comm::GatheredRecord &other) { return other.refusal != 0; });
  return poisoned.isOk() && isFirst ? cause : agreed;
}

/// Exchanges the records and, where all ranks agree, begins the step: everything from here on is the same on all ranks.
/// A rank that is lost poisons this one; what ranks said only ends the step.
Status PlanExecutor::beginAgreed(std::string_view text) {
  hasBegun = hasResults = false;
  if (Status status = core->control->exchange(ownRecords, text, allRecords); !status.isOk())
    return poison(status);
  for (const comm::GatheredRecord &other : allRecords)
    exchanges = std::max(exchanges, other.step);
  ++exchanges;
  MUSTER_RETURN_IF_ERROR(agreement.agree(allRecords, agreedRecord));
  MUSTER_RETURN_IF_ERROR(loaded->counts().evaluate(agreedRecord, core->slots));
  uint32_t entry = allRecords[0].entry;
  if (entry >= loaded->root().entries.size())
    return Status::error(2418, "expected an entry below {} but got {}", loaded->root().entries.size(), entry);
  const schema::EntryT &chosenEntry = *loaded->root().entries[entry];
  std::optional<uint32_t> variant = count::chooseVariant(chosenEntry, core->slots);
  if (!variant)
    return Status::error(2412, "expected a variant of {} with room for this step but none of {} has", chosenEntry.name,
                         chosenEntry.variants.size());
  core->run.entry = entry;
  core->run.variant = *variant;
  for (PortShape &port : ports[entry].inputs)
    MUSTER_RETURN_IF_ERROR(port.resize(core->slots));
  for (PortShape &port : ports[entry].results)
    MUSTER_RETURN_IF_ERROR(port.resize(core->slots));
  for (auto &team : core->teams)
    if (team->stream() == 0)
      team->fillSizes(entry, *variant, core->slots);
  std::fill(isUnset.begin(), isUnset.end(), uint8_t(1));
  hasBegun = true;
  return Status::ok();
}

Status PlanExecutor::checkInput(uint32_t input, uint64_t expected, uint64_t bytes) const {
  if (bytes != expected)
    return Status::error(2415, "expected {} bytes for input {} but got {}", expected,
                         loaded->root().entries[core->run.entry]->inputs[input]->name, bytes);
  return Status::ok();
}

Status PlanExecutor::setInput(uint32_t input, const void *data, uint64_t bytes) {
  if (!hasBegun || input >= current().inputs.size())
    return Status::error(2414, "expected an input below {} of a step that has begun but got {}",
                         hasBegun ? current().inputs.size() : 0, input);
  const PortShape &port = current().inputs[input];
  MUSTER_RETURN_IF_ERROR(checkInput(input, port.bytes(), bytes));
  uint64_t offset = currentVariant().inputs[input].offset();
  for (auto &team : core->teams) {
    if (team->stream() != 0)
      continue;
    port.scatter(coordinates[team->rank()], static_cast<const std::byte *>(data),
                 core->transport->arena(team->rank()) + offset);
    unset(input, team->rank()) = 0;
  }
  return Status::ok();
}

Status PlanExecutor::setInputPart(uint32_t input, uint32_t rank, const void *data, uint64_t bytes) {
  if (!hasBegun || input >= current().inputs.size() || !isOwn(rank))
    return Status::error(2414,
                         "expected an input below {} of a step that has begun, of a rank of this process, but "
                         "got {} of rank {}",
                         hasBegun ? current().inputs.size() : 0, input, rank);
  MUSTER_RETURN_IF_ERROR(checkInput(input, current().inputs[input].partBytes(coordinates[rank]), bytes));
  if (bytes != 0)
    std::memcpy(core->transport->arena(rank) + currentVariant().inputs[input].offset(), data, bytes);
  unset(input, rank) = 0;
  return Status::ok();
}

uint64_t PlanExecutor::activity() const {
  uint64_t sum = 0;
  for (const auto &team : core->teams)
    for (const auto &worker : team->workers())
      sum += worker->activity.load(std::memory_order_relaxed);
  return sum;
}

uint32_t PlanExecutor::rankFurthestBehind() const {
  // Positions of this run; a stream says only those that somebody needs, so neither alone tells who is behind.
  auto positionOf = [&](uint32_t rank) {
    int64_t sum = 0;
    for (uint32_t stream = 0; stream != streamCount; ++stream)
      sum += static_cast<int32_t>(core->transport->progress(rank, stream).value.load() - core->run.base);
    return sum;
  };
  uint32_t slowest = core->transport->firstOwn();
  for (uint32_t rank = 0; rank != loaded->ranks(); ++rank)
    if (positionOf(rank) < positionOf(slowest))
      slowest = rank;
  return slowest;
}

Status PlanExecutor::describe(const Failure &failure) const {
  std::string step = failure.step < currentVariant().steps.size()
                         ? plan::stepName(loaded->root(), currentVariant(), failure.step)
                         : fmt::format("the end of variant {}", currentVariant().name);
  if (failure.kind == Failure::kernel)
    return Status::error(2406, "oneDNN failed in {} on rank {}", step, failure.rank);
  if (Status aborted = core->control->cause(); !aborted.isOk())
    return aborted;
  if (failure.kind == Failure::lost)
    return Status::error(2505, "rank {} has died; rank {} waited for rank {} in {}",
                         core->transport->lostRank().value_or(failure.awaitedRank), failure.rank, failure.awaitedRank,
                         step);
  return Status::error(2502, "expected rank {} to go on within {} ms but it did not; rank {} waited for rank {} in {}",
                       rankFurthestBehind(), chosen.deadlineMs, failure.rank, failure.awaitedRank, step);
}

/// The same on all ranks: it says nothing of who found it.
Status PlanExecutor::describe(const RowFault &fault) const {
  std::string step = plan::stepName(loaded->root(), currentVariant(), fault.step);
  if (fault.kind == RowFault::negative)
    return Status::error(2445, "expected counts of at least 0 rows of rank {} in {} but got {}", fault.rank, step,
                         fault.number);
  return Status::error(2445, "expected rank {} to {} at most {} rows in {} but got {}", fault.rank,
                       fault.kind == RowFault::sent ? "send" : "receive", fault.limit, step, fault.number);
}

Status PlanExecutor::poison(const Status &cause) {
  core->control->abort(cause);
  core->run.stop.store(1, std::memory_order_seq_cst);
  for (auto &team : core->teams) {
    team->wakeAll();
    comm::wakeAll(core->transport->progress(team->rank(), team->stream()));
  }
  poisoned = core->control->cause();
  hasBegun = hasResults = false;
  return poisoned;
}

/// Waits for the workers of this process; each of their waits has its own deadline, but a kernel may hang.
Status PlanExecutor::awaitDone(uint32_t number) {
  comm::WaitPolicy policy = core->run.policy;
  policy.spins = 0;
  policy.stop = nullptr;
  policy.isLost = nullptr;
  for (uint64_t seen = activity();;) {
    comm::WaitOutcome outcome = comm::await(core->run.done, number, policy);
    if (outcome == comm::WaitOutcome::reached)
      return core->run.hasFailed() ? describe(core->run.failure) : Status::ok();
    uint64_t now = activity();
    if (now == seen)
      return core->run.hasFailed()
                 ? describe(core->run.failure)
                 : Status::error(2502, "expected rank {} to go on within {} ms but it did not; a worker of it is stuck",
                                 rankFurthestBehind(), chosen.deadlineMs);
    seen = now;
  }
}

/// Waits until the ranks of other processes have done all steps: only then may their results be read, and this rank's
/// arena be filled again.
Status PlanExecutor::awaitPeers() {
  RunState &state = core->run;
  for (uint32_t rank = 0; rank != loaded->ranks(); ++rank)
    for (uint32_t stream = 0; stream != 1u + facts.transferThreads && !isOwn(rank); ++stream) {
      comm::WaitOutcome outcome =
          comm::await(core->transport->progress(rank, stream), state.base + 1 + state.steps, state.policy);
      if (outcome != comm::WaitOutcome::reached)
        return describe({outcome == comm::WaitOutcome::late ? Failure::late : Failure::lost,
                         core->transport->firstOwn(), rank, state.steps});
    }
  return Status::ok();
}

Status PlanExecutor::run() {
  MUSTER_RETURN_IF_ERROR(poisoned);
  size_t inputs = hasBegun ? current().inputs.size() : 0;
  auto end = isUnset.begin() + static_cast<ptrdiff_t>(inputs * core->transport->ownCount());
  if (!hasBegun || std::any_of(isUnset.begin(), end, [](uint8_t unset) { return unset != 0; }))
    return Status::error(2414, "expected a step with all of its {} inputs set but got less", inputs);
  RunState &state = core->run;
  state.steps = static_cast<uint32_t>(currentVariant().steps.size());
  state.rowFault.reset();
  uint32_t number = static_cast<uint32_t>(++facts.runs);
  state.stillRunning.store(threadCount(), std::memory_order_relaxed);
  comm::publish(state.go, number);
  Status status = awaitDone(number);
  if (status.isOk())
    status = awaitPeers();
  if (!status.isOk())
    return poison(status);
  state.base += state.steps + 2;
  hasBegun = false;
  hasResults = !state.rowFault;
  return state.rowFault ? describe(*state.rowFault) : Status::ok();
}

// ---- results

const std::byte *PlanExecutor::rankResult(uint32_t result, uint32_t rank) const {
  return core->transport->arena(rank) + currentVariant().results[result].offset();
}

Status PlanExecutor::readResult(uint32_t result, void *data, uint64_t bytes) const {
  if (!hasResults || result >= current().results.size())
    return Status::error(2414, "expected a result below {} of a step that has run but got {}",
                         hasResults ? current().results.size() : 0, result);
  const PortShape &port = current().results[result];
  if (bytes != port.bytes())
    return Status::error(2415, "expected {} bytes for result {} but got {}", port.bytes(),
                         loaded->root().entries[core->run.entry]->results[result]->name, bytes);
  for (uint32_t rank = 0; rank != loaded->ranks(); ++rank)
    if (port.isFirstHolder(coordinates[rank]))
      port.gather(coordinates[rank], rankResult(result, rank), static_cast<std::byte *>(data));
  return Status::ok();
}

std::byte *PlanExecutor::state(uint32_t rank, uint32_t index) {
  return isOwn(rank) ? core->states[rank - core->transport->firstOwn()][index].data() : nullptr;
}

ExecutorStats PlanExecutor::stats() const {
  ExecutorStats result = facts;
  for (const auto &team : core->teams)
    for (const auto &worker : team->workers())
      if (worker->track)
        result.traceEventsDropped += worker->track->dropped;
  return result;
}

Status PlanExecutor::writeTrace(const std::string &path) const {
  if (!chosen.trace)
    return Status::error(2401, "expected an executor with option trace for {} but it was made without", path);
  std::vector<const trace::Track *> tracks;
  for (const auto &team : core->teams)
    for (const auto &worker : team->workers())
      tracks.push_back(&*worker->track);
  return trace::writeChromeJson(path, loaded->root(), tracks);
}

} // namespace

Result<std::unique_ptr<Executor>> Executor::create(std::shared_ptr<const plan::LoadedPlan> plan,
                                                   const ExecutorOptions &options) {
  auto executor = std::make_unique<PlanExecutor>(std::move(plan), options);
  MUSTER_RETURN_IF_ERROR(executor->make());
  return std::unique_ptr<Executor>(std::move(executor));
}

} // namespace muster::executor
