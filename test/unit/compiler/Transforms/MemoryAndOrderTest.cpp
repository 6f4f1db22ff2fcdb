// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random step graphs through plan-memory and schedule-steps. What comes out is judged by its bytes alone: spans that
// live at once are disjoint, whatever order the waits allow computes the same, and nothing that a peer may still read
// is overwritten. The judge is tested too: a plan with one wait, one acknowledgement or one offset changed is refused.
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/ScopedPrinter.h"
#include "gtest/gtest.h"

#include <map>
#include <random>
#include <set>

using namespace mlir;
using namespace muster;

namespace {

using Random = std::mt19937;
int64_t pick(Random &random, int64_t below) { return static_cast<int64_t>(random() % below); }

/// An entry in phase buffered: inputs, states, and steps that read what has been written. Every step writes whole
/// spans.
std::string makeEntry(Random &random) {
  std::string spans, steps;
  std::vector<std::string> names, types; // written so far
  auto addSpan = [&](const std::string &role) {
    int64_t columns = 1 + pick(random, 200);
    bool dynamic = pick(random, 2) == 0;
    std::string name = "%s" + std::to_string(names.size());
    std::string type = "!plan.span<tensor<" + std::string(dynamic ? "?x" : "") + std::to_string(columns) + "xi8>>";
    spans += "    " + name + " = plan.span(" + (dynamic ? "%t" : "") + ") " + role + " : " + type + "\n";
    names.push_back(name);
    types.push_back(type);
    return names.size() - 1;
  };
  for (int64_t input = 0; input < 1 + pick(random, 3); ++input)
    addSpan("role \"input\" " + std::to_string(input));
  std::vector<std::string> states = {"%k", "%v"};
  int64_t results = 0;
  for (int64_t step = 0, count = 3 + pick(random, 25); step < count; ++step) {
    // Mostly what is young, as in a network.
    auto read = [&] {
      return pick(random, 2) ? names.size() - 1 - pick(random, std::min<int64_t>(names.size(), 3))
                             : pick(random, names.size());
    };
    size_t a = read(), b = read();
    std::string role = pick(random, 9) == 0 ? "role \"result\" " + std::to_string(results++) : "";
    switch (pick(random, 4)) {
    case 0: { // a launch that reads a state, or writes one
      std::string state = states[pick(random, 2)];
      bool writes = pick(random, 2) == 0;
      size_t to = addSpan(role);
      steps += "    plan.launch_step @kernel(" + names[a] + ", " + state + ", " + names[to] + ") sizes() writes [" +
               (writes ? "1, " : "") + "2] : " + types[a] + ", !plan.span<tensor<?x3xi8>>, " + types[to] + "\n";
      break;
    }
    case 1: { // a launch with two results
      size_t to = addSpan(role), second = addSpan("");
      steps += "    plan.launch_step @kernel(" + names[a] + ", " + names[b] + ", " + names[to] + ", " + names[second] +
               ") sizes() writes [2, 3] : " + types[a] + ", " + types[b] + ", " + types[to] + ", " + types[second] +
               "\n";
      break;
    }
    case 2: {               // in place
      bool isInput = a < 3; // it may be
      size_t target = isInput ? addSpan(role) : a;
      steps += "    plan.launch_step @kernel(" + names[target] + ") sizes() writes [0] : " + types[target] + "\n";
      break;
    }
    default: { // a transfer, of the rank alone or of the group
      size_t to = addSpan(role);
      steps += "    plan.transfer_step \"move\" " + names[a] + " -> " + names[to] + " on [" +
               (pick(random, 3) ? "\"tp\"" : "") + "] sizes() box #one from #zero #one to #zero #one : " + types[a] +
               " -> " + types[to] + "\n";
    }
    }
  }
  return "#one = affine_map<(d0, d1) -> (1)>\n#zero = affine_map<(d0, d1) -> (0)>\nmuster.mesh @mesh <[\"tp\" = 2]>\n"
         "plan.entry @entry inputs [] results [] attributes {muster.bounds = {t = 11 : i64}, muster.variants = [{t = 3 "
         ": i64}]} {\n"
         "  %t = plan.count \"t\" bound 11\n  plan.variant \"all\" bounds {} arena 0 {\n"
         "    %k = plan.state_span @k : !plan.span<tensor<?x3xi8>>\n    %v = plan.state_span @v : "
         "!plan.span<tensor<?x3xi8>>\n" +
         spans + steps + "  }\n}\n";
}

struct Place {
  std::string state; // empty: the arena
  int64_t begin = 0, end = 0;
  Value span;
  bool overlaps(const Place &other) const {
    return state.empty() && other.state.empty() ? begin < other.end && other.begin < end : state == other.state;
  }
};

struct Step {
  std::vector<Place> reads, writes;
  std::optional<Place> pulled;
  std::vector<int64_t> waits, acknowledgements;
};

std::vector<int64_t> numbers(Operation *op, StringRef name) {
  auto attr = op->getAttrOfType<DenseI64ArrayAttr>(name);
  return attr ? std::vector<int64_t>(attr.asArrayRef().begin(), attr.asArrayRef().end()) : std::vector<int64_t>();
}

/// What a variant says, read without the passes' help.
struct Judge {
  explicit Judge(plan::VariantOp variant) : arena(variant.getArenaBytes()) {
    int64_t t = variant.getBounds().getAs<IntegerAttr>("t").getInt();
    for (Operation &op : variant.getBody().front()) {
      if (auto span = dyn_cast<plan::SpanOp>(op)) {
        int64_t bytes = 1;
        for (int64_t size : span.getType().getTensor().getShape())
          bytes *= ShapedType::isDynamic(size) ? t : size;
        int64_t offset = span.getOffset().value_or(-1);
        places[span] = {"", offset, offset + bytes, span};
        if (span.getRole() == StringRef("input"))
          inputs.push_back(places[span]);
        else if (span.getRole() == StringRef("result"))
          results.push_back(places[span]);
      } else if (auto state = dyn_cast<plan::StateSpanOp>(op)) {
        places[state] = {state.getState().str(), 0, 0, state};
      } else {
        addStep(op);
      }
    }
  }

  void addStep(Operation &op) {
    Step step;
    if (auto launch = dyn_cast<plan::LaunchStepOp>(op)) {
      for (auto [index, span] : llvm::enumerate(launch.getSpans()))
        (llvm::is_contained(launch.getWrites(), int64_t(index)) ? step.writes : step.reads).push_back(places.at(span));
    } else {
      auto pull = cast<plan::TransferStepOp>(op);
      step.reads = {places.at(pull.getSource())};
      step.writes = {places.at(pull.getDestination())};
      if (!pull.getAxes().empty())
        step.pulled = places.at(pull.getSource());
    }
    step.waits = numbers(&op, "waits");
    step.acknowledgements = numbers(&op, "acknowledgements");
    steps.push_back(step);
  }

  /// Everything that is wrong.
  std::string faults() const {
    std::string text;
    auto fail = [&](const Twine &fault) { text += fault.str() + "\n"; };
    // Memory.
    std::map<Operation *, std::pair<int64_t, int64_t>> lives;
    auto touch = [&](const Place &place, int64_t at) {
      if (place.state.empty()) {
        auto [found, fresh] = lives.try_emplace(place.span.getDefiningOp(), at, at);
        found->second = {std::min(found->second.first, at), std::max(found->second.second, at)};
      }
    };
    for (const Place &input : inputs)
      touch(input, -1);
    for (auto [index, step] : llvm::enumerate(steps))
      for (const std::vector<Place> *list : {&step.reads, &step.writes})
        for (const Place &place : *list)
          touch(place, index);
    for (const Place &result : results)
      touch(result, steps.size());
    for (auto &[op, life] : lives) {
      const Place &a = places.at(op->getResult(0));
      if (a.begin < 0 || a.begin % 64 || a.end > arena)
        fail("misplaced [" + Twine(a.begin) + ", " + Twine(a.end) + ") in " + Twine(arena));
      for (auto &[other, otherLife] : lives)
        if (op != other && life.first <= otherLife.second && otherLife.first <= life.second &&
            a.overlaps(places.at(other->getResult(0))))
          fail("two living spans at " + Twine(a.begin));
    }
    // Order.
    std::vector<std::set<int64_t>> before(steps.size()), acknowledged(steps.size());
    for (int64_t j = 0; j < int64_t(steps.size()); ++j) {
      const Step &step = steps[j];
      for (int64_t wait : step.waits) {
        if (wait < 0 || wait >= j)
          return "step " + std::to_string(j) + " waits for " + std::to_string(wait);
        for (int64_t other : step.waits)
          if (other != wait && before[other].count(wait))
            fail("step " + Twine(j) + " names " + Twine(wait) + " needlessly");
      }
      for (int64_t wait : step.waits) {
        before[j].insert(wait);
        before[j].insert(before[wait].begin(), before[wait].end());
        acknowledged[j].insert(acknowledged[wait].begin(), acknowledged[wait].end());
      }
      for (int64_t pull : step.acknowledgements) {
        if (pull < 0 || pull >= j || !steps[pull].pulled)
          return "step " + std::to_string(j) + " has an acknowledgement of " + std::to_string(pull);
        acknowledged[j].insert(pull);
      }
      for (int64_t i = 0; i < j; ++i) {
        auto meets = [](const std::vector<Place> &a, const std::vector<Place> &b) {
          return llvm::any_of(
              a, [&](const Place &x) { return llvm::any_of(b, [&](const Place &y) { return x.overlaps(y); }); });
        };
        bool conflict = meets(step.writes, steps[i].writes) || meets(step.writes, steps[i].reads) ||
                        meets(step.reads, steps[i].writes);
        if (conflict && !before[j].count(i))
          fail("step " + Twine(j) + " does not wait for " + Twine(i));
        if (steps[i].pulled && meets(step.writes, {*steps[i].pulled}) && !acknowledged[j].count(i))
          fail("step " + Twine(j) + " overwrites what peers may read in " + Twine(i));
      }
    }
    return text;
  }

  /// Runs the steps in a random order that the waits allow, on bytes that hold who wrote them; false where a step reads
  /// another's bytes.
  bool simulate(Random &random) const {
    // What each span holds before each step in program order.
    std::map<Operation *, int64_t> holds;
    std::map<std::string, int64_t> stateHolds;
    std::vector<std::vector<std::pair<Place, int64_t>>> expected(steps.size());
    auto held = [&](const Place &place) {
      return place.state.empty() ? holds[place.span.getDefiningOp()] : stateHolds[place.state];
    };
    for (const Place &input : inputs)
      holds[input.span.getDefiningOp()] = -2;
    for (auto [index, step] : llvm::enumerate(steps)) {
      for (const Place &place : step.reads)
        expected[index].push_back({place, held(place)});
      for (const Place &place : step.writes)
        (place.state.empty() ? holds[place.span.getDefiningOp()] : stateHolds[place.state]) = index + 1;
    }
    std::vector<int64_t> bytes(arena, 0);
    std::map<std::string, int64_t> states;
    auto fill = [&](const Place &place, int64_t value) {
      if (place.state.empty())
        std::fill(bytes.begin() + place.begin, bytes.begin() + place.end, value);
      else
        states[place.state] = value;
    };
    auto holdsAll = [&](const Place &place, int64_t value) {
      if (!place.state.empty())
        return states[place.state] == value;
      return std::all_of(bytes.begin() + place.begin, bytes.begin() + place.end,
                         [&](int64_t byte) { return byte == value; });
    };
    for (const Place &input : inputs)
      fill(input, -2);
    std::vector<bool> done(steps.size());
    for (size_t count = 0; count < steps.size(); ++count) {
      std::vector<size_t> ready;
      for (size_t j = 0; j < steps.size(); ++j)
        if (!done[j] && llvm::all_of(steps[j].waits, [&](int64_t wait) { return done[wait]; }))
          ready.push_back(j);
      size_t j = ready[pick(random, ready.size())];
      for (auto &[place, value] : expected[j])
        if (!holdsAll(place, value))
          return false;
      for (const Place &place : steps[j].writes)
        fill(place, j + 1);
      done[j] = true;
    }
    return llvm::all_of(results, [&](const Place &result) { return holdsAll(result, held(result)); });
  }

  int64_t arena;
  DenseMap<Value, Place> places;
  std::vector<Place> inputs, results;
  std::vector<Step> steps;
};

struct MemoryAndOrder : testing::Test {
  MemoryAndOrder() {
    context.loadDialect<MusterDialect, plan::PlanDialect, arith::ArithDialect>();
    context.disableMultithreading();
  }

  OwningOpRef<ModuleOp> plan(Random &random) {
    std::string text = makeEntry(random);
    auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
    EXPECT_TRUE(module) << text;
    PassManager manager(&context);
    manager.addPass(createPlanMemoryPass());
    manager.addPass(createScheduleStepsPass());
    EXPECT_TRUE(module && succeeded(manager.run(*module))) << text;
    return module;
  }

  MLIRContext context;
};

TEST_F(MemoryAndOrder, randomGraphsAreSoundInEveryVariant) {
  Random random(20240611);
  int64_t reused = 0, acknowledgements = 0;
  for (int round = 0; round < 400; ++round) {
    OwningOpRef<ModuleOp> module = plan(random);
    int variants = 0;
    module->walk([&](plan::VariantOp variant) {
      Judge judge(variant);
      ASSERT_EQ(judge.faults(), "") << "round " << round << "\n" << llvm::to_string(*module);
      for (int order = 0; order < 4; ++order)
        ASSERT_TRUE(judge.simulate(random)) << "round " << round << "\n" << llvm::to_string(*module);
      int64_t all = 0;
      for (auto &[span, place] : judge.places)
        all += place.end - place.begin;
      reused += judge.arena < all;
      for (const Step &step : judge.steps)
        acknowledgements += step.acknowledgements.size();
      ++variants;
    });
    ASSERT_EQ(variants, 2);
  }
  // The graphs are of the kind that this is about.
  EXPECT_GT(reused, 300);
  EXPECT_GT(acknowledgements, 300);
}

TEST_F(MemoryAndOrder, theJudgeSeesEveryOmission) {
  Random random(7);
  int waits = 0, acknowledgements = 0, offsets = 0;
  for (int round = 0; round < 100; ++round) {
    OwningOpRef<ModuleOp> module = plan(random);
    module->walk([&](plan::VariantOp variant) {
      const Judge judge(variant);
      for (size_t j = 0; j < judge.steps.size(); ++j) {
        for (size_t wait = 0; wait < judge.steps[j].waits.size(); ++wait, ++waits) {
          Judge broken = judge;
          broken.steps[j].waits.erase(broken.steps[j].waits.begin() + wait);
          EXPECT_NE(broken.faults(), "");
        }
        for (size_t index = 0; index < judge.steps[j].acknowledgements.size(); ++index, ++acknowledgements) {
          Judge broken = judge;
          broken.steps[j].acknowledgements.erase(broken.steps[j].acknowledgements.begin() + index);
          EXPECT_NE(broken.faults(), "");
        }
      }
      for (plan::SpanOp span : variant.getBody().front().getOps<plan::SpanOp>()) {
        if (*span.getOffset() == 0)
          continue;
        int64_t offset = *span.getOffset();
        span.setOffset(offset - 1);
        EXPECT_NE(Judge(variant).faults(), "");
        span.setOffset(offset);
        ++offsets;
      }
    });
  }
  EXPECT_GT(waits, 100);
  EXPECT_GT(acknowledgements, 50);
  EXPECT_GT(offsets, 100);
}

} // namespace
