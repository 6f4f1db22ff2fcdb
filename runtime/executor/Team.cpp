// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Team.h"

#include "runtime/device/host/Affinity.h"
#include "runtime/executor/Copy.h"
#include "runtime/executor/Share.h"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace muster::executor {

void RunState::fail(const Failure &why) {
  uint32_t expected = none;
  if (failing.compare_exchange_strong(expected, claimed)) {
    failure = why;
    failing.store(written, std::memory_order_release);
  }
  stop.store(1, std::memory_order_seq_cst);
}

void RunState::note(const RowFault &fault) {
  std::lock_guard<std::mutex> lock(noting);
  if (!rowFault || fault.step < rowFault->step)
    rowFault = fault;
}

Team::Team(uint32_t rank, uint32_t stream, uint32_t workerCount, RunState &state)
    : ownRank(rank), ownStream(stream), workerCount(workerCount), state(state) {
  for (uint32_t i = 0; i != workerCount; ++i) {
    members.push_back(std::make_unique<Worker>());
    members.back()->index = i;
  }
}

Team::~Team() {
  for (auto &worker : members)
    if (worker->thread.joinable())
      worker->thread.join();
}

void Team::detach() {
  for (auto &worker : members)
    if (worker->thread.joinable())
      worker->thread.detach();
}

void Team::start(std::vector<uint32_t> cpus, std::shared_ptr<void> keepAlive) {
  uint32_t mostPulls = 1;
  for (const auto &entry : variants)
    for (const PreparedVariant &variant : entry)
      mostPulls = std::max(mostPulls, variant.mostPulls);
  for (auto &worker : members) {
    worker->sources.resize(mostPulls);
    std::optional<uint32_t> cpu;
    if (!cpus.empty())
      cpu = cpus[worker->index];
    worker->thread = std::thread([this, member = worker.get(), cpu, keepAlive] {
      work(*member, cpu);
      state.left.value.fetch_add(1, std::memory_order_seq_cst);
      comm::wakeAll(state.left);
    });
  }
}

void Team::wakeAll() {
  for (auto &worker : members)
    comm::wakeAll(worker->meetings);
}

void Team::work(Worker &worker, std::optional<uint32_t> cpu) {
  kernels::useOneThread();
  if (cpu)
    device::pinToCpu(*cpu); // best effort: elsewhere it is slower, not wrong
  state.ready.value.fetch_add(1, std::memory_order_seq_cst);
  comm::wakeAll(state.ready);
  comm::WaitPolicy idle = state.policy;
  idle.isLost = nullptr;
  for (uint32_t run = 1;; ++run) {
    comm::WaitOutcome outcome;
    do
      outcome = comm::await(state.go, run, idle);
    while (outcome == comm::WaitOutcome::late);
    if (outcome != comm::WaitOutcome::reached)
      return;
    walk(worker, variants[state.entry][state.variant]);
    if (state.stillRunning.fetch_sub(1, std::memory_order_acq_rel) == 1)
      comm::publish(state.done, run);
  }
}

void Team::walk(Worker &worker, const PreparedVariant &variant) {
  if (worker.index == 0)
    comm::publish(state.transport->progress(ownRank, ownStream), state.base + 1);
  for (const Op &op : variant.ops) {
    if (op.barrier && !meet(worker, op))
      return;
    if (state.isDelayed && op.kind == OpKind::transfer) {
      worker.random = worker.random * 6364136223846793005u + 1442695040888963407u;
      if (uint64_t draw = worker.random >> 33; draw % 2) {
        timespec delay{0, static_cast<long>(draw / 2 % 200000)};
        nanosleep(&delay, nullptr);
      }
    }
    if (op.awaitedCount != 0 && !awaitOthers(variant, op))
      return;
    if (state.isTraced) {
      int64_t begin = trace::now();
      if (!runOp(worker, variant, op))
        return;
      worker.track->record({begin, trace::now(), state.entry, state.variant, op.step});
    } else if (!runOp(worker, variant, op)) {
      return;
    }
    worker.activity.store(worker.activity.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // The last meeting: all steps of this stream are done.
  Op end{};
  end.step = state.steps;
  end.publishes = true;
  meet(worker, end);
}

bool Team::meet(Worker &worker, const Op &op) {
  // Each says that it is here in a word of its own and looks at those of all others: one trip between caches, where a
  // counter and a signal of the last to come make three.
  uint32_t meeting = worker.meetings.value.load(std::memory_order_relaxed) + 1;
  if (workerCount == 1) {
    worker.meetings.value.store(meeting, std::memory_order_relaxed);
  } else {
    comm::publish(worker.meetings, meeting);
    // Whether peers are there does not matter here: a fellow that waits for one finds out and stops everyone. A peer
    // that has seen the end of this run may have gone already.
    comm::WaitPolicy policy = state.policy;
    policy.isLost = nullptr;
    for (auto &fellow : members) {
      comm::WaitOutcome outcome = comm::await(fellow->meetings, meeting, policy);
      if (outcome == comm::WaitOutcome::reached)
        continue;
      if (outcome != comm::WaitOutcome::stopped)
        state.fail({Failure::late, ownRank, ownRank, op.step});
      return false;
    }
  }
  if (op.publishes && worker.index == 0)
    comm::publish(state.transport->progress(ownRank, ownStream), state.base + 1 + op.step);
  return true;
}

bool Team::awaitOthers(const PreparedVariant &variant, const Op &op) {
  for (uint32_t i = 0; i != op.awaitedCount; ++i) {
    const Awaited &awaited = variant.awaited[op.firstAwaited + i];
    comm::WaitOutcome outcome = comm::await(state.transport->progress(awaited.rank, awaited.stream),
                                            state.base + 1 + awaited.position, state.policy);
    if (outcome == comm::WaitOutcome::reached)
      continue;
    if (outcome != comm::WaitOutcome::stopped)
      state.fail({outcome == comm::WaitOutcome::late ? Failure::late : Failure::lost, ownRank, awaited.rank, op.step});
    return false;
  }
  return true;
}

bool Team::runOp(Worker &worker, const PreparedVariant &variant, const Op &op) {
  switch (op.kind) {
  case OpKind::launch: {
    const PreparedLaunch &launch = variant.launches[op.index];
    int64_t workers = workerCount;
    if (launch.isLimited)
      workers = std::min(workers, variant.evaluate(launch.grid, state.slots));
    if (worker.index < workers)
      launch.kernel(variant.bindings.data() + launch.firstBinding, launch.sizes, worker.index, workers);
    return true;
  }
  case OpKind::matmul: {
    const PreparedMatmul &matmul = variant.matmuls[op.index];
    int64_t rows = variant.evaluate(matmul.rows, state.slots);
    if (worker.matmuls->run(matmul.binding, matmul.source, matmul.result, rows))
      return true;
    state.fail({Failure::kernel, ownRank, ownRank, op.step});
    return false;
  }
  case OpKind::transfer:
    runTransfer(worker, variant, op);
    return true;
  }
  return true;
}

namespace {

/// Small boxes are not worth sharing.
constexpr int64_t wholeBytes = 4096;

/// Evaluates the box of a pull; returns the normalised number of dimensions, or -1 when it is empty.
int readBox(const PreparedVariant &variant, const PreparedTransfer &transfer, const Pull &pull, const int64_t *slots,
            BoxDim *dims) {
  const Amount *amount = &variant.amounts[pull.firstAmount + 2];
  for (uint32_t i = 0; i != transfer.dims; ++i, amount += 3)
    dims[i] = {variant.evaluate(amount[0], slots), variant.evaluate(amount[1], slots),
               variant.evaluate(amount[2], slots)};
  return normalise(std::span(dims, transfer.dims));
}

int64_t boxBytes(std::span<const BoxDim> dims, int64_t bytes) {
  for (const BoxDim &dim : dims)
    bytes *= dim.extent;
  return bytes;
}

} // namespace

int64_t Team::pulledBytes(const PreparedVariant &variant, const PreparedTransfer &transfer) const {
  BoxDim dims[ShareLimits::greatestDims];
  int64_t bytes = 0;
  for (uint32_t i = 0; i != transfer.pullCount; ++i)
    if (int count = readBox(variant, transfer, variant.pulls[transfer.firstPull + i], state.slots, dims); count >= 0)
      bytes += boxBytes(std::span(dims, static_cast<size_t>(count)), transfer.elementBytes);
  return bytes;
}

void Team::copy(Worker &worker, const PreparedVariant &variant, const PreparedTransfer &transfer) {
  BoxDim dims[ShareLimits::greatestDims];
  int64_t allBytes = -1;
  for (uint32_t i = 0; i != transfer.pullCount; ++i) {
    const Pull &pull = variant.pulls[transfer.firstPull + i];
    int count = readBox(variant, transfer, pull, state.slots, dims);
    if (count < 0)
      continue;
    std::span<const BoxDim> box(dims, static_cast<size_t>(count));
    int64_t from = variant.evaluate(variant.amounts[pull.firstAmount], state.slots) * transfer.elementBytes;
    int64_t to = variant.evaluate(variant.amounts[pull.firstAmount + 1], state.slots) * transfer.elementBytes;
    if (boxBytes(box, transfer.elementBytes) > wholeBytes) {
      if (allBytes < 0)
        allBytes = pulledBytes(variant, transfer);
      copyBox(pull.source + from, transfer.destination + to, box, transfer.elementBytes, worker.index, workerCount,
              storesFor(static_cast<uint64_t>(allBytes)));
    } else if (i % workerCount == worker.index) {
      copyBox(pull.source + from, transfer.destination + to, box, transfer.elementBytes, 0, 1);
    }
  }
}

void Team::reduce(Worker &worker, const PreparedVariant &variant, const PreparedTransfer &transfer) {
  BoxDim dims[ShareLimits::greatestDims];
  const Pull *pulls = &variant.pulls[transfer.firstPull];
  int count = readBox(variant, transfer, pulls[0], state.slots, dims);
  if (count < 0)
    return;
  std::span<const BoxDim> box(dims, static_cast<size_t>(count));
  for (uint32_t i = 0; i != transfer.pullCount; ++i)
    worker.sources[i] =
        pulls[i].source + variant.evaluate(variant.amounts[pulls[i].firstAmount], state.slots) * transfer.elementBytes;
  std::byte *to = transfer.destination +
                  variant.evaluate(variant.amounts[pulls[0].firstAmount + 1], state.slots) * transfer.elementBytes;
  std::span<const std::byte *const> sources(worker.sources.data(), transfer.pullCount);
  if (boxBytes(box, transfer.elementBytes) > wholeBytes)
    reduceBox(sources, to, box, transfer.element, transfer.reduction, worker.index, workerCount);
  else if (worker.index == 0)
    reduceBox(sources, to, box, transfer.element, transfer.reduction, 0, 1);
}

void Team::fillSizes(uint32_t entry, uint32_t variant, std::span<const int64_t> slots) {
  SizeLists &lists = sizes[entry][variant];
  for (size_t i = 0; i != lists.slots.size(); ++i)
    lists.values[i] = slots[lists.slots[i]];
}

namespace {

using Wide = __int128;

/// The matrix of how many rows each rank of a group sends to each, in the memory of the ranks.
class RowMatrix {
public:
  RowMatrix(const PreparedVariant &variant, const PreparedRouted &routed, uint32_t positions)
      : rows(&variant.counts[routed.firstCounts]), routed(routed), positions(positions) {}

  /// Nothing where all numbers are right: then no sum of a row or column is greater than 2^62.
  std::optional<RowFault> check() const {
    for (uint32_t sender = 0; sender != positions; ++sender) {
      Wide sum = 0;
      for (uint64_t i = 0; i != uint64_t(positions) * routed.parts; ++i) {
        int64_t number = numberAt(sender, i);
        if (number < 0)
          return fault(RowFault::negative, sender, number, 0);
        sum += number;
      }
      if (sum > routed.sourceRows)
        return fault(RowFault::sent, sender, sum, routed.sourceRows);
    }
    for (uint32_t receiver = 0; receiver != positions; ++receiver) {
      Wide sum = 0;
      for (uint32_t sender = 0; sender != positions; ++sender)
        sum += at(sender, receiver);
      if (sum > routed.room)
        return fault(RowFault::received, receiver, sum, routed.room);
    }
    return std::nullopt;
  }

  /// Of checked numbers.
  int64_t at(uint32_t sender, uint32_t receiver) const {
    int64_t sum = 0;
    for (uint32_t part = 0; part != routed.parts; ++part)
      sum += numberAt(sender, uint64_t(receiver) * routed.parts + part);
    return sum;
  }

private:
  int64_t numberAt(uint32_t sender, uint64_t index) const {
    const std::byte *numbers = rows[sender].numbers;
    if (routed.areWide) {
      int64_t number;
      std::memcpy(&number, numbers + index * sizeof(number), sizeof(number));
      return number;
    }
    int32_t number;
    std::memcpy(&number, numbers + index * sizeof(number), sizeof(number));
    return number;
  }
  RowFault fault(RowFault::Kind kind, uint32_t position, Wide number, int64_t limit) const {
    return {kind, 0, rows[position].rank, static_cast<int64_t>(std::min<Wide>(number, Wide(1) << 62)), limit};
  }

  const SentCounts *rows;
  const PreparedRouted &routed;
  uint32_t positions;
};

} // namespace

void Team::exchangeRows(Worker &worker, const PreparedVariant &variant, const PreparedTransfer &transfer,
                        uint32_t step) {
  const PreparedRouted &routed = *transfer.routed;
  uint32_t positions = transfer.pullCount, own = routed.ownPosition;
  RowMatrix matrix(variant, routed, positions);
  if (std::optional<RowFault> fault = matrix.check()) {
    fault->step = step;
    if (worker.index == 0)
      state.note(*fault);
    return;
  }
  int64_t received = 0;
  for (uint32_t sender = 0; sender != positions; ++sender)
    received += matrix.at(sender, own);
  int64_t rowBytes = routed.rowElements * transfer.elementBytes;
  Stores stores = storesFor(static_cast<uint64_t>(received * rowBytes));
  std::byte *to = transfer.destination;
  for (uint32_t sender = 0; sender != positions; ++sender) {
    int64_t first = 0, count = matrix.at(sender, own);
    for (uint32_t before = 0; before != own; ++before)
      first += matrix.at(sender, before);
    const std::byte *from = variant.pulls[transfer.firstPull + sender].source + first * rowBytes;
    BoxDim rows{count * routed.rowElements, 1, 1};
    if (count * rowBytes > wholeBytes)
      copyBox(from, to, std::span(&rows, 1), transfer.elementBytes, worker.index, workerCount, stores);
    else if (count * rowBytes > 0 && sender % workerCount == worker.index)
      copyBox(from, to, std::span(&rows, 1), transfer.elementBytes, 0, 1);
    to += count * rowBytes;
  }
}

void Team::runTransfer(Worker &worker, const PreparedVariant &variant, const Op &op) {
  const PreparedTransfer &transfer = variant.transfers[op.index];
  if (transfer.pullCount == 0)
    return;
  if (transfer.routed)
    exchangeRows(worker, variant, transfer, op.step);
  else if (transfer.reduction == schema::Reduction::None)
    copy(worker, variant, transfer);
  else
    reduce(worker, variant, transfer);
}

} // namespace muster::executor
