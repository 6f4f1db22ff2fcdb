// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/kernels/Matmul.h"

#include <algorithm>
#include <array>
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
using PostOps = Owner<dnnl_post_ops_t, dnnl_post_ops_destroy>::Pointer;
using Description = Owner<dnnl_primitive_desc_t, dnnl_primitive_desc_destroy>::Pointer;
using Primitive = Owner<dnnl_primitive_t, dnnl_primitive_destroy>::Pointer;
using Memory = Owner<dnnl_memory_t, dnnl_memory_destroy>::Pointer;

Status check(dnnl_status_t status, const char *what) {
  if (status == dnnl_success)
    return Status::ok();
  return Status::error(2420, "cannot prepare a matrix product: oneDNN returned {} from {}", int(status), what);
}

#define MUSTER_DNNL(call) MUSTER_RETURN_IF_ERROR(check(call, #call))

/// A primitive: a shape, one worker's number of outputs and a number of rows.
struct Key {
  uint32_t shape;
  uint64_t outputs;
  uint32_t rows;
  auto operator<=>(const Key &) const = default;
};

struct Prepared {
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

/// oneDNN sees the transposed matrix, [k, outputs].
Result<dnnl_memory_desc_t> weightDescription(const MatmulShape &shape, uint64_t outputs) {
  if (shape.packing == schema::Packing::RowMajor)
    return strided(shape.k, outputs, 1, shape.k);
  dnnl_memory_desc_t description;
  dnnl_dims_t dims = {static_cast<dnnl_dim_t>(shape.k), static_cast<dnnl_dim_t>(outputs)};
  MUSTER_DNNL(dnnl_memory_desc_init_by_tag(&description, 2, dims, dnnl_f32, dnnl_BA16a64b));
  return description;
}

Result<Attributes> attributesOf(const MatmulShape &shape) {
  dnnl_primitive_attr_t raw;
  MUSTER_DNNL(dnnl_primitive_attr_create(&raw));
  Attributes attributes(raw);
  MUSTER_DNNL(dnnl_primitive_attr_set_scratchpad_mode(raw, dnnl_scratchpad_mode_user));
  if (shape.accumulate) {
    dnnl_post_ops_t rawOps;
    MUSTER_DNNL(dnnl_post_ops_create(&rawOps));
    PostOps operations(rawOps);
    MUSTER_DNNL(dnnl_post_ops_append_sum(rawOps, 1.0f));
    MUSTER_DNNL(dnnl_primitive_attr_set_post_ops(raw, rawOps));
  }
  return attributes;
}

Result<Prepared> prepare(dnnl_engine_t engine, const MatmulShape &shape, uint64_t outputs, uint32_t rows) {
  Prepared prepared;
  MUSTER_ASSIGN_OR_RETURN(prepared.source, strided(rows, shape.k, shape.sourceStride, 1));
  MUSTER_ASSIGN_OR_RETURN(prepared.result, strided(rows, outputs, shape.resultStride, 1));
  MUSTER_ASSIGN_OR_RETURN(dnnl_memory_desc_t weight, weightDescription(shape, outputs));
  MUSTER_ASSIGN_OR_RETURN(Attributes attributes, attributesOf(shape));
  dnnl_matmul_desc_t operation;
  MUSTER_DNNL(dnnl_matmul_desc_init(&operation, &prepared.source, &weight, nullptr, &prepared.result));
  dnnl_primitive_desc_t rawDescription;
  MUSTER_DNNL(dnnl_primitive_desc_create(&rawDescription, &operation, attributes.get(), engine, nullptr));
  Description description(rawDescription);
  const char *name = nullptr;
  if (dnnl_primitive_desc_query(rawDescription, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name)
    prepared.implementation = name;
  prepared.scratch = *dnnl_primitive_desc_query_md(rawDescription, dnnl_query_scratchpad_md, 0);
  prepared.scratchBytes = dnnl_memory_desc_get_size(&prepared.scratch);
  dnnl_primitive_t rawPrimitive;
  MUSTER_DNNL(dnnl_primitive_create(&rawPrimitive, rawDescription));
  prepared.primitive.reset(rawPrimitive);
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

OutputSlice outputSlice(uint64_t n, uint32_t worker, uint32_t workers) {
  uint64_t runs = (n + runOutputs - 1) / runOutputs;
  uint64_t begin = std::min(runs * worker / workers * runOutputs, n);
  uint64_t end = std::min(runs * (worker + 1) / workers * runOutputs, n);
  return {begin, end - begin};
}

bool hasPadding(const MatmulShape &shape) {
  return shape.packing == schema::Packing::BlockedN64K16 && (shape.n % runOutputs != 0 || shape.k % blockInputs != 0);
}

struct MatmulLibrary::Impl {
  Engine engine;
  std::vector<MatmulShape> shapes;
  std::vector<uint32_t> rows;
  uint32_t workers = 1;
  std::map<Key, Prepared> primitives;
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
  for (uint32_t shape = 0; shape != shapes.size(); ++shape)
    for (uint32_t worker = 0; worker != workers; ++worker)
      for (uint32_t count : rows) {
        Key key{shape, outputSlice(shapes[shape].n, worker, workers).count, count};
        if (key.outputs == 0 || impl->primitives.contains(key))
          continue;
        MUSTER_ASSIGN_OR_RETURN(Prepared prepared, prepare(impl->engine.get(), shapes[shape], key.outputs, count));
        impl->primitives.emplace(key, std::move(prepared));
      }
  return std::shared_ptr<const MatmulLibrary>(new MatmulLibrary(std::move(impl)));
}

const char *MatmulLibrary::implementation(uint32_t shape, uint32_t rows) const {
  auto found = impl->primitives.find(Key{shape, outputSlice(impl->shapes[shape].n, 0, impl->workers).count, rows});
  return found == impl->primitives.end() ? "" : found->second.implementation.c_str();
}

struct MatmulWorker::Impl {
  /// One primitive with the memory objects through which this worker calls it.
  struct Call {
    dnnl_primitive_t primitive;
    Memory source, result, scratch;
  };
  struct Binding {
    uint32_t shape;
    Memory weight;
    const Call *calls; // one a row count; null where this worker has no outputs
  };

  std::shared_ptr<const MatmulLibrary> library;
  uint32_t worker = 0;
  Stream stream;
  std::unique_ptr<std::byte, decltype(&std::free)> scratch{nullptr, &std::free};
  std::vector<std::vector<Call>> calls; // by shape
  std::vector<Binding> bindings;
  std::map<std::pair<uint32_t, const std::byte *>, uint32_t> known;

  bool runPiece(const Binding &binding, size_t bucket, const float *source, float *result);
};

MatmulWorker::MatmulWorker(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
MatmulWorker::~MatmulWorker() = default;

namespace {
Result<Memory> makeMemory(const dnnl_memory_desc_t &description, dnnl_engine_t engine, void *handle) {
  dnnl_memory_t memory;
  MUSTER_DNNL(dnnl_memory_create(&memory, &description, engine, handle));
  return Memory(memory);
}
} // namespace

Result<std::unique_ptr<MatmulWorker>> MatmulWorker::make(std::shared_ptr<const MatmulLibrary> library, uint32_t worker) {
  auto impl = std::make_unique<Impl>();
  const MatmulLibrary::Impl &shared = *library->impl;
  dnnl_engine_t engine = shared.engine.get();
  dnnl_stream_t stream;
  MUSTER_DNNL(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
  impl->stream.reset(stream);
  uint64_t scratchBytes = 64;
  for (const auto &[key, prepared] : shared.primitives)
    scratchBytes = std::max(scratchBytes, prepared.scratchBytes);
  impl->scratch.reset(static_cast<std::byte *>(std::aligned_alloc(4096, (scratchBytes + 4095) / 4096 * 4096)));
  if (!impl->scratch)
    return Status::error(2404, "cannot reserve {} bytes for the scratch of matrix products", scratchBytes);
  impl->calls.resize(shared.shapes.size());
  for (uint32_t shape = 0; shape != shared.shapes.size(); ++shape) {
    uint64_t outputs = outputSlice(shared.shapes[shape].n, worker, shared.workers).count;
    for (uint32_t rows : shared.rows) {
      if (outputs == 0)
        continue;
      const Prepared &prepared = shared.primitives.at(Key{shape, outputs, rows});
      Impl::Call call;
      call.primitive = prepared.primitive.get();
      MUSTER_ASSIGN_OR_RETURN(call.source, makeMemory(prepared.source, engine, DNNL_MEMORY_NONE));
      MUSTER_ASSIGN_OR_RETURN(call.result, makeMemory(prepared.result, engine, DNNL_MEMORY_NONE));
      MUSTER_ASSIGN_OR_RETURN(call.scratch, makeMemory(prepared.scratch, engine, impl->scratch.get()));
      impl->calls[shape].push_back(std::move(call));
    }
  }
  impl->worker = worker;
  impl->library = std::move(library);
  return std::unique_ptr<MatmulWorker>(new MatmulWorker(std::move(impl)));
}

Result<uint32_t> MatmulWorker::bind(uint32_t shapeIndex, const std::byte *weight) {
  auto found = impl->known.find({shapeIndex, weight});
  if (found != impl->known.end())
    return found->second;
  const MatmulLibrary::Impl &shared = *impl->library->impl;
  const MatmulShape &shape = shared.shapes[shapeIndex];
  OutputSlice slice = outputSlice(shape.n, impl->worker, shared.workers);
  Impl::Binding binding{shapeIndex, nullptr, nullptr};
  if (slice.count != 0) {
    // Runs of 64 outputs are contiguous in both packings; the blocked one pads the inputs.
    uint64_t width =
        shape.packing == schema::Packing::RowMajor ? shape.k : (shape.k + blockInputs - 1) / blockInputs * blockInputs;
    MUSTER_ASSIGN_OR_RETURN(dnnl_memory_desc_t description, weightDescription(shape, slice.count));
    void *begin = const_cast<std::byte *>(weight + slice.begin * width * sizeof(float));
    MUSTER_ASSIGN_OR_RETURN(binding.weight, makeMemory(description, shared.engine.get(), begin));
    binding.calls = impl->calls[shapeIndex].data();
  }
  uint32_t index = static_cast<uint32_t>(impl->bindings.size());
  impl->bindings.push_back(std::move(binding));
  impl->known.emplace(std::pair(shapeIndex, weight), index);
  return index;
}

bool MatmulWorker::Impl::runPiece(const Binding &binding, size_t bucket, const float *source, float *result) {
  const Call &call = binding.calls[bucket];
  InsideOneDnn inside;
  if (dnnl_memory_set_data_handle(call.source.get(), const_cast<float *>(source)) != dnnl_success ||
      dnnl_memory_set_data_handle(call.result.get(), result) != dnnl_success)
    return false;
  dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, call.source.get()},
                                 {DNNL_ARG_WEIGHTS, binding.weight.get()},
                                 {DNNL_ARG_DST, call.result.get()},
                                 {DNNL_ARG_SCRATCHPAD, call.scratch.get()}};
  return dnnl_primitive_execute(call.primitive, stream.get(), 4, arguments) == dnnl_success;
}

bool MatmulWorker::run(uint32_t bindingIndex, const float *source, float *result, int64_t rows, int64_t sourceRows,
                       int64_t resultRows) {
  const Impl::Binding &binding = impl->bindings[bindingIndex];
  if (!binding.calls || rows <= 0)
    return true;
  const MatmulLibrary::Impl &shared = *impl->library->impl;
  const MatmulShape &shape = shared.shapes[binding.shape];
  const std::vector<uint32_t> &buckets = shared.rows;
  result += outputSlice(shape.n, impl->worker, shared.workers).begin;
  int64_t room = std::min(sourceRows, resultRows);
  for (int64_t done = 0; done < rows;) {
    int64_t left = rows - done;
    size_t above = static_cast<size_t>(std::lower_bound(buckets.begin(), buckets.end(), left) - buckets.begin());
    size_t bucket = above;
    if (above == buckets.size()) {
      bucket = buckets.size() - 1;
    } else if (buckets[above] != left) {
      // One pass over the weights with a few rows of garbage beats two or three passes without, where there is room and
      // the garbage is less than half. Not for sums: garbage added to garbage could become anything, traps included.
      bool worthwhile = int64_t(buckets[above]) <= std::max<int64_t>(16, left + left / 2);
      if (!worthwhile || int64_t(buckets[above]) > room - done || shape.accumulate)
        bucket = above - 1;
    }
    if (!impl->runPiece(binding, bucket, source + done * static_cast<int64_t>(shape.sourceStride),
                        result + done * static_cast<int64_t>(shape.resultStride)))
      return false;
    done += buckets[bucket];
  }
  return true;
}

} // namespace muster::kernels
