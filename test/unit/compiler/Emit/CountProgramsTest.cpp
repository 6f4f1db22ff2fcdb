// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operations on counts as a count program: what the file's program computes is what the interpreter does, and the
// greatest sizes by which spans are made are those that the loader finds. And plans of parts of unequal length, as the
// loader and the executor take them.
#include "compiler/Emit/CountWriter.h"
#include "compiler/Emit/PlanFile.h"

#include "EmitFixture.h"
#include "compiler/Reference/Interpreter.h"
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/SizeBounds.h"
#include "runtime/count/Bounds.h"
#include "runtime/executor/Executor.h"
#include "runtime/plan/CheckPlan.h"
#include "runtime/plan/LoadedPlan.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <random>

using namespace mlir;
using namespace muster;
using namespace muster::reference;
using testing::HasSubstr;

namespace {

/// A function of records, operations on counts and arithmetic, which returns all its indices.
class CountGraph {
public:
  explicit CountGraph(std::mt19937 &random) : random(random) {
    sizes = {pick(1, 3), pick(1, 3)};
    text = "muster.mesh @m <[\"dp\" = " + std::to_string(sizes[0]) + ", \"tp\" = " + std::to_string(sizes[1]) +
           "]>\nfunc.func @f() -> (RESULTS) {\n";
    const char *axes[] = {"dp", "tp", "tp, dp"};
    for (int64_t i = pick(1, 3); i > 0; --i)
      record(axes[pick(0, 2)]);
    for (int64_t i = pick(3, 9); i > 0; --i)
      apply();
    while (indices.size() < 2)
      read();
    for (int64_t i = pick(0, 3); i > 0; --i)
      compute();
    std::string types, names;
    for (const std::string &index : indices) {
      types += types.empty() ? "index" : ", index";
      names += (names.empty() ? "" : ", ") + index;
    }
    text.replace(text.find("RESULTS"), 7, types);
    text += "  return " + names + " : " + types + "\n}\n";
  }

  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }

  struct Field {
    std::string name, axes;
    int64_t bound;
  };
  std::string text;
  std::vector<int64_t> sizes;
  std::vector<Field> fields;

private:
  struct Counts {
    std::string name, axes, unit;
    int batch;
    std::string type(const char *kind = "counts") const {
      return "!muster." + std::string(kind) + "<[" + axes + "], " + unit + ", @b" + std::to_string(batch) + ">";
    }
  };

  std::string fresh() { return "%v" + std::to_string(next++); }
  const Counts &any() { return counts[static_cast<size_t>(pick(0, static_cast<int64_t>(counts.size()) - 1))]; }

  void record(const std::string &axes) {
    int64_t bound = pick(0, 9);
    // Batches of equal unit on equal axes, so that they can be split.
    Counts made{fresh(), axes, pick(0, 2) == 0 ? "requests" : "tokens", static_cast<int>(fields.size())};
    std::string name = "f" + std::to_string(fields.size()), quoted = "\"" + axes + "\"";
    if (axes == "tp, dp")
      quoted = "\"tp\", \"dp\"";
    text += "  " + made.name + " = plan.record \"" + name + "\" on [" + quoted + "] bound " + std::to_string(bound) +
            (pick(0, 2) == 0 ? " total " + std::to_string(pick(0, 12)) : "") + " : " + made.type() + "\n";
    fields.push_back({name, axes, bound});
    counts.push_back(made);
  }

  void apply() {
    Counts of = any();
    Counts made = of;
    made.name = fresh();
    switch (pick(0, 6)) {
    case 0:
      made.unit = "padded";
      text += "  " + made.name + " = muster.align " + of.name + " to " + std::to_string(pick(1, 5)) + " : " +
              of.type() + " -> " + made.type() + "\n";
      return counts.push_back(made);
    case 1:
      made.unit = "starts";
      text += "  " + made.name + " = muster.scale " + of.name + " times " + std::to_string(pick(1, 3)) + " plus " +
              std::to_string(pick(0, 2)) + " : " + of.type() + " -> " + made.type() + "\n";
      return counts.push_back(made);
    case 2:
      return pad(of);
    case 3:
      return split(of);
    case 4:
      return check();
    default:
      return read();
    }
  }

  void pad(const Counts &of) {
    Counts made = of;
    made.name = fresh();
    made.unit = "padded";
    const char *modes[] = {"sum", "max", "balanced"};
    int64_t mode = pick(0, 2);
    const Counts *unless = nullptr;
    for (const Counts &other : counts)
      if (mode == 2 && other.unit == "requests" && other.axes == of.axes && other.batch == of.batch && pick(0, 1) == 0)
        unless = &other;
    text += "  " + made.name + " = muster.pad_counts " + of.name + " align " + std::to_string(pick(1, 4)) + " mode " +
            modes[mode] + (unless ? " unless " + unless->name : "") + " : (" + of.type() +
            (unless ? ", " + unless->type() : "") + ") -> " + made.type() + "\n";
    counts.push_back(made);
  }

  void split(const Counts &of) {
    Counts parent = of;
    for (const Counts &other : std::vector<Counts>(counts))
      if (other.unit == parent.unit && other.axes == parent.axes && other.batch != parent.batch) {
        Counts first = other, rest = parent;
        rest.batch = batches++;
        std::string pair = fresh();
        text += "  " + pair + ":2 = muster.split_counts " + parent.name + " first " + other.name + " : " +
                parent.type() + ", " + other.type() + " -> " + first.type() + ", " + rest.type() + "\n";
        first.name = pair + "#0";
        rest.name = pair + "#1";
        counts.push_back(first);
        counts.push_back(rest);
        return;
      }
  }

  void read() {
    const Counts &of = any();
    std::string name = fresh();
    if (pick(0, 3) == 0) {
      text += "  " + name + "o = muster.offsets " + of.name + " : " + of.type() + " -> " + of.type("offsets") + "\n  " +
              name + " = muster.own_offset " + name + "o : " + of.type("offsets") + "\n";
      offsetAxes[name] = of.axes;
    } else {
      const char *names[] = {"total", "maximum", "own_count"};
      int64_t which = pick(0, 2);
      text += "  " + name + " = muster." + names[which] + " " + of.name + " : " + of.type() + "\n";
      if (which == 2)
        offsetAxes[name] = of.axes;
    }
    indices.push_back(name);
  }

  void compute() {
    auto at = [&] { return indices[static_cast<size_t>(pick(0, static_cast<int64_t>(indices.size()) - 1))]; };
    std::string a = at(), b = at(), name = fresh();
    std::string axesA = offsetAxes[a], axesB = offsetAxes[b];
    if (!axesA.empty() && !axesB.empty() && axesA != axesB)
      return;
    const char *names[] = {"addi", "muli", "minui", "maxui"};
    text += "  " + name + " = arith." + names[pick(0, 3)] + " " + a + ", " + b + " : index\n";
    offsetAxes[name] = axesA.empty() ? axesB : axesA;
    indices.push_back(name);
  }

  void check() {
    if (!indices.empty())
      text += "  muster.check_count " + indices.back() + " at_most " + std::to_string(pick(0, 30)) + " \"things\"\n";
  }

  std::mt19937 &random;
  std::vector<Counts> counts;
  std::vector<std::string> indices;
  std::map<std::string, std::string> offsetAxes; ///< of indices that differ between ranks
  int next = 0, batches = 10;
};

struct CountPrograms : test::EmitFixture {
  CountPrograms() { context.loadDialect<arith::ArithDialect>(); }

  /// Runs the lowering from phase transferred on, writes and loads.
  std::shared_ptr<const plan::LoadedPlan> compile(const std::string &text) {
    OwningOpRef<ModuleOp> module = parse(text);
    PassManager manager(&context);
    manager.addPass(createResolveSizesPass());
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    manager.addPass(createAssignSpansPass());
    manager.addPass(createPlanMemoryPass());
    manager.addPass(createScheduleStepsPass());
    EXPECT_TRUE(module && succeeded(manager.run(*module))) << text;
    emit::PlanParts parts;
    parts.producer = "a test";
    parts.targetArch = "x86_64";
    llvm::Error error = emit::writePlan(path("model.plan"), *module, getMesh(*module), parts).takeError();
    EXPECT_FALSE(!!error) << llvm::toString(std::move(error)) << llvm::to_string(*module);
    auto loaded = plan::loadPlan(path("model.plan"), {});
    EXPECT_TRUE(loaded.isOk()) << loaded.status().text() << "\n" << llvm::to_string(*module);
    return loaded.isOk() ? *loaded : nullptr;
  }
};

std::vector<uint32_t> coordinatesOf(int64_t rank, const std::vector<int64_t> &sizes) {
  return {static_cast<uint32_t>(rank / sizes[1]), static_cast<uint32_t>(rank % sizes[1])};
}

// 500 random graphs, each with several records; own elements on every rank. Steps that fail, fail in both.
TEST_F(CountPrograms, equalTheInterpreter) {
  std::mt19937 random(7);
  int64_t right = 0, refused = 0, equalBounds = 0, bounds = 0;
  for (int round = 0; round < 500; ++round) {
    CountGraph graph(random);
    SCOPED_TRACE("round " + std::to_string(round) + "\n" + graph.text);
    OwningOpRef<ModuleOp> module = parse(graph.text);
    ASSERT_TRUE(module);
    auto function = *module->getOps<func::FuncOp>().begin();
    emit::CountWriter writer(getMesh(function));
    for (Operation &op : function.getBody().front().without_terminator()) {
      ASSERT_TRUE(plan::isSizeOp(&op));
      writer.write(op);
    }
    SmallVector<Value> results(function.getBody().front().getTerminator()->getOperands());
    SmallVector<emit::CountSlot> slots =
        llvm::map_to_vector(results, [&](Value value) { return writer.slotOf(value); });
    schema::MeshT mesh;
    for (int64_t size : graph.sizes) {
      mesh.axes.push_back(std::make_unique<schema::AxisT>());
      mesh.axes.back()->size = static_cast<uint32_t>(size);
    }
    schema::VariantT variant;
    NamedAttrList limits;
    for (const CountGraph::Field &field : graph.fields)
      for (const char *suffix : {"", ".total"})
        if (graph.pick(0, 3) == 0) {
          int64_t limit = graph.pick(0, 8);
          limits.set(field.name + suffix, IntegerAttr::get(IntegerType::get(&context, 64), limit));
          variant.bounds.emplace_back(limit, *writer.findBounded(field.name + suffix));
        }
    auto written = writer.take();
    ASSERT_EQ(writer.error(), "");
    auto program = count::Program::make(*written, mesh);
    ASSERT_TRUE(program.isOk()) << program.status().text();

    // The loader's bounds of the sizes are never above those by which spans are made.
    ASSERT_TRUE(count::slotBounds(*program).isOk());
    count::SlotBounds loader = count::variantBounds(*program, variant);
    SizeBounds compiler(limits.getDictionary(&context));
    for (auto [value, slot] : llvm::zip_equal(results, slots)) {
      FailureOr<int64_t> greatest = compiler.getGreatest(value);
      ASSERT_TRUE(succeeded(greatest));
      count::Interval found =
          slot.axes.empty() ? loader.slots[slot.first] : count::anyElement(*program, loader, slot.first);
      EXPECT_LE(found.high, *greatest);
      equalBounds += found.high == *greatest;
      ++bounds;
    }

    int64_t ranks = graph.sizes[0] * graph.sizes[1];
    for (int step = 0; step < 6; ++step) {
      InterpreterOptions options;
      std::vector<int64_t> record;
      for (size_t f = 0; f < graph.fields.size(); ++f) {
        const CountGraph::Field &field = graph.fields[f];
        std::vector<int64_t> byRank(static_cast<size_t>(ranks));
        int64_t positions = field.axes == "dp" ? graph.sizes[0] : field.axes == "tp" ? graph.sizes[1] : ranks;
        std::vector<int64_t> values(static_cast<size_t>(positions));
        for (int64_t &value : values)
          value = graph.pick(0, field.bound + (step == 5 && f == 0 ? 1 : 0));
        for (int64_t rank = 0; rank < ranks; ++rank) {
          int64_t dp = rank / graph.sizes[1], tp = rank % graph.sizes[1];
          byRank[static_cast<size_t>(rank)] =
              values[static_cast<size_t>(field.axes == "dp"   ? dp
                                         : field.axes == "tp" ? tp
                                                              : tp * graph.sizes[0] + dp)];
        }
        options.sizes.fields[field.name] = byRank;
        record.insert(record.end(), values.begin(), values.end());
      }
      Interpreter interpreter(*module, options);
      auto expected = interpreter.run("f", {});
      std::vector<int64_t> values(program->slots());
      Status status = program->evaluate(record, values);
      ASSERT_EQ(status.isOk(), bool(expected)) << status.text() << toString(expected.takeError());
      if (!expected) {
        llvm::consumeError(expected.takeError());
        ++refused;
        continue;
      }
      ++right;
      for (size_t i = 0; i < slots.size(); ++i)
        for (int64_t rank = 0; rank < ranks; ++rank) {
          std::vector<uint32_t> own = coordinatesOf(rank, graph.sizes);
          EXPECT_EQ(values[program->slotOf(slots[i].first, slots[i].element, own, own)],
                    (*expected)[i][static_cast<size_t>(rank)]->getScalar().integer)
              << "result " << i << " on rank " << rank;
        }
      // And within the bounds, where the step fits the variant.
      bool fits = llvm::all_of(variant.bounds,
                               [&](const schema::SlotBound &bound) { return values[bound.slot()] <= bound.maximum(); });
      for (uint32_t slot = 0; fits && slot < program->slots(); ++slot) {
        EXPECT_LE(values[slot], loader.slots[slot].high);
        EXPECT_GE(values[slot], loader.slots[slot].low);
      }
    }
  }
  EXPECT_GT(right, 1000);
  EXPECT_GT(refused, 300);
  EXPECT_GT(equalBounds * 100, bounds * 95); // where two counts are one vector, the loader knows the limits of both
}

/// Rows of data-parallel ranks: gathered; and handed out again, added up over the group.
const char *const rows = R"(
muster.mesh @mesh <["dp" = 3, "tp" = 2]>
#zero = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
#dense = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (5, 1)>
func.func @f(%x: tensor<?x5xf32> {muster.name = "x", muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x5xf32> {muster.name = "all", muster.layout = #muster.layout<[t, i]>},
        tensor<?x5xf32> {muster.name = "sums", muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
        tensor<?x10xf32> {muster.name = "wide", muster.layout = #muster.layout<[t/dp : tokens @step, j]>})
    attributes {muster.bounds = {t = 8 : i64, "t.total" = 12 : i64}, muster.variants = [{t = 2 : i64, "t.total" = 4 : i64}]} {
  %c = plan.record "t" on ["dp"] bound 8 total 12 : !muster.counts<[dp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[dp], tokens, @step> -> !muster.offsets<[dp], tokens, @step>
  %own = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  %total = muster.total %c : !muster.counts<[dp], tokens, @step>
  %all = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%total)
      counts(%c, %o : !muster.counts<[dp], tokens, @step>, !muster.offsets<[dp], tokens, @step>)
      box affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 5)> from #zero #dense
      to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 5)> #dense : tensor<?x5xf32> -> tensor<?x5xf32>
  %sums = plan.transfer "reduce_scatter" %all on ["dp"] reduce <sum> sizes() result_sizes(%own)
      counts(%c, %o : !muster.counts<[dp], tokens, @step>, !muster.offsets<[dp], tokens, @step>)
      box affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 5)>
      from affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 5)> #dense to #zero #dense : tensor<?x5xf32> -> tensor<?x5xf32>
  %wide = plan.transfer "redistribute" %all on ["tp"] sizes() result_sizes(%own)
      counts(%c, %o : !muster.counts<[dp], tokens, @step>, !muster.offsets<[dp], tokens, @step>)
      box affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 5)>
      from affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 5)> #dense
      to affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d3 * 5)> affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (10, 1)>
      : tensor<?x5xf32> -> tensor<?x10xf32>
  return %all, %sums, %wide : tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x10xf32>
}
)";

TEST_F(CountPrograms, partsOfUnequalLengthRun) {
  auto plan = compile(rows);
  ASSERT_TRUE(plan);
  const schema::EntryT &entry = *plan->root().entries[0];
  ASSERT_EQ(entry.variants.size(), 2u);
  EXPECT_LT(entry.variants[0]->arena_bytes, entry.variants[1]->arena_bytes);
  EXPECT_EQ(entry.inputs[0]->dims[0]->bound, 12);
  EXPECT_GE(entry.inputs[0]->dims[0]->parts, 0);
  EXPECT_LT(entry.results[0]->dims[0]->parts, 0);
  auto executor = executor::Executor::create(plan, {});
  ASSERT_TRUE(executor.isOk()) << executor.status().text();
  OwningOpRef<ModuleOp> module = parse(rows);
  const std::vector<std::vector<int64_t>> steps{{3, 0, 2}, {0, 0, 5}, {0, 0, 0}, {1, 2, 1}, {8, 1, 3}, {2, 1, 0}};
  for (const std::vector<int64_t> &counts : steps) {
    SCOPED_TRACE(testing::PrintToString(counts));
    int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t(0));
    std::vector<double> reals(static_cast<size_t>(total * 5));
    std::iota(reals.begin(), reals.end(), 1.0);
    InterpreterOptions options;
    options.sizes.counts["tokens@step"] = counts;
    Interpreter interpreter(*module, options);
    auto expected = interpreter.runLogical("f", {Tensor::ofReals({total, 5}, Float32Type::get(&context), reals)});
    ASSERT_TRUE(bool(expected)) << toString(expected.takeError());
    std::vector<int64_t> record; // a rank's own
    for (int64_t count : counts)
      record.insert(record.end(), 2, count);
    Status status = (*executor)->begin(0, record);
    ASSERT_TRUE(status.isOk()) << status.text();
    EXPECT_EQ((*executor)->variant(), total <= 4 && *llvm::max_element(counts) <= 2 ? 0u : 1u);
    std::vector<float> x(reals.begin(), reals.end());
    ASSERT_TRUE((*executor)->setInput(0, x.data(), x.size() * 4).isOk());
    ASSERT_TRUE((*executor)->run().isOk());
    for (uint32_t result = 0; result < 3; ++result) {
      std::vector<float> got((*executor)->resultBytes(result) / 4);
      ASSERT_TRUE((*executor)->readResult(result, got.data(), got.size() * 4).isOk());
      ArrayRef<Number> wanted = (*expected)[result].getElements();
      ASSERT_EQ(got.size(), wanted.size());
      for (size_t i = 0; i < got.size(); ++i)
        EXPECT_EQ(got[i], static_cast<float>(wanted[i].real)) << "result " << result << " element " << i;
    }
  }
  EXPECT_EQ((*executor)->begin(0, std::vector<int64_t>{8, 8, 4, 4, 1, 1}).number(), 2411);
  EXPECT_EQ((*executor)->begin(0, std::vector<int64_t>{9, 9, 0, 0, 1, 1}).number(), 2410);
  EXPECT_EQ((*executor)->begin(0, std::vector<int64_t>{2, 1, 0, 0, 1, 1}).number(), 2503);
}

// What the file says of counts is checked against the spans; another element, another scan, a larger step are refused.
TEST_F(CountPrograms, forgedPlansAreRefused) {
  auto plan = compile(rows);
  ASSERT_TRUE(plan);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(schema::Plan::Pack(builder, &plan->root()));
  auto refuse = [&](const char *what, uint32_t number, llvm::function_ref<void(schema::PlanT &)> forge) {
    std::unique_ptr<schema::PlanT> copy = schema::UnPackPlan(builder.GetBufferPointer());
    ASSERT_TRUE(plan::checkPlan(*copy, 0, 1 << 30).isOk());
    forge(*copy);
    EXPECT_EQ(plan::checkPlan(*copy, 0, 1 << 30).status().number(), number) << what;
  };
  auto transfer = [](schema::PlanT &root, size_t step) -> schema::TransferT & {
    return *root.entries[0]->variants[1]->steps[step]->action.AsTransfer();
  };
  auto element = [](schema::AmountT &amount, schema::Element index) {
    const schema::Term old = amount.terms[0];
    amount.terms[0] = schema::Term(old.coefficient(), old.slot(), old.axis(), old.position(), index);
  };
  refuse("own rows at the peer's offset", 2116,
         [&](schema::PlanT &root) { element(*transfer(root, 0).box[0]->extent, schema::Element::Own); });
  refuse("the peer's rows at the own offset", 2116,
         [&](schema::PlanT &root) { element(*transfer(root, 0).destination_offset, schema::Element::Own); });
  refuse("a sum of other rows from each peer", 2116,
         [&](schema::PlanT &root) { element(*transfer(root, 1).box[0]->extent, schema::Element::Peer); });
  refuse("counts in place of offsets", 2116, [&](schema::PlanT &root) {
    schema::TransferT &gather = transfer(root, 0);
    gather.destination_offset->terms = gather.box[0]->extent->terms;
    const schema::Term old = gather.destination_offset->terms[0];
    gather.destination_offset->terms[0] = schema::Term(5, old.slot(), 0, old.position(), old.index());
  });
  refuse("no limit of all rows", 2121, [&](schema::PlanT &root) {
    root.counts->checks.clear();
    root.entries[0]->variants[1]->bounds.clear();
  });
  refuse("more rows a rank", 2121, [&](schema::PlanT &root) {
    root.counts->inputs[0]->bound = 9;
    root.entries[0]->variants[1]->bounds.clear();
  });
  refuse("parts over other axes", 2126, [&](schema::PlanT &root) { root.entries[0]->inputs[0]->dims[0]->axes = {1}; });
}

// Entries share the record.
TEST_F(CountPrograms, refusesWhatTheFileCannotHold) {
  auto errorOf = [&](const std::string &body) {
    OwningOpRef<ModuleOp> module =
        parse("muster.mesh @m <[\"dp\" = 2, \"tp\" = 3]>\nfunc.func @f() {\n" + body + "  return\n}\n");
    emit::CountWriter writer(getMesh(*module));
    for (Operation &op : (*module->getOps<func::FuncOp>().begin()).getBody().front().without_terminator())
      writer.write(op);
    return writer.error();
  };
  EXPECT_EQ(errorOf(R"(
    %a = plan.record "a" on ["dp"] bound 3 : !muster.counts<[dp], tokens, @a>
    %b = plan.record "a" on ["dp"] bound 5 : !muster.counts<[dp], tokens, @a>
)"),
            "");
  EXPECT_THAT(errorOf(R"(
    %a = plan.record "a" on ["dp"] bound 3 : !muster.counts<[dp], tokens, @a>
    %b = plan.record "a" on ["tp"] bound 3 : !muster.counts<[tp], tokens, @a>
)"),
              HasSubstr("E4203 expected field 'a' of the step record over the same axes in all entries"));
  EXPECT_THAT(errorOf(R"(
    %a = plan.record "a" on ["dp"] bound 3 : !muster.counts<[dp], tokens, @a>
    %b = plan.count "a" bound 3
)"),
              HasSubstr("E4203 expected field 'a' of the step record over the same axes in all entries"));
  EXPECT_THAT(errorOf(R"(
    %a = plan.record "a" on ["dp"] bound 3 : !muster.counts<[dp], tokens, @a>
    %b = plan.record "b" on ["tp"] bound 3 : !muster.counts<[tp], tokens, @b>
    %x = muster.own_count %a : !muster.counts<[dp], tokens, @a>
    %y = muster.own_count %b : !muster.counts<[tp], tokens, @b>
    %z = arith.addi %x, %y : index
)"),
              HasSubstr("E4203 unsupported arithmetic on sizes of ranks over different axes"));
  EXPECT_THAT(errorOf("    %z = muster.coordinate \"dp\"\n"),
              HasSubstr("E4203 unsupported operation in the count program: muster.coordinate"));
}

} // namespace
