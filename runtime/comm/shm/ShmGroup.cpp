// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/comm/shm/ShmGroup.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace muster::comm {

namespace {

constexpr uint32_t segmentReady = 0x4d535247; // "MSRG"
constexpr uint32_t segmentVersion = 4;
constexpr size_t textBytes = 480;

uint64_t roundUp(uint64_t value) { return (value + 63) / 64 * 64; }

void setText(char *destination, std::string_view text) {
  size_t length = std::min(text.size(), textBytes - 1);
  std::memcpy(destination, text.data(), length);
  destination[length] = '\0';
}

int openProcess(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

bool hasEnded(int process) {
  pollfd entry{process, POLLIN, 0};
  return process >= 0 && ::poll(&entry, 1, 0) > 0;
}

/// The head of the segment; blocks of the ranks follow.
struct alignas(64) Head {
  std::atomic<uint32_t> ready;
  uint32_t version;
  uint32_t ranks;
  uint32_t recordFields;
  int64_t creator; // process
};

} // namespace

/// What a rank shows to its peers. Only it writes.
struct alignas(64) ShmGroup::Block {
  ProgressWord progress[2]; // by stream
  /// Counts the barriers and exchanges that this rank has come to.
  ProgressWord phase;
  int64_t process;
  int32_t arenaFile;
  uint64_t arenaBytes;
  Agreement agreement;
  std::atomic<uint32_t> hasLeft;     // not 0: this rank has left the group in order
  std::atomic<uint32_t> causeNumber; // not 0: this rank has aborted
  int32_t causeExit;
  char causeText[textBytes];
};

struct alignas(64) ShmGroup::Record {
  uint64_t step;
  uint64_t plan;
  uint32_t entry;
  uint32_t refusal;
  uint32_t refusalExit;
  StepNote note;
  char text[textBytes];
};

// ---- layout

size_t ShmGroup::recordBytes() const { return sizeof(Record) + roundUp(options.recordFields * sizeof(int64_t)); }
size_t ShmGroup::blockBytes() const { return sizeof(Block) + 2 * recordBytes(); }
size_t ShmGroup::segmentBytes() const { return sizeof(Head) + options.ranks * blockBytes(); }

ShmGroup::Block &ShmGroup::block(uint32_t rank) const {
  return *std::launder(reinterpret_cast<Block *>(segment + sizeof(Head) + rank * blockBytes()));
}
ShmGroup::Record &ShmGroup::record(uint32_t rank, uint32_t parity) const {
  std::byte *first = reinterpret_cast<std::byte *>(&block(rank)) + sizeof(Block);
  return *std::launder(reinterpret_cast<Record *>(first + parity * recordBytes()));
}
int64_t *ShmGroup::fields(Record &record) const { return reinterpret_cast<int64_t *>(&record + 1); }

ProgressWord &ShmGroup::progress(uint32_t rank, uint32_t stream) { return block(rank).progress[stream]; }

// ---- meeting

/// Rank 0 makes the segment. One that lies there under this name belongs to a run that died while it met.
Status ShmGroup::makeSegment() {
  ::shm_unlink(segmentName().c_str());
  int file = ::shm_open(segmentName().c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0)
    return Status::error(2501, "cannot make the meeting place {}: {}", segmentName(), std::strerror(errno));
  int failed = ::posix_fallocate(file, 0, static_cast<off_t>(segmentBytes()));
  void *base = failed ? MAP_FAILED : mmap(nullptr, segmentBytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (base == MAP_FAILED) {
    ::shm_unlink(segmentName().c_str());
    return Status::error(2404, "cannot reserve {} bytes for the meeting place: {}", segmentBytes(),
                         std::strerror(failed ? failed : errno));
  }
  segment = static_cast<std::byte *>(base);
  Head *head = new (segment) Head{};
  head->version = segmentVersion;
  head->ranks = options.ranks;
  head->recordFields = options.recordFields;
  head->creator = getpid();
  // Fresh pages are zero, which is what blocks and records start from.
  head->ready.store(segmentReady, std::memory_order_release);
  return Status::ok();
}

/// Other ranks wait for it. One whose maker is dead is left over and will be replaced.
Status ShmGroup::openSegment() {
  using Clock = std::chrono::steady_clock;
  auto end = Clock::now() + std::chrono::milliseconds(options.deadlineMs);
  for (; Clock::now() < end; ::usleep(1000)) {
    int file = ::shm_open(segmentName().c_str(), O_RDWR | O_CLOEXEC, 0600);
    if (file < 0)
      continue;
    struct stat facts;
    size_t bytes = fstat(file, &facts) == 0 ? static_cast<size_t>(facts.st_size) : 0;
    void *base = bytes < sizeof(Head) ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (base == MAP_FAILED)
      continue;
    const Head &head = *static_cast<Head *>(base);
    bool isUsable = head.ready.load(std::memory_order_acquire) == segmentReady &&
                    (::kill(static_cast<pid_t>(head.creator), 0) == 0 || errno == EPERM);
    if (isUsable && (head.version != segmentVersion || head.ranks != options.ranks ||
                     head.recordFields != options.recordFields || bytes != segmentBytes())) {
      Status status = Status::error(2501, "expected {} ranks and {} record fields in group {} but rank 0 has {} and {}",
                                    options.ranks, options.recordFields, options.group, head.ranks, head.recordFields);
      munmap(base, bytes);
      return status;
    }
    if (isUsable) {
      segment = static_cast<std::byte *>(base);
      return Status::ok();
    }
    munmap(base, bytes);
  }
  return Status::error(2501, "expected rank 0 of group {} within {} ms but it did not come", options.group,
                       options.deadlineMs);
}

Status ShmGroup::enter() {
  MUSTER_ASSIGN_OR_RETURN(arenas[options.rank], device::Arena::makeShared(options.arenaBytes, "an arena"));
  Block &own = block(options.rank);
  own.process = getpid();
  own.arenaFile = arenas[options.rank].file();
  own.arenaBytes = options.arenaBytes;
  own.agreement = options.agreement;
  publish(own.phase, ++phase);
  return awaitPhase(phase, 2501);
}

Status ShmGroup::openPeers() {
  for (uint32_t rank = 0; rank != options.ranks; ++rank) {
    if (rank == options.rank)
      continue;
    const Block &peer = block(rank);
    std::string path = fmt::format("/proc/{}/fd/{}", peer.process, peer.arenaFile);
    int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0)
      return Status::error(2501, "cannot open the arena of rank {} at {}: {}", rank, path, std::strerror(errno));
    Result<device::Arena> arena = device::Arena::mapShared(file, peer.arenaBytes, "the arena of a peer");
    ::close(file);
    MUSTER_ASSIGN_OR_RETURN(arenas[rank], std::move(arena));
  }
  return Status::ok();
}

Status ShmGroup::checkAgreement() const {
  const Agreement &first = block(0).agreement;
  for (uint32_t rank = 1; rank != options.ranks; ++rank) {
    const Agreement &other = block(rank).agreement;
    if (other.planDigest != first.planDigest)
      return Status::error(2501, "expected the plan of rank 0 on rank {} but it has another", rank);
    if (other.collectiveSignature != first.collectiveSignature)
      return Status::error(2501, "expected the collectives of rank 0 on rank {} but it has others", rank);
    if (other.pages != first.pages)
      return Status::error(2501, "expected {} pages as on rank 0 on rank {} but got {}", first.pages, rank,
                           other.pages);
  }
  return Status::ok();
}

bool ShmGroup::haveTransferThreads() const {
  for (uint32_t rank = 0; rank != options.ranks; ++rank)
    if (!block(rank).agreement.hasTransferThread)
      return false;
  return true;
}

Result<std::unique_ptr<ShmGroup>> ShmGroup::join(const ShmOptions &options) {
  auto isAllowed = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; };
  if (options.group.empty() || options.group.size() > 64 ||
      !std::all_of(options.group.begin(), options.group.end(), isAllowed))
    return Status::error(2401, "expected a group name of 1 to 64 letters, digits, _ and - but got '{}'", options.group);
  if (options.rank >= options.ranks)
    return Status::error(2401, "expected a rank below {} but got {}", options.ranks, options.rank);
  std::unique_ptr<ShmGroup> group(new ShmGroup(options));
  group->arenas.resize(options.ranks);
  group->processes.assign(options.ranks, -1);
  MUSTER_RETURN_IF_ERROR(options.rank == 0 ? group->makeSegment() : group->openSegment());
  Status status = group->enter();
  if (options.rank == 0)
    ::shm_unlink(group->segmentName().c_str()); // all have it mapped, or never will
  MUSTER_RETURN_IF_ERROR(std::move(status));
  MUSTER_RETURN_IF_ERROR(group->checkAgreement());
  MUSTER_RETURN_IF_ERROR(group->openPeers());
  MUSTER_RETURN_IF_ERROR(group->barrier());
  return group;
}

ShmGroup::~ShmGroup() {
  for (int process : processes)
    if (process >= 0)
      ::close(process);
  if (!segment)
    return;
  block(options.rank).hasLeft.store(1, std::memory_order_release);
  munmap(segment, segmentBytes());
}

// ---- agreeing

bool ShmGroup::isBroken(void *context) {
  ShmGroup &group = *static_cast<ShmGroup *>(context);
  return group.lostRank().has_value() || !group.cause().isOk();
}

std::optional<uint32_t> ShmGroup::lostRank() {
  for (uint32_t rank = 0; rank != options.ranks; ++rank)
    if (hasEnded(processes[rank]) && block(rank).hasLeft.load(std::memory_order_acquire) == 0)
      return rank;
  return std::nullopt;
}

Status ShmGroup::awaitPhase(uint32_t number, int errorNumber) {
  WaitPolicy policy;
  policy.deadlineMs = options.deadlineMs;
  policy.sliceMs = 5;
  policy.isLost = &ShmGroup::isBroken;
  policy.context = this;
  for (uint32_t rank = 0; rank != options.ranks; ++rank) {
    WaitOutcome outcome = await(block(rank).phase, number, policy);
    if (outcome == WaitOutcome::reached) {
      // Its process is known from its first phase on.
      if (processes[rank] < 0 && rank != options.rank)
        processes[rank] = openProcess(static_cast<pid_t>(block(rank).process));
      continue;
    }
    Status aborted = cause();
    if (!aborted.isOk())
      return aborted;
    if (outcome == WaitOutcome::lost)
      return Status::error(2505, "rank {} has died; rank {} waited for rank {} before a step",
                           lostRank().value_or(rank), options.rank, rank);
    return Status::error(errorNumber, "expected rank {} of group {} within {} ms but it did not come", rank,
                         options.group, options.deadlineMs);
  }
  return Status::ok();
}

Status ShmGroup::barrier() {
  publish(block(options.rank).phase, ++phase);
  return awaitPhase(phase, 2502);
}

// Two records a rank, used in turn: a rank that is one exchange ahead writes the other one, and it cannot be two ahead.
Status ShmGroup::exchange(std::span<const StepRecord> own, std::string_view text, std::span<GatheredRecord> all) {
  MUSTER_RETURN_IF_ERROR(cause());
  uint32_t parity = ++phase & 1;
  Record &mine = record(options.rank, parity);
  mine.step = own[0].step;
  mine.plan = own[0].plan;
  mine.entry = own[0].entry;
  mine.refusal = own[0].refusal;
  mine.refusalExit = own[0].refusalExit;
  setText(mine.text, text);
  mine.note = own[0].note;
  std::memset(fields(mine), 0, options.recordFields * sizeof(int64_t));
  std::copy_n(own[0].fields.begin(), std::min<size_t>(own[0].fields.size(), options.recordFields), fields(mine));
  publish(block(options.rank).phase, phase);
  MUSTER_RETURN_IF_ERROR(awaitPhase(phase, 2502));
  for (uint32_t rank = 0; rank != options.ranks; ++rank) {
    Record &other = record(rank, parity);
    std::string_view said(other.text, strnlen(other.text, textBytes));
    all[rank] = {{other.step, other.plan, other.entry, other.refusal, other.refusalExit,
                  std::span<const int64_t>(fields(other), options.recordFields), other.note},
                 said};
  }
  return Status::ok();
}

void ShmGroup::abort(const Status &why) {
  Block &own = block(options.rank);
  if (own.causeNumber.load() == 0) {
    // Peers' causes come to us as our own failure; pass them on as they are.
    setText(own.causeText, std::string_view(why.text()).substr(6));
    own.causeExit = static_cast<int32_t>(why.exitCode());
    own.causeNumber.store(static_cast<uint32_t>(why.number()), std::memory_order_release);
  }
  for (uint32_t rank = 0; rank != options.ranks; ++rank) {
    for (ProgressWord &word : block(rank).progress)
      wakeAll(word);
    wakeAll(block(rank).phase);
  }
}

Status ShmGroup::cause() const {
  for (uint32_t rank = 0; rank != options.ranks; ++rank)
    if (uint32_t number = block(rank).causeNumber.load(std::memory_order_acquire))
      return Status::make(static_cast<int>(number), block(rank).causeText)
          .withExitCode(static_cast<ExitCode>(block(rank).causeExit));
  return Status::ok();
}

} // namespace muster::comm
