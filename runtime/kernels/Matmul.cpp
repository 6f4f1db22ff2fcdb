// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/kernels/Matmul.h"

#include "runtime/kernels/FewRows.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <oneapi/dnnl/dnnl.h>

// libgomp, which oneDNN is built with; its number of threads is a variable of each thread.
extern "C" void omp_set_num_threads(int threads);
extern "C" int omp_get_max_threads(void);

namespace muster::kernels {

namespace {

constexpr uint64_t runOutputs = 64;
constexpr uint64_t blockInputs = 16;

thread_local bool insideOneDnn = false;
/// Marks the extent of a oneDNN call.
struct InsideOneDnn {
  InsideOneDnn() { insideOneDnn = true; }
  ~InsideOneDnn() { insideOneDnn = false; }
};

/// Owns a oneDNN object.
template <typename Object, dnnl_status_t (*destroy)(Object)>
struct Owner {
  struct Delete {
    using pointer = Object;
    void operator()(Object object) const { destroy(object); }
  };
  using Pointer = std::unique_ptr<void, Delete>;
};
using Engine = Owner<dnnl_engine_t, dnnl_engine_destroy>::Pointer;
using Stream = Owner<dnnl_stream_t, dnnl_stream_destroy>::Pointer;
using Attributes = Owner<dnnl_primitive_attr_t, dnnl_primitive_attr_destroy>::Pointer;
using Description = Owner<dnnl_primitive_desc_t, dnnl_primitive_desc_destroy>::Pointer;
using Primitive = Owner<dnnl_primitive_t, dnnl_primitive_destroy>::Pointer;
using Memory = Owner<dnnl_memory_t, dnnl_memory_destroy>::Pointer;

Status check(dnnl_status_t status, const char *what) {
  if (status == dnnl_success)
    return Status::ok();
  return Status::error(2405, "cannot prepare a matrix product: oneDNN returned {} from {}", int(status), what);
}

#define MUSTER_DNNL(call) MUSTER_RETURN_IF_ERROR(check(call, #call))

/// A primitive for dense operands: weights of a packing with this many inputs, this many of its outputs, rows.
struct Key {
  uint64_t inputs;
  schema::Packing packing;
  uint64_t outputs;
  uint32_t rows;
  auto operator<=>(const Key &) const = default;
};

struct Prepared {
  uint32_t rows = 0; // of the primitive; at least those of the key
  Primitive primitive;
  dnnl_memory_desc_t source, result, scratch;
  uint64_t scratchBytes = 0;
  std::string implementation;
};

Result<dnnl_memory_desc_t> strided(uint64_t rows, uint64_t columns, uint64_t rowStride, uint64_t columnStride) {
  dnnl_memory_desc_t description;
  dnnl_dims_t dims = {static_cast<dnnl_dim_t>(rows), static_cast<dnnl_dim_t>(columns)};
  dnnl_dims_t strides = {static_cast<dnnl_dim_t>(rowStride), static_cast<dnnl_dim_t>(columnStride)};
  MUSTER_DNNL(dnnl_memory_desc_init_by_strides(&description, 2, dims, dnnl_f32, strides));
  return description;
}

/// oneDNN sees the transposed matrix, [inputs, outputs].
Result<dnnl_memory_desc_t> weightDescription(uint64_t inputs, schema::Packing packing, uint64_t outputs) {
  if (packing == schema::Packing::RowMajor)
    return strided(inputs, outputs, 1, inputs);
  dnnl_memory_desc_t description;
  dnnl_dims_t dims = {static_cast<dnnl_dim_t>(inputs), static_cast<dnnl_dim_t>(outputs)};
  MUSTER_DNNL(dnnl_memory_desc_init_by_tag(&description, 2, dims, dnnl_f32, dnnl_BA16a64b));
  return description;
}

Result<Attributes> attributes() {
  dnnl_primitive_attr_t raw;
  MUSTER_DNNL(dnnl_primitive_attr_create(&raw));
  Attributes result(raw);
  MUSTER_DNNL(dnnl_primitive_attr_set_scratchpad_mode(raw, dnnl_scratchpad_mode_user));
  return result;
}

/// The batch-reduced kernels; the others are slower, and some have other bits.
bool isFast(const std::string &implementation) { return implementation.starts_with("brg"); }

Result<Prepared> prepareRows(dnnl_engine_t engine, const Key &key, uint32_t rows) {
  Prepared prepared;
  prepared.rows = rows;
  MUSTER_ASSIGN_OR_RETURN(prepared.source, strided(rows, key.inputs, key.inputs, 1));
  MUSTER_ASSIGN_OR_RETURN(prepared.result, strided(rows, key.outputs, key.outputs, 1));
  MUSTER_ASSIGN_OR_RETURN(dnnl_memory_desc_t weight, weightDescription(key.inputs, key.packing, key.outputs));
  MUSTER_ASSIGN_OR_RETURN(Attributes own, attributes());
  dnnl_matmul_desc_t operation;
  MUSTER_DNNL(dnnl_matmul_desc_init(&operation, &prepared.source, &weight, nullptr, &prepared.result));
  dnnl_primitive_desc_t rawDescription;
  MUSTER_DNNL(dnnl_primitive_desc_create(&rawDescription, &operation, own.get(), engine, nullptr));
  Description description(rawDescription);
  const char *name = nullptr;
  if (dnnl_primitive_desc_query(rawDescription, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name)
    prepared.implementation = name;
  prepared.scratch = *dnnl_primitive_desc_query_md(rawDescription, dnnl_query_scratchpad_md, 0);
  prepared.scratchBytes = dnnl_memory_desc_get_size(&prepared.scratch);
  if (rows == 1 && !isFast(prepared.implementation))
    return prepared; // the primitive is made for two rows
  dnnl_primitive_t rawPrimitive;
  MUSTER_DNNL(dnnl_primitive_create(&rawPrimitive, rawDescription));
  prepared.primitive.reset(rawPrimitive);
  return prepared;
}

Result<Prepared> prepare(dnnl_engine_t engine, const Key &key) {
  MUSTER_ASSIGN_OR_RETURN(Prepared prepared, prepareRows(engine, key, key.rows));
  if (!prepared.primitive)
    return prepareRows(engine, key, 2);
  return prepared;
}

Result<Engine> makeEngine() {
  dnnl_engine_t engine;
  MUSTER_DNNL(dnnl_engine_create(&engine, dnnl_cpu, 0));
  return Engine(engine);
}

/// Primitives take the number of threads of the thread that makes them.
struct OneThread {
  OneThread() : before(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before); }
  int before;
};

} // namespace

bool isInsideOneDnn() { return insideOneDnn; }

void useOneThread() { omp_set_num_threads(1); }

bool hasPadding(const MatmulShape &shape) {
  return shape.packing == schema::Packing::BlockedN64K16 && (shape.n % runOutputs != 0 || shape.k % blockInputs != 0);
}

namespace {

/// Whether a piece of `rows` rows goes to multiplyFewRows and not to oneDNN.
bool isFewRows(const MatmulShape &shape, int64_t rows) {
  return rows <= fewRows && shape.packing == schema::Packing::BlockedN64K16 && canMultiplyFewRows();
}

/// Elements of one output's weights, with padding. Runs of 64 outputs are contiguous in both packings.
uint64_t weightWidth(const MatmulShape &shape) {
  if (shape.packing == schema::Packing::RowMajor)
    return shape.k;
  return (shape.k + blockInputs - 1) / blockInputs * blockInputs;
}

/// Outputs [begin, begin + count) of a product.
struct Chunk {
  uint64_t begin;
  uint64_t count;
};

/// A dense result that is neither shared nor added to is written in place.
bool isDirect(const MatmulShape &shape, uint32_t workers) {
  return workers == 1 && shape.resultStride == shape.n && !shape.accumulate;
}

/// Outputs that worker `worker` computes, in pieces that its buffer can hold.
std::vector<Chunk> chunksOf(const MatmulShape &shape, uint32_t worker, uint32_t workers) {
  constexpr uint64_t greatest = 1024;
  uint64_t runs = (shape.n + runOutputs - 1) / runOutputs;
  uint64_t begin = std::min(runs * worker / workers * runOutputs, shape.n);
  uint64_t end = std::min(runs * (worker + 1) / workers * runOutputs, shape.n);
  uint64_t width = isDirect(shape, workers) ? shape.n : greatest;
  std::vector<Chunk> chunks;
  for (; begin < end; begin += width)
    chunks.push_back({begin, std::min(width, end - begin)});
  return chunks;
}

/// Elements of the buffer for results; a piece that needs more is cut further.
constexpr uint64_t bufferElements = uint64_t(1) << 20;

} // namespace

struct MatmulLibrary::Impl {
  Engine engine;
  std::vector<MatmulShape> shapes;
  std::vector<uint32_t> rows;
  uint32_t workers = 1;
  std::map<Key, Prepared> primitives;

  Key keyOf(uint32_t shape, uint64_t outputs, uint32_t count) const {
    return {shapes[shape].k, shapes[shape].packing, outputs, count};
  }
  /// Shared by rows: every worker computes all outputs of some pieces of the greatest row count.
  bool isSharedByRows(const MatmulShape &shape) const {
    return workers != 1 && shape.resultStride == shape.n && shape.sourceStride == shape.k && !shape.accumulate;
  }
  Status add(const Key &key) {
    if (primitives.contains(key))
      return Status::ok();
    MUSTER_ASSIGN_OR_RETURN(Prepared prepared, prepare(engine.get(), key));
    primitives.emplace(key, std::move(prepared));
    return Status::ok();
  }
};

MatmulLibrary::MatmulLibrary(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
MatmulLibrary::~MatmulLibrary() = default;

Result<std::shared_ptr<const MatmulLibrary>> MatmulLibrary::make(std::span<const MatmulShape> shapes,
                                                                 std::span<const uint32_t> rows, uint32_t workers) {
  OneThread oneThread;
  auto impl = std::make_unique<Impl>();
  MUSTER_ASSIGN_OR_RETURN(impl->engine, makeEngine());
  impl->shapes.assign(shapes.begin(), shapes.end());
  impl->rows.assign(rows.begin(), rows.end());
  impl->workers = workers;
  for (uint32_t shape = 0; shape != shapes.size(); ++shape) {
    for (uint32_t worker = 0; worker != workers; ++worker)
      for (const Chunk &chunk : chunksOf(shapes[shape], worker, workers))
        for (uint32_t count : rows)
          if (!isFewRows(shapes[shape], count))
            MUSTER_RETURN_IF_ERROR(impl->add(impl->keyOf(shape, chunk.count, count)));
    if (impl->isSharedByRows(shapes[shape]) && !isFewRows(shapes[shape], rows.back()))
      MUSTER_RETURN_IF_ERROR(impl->add(impl->keyOf(shape, shapes[shape].n, rows.back())));
  }
  return std::shared_ptr<const MatmulLibrary>(new MatmulLibrary(std::move(impl)));
}

const char *MatmulLibrary::implementation(uint32_t shape, uint32_t rows) const {
  if (isFewRows(impl->shapes[shape], rows))
    return "few rows";
  Key key = impl->keyOf(shape, chunksOf(impl->shapes[shape], 0, impl->workers).front().count, rows);
  auto found = impl->primitives.find(key);
  return found == impl->primitives.end() ? "" : found->second.implementation.c_str();
}

namespace {

Result<Memory> makeMemory(const dnnl_memory_desc_t &description, dnnl_engine_t engine, void *handle) {
  dnnl_memory_t memory;
  MUSTER_DNNL(dnnl_memory_create(&memory, &description, engine, handle));
  return Memory(memory);
}

using Buffer = std::unique_ptr<std::byte, decltype(&std::free)>;

Result<Buffer> makeBuffer(uint64_t sizeBytes) {
  Buffer buffer(static_cast<std::byte *>(std::aligned_alloc(4096, (sizeBytes + 4095) / 4096 * 4096)), &std::free);
  if (!buffer)
    return Status::error(2404, "cannot reserve {} bytes for the buffers of matrix products", sizeBytes);
  return buffer;
}

} // namespace

struct MatmulWorker::Impl {
  /// One primitive with the memory objects through which this worker calls it.
  struct Call {
    uint32_t rows = 0; // of the primitive
    dnnl_primitive_t primitive = nullptr;
    Memory source, result, scratch;
  };
  /// Outputs of a shape; calls by row count.
  struct Part {
    Chunk outputs;
    std::vector<const Call *> calls; // null where the rows go to multiplyFewRows
  };
  struct Shape {
    std::vector<Part> parts;
    const Call *byRows = nullptr; // all outputs, the greatest row count
  };
  struct Binding {
    uint32_t shape;
    const float *weight;
    std::vector<Memory> weights; // of each part
    Memory all;                  // where the shape may be shared by rows
  };

  std::shared_ptr<const MatmulLibrary> library;
  uint32_t worker = 0;
  Stream stream;
  Buffer scratch{nullptr, &std::free}, sources{nullptr, &std::free}, results{nullptr, &std::free};
  std::map<Key, Call> calls;
  std::vector<Shape> shapes;
  std::vector<Binding> bindings;
  std::map<std::pair<uint32_t, const std::byte *>, uint32_t> known;

  const MatmulLibrary::Impl &shared() const { return *library->impl; }
  Status makeCalls();
  Status makeBuffers();
  size_t bucketFor(const MatmulShape &shape, int64_t left) const;
  void runFewRows(const Binding &binding, const float *source, float *result, int64_t rows);
  bool runPiece(const Binding &binding, size_t bucket, const float *source, float *result, int64_t rows);
  bool runPart(const MatmulShape &shape, const Part &part, dnnl_memory_t weight, const Call &call, const float *source,
               float *result, int64_t rows);
  bool call(const Call &call, dnnl_memory_t weight, const float *source, float *result);
};

MatmulWorker::MatmulWorker(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
MatmulWorker::~MatmulWorker() = default;

Status MatmulWorker::Impl::makeBuffers() {
  uint64_t scratchBytes = 64, sourceElements = 16, resultElements = 16;
  for (const auto &[key, prepared] : shared().primitives) {
    scratchBytes = std::max(scratchBytes, prepared.scratchBytes);
    sourceElements = std::max(sourceElements, prepared.rows * key.inputs);
    uint64_t elements = prepared.rows * key.outputs;
    if (elements <= bufferElements || prepared.rows <= 16)
      resultElements = std::max(resultElements, elements);
  }
  MUSTER_ASSIGN_OR_RETURN(scratch, makeBuffer(scratchBytes));
  MUSTER_ASSIGN_OR_RETURN(sources, makeBuffer(sourceElements * sizeof(float)));
  MUSTER_ASSIGN_OR_RETURN(results, makeBuffer(resultElements * sizeof(float)));
  // Rows that only fill a primitive up: what they hold does not matter, but traps and denormals would be slow.
  std::fill_n(reinterpret_cast<float *>(sources.get()), sourceElements, 0.0f);
  return Status::ok();
}

Status MatmulWorker::Impl::makeCalls() {
  dnnl_engine_t engine = shared().engine.get();
  for (const auto &[key, prepared] : shared().primitives) {
    Call call;
    call.rows = prepared.rows;
    call.primitive = prepared.primitive.get();
    MUSTER_ASSIGN_OR_RETURN(call.source, makeMemory(prepared.source, engine, DNNL_MEMORY_NONE));
    MUSTER_ASSIGN_OR_RETURN(call.result, makeMemory(prepared.result, engine, DNNL_MEMORY_NONE));
    MUSTER_ASSIGN_OR_RETURN(call.scratch, makeMemory(prepared.scratch, engine, scratch.get()));
    calls.emplace(key, std::move(call));
  }
  for (uint32_t index = 0; index != shared().shapes.size(); ++index) {
    const MatmulShape &shape = shared().shapes[index];
    Shape own;
    for (const Chunk &chunk : chunksOf(shape, worker, shared().workers)) {
      Part part{chunk, {}};
      for (uint32_t rows : shared().rows)
        part.calls.push_back(isFewRows(shape, rows) ? nullptr : &calls.at(shared().keyOf(index, chunk.count, rows)));
      own.parts.push_back(std::move(part));
    }
    if (shared().isSharedByRows(shape) && !isFewRows(shape, shared().rows.back()))
      own.byRows = &calls.at(shared().keyOf(index, shape.n, shared().rows.back()));
    shapes.push_back(std::move(own));
  }
  return Status::ok();
}

Result<std::unique_ptr<MatmulWorker>> MatmulWorker::make(std::shared_ptr<const MatmulLibrary> library,
                                                         uint32_t worker) {
  auto impl = std::make_unique<Impl>();
  dnnl_stream_t stream;
  MUSTER_DNNL(dnnl_stream_create(&stream, library->impl->engine.get(), dnnl_stream_default_flags));
  impl->stream.reset(stream);
  impl->worker = worker;
  impl->library = std::move(library);
  MUSTER_RETURN_IF_ERROR(impl->makeBuffers());
  MUSTER_RETURN_IF_ERROR(impl->makeCalls());
  return std::unique_ptr<MatmulWorker>(new MatmulWorker(std::move(impl)));
}

Result<uint32_t> MatmulWorker::bind(uint32_t shapeIndex, const std::byte *weight) {
  auto found = impl->known.find({shapeIndex, weight});
  if (found != impl->known.end())
    return found->second;
  const MatmulShape &shape = impl->shared().shapes[shapeIndex];
  dnnl_engine_t engine = impl->shared().engine.get();
  uint64_t width = weightWidth(shape);
  auto memoryOf = [&](const Chunk &chunk) -> Result<Memory> {
    MUSTER_ASSIGN_OR_RETURN(dnnl_memory_desc_t description, weightDescription(shape.k, shape.packing, chunk.count));
    return makeMemory(description, engine, const_cast<std::byte *>(weight + chunk.begin * width * sizeof(float)));
  };
  Impl::Binding binding{shapeIndex, reinterpret_cast<const float *>(weight), {}, nullptr};
  for (const Impl::Part &part : impl->shapes[shapeIndex].parts) {
    MUSTER_ASSIGN_OR_RETURN(Memory memory, memoryOf(part.outputs));
    binding.weights.push_back(std::move(memory));
  }
  if (impl->shapes[shapeIndex].byRows) {
    MUSTER_ASSIGN_OR_RETURN(binding.all, memoryOf({0, shape.n}));
  }
  uint32_t index = static_cast<uint32_t>(impl->bindings.size());
  impl->bindings.push_back(std::move(binding));
  impl->known.emplace(std::pair(shapeIndex, weight), index);
  return index;
}

bool MatmulWorker::Impl::call(const Call &call, dnnl_memory_t weight, const float *source, float *result) {
  InsideOneDnn inside;
  if (dnnl_memory_set_data_handle(call.source.get(), const_cast<float *>(source)) != dnnl_success ||
      dnnl_memory_set_data_handle(call.result.get(), result) != dnnl_success)
    return false;
  dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, call.source.get()},
                                 {DNNL_ARG_WEIGHTS, weight},
                                 {DNNL_ARG_DST, call.result.get()},
                                 {DNNL_ARG_SCRATCHPAD, call.scratch.get()}};
  return dnnl_primitive_execute(call.primitive, stream.get(), 4, arguments) == dnnl_success;
}

/// One part of the outputs of `rows` rows, `source` dense with as many rows as the primitive takes.
bool MatmulWorker::Impl::runPart(const MatmulShape &shape, const Part &part, dnnl_memory_t weight, const Call &call,
                                 const float *source, float *result, int64_t rows) {
  result += part.outputs.begin;
  uint64_t width = part.outputs.count;
  bool isDense = rows == 1 || shape.resultStride == width;
  if (call.rows == rows && isDense && !shape.accumulate)
    return this->call(call, weight, source, result);
  float *buffer = reinterpret_cast<float *>(results.get());
  if (!this->call(call, weight, source, buffer))
    return false;
  for (int64_t row = 0; row != rows; ++row) {
    float *to = result + static_cast<uint64_t>(row) * shape.resultStride;
    const float *from = buffer + static_cast<uint64_t>(row) * width;
    if (shape.accumulate)
      for (uint64_t i = 0; i != width; ++i)
        to[i] += from[i];
    else
      std::copy_n(from, width, to);
  }
  return true;
}

/// All of this worker's outputs of at most `fewRows` rows.
void MatmulWorker::Impl::runFewRows(const Binding &binding, const float *source, float *result, int64_t rows) {
  const MatmulShape &shape = shared().shapes[binding.shape];
  for (const Part &part : shapes[binding.shape].parts)
    multiplyFewRows(binding.weight + part.outputs.begin * weightWidth(shape), part.outputs.count, shape.k, source,
                    shape.sourceStride, result + part.outputs.begin, shape.resultStride, rows, shape.accumulate);
}

bool MatmulWorker::Impl::runPiece(const Binding &binding, size_t bucket, const float *source, float *result,
                                  int64_t rows) {
  const MatmulShape &shape = shared().shapes[binding.shape];
  const Shape &own = shapes[binding.shape];
  bool isCopied = false;
  for (size_t i = 0; i != own.parts.size(); ++i) {
    const Call &call = *own.parts[i].calls[bucket];
    bool isDense = call.rows == rows && (rows == 1 || shape.sourceStride == shape.k);
    float *buffer = reinterpret_cast<float *>(sources.get());
    if (!isDense && !isCopied) {
      for (int64_t row = 0; row != rows; ++row)
        std::copy_n(source + static_cast<uint64_t>(row) * shape.sourceStride, shape.k,
                    buffer + static_cast<uint64_t>(row) * shape.k);
      isCopied = true;
    }
    if (!runPart(shape, own.parts[i], binding.weights[i].get(), call, isDense ? source : buffer, result, rows))
      return false;
  }
  return true;
}

/// The row count for the next piece of `left` rows.
size_t MatmulWorker::Impl::bucketFor(const MatmulShape &shape, int64_t left) const {
  const std::vector<uint32_t> &buckets = shared().rows;
  size_t above = static_cast<size_t>(std::lower_bound(buckets.begin(), buckets.end(), left) - buckets.begin());
  if (above == buckets.size())
    return above - 1;
  if (buckets[above] == left)
    return above;
  // One pass over the weights with a few rows more beats two or three passes without. Not where the buffer is too
  // small.
  uint64_t rows = buckets[above];
  bool isWorthwhile =
      rows <= 16 || (rows <= static_cast<uint64_t>(left + left / 2) && rows * shape.n <= bufferElements);
  return isWorthwhile ? above : above - 1;
}

bool MatmulWorker::run(uint32_t bindingIndex, const float *source, float *result, int64_t rows) {
  const Impl::Binding &binding = impl->bindings[bindingIndex];
  const MatmulShape &shape = impl->shared().shapes[binding.shape];
  int64_t done = 0;
  if (const Impl::Call *call = impl->shapes[binding.shape].byRows) {
    int64_t workers = impl->shared().workers, piece = call->rows;
    for (; rows - done >= workers * piece; done += workers * piece) {
      int64_t own = done + impl->worker * piece;
      if (!impl->call(*call, binding.all.get(), source + static_cast<uint64_t>(own) * shape.k,
                      result + static_cast<uint64_t>(own) * shape.n))
        return false;
    }
  }
  while (done < rows) {
    size_t bucket = impl->bucketFor(shape, rows - done);
    int64_t piece = std::min<int64_t>(rows - done, impl->shared().rows[bucket]);
    if (isFewRows(shape, rows - done))
      piece = rows - done;
    const float *from = source + static_cast<uint64_t>(done) * shape.sourceStride;
    float *to = result + static_cast<uint64_t>(done) * shape.resultStride;
    if (isFewRows(shape, piece))
      impl->runFewRows(binding, from, to, piece);
    else if (!impl->runPiece(binding, bucket, from, to, piece))
      return false;
    done += piece;
  }
  return true;
}

} // namespace muster::kernels
