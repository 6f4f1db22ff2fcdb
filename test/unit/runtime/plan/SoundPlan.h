// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan that uses everything once, for tests that break one thing at a time.

#ifndef MUSTER_TEST_UNIT_RUNTIME_PLAN_SOUNDPLAN_H
#define MUSTER_TEST_UNIT_RUNTIME_PLAN_SOUNDPLAN_H

#include "test/unit/runtime/builder/PlanBuilder.h"

namespace muster::test {

/// Three ranks; input x [tokens, 16] at [0, 1024), tokens up to 16:
///   step 0  launch "affine"          x -> a [1024, 2048)
///   step 1  matmul                   a -> b [2048, 3072), weight [16, 16]
///   step 2  transfer "all_reduce"    b -> c [3072, 4096)
///   step 3  launch "accumulate"      c, state -> b (which peers have read in step 2: acknowledged)
///   step 4  transfer "all_gather"    b -> d [4096, 7168)
/// Result d [3 * tokens, 16].
inline PlanBuilder soundPlan() {
  PlanBuilder builder({{"tp", 3}});
  uint32_t tokens = builder.input("tokens", 16);
  uint32_t width = builder.constant(16);
  uint32_t elements =
      builder.instruction(schema::CountOp::Multiply, static_cast<int32_t>(tokens), static_cast<int32_t>(width));
  builder.check(tokens, 16, "tokens");
  std::vector<float> matrix(256, 0.5f);
  uint32_t weight = builder.weight("w", 16, 16, schema::Packing::RowMajor, {matrix, matrix, matrix});
  builder.weight("shared", 4, 4, schema::Packing::BlockedN64K16, {std::vector<float>(16, 1.0f)}, true);
  uint32_t state = builder.pagedState("s", {256});
  uint32_t affine = builder.kernel("affine", 2, 2), accumulate = builder.kernel("accumulate", 3, 1);
  schema::EntryT &entry = builder.addEntry("step");
  std::vector<AmountPtr> inputDims, resultDims;
  inputDims.push_back(amountOf(tokens));
  inputDims.push_back(amount(16));
  resultDims.push_back(amountOf(tokens, 3));
  resultDims.push_back(amount(16));
  builder.addPort(entry.inputs, "x", std::move(inputDims));
  builder.addPort(entry.results, "d", std::move(resultDims));
  schema::VariantT &variant = builder.addVariant(entry, "any", 7168);
  variant.bounds.emplace_back(16, tokens);
  variant.inputs.emplace_back(0, 1024);
  variant.results.emplace_back(4096, 3072);
  auto x = arena(0, 1024), a = arena(1024, 1024), b = arena(2048, 1024), c = arena(3072, 1024), d = arena(4096, 3072);
  builder.launch(variant, affine, {{x}, {a, true}}, {tokens, width}, amountOf(tokens));
  builder.matmul(variant, amountOf(tokens), 16, 16, a, weight, b, {0});
  PlanBuilder::TransferSpec reduce{"all_reduce", {0}, b, c, amount(0), amount(0), {}, schema::Reduction::Sum};
  reduce.box.push_back(dim(amountOf(tokens), 16, 16));
  reduce.box.push_back(dim(amount(16), 1, 1));
  builder.transfer(variant, std::move(reduce), {1});
  builder.launch(variant, accumulate, {{c}, {stateBinding(state), true}, {b, true}}, {elements}, amount(1), {2}, {2});
  PlanBuilder::TransferSpec gather{
      "all_gather", {0}, b, d, amount(0), amountAt(schema::Position::Peer, 0, 16, static_cast<int32_t>(tokens)), {}};
  gather.box.push_back(dim(amountOf(tokens), 16, 16));
  gather.box.push_back(dim(amount(16), 1, 1));
  builder.transfer(variant, std::move(gather), {3});
  return builder;
}

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_PLAN_SOUNDPLAN_H
