// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One broken thing at a time, and the number of the error that says so.
#include "runtime/plan/LoadedPlan.h"

#include "runtime/schema/Container.h"
#include "test/unit/runtime/builder/RaggedPlan.h"
#include "test/unit/runtime/builder/RoutedPlan.h"
#include "test/unit/runtime/plan/SoundPlan.h"

#include <cstring>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace muster;
using namespace muster::test;
using plan::LoadOptions;
using plan::loadPlan;
using testing::HasSubstr;

namespace {

using Break = std::function<void(schema::PlanT &)>;

Status loadBroken(const Break &breakIt) {
  PlanBuilder builder = soundPlan();
  // Weights are written first, so that what is broken is broken in the plan.
  builder.write(scratchFolder(), "broken");
  breakIt(builder.plan);
  writeFile(scratchFolder() + "/broken.plan", builder.container(builder.flatbuffer()));
  return loadPlan(scratchFolder() + "/broken.plan", {}).status();
}

schema::VariantT &variantOf(schema::PlanT &plan) { return *plan.entries[0]->variants[0]; }
schema::StepT &stepOf(schema::PlanT &plan, size_t step) { return *variantOf(plan).steps[step]; }
schema::LaunchT &launchOf(schema::PlanT &plan, size_t step) { return *stepOf(plan, step).action.AsLaunch(); }
schema::MatmulT &matmulOf(schema::PlanT &plan) { return *stepOf(plan, 1).action.AsMatmul(); }
schema::TransferT &transferOf(schema::PlanT &plan, size_t step) { return *stepOf(plan, step).action.AsTransfer(); }

TEST(Loader, TakesASoundPlan) {
  auto plan = loadPlan(soundPlan().write(scratchFolder(), "sound"), {});
  ASSERT_TRUE(plan.isOk()) << plan.status().text();
  EXPECT_EQ((*plan)->ranks(), 3u);
  EXPECT_EQ((*plan)->findEntry("step"), 0u);
  EXPECT_EQ((*plan)->findEntry("none"), std::nullopt);
  EXPECT_EQ((*plan)->findRecordField("tokens"), 0u);
  EXPECT_NE((*plan)->kernel(0), nullptr);
  EXPECT_TRUE((*plan)->verifyWeights().isOk());
  EXPECT_EQ(reinterpret_cast<const float *>((*plan)->weight(2, 0))[255], 0.5f);
  EXPECT_EQ((*plan)->coordinates(2), std::vector<uint32_t>{2});
  EXPECT_GT((*plan)->section(schema::SectionKind::HostObject).size(), 100u);
  EXPECT_TRUE((*plan)->section(schema::SectionKind::Tokenizer).empty());
}

struct Case {
  const char *name;
  int number;
  Break breakIt;
};

const Case cases[] = {
    {"too many steps", 2122,
     [](auto &plan) {
       while (variantOf(plan).steps.size() != 16385) {
         variantOf(plan).steps.push_back(std::make_unique<schema::StepT>());
         variantOf(plan).steps.back()->action.Set(schema::LaunchT());
       }
     }},
    {"element type", 2101, [](auto &plan) { plan.weights[0]->element = schema::ElementType(9); }},
    {"packing", 2101, [](auto &plan) { plan.weights[0]->packing = schema::Packing(2); }},
    {"count operation", 2101, [](auto &plan) { plan.counts->instructions[1].mutate_op(schema::CountOp(17)); }},
    {"memory", 2101, [](auto &plan) { launchOf(plan, 0).bindings[0].mutate_memory(schema::Memory(3)); }},
    {"reduction", 2101, [](auto &plan) { transferOf(plan, 2).reduction = schema::Reduction(4); }},
    {"section kind", 2101, [](auto &plan) { plan.sections[0]->kind = schema::SectionKind(5); }},
    {"kernel index", 2102, [](auto &plan) { launchOf(plan, 0).kernel = 2; }},
    {"size slot", 2102, [](auto &plan) { launchOf(plan, 0).sizes[0] = 3; }},
    {"amount slot", 2102, [](auto &plan) { matmulOf(plan).rows->terms[0].mutate_slot(3); }},
    {"amount axis", 2102, [](auto &plan) { transferOf(plan, 4).destination_offset->terms[0].mutate_axis(1); }},
    {"weight index", 2102, [](auto &plan) { matmulOf(plan).weight->mutate_index(2); }},
    {"state index", 2102, [](auto &plan) { launchOf(plan, 3).bindings[1].mutate_index(1); }},
    {"location", 2102, [](auto &plan) { stepOf(plan, 0).location = 1; }},
    {"kernel section", 2102, [](auto &plan) { plan.kernels[0]->section = 1; }},
    {"check slot", 2102, [](auto &plan) { plan.counts->checks[0]->slot = 3; }},
    {"bound slot", 2102, [](auto &plan) { variantOf(plan).bounds[0].mutate_slot(3); }},
    {"empty axis", 2103, [](auto &plan) { plan.mesh->axes[0]->size = 0; }},
    {"too many ranks", 2103, [](auto &plan) { plan.mesh->axes[0]->size = 65537; }},
    {"section outside", 2104, [](auto &plan) { plan.sections[0]->length = uint64_t(1) << 40; }},
    {"weight length", 2105, [](auto &plan) { plan.weights[0]->length = 1028; }},
    {"weight shape", 2105, [](auto &plan) { plan.weights[0]->shape = {int64_t(1) << 40, int64_t(1) << 40}; }},
    {"weight alignment", 2105, [](auto &plan) { plan.weights[0]->offset = 4; }},
    {"weight outside", 2105, [](auto &plan) { plan.weights[0]->offset = ~uint64_t(63); }},
    {"weights id", 2105, [](auto &plan) { plan.weights_id.pop_back(); }},
    {"state bytes", 2106, [](auto &plan) { plan.states[0]->page_bytes = 4; }},
    {"state shape", 2106, [](auto &plan) { plan.states[0]->shape[0] = 3; }},
    {"span outside", 2107, [](auto &plan) { launchOf(plan, 0).bindings[1].mutate_offset(6400); }},
    {"span wraps", 2107, [](auto &plan) { launchOf(plan, 0).bindings[1].mutate_length(~uint64_t(0)); }},
    {"arena", 2107, [](auto &plan) { variantOf(plan).arena_bytes = ~uint64_t(0); }},
    {"span alignment", 2108, [](auto &plan) { launchOf(plan, 0).bindings[1].mutate_offset(1028); }},
    {"operand not below", 2109, [](auto &plan) { plan.counts->instructions[2].mutate_a(2); }},
    {"operand below zero", 2109, [](auto &plan) { plan.counts->instructions[2].mutate_b(-1); }},
    {"record field", 2109, [](auto &plan) { plan.counts->instructions[0].mutate_a(1); }},
    {"bound below zero", 2109, [](auto &plan) { plan.counts->inputs[0]->bound = -1; }},
    {"count overflows", 2110, [](auto &plan) { plan.counts->instructions[1].mutate_value(int64_t(1) << 60); }},
    {"amount overflows", 2110, [](auto &plan) { matmulOf(plan).rows->terms[0].mutate_coefficient(int64_t(1) << 60); }},
    {"bindings", 2111, [](auto &plan) { plan.kernels[0]->bindings = 3; }},
    {"sizes", 2111, [](auto &plan) { plan.kernels[0]->sizes = 1; }},
    {"written marks", 2111, [](auto &plan) { launchOf(plan, 0).written.pop_back(); }},
    {"writes a weight", 2112, [](auto &plan) { launchOf(plan, 0).bindings[1] = weightBinding(0); }},
    {"part of a weight", 2112, [](auto &plan) { matmulOf(plan).weight->mutate_offset(64); }},
    {"reads what nobody wrote", 2113, [](auto &plan) { launchOf(plan, 0).bindings[0] = arena(6144, 1024); }},
    {"result that nobody wrote", 2113, [](auto &plan) { variantOf(plan).steps.pop_back(); }},
    {"read without wait", 2114, [](auto &plan) { stepOf(plan, 1).waits.clear(); }},
    {"overwrite without wait", 2114,
     [](auto &plan) {
       // Writes what step 0 reads.
       auto &second = *matmulOf(plan).result;
       second = arena(0, 1024);
       stepOf(plan, 1).waits.clear();
       *matmulOf(plan).source = arena(4096, 1024);
       variantOf(plan).inputs[0] = schema::Span(0, 7168);
     }},
    {"state without wait", 2114,
     [](auto &plan) {
       stepOf(plan, 4).action.Set(launchOf(plan, 3));
       launchOf(plan, 4).bindings[2] = arena(4096, 3072);
       stepOf(plan, 4).waits = {2};
     }},
    {"no acknowledgement", 2115, [](auto &plan) { stepOf(plan, 3).acknowledgements.clear(); }},
    {"box leaves source", 2116, [](auto &plan) { transferOf(plan, 2).box[0]->extent = amount(17); }},
    {"box leaves destination", 2116,
     [](auto &plan) { transferOf(plan, 4).destination_offset->terms[0].mutate_coefficient(17); }},
    {"box begins before", 2116, [](auto &plan) { transferOf(plan, 2).source_offset = amount(-1); }},
    {"negative stride", 2116, [](auto &plan) { transferOf(plan, 2).box[0]->source_stride = amount(-16); }},
    {"huge box", 2116,
     [](auto &plan) {
       transferOf(plan, 2).box[0]->source_stride = amount(int64_t(1) << 61);
       transferOf(plan, 2).box[1]->source_stride = amount(int64_t(1) << 61);
     }},
    {"group twice", 2117, [](auto &plan) { transferOf(plan, 2).group = {0, 0}; }},
    {"sources", 2117, [](auto &plan) { transferOf(plan, 4).sources = {0, 1}; }},
    {"source position", 2117, [](auto &plan) { transferOf(plan, 4).sources = {0, 1, 3}; }},
    {"columns without sources", 2117, [](auto &plan) { transferOf(plan, 4).columns = 1; }},
    {"rows of columns", 2117,
     [](auto &plan) {
       transferOf(plan, 4).columns = 1;
       transferOf(plan, 4).sources = {0, 0, 1, 0};
     }},
    {"unknown column", 2102,
     [](auto &plan) {
       transferOf(plan, 4).sources = {0, 1, 2};
       transferOf(plan, 4).source_offset = amount(0);
       transferOf(plan, 4).source_offset->terms.emplace_back(1, -1, 0, schema::Position::Listed,
                                                             schema::Element::Fixed);
     }},
    {"row reaches outside", 2116,
     [](auto &plan) {
       transferOf(plan, 4).columns = 1;
       transferOf(plan, 4).sources = {0, 0, 1, 1 << 20, 2, 0};
       transferOf(plan, 4).source_offset = amount(0);
       transferOf(plan, 4).source_offset->terms.emplace_back(1, -1, 0, schema::Position::Listed,
                                                             schema::Element::Fixed);
     }},
    {"peers read a state", 2117, [](auto &plan) { *transferOf(plan, 4).source = stateBinding(0); }},
    {"reduction varies", 2117,
     [](auto &plan) { transferOf(plan, 2).box[0]->extent = amountAt(schema::Position::Peer, 0, 1); }},
    {"matmul rows", 2118, [](auto &plan) { matmulOf(plan).rows = amount(17); }},
    {"matmul shape", 2118, [](auto &plan) { matmulOf(plan).n = 15; }},
    {"matmul stride", 2118, [](auto &plan) { matmulOf(plan).source_stride = 15; }},
    {"matmul without weight", 2118, [](auto &plan) { *matmulOf(plan).weight = arena(0, 1024); }},
    {"in place", 2119, [](auto &plan) { launchOf(plan, 0).bindings[1] = arena(512, 1024); }},
    {"matmul in place", 2119, [](auto &plan) { *matmulOf(plan).result = *matmulOf(plan).source; }},
    {"transfer in place", 2119, [](auto &plan) { *transferOf(plan, 2).destination = *transferOf(plan, 2).source; }},
    {"waits for itself", 2120, [](auto &plan) { stepOf(plan, 1).waits = {1}; }},
    {"acknowledges a launch", 2120, [](auto &plan) { stepOf(plan, 3).acknowledgements = {0}; }},
    {"launch in stream 1", 2127, [](auto &plan) { stepOf(plan, 0).stream = 1; }},
    {"product in stream 1", 2127, [](auto &plan) { stepOf(plan, 1).stream = 1; }},
    {"transfer in stream 2", 2127, [](auto &plan) { stepOf(plan, 3).stream = 2; }},
    {"input too small", 2121, [](auto &plan) { variantOf(plan).inputs[0] = schema::Span(0, 960); }},
    {"spans of inputs", 2121, [](auto &plan) { variantOf(plan).inputs.clear(); }},
    {"port axis", 2121, [](auto &plan) { plan.entries[0]->inputs[0]->dims[0]->axes = {1}; }},
    {"no entries", 2121, [](auto &plan) { plan.entries.clear(); }},
    {"no variants", 2121, [](auto &plan) { plan.entries[0]->variants.clear(); }},
    {"kernel symbol", 2123, [](auto &plan) { plan.kernels[0]->name = "absent"; }},
    {"not an object", 2123, [](auto &plan) { plan.sections[0]->length = 1000; }},
    {"row counts", 2124, [](auto &plan) { plan.matmul_rows = {1, 4, 4}; }},
    {"first row count", 2124, [](auto &plan) { plan.matmul_rows = {2}; }},
    {"no row counts", 2124, [](auto &plan) { plan.matmul_rows = {}; }},
    {"kernel of a tokenizer", 2125, [](auto &plan) { plan.sections[0]->kind = schema::SectionKind::Tokenizer; }},
    {"weights of another plan", 2204, [](auto &plan) { plan.weights_id[0] ^= 1; }},
    {"weights of another size", 2204, [](auto &plan) { plan.weight_groups[1]->section_bytes += 64; }},
    {"weights of more sections", 2204,
     [](auto &plan) {
       auto group = std::make_unique<schema::WeightGroupT>();
       group->parts = {0, 0, 0};
       plan.weight_groups.push_back(std::move(group));
     }},
    {"weights of other ranks", 2105, [](auto &plan) { plan.mesh->axes[0]->size = 2; }},
    {"parts of weights", 2105, [](auto &plan) { plan.weight_groups[1]->parts = {0, 2, 1}; }},
    {"first part of weights", 2105, [](auto &plan) { plan.weight_groups[1]->parts = {1, 0, 2}; }},
    {"no parts of weights", 2105, [](auto &plan) { plan.weight_groups[0]->parts = {}; }},
    {"weight group", 2102, [](auto &plan) { plan.weights[0]->group = 2; }},
    {"architecture", 2301, [](auto &plan) { plan.target->arch = "riscv64"; }},
    {"feature", 2302, [](auto &plan) { plan.target->features = {"+sse2", "-avx", "fma4"}; }},
    {"unknown feature", 2303, [](auto &plan) { plan.target->features = {"warp-drive"}; }},
};

TEST(Loader, NamesWhatIsBroken) {
  for (const Case &broken : cases) {
    Status status = loadBroken(broken.breakIt);
    EXPECT_EQ(status.number(), broken.number) << broken.name << ": " << status.text();
  }
}

// Rows that ranks have in unequal numbers (buildRagged): boxes stay inside whatever the record says, or the plan is
// refused.
TEST(Loader, BoundsRowsAtTheirScan) {
  using schema::Element;
  const Case ragged[] = {
      {"nothing", 0, [](auto &) {}},
      {"less room than rows in all", 2116, [](auto &plan) { transferOf(plan, 2).destination->mutate_length(128); }},
      {"more rows in all", 2121, [](auto &plan) { plan.counts->checks[0]->bound = 10; }},
      {"offset of another rank's rows", 2116,
       [](auto &plan) { transferOf(plan, 2).destination_offset->terms[0].mutate_index(Element::Own); }},
      {"extent of another vector", 2116,
       [](auto &plan) { transferOf(plan, 2).box[0]->extent->terms[0].mutate_slot(3); }},
      {"a row more", 2116, [](auto &plan) { transferOf(plan, 2).box[0]->extent->constant = 1; }},
      {"rows twice", 2116, [](auto &plan) { transferOf(plan, 2).box[0]->extent->terms[0].mutate_coefficient(2); }},
      {"longer stride", 2116, [](auto &plan) { transferOf(plan, 2).box[0]->destination_stride->constant = 6; }},
      {"longer offset", 2116,
       [](auto &plan) { transferOf(plan, 2).destination_offset->terms[0].mutate_coefficient(6); }},
      {"offset behind", 2116, [](auto &plan) { transferOf(plan, 2).destination_offset->constant = 5; }},
      {"other boxes in a reduction", 2117,
       [](auto &plan) {
         for (auto *amount : {transferOf(plan, 3).source_offset.get(), transferOf(plan, 3).box[0]->extent.get()})
           amount->terms[0].mutate_index(Element::Peer);
       }},
      {"size of a peer", 2101, [](auto &plan) { launchOf(plan, 1).size_elements[0] = 2; }},
      {"unknown element", 2101, [](auto &plan) { launchOf(plan, 1).size_elements[0] = 3; }},
      {"elements of sizes", 2126, [](auto &plan) { launchOf(plan, 1).size_elements.pop_back(); }},
      {"element of a scalar", 2126, [](auto &plan) { launchOf(plan, 1).size_elements[1] = 1; }},
      {"element of an element", 2126, [](auto &plan) { launchOf(plan, 1).sizes[0] = 1; }},
      {"grid of a peer", 2101, [](auto &plan) { launchOf(plan, 1).grid->terms[0].mutate_index(Element::Peer); }},
      {"port of one rank", 2121,
       [](auto &plan) {
         plan.entries[0]->inputs[0]->dims[0]->size->terms[0] =
             schema::Term(1, 0, 0, schema::Position::One, Element::Own);
       }},
  };
  for (const Case &broken : ragged) {
    PlanBuilder builder({{"dp", 3}});
    buildRagged(builder, 5, 9);
    broken.breakIt(builder.plan);
    Status status = loadPlan(builder.write(scratchFolder(), "raggedly"), {}).status();
    EXPECT_EQ(status.number(), broken.number) << broken.name << ": " << status.text();
  }
}

TEST(Loader, ChecksUnequalParts) {
  auto dimOf = [](schema::PlanT &plan) -> schema::PortDimT & { return *plan.entries[0]->inputs[0]->dims[0]; };
  const Case parts[] = {
      {"nothing", 0, [](auto &) {}},
      {"no slot", 2102, [&](auto &plan) { dimOf(plan).parts = 99; }},
      {"below none", 2102, [&](auto &plan) { dimOf(plan).parts = -2; }},
      {"no vector", 2126, [&](auto &plan) { dimOf(plan).parts = 6; }},
      {"vector over other axes", 2126, [&](auto &plan) { dimOf(plan).axes = {}; }},
      {"size of another vector", 2121, [&](auto &plan) { dimOf(plan).parts = 3; }},
      {"size that is no sum", 2121, [&](auto &plan) { dimOf(plan).size->constant = 1; }},
      {"twice the sum", 2121, [&](auto &plan) { dimOf(plan).size->terms[0].mutate_coefficient(2); }},
      {"less room than a part", 2121,
       [](auto &plan) {
         plan.counts->inputs[0]->bound = 8;
         plan.counts->checks[0]->bound = 8;
       }},
  };
  for (const Case &broken : parts) {
    PlanBuilder builder({{"dp", 3}});
    buildRagged(builder, 5, 9, /*isDivided=*/true);
    broken.breakIt(builder.plan);
    Status status = loadPlan(builder.write(scratchFolder(), "parts"), {}).status();
    EXPECT_EQ(status.number(), broken.number) << broken.name << ": " << status.text();
  }
}

TEST(Loader, ErrorsNamePlaces) {
  Status status = loadBroken([](schema::PlanT &plan) { stepOf(plan, 3).acknowledgements.clear(); });
  EXPECT_THAT(status.text(), HasSubstr("step 3 (layer 0) of variant any"));
  EXPECT_THAT(status.text(), HasSubstr("acknowledgement of step 2"));
  EXPECT_THAT(loadBroken([](schema::PlanT &plan) { plan.target->features = {"fma4"}; }).text(),
              HasSubstr("needs CPU feature fma4"));
}

// A later transfer among the same peers shows that they have read the earlier one.
TEST(Loader, TakesImpliedAcknowledgements) {
  Status status = loadBroken([](schema::PlanT &plan) {
    schema::VariantT &variant = variantOf(plan);
    // all_gather b -> d; all_reduce of part of d -> c, which waits for the gather; then b may be overwritten.
    auto gather = std::move(variant.steps[4]);
    auto reduce = std::move(variant.steps[2]);
    auto accumulate = std::move(variant.steps[3]);
    variant.steps.resize(2);
    gather->waits = {1};
    *reduce->action.AsTransfer()->source = arena(4096, 1024);
    reduce->waits = {2};
    accumulate->waits = {3};
    accumulate->acknowledgements = {};
    variant.steps.push_back(std::move(gather));
    variant.steps.push_back(std::move(reduce));
    variant.steps.push_back(std::move(accumulate));
  });
  EXPECT_TRUE(status.isOk()) << status.text();
}

// ---- the containers

Status loadBytes(const std::vector<std::byte> &bytes) {
  writeFile(scratchFolder() + "/bytes.plan", bytes);
  LoadOptions options;
  options.weightsPath = scratchFolder() + "/whole.weights";
  return loadPlan(scratchFolder() + "/bytes.plan", options).status();
}

TEST(Loader, ChecksTheContainer) {
  std::vector<std::byte> whole = readFile(soundPlan().write(scratchFolder(), "whole"));
  EXPECT_TRUE(loadBytes(whole).isOk());
  EXPECT_EQ(loadPlan(scratchFolder() + "/absent.plan", {}).status().number(), 2001);
  EXPECT_EQ(loadPlan(scratchFolder(), {}).status().number(), 2001);
  EXPECT_EQ(loadBytes({}).number(), 2004);
  auto with = [&](size_t at, uint8_t value) {
    std::vector<std::byte> bytes = whole;
    bytes[at] = std::byte(value);
    return loadBytes(bytes).number();
  };
  EXPECT_EQ(with(0, 'X'), 2002);
  EXPECT_EQ(with(8, 99), 2003);
  EXPECT_EQ(with(12, 99), 2004);
  EXPECT_EQ(with(16, 99), 2004);
  EXPECT_EQ(with(24, 99), 2004);
  EXPECT_EQ(with(38, 99), 2004);
  EXPECT_EQ(with(40, 99), 2005);
  EXPECT_EQ(with(100, 99), 2005);
  EXPECT_EQ(with(whole.size() - 1, 99), 2005);
  std::vector<std::byte> scrambled = whole;
  std::fill(scrambled.begin() + 64, scrambled.begin() + 72, std::byte(0xff));
  sealPlan(scrambled);
  EXPECT_EQ(loadBytes(scrambled).number(), 2006);
}

TEST(Loader, RefusesCutFiles) {
  std::vector<std::byte> whole = readFile(soundPlan().write(scratchFolder(), "whole"));
  for (size_t i = 0; i != 200; ++i) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(whole.size() * i / 200));
    EXPECT_EQ(loadBytes(cut).number(), 2004) << cut.size();
    if (cut.size() < 64)
      continue;
    // The same with a header that agrees.
    uint64_t size = cut.size();
    std::memcpy(cut.data() + 16, &size, sizeof(size));
    sealPlan(cut);
    EXPECT_FALSE(loadBytes(cut).isOk()) << cut.size();
  }
}

TEST(Loader, ChecksWeights) {
  std::string path = soundPlan().write(scratchFolder(), "weighty"), weights = scratchFolder() + "/weighty.weights";
  std::vector<std::byte> whole = readFile(weights);
  auto load = [&](std::vector<std::byte> bytes) {
    writeFile(weights, bytes);
    return loadPlan(path, {}).status().number();
  };
  EXPECT_EQ(load(whole), 0);
  for (size_t i = 0; i != 200; ++i)
    EXPECT_EQ(load({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(whole.size() * i / 200)}), 2201);
  auto with = [&](size_t at, uint8_t value) {
    std::vector<std::byte> bytes = whole;
    bytes[at] = std::byte(value);
    return load(bytes);
  };
  EXPECT_EQ(with(0, 'X'), 2202);
  EXPECT_EQ(with(8, 99), 2202);
  EXPECT_EQ(with(12, 99), 2204);
  EXPECT_EQ(with(24, static_cast<uint8_t>(whole[24]) ^ 1), 2204);
  EXPECT_EQ(with(sizeof(schema::WeightsHeader) + 1, 1), 2203); // the shared section's offset
  EXPECT_EQ(with(sizeof(schema::WeightsHeader) + 7, 1), 2203);
  EXPECT_EQ(with(sizeof(schema::WeightsHeader) + 40, 99), 2204); // the length of rank 0's
  // Content is compared on request.
  EXPECT_EQ(with(whole.size() - 1, 99), 0);
  auto plan = loadPlan(path, {});
  ASSERT_TRUE(plan.isOk());
  EXPECT_EQ((*plan)->verifyWeights().number(), 2205);
  EXPECT_EQ(load({}), 2201);
  LoadOptions options;
  options.weightsPath = scratchFolder() + "/absent";
  EXPECT_EQ(loadPlan(path, options).status().number(), 2201);
  options.inspectOnly = true;
  auto inspected = loadPlan(path, options);
  ASSERT_TRUE(inspected.isOk());
  EXPECT_EQ((*inspected)->kernel(0), nullptr);
  EXPECT_EQ(plan::defaultWeightsPath("a.b/c"), "a.b/c.weights");
  EXPECT_EQ(plan::defaultWeightsPath("a.b/c.plan"), "a.b/c.weights");
  EXPECT_EQ(plan::defaultWeightsPath("a/.plan"), "a/.plan.weights");
  EXPECT_EQ(plan::defaultWeightsPath("a.b/c.d.plan"), "a.b/c.d.weights");
}

// Rows in numbers that the device counts: what is checked while a step runs is held against what is checked here.
TEST(Loader, RoutedRows) {
  auto load = [](const Break &breakIt) {
    PlanBuilder builder({{"ep", 3}, {"tp", 1}});
    buildRouted(builder, 5, 9, 2);
    breakIt(builder.plan);
    writeFile(scratchFolder() + "/routed.plan", builder.container(builder.flatbuffer()));
    return loadPlan(scratchFolder() + "/routed.plan", {}).status();
  };
  EXPECT_TRUE(load([](auto &) {}).isOk());
  auto routedOf = [](schema::PlanT &plan) -> schema::RoutedRowsT & { return *transferOf(plan, 0).routed; };
  const Case broken[] = {
      {"a reduction", 2117, [](auto &plan) { transferOf(plan, 0).reduction = schema::Reduction::Sum; }},
      {"an offset", 2117, [](auto &plan) { transferOf(plan, 0).source_offset = amount(1); }},
      {"sources", 2117, [](auto &plan) { transferOf(plan, 0).sources = {0, 1, 2}; }},
      {"no group", 2117, [](auto &plan) { transferOf(plan, 0).group.clear(); }},
      {"a part of the mesh", 2117, [](auto &plan) { transferOf(plan, 0).group = {1}; }},
      {"one dim", 2117, [](auto &plan) { transferOf(plan, 0).box.pop_back(); }},
      {"rows apart", 2117, [](auto &plan) { transferOf(plan, 0).box[0]->source_stride = amount(4); }},
      {"elements apart", 2117, [](auto &plan) { transferOf(plan, 0).box[1]->destination_stride = amount(2); }},
      {"no constant", 2117,
       [](auto &plan) { transferOf(plan, 0).box[0]->extent = amountAt(schema::Position::Own, 0, 1); }},
      {"less than no room", 2117, [](auto &plan) { transferOf(plan, 0).box[0]->extent = amount(-1); }},
      {"counts of floats", 2117, [&](auto &plan) { routedOf(plan).element = schema::ElementType::F32; }},
      {"no parts", 2117, [&](auto &plan) { routedOf(plan).parts = 0; }},
      {"rows without end", 2117, [&](auto &plan) { routedOf(plan).source_rows = ~uint64_t(0); }},
      {"more parts than counts", 2116, [&](auto &plan) { routedOf(plan).parts = 6; }},
      {"wider counts", 2116,
       [&](auto &plan) {
         routedOf(plan).element = schema::ElementType::I64;
         routedOf(plan).parts = 3;
       }},
      {"more rows to send than there are", 2116, [&](auto &plan) { routedOf(plan).source_rows = 6; }},
      {"more room than there is", 2116, [](auto &plan) { transferOf(plan, 0).box[0]->extent = amount(11); }},
      {"counts outside", 2107, [&](auto &plan) { routedOf(plan).counts->mutate_offset(1 << 20); }},
      {"counts that nobody wrote", 2113,
       [&](auto &plan) { *routedOf(plan).counts = *transferOf(plan, 1).destination; }},
      {"counts where the rows go", 2119,
       [&](auto &plan) { *routedOf(plan).counts = *transferOf(plan, 0).destination; }},
      {"counts that are not waited for", 2114, [](auto &plan) { stepOf(plan, 2).waits = {0}; }},
  };
  for (const Case &own : broken) {
    Status status = load(own.breakIt);
    EXPECT_EQ(status.number(), own.number) << own.name << ": " << status.text();
  }
}

} // namespace
