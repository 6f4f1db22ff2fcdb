// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Emit/WeightsFile.h"

#include "compiler/Emit/EmitError.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "runtime/schema/Container.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"

#include <atomic>
#include <compare>
#include <map>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace mlir;
using namespace muster;
using namespace muster::emit;

namespace {

using Digest = std::array<uint8_t, 16>;

Digest canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  Digest digest;
  std::copy(std::begin(bytes.digest), std::end(bytes.digest), digest.begin());
  return digest;
}

struct HeldRange {
  int64_t begin, size;
  auto operator<=>(const HeldRange &) const = default;
};

/// The indices of a dim that a rank holds: one range, or one a segment.
SmallVector<HeldRange> getRanges(LayoutDimAttr dim, int64_t logicalSize, MeshAttr mesh, ArrayRef<int64_t> coordinates) {
  SmallVector<HeldRange> ranges;
  int64_t begin = 0;
  for (LayoutTermAttr term : dim.getTerms()) {
    int64_t size = dim.getSegmented() ? term.getExtent() : logicalSize;
    int64_t part = 0, parts = 1;
    for (AxisRefAttr axis : term.getAxes()) {
      int64_t index = mesh.findAxis(axis.getName()), axisSize = mesh.getAxes()[index].getSize();
      int64_t coordinate = coordinates[index];
      if (!axis.isWholeAxis()) {
        coordinate = coordinate / axis.getWeight() % axis.getSize();
        axisSize = axis.getSize();
      }
      part = part * axisSize + coordinate;
      parts *= axisSize;
    }
    ranges.push_back({begin + size / parts * part, size / parts});
    begin += size;
  }
  return ranges;
}

/// The rank's part of a logical matrix (a vector is one row), row-major.
void cut(const WeightPlace &place, MeshAttr mesh, ArrayRef<int64_t> coordinates, const float *logical, float *local) {
  WeightOp weight = place.weight;
  ArrayRef<int64_t> shape = weight.getLogicalType().getShape();
  bool matrix = shape.size() == 2;
  int64_t columns = shape.back();
  SmallVector<HeldRange> rows =
      matrix ? getRanges(weight.getLayout().getDims()[0], shape[0], mesh, coordinates) : SmallVector<HeldRange>{{0, 1}};
  SmallVector<HeldRange> columnRanges = getRanges(weight.getLayout().getDims().back(), columns, mesh, coordinates);
  for (HeldRange range : rows)
    for (int64_t row = range.begin; row < range.begin + range.size; ++row)
      for (HeldRange columnRange : columnRanges) {
        std::copy_n(logical + row * columns + columnRange.begin, columnRange.size, local);
        local += columnRange.size;
      }
}

/// [n, k] to [n/64][k/16][16][64], zero padded.
void pack(const float *matrix, int64_t n, int64_t k, float *packed) {
  for (int64_t nBlock = 0; nBlock < n; nBlock += 64)
    for (int64_t kBlock = 0; kBlock < k; kBlock += 16)
      for (int64_t inner = 0; inner < 16; ++inner)
        for (int64_t outer = 0; outer < 64; ++outer) {
          int64_t row = nBlock + outer, column = kBlock + inner;
          *packed++ = row < n && column < k ? matrix[row * k + column] : 0.0f;
        }
}

std::string printed(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << "'" << type << "'";
  return text;
}

/// A file under a temporary name until it is whole.
class OutputFile {
public:
  ~OutputFile() {
    if (descriptor >= 0)
      ::close(descriptor);
    if (!temporary.empty())
      ::unlink(temporary.c_str());
  }
  llvm::Error open(llvm::StringRef target, uint64_t bytes) {
    path = target.str();
    temporary = path + ".part";
    descriptor = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0 || ::ftruncate(descriptor, static_cast<off_t>(bytes)) != 0)
      return fail();
    return llvm::Error::success();
  }
  llvm::Error write(uint64_t offset, const void *data, uint64_t bytes) {
    const char *at = static_cast<const char *>(data);
    while (bytes > 0) {
      ssize_t written = ::pwrite(descriptor, at, bytes, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR)
        continue;
      if (written <= 0)
        return fail();
      at += written, offset += written, bytes -= written;
    }
    return llvm::Error::success();
  }
  llvm::Expected<Digest> digest(uint64_t offset, uint64_t bytes) {
    if (bytes == 0)
      return canonical(XXH3_128bits(nullptr, 0));
    void *map = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, static_cast<off_t>(offset));
    if (map == MAP_FAILED)
      return fail();
    Digest result = canonical(XXH3_128bits(map, bytes));
    ::munmap(map, bytes);
    return result;
  }
  llvm::Error finish() {
    if (::close(std::exchange(descriptor, -1)) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0)
      return fail();
    temporary.clear();
    return llvm::Error::success();
  }

private:
  llvm::Error fail() { return emitError("E4202 cannot write {}: {}", path, std::strerror(errno)); }

  std::string path, temporary;
  int descriptor = -1;
};

} // namespace

uint64_t WeightsLayout::storedBytes() const {
  uint64_t bytes = 0;
  for (const WeightGroup &group : groups)
    bytes += group.partCount * group.bytes;
  return bytes;
}

uint64_t WeightsLayout::rankBytes() const {
  uint64_t bytes = 0;
  for (const WeightGroup &group : groups)
    bytes += group.bytes;
  return bytes;
}

/// For each rank the number of its part; ranks that hold the same indices of every dim hold the same part.
static std::vector<uint32_t> numberParts(LayoutAttr layout, RankedTensorType logical, MeshAttr mesh) {
  std::map<std::vector<SmallVector<HeldRange>>, uint32_t> numbers;
  std::vector<uint32_t> parts;
  for (int64_t rank = 0; rank < mesh.getRankCount(); ++rank) {
    SmallVector<int64_t> coordinates = mesh.getCoordinates(rank);
    std::vector<SmallVector<HeldRange>> held;
    for (auto [dim, size] : llvm::zip_equal(layout.getDims(), logical.getShape()))
      held.push_back(getRanges(dim, size, mesh, coordinates));
    parts.push_back(numbers.try_emplace(std::move(held), static_cast<uint32_t>(numbers.size())).first->second);
  }
  return parts;
}

llvm::Expected<WeightsLayout> emit::layOutWeights(ModuleOp module, MeshAttr mesh) {
  WeightsLayout layout;
  std::map<std::vector<uint32_t>, size_t> groupOf;
  // Layers repeat layouts and types.
  DenseMap<std::pair<Attribute, Type>, size_t> known;
  for (auto weight : module.getOps<WeightOp>()) {
    RankedTensorType logical = weight.getLogicalType();
    if (!logical.getElementType().isF32() || logical.getRank() < 1 || logical.getRank() > 2)
      return emitError("E4201 unsupported type of weight @{}: expected an f32 matrix or vector but got {}",
                       weight.getSymName().str(), printed(logical));
    FailureOr<RankedTensorType> local = getLocalType(logical, weight.getLayout(), mesh, [](const Twine &) {});
    if (failed(local))
      return emitError("E4201 expected the mesh to divide weight @{} of type {} and layout {}",
                       weight.getSymName().str(), printed(logical), weight.getLayout().getText());
    auto [found, isNew] = known.try_emplace({weight.getLayout(), logical}, 0);
    if (isNew) {
      std::vector<uint32_t> parts = numberParts(weight.getLayout(), logical, mesh);
      auto [group, isNewGroup] = groupOf.try_emplace(parts, layout.groups.size());
      if (isNewGroup)
        layout.groups.push_back({parts, *llvm::max_element(parts) + 1, 0});
      found->second = group->second;
    }
    WeightPlace place{weight, *local, weight.getPacking() == StringRef(plan::packingN64K16), found->second};
    int64_t elements =
        place.packed ? ShapedType::getNumElements(plan::getPackedShape(local->getShape())) : local->getNumElements();
    place.length = static_cast<uint64_t>(elements) * sizeof(float);
    uint64_t &end = layout.groups[place.group].bytes;
    place.offset = end;
    end = llvm::alignTo(end + place.length, schema::spanAlignment);
    layout.places.push_back(place);
  }
  return layout;
}

llvm::Expected<std::array<uint8_t, 16>> emit::writeWeights(llvm::StringRef path, const WeightsLayout &layout,
                                                           MeshAttr mesh, const WeightSource &source, unsigned threads,
                                                           const Progress &progress) {
  std::vector<schema::WeightsSection> sections;
  std::vector<size_t> firstSections;
  for (const WeightGroup &group : layout.groups) {
    firstSections.push_back(sections.size());
    sections.resize(sections.size() + group.partCount, schema::WeightsSection{0, group.bytes, {}});
  }
  uint64_t end = sizeof(schema::WeightsHeader) + sections.size() * sizeof(schema::WeightsSection);
  for (schema::WeightsSection &section : sections) {
    if (section.length == 0)
      continue;
    section.offset = llvm::alignTo(end, schema::pageBytes);
    end = section.offset + section.length;
  }

  OutputFile file;
  if (llvm::Error error = file.open(path, end))
    return error;
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> done{0};
  std::mutex mutex;
  llvm::Error failure = llvm::Error::success();
  bool stopped = false;
  auto work = [&] {
    std::vector<float> logical, local, packed;
    for (size_t index; (index = next.fetch_add(1)) < layout.places.size();) {
      const WeightPlace &place = layout.places[index];
      WeightOp weight = place.weight;
      auto step = [&]() -> llvm::Error {
        logical.resize(weight.getLogicalType().getNumElements());
        if (llvm::Error error = source(weight, logical.data()))
          return error;
        const WeightGroup &group = layout.groups[place.group];
        for (uint32_t part = 0; part < group.partCount; ++part) {
          int64_t rank = llvm::find(group.parts, part) - group.parts.begin(); // the first that holds it
          local.resize(place.local.getNumElements());
          cut(place, mesh, mesh.getCoordinates(rank), logical.data(), local.data());
          const std::vector<float> *bytes = &local;
          if (place.packed) {
            packed.resize(place.length / sizeof(float));
            pack(local.data(), place.local.getDimSize(0), place.local.getDimSize(1), packed.data());
            bytes = &packed;
          }
          const schema::WeightsSection &section = sections[firstSections[place.group] + part];
          if (llvm::Error error = file.write(section.offset + place.offset, bytes->data(), place.length))
            return error;
          done += place.length;
        }
        return llvm::Error::success();
      };
      llvm::Error error = step();
      std::lock_guard<std::mutex> lock(mutex);
      if (error) {
        if (stopped) // One line is enough.
          llvm::consumeError(std::move(error));
        else
          failure = std::move(error);
        stopped = true;
      }
      if (stopped)
        return;
      if (progress)
        progress(done, layout.storedBytes());
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned thread = 1; thread < threads; ++thread)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
  if (failure)
    return failure;

  std::vector<uint8_t> digests;
  for (schema::WeightsSection &section : sections) {
    llvm::Expected<Digest> digest = file.digest(section.offset, section.length);
    if (!digest)
      return digest.takeError();
    std::copy(digest->begin(), digest->end(), section.digest);
    digests.insert(digests.end(), digest->begin(), digest->end());
  }
  Digest id = canonical(XXH3_128bits(digests.data(), digests.size()));
  schema::WeightsHeader header{};
  std::copy(std::begin(schema::weightsMagic), std::end(schema::weightsMagic), header.magic);
  header.version = schema::weightsVersion;
  header.sections = static_cast<uint32_t>(sections.size());
  header.fileBytes = end;
  std::copy(id.begin(), id.end(), header.id);
  if (llvm::Error error = file.write(0, &header, sizeof(header)))
    return error;
  if (llvm::Error error = file.write(sizeof(header), sections.data(), sections.size() * sizeof(schema::WeightsSection)))
    return error;
  if (llvm::Error error = file.finish())
    return error;
  return id;
}
