// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "DataParallelLayer.h"

using namespace mlir;
using namespace muster;
using namespace muster::test;
using reference::Tensor;

static const char *const layer = R"(
!local_tokens = !muster.counts<[], tokens, @step>
!local_requests = !muster.counts<[], requests, @step>
!local_rows = !muster.counts<[], rows, @step>
!tokens = !muster.counts<[dp], tokens, @step>
!requests = !muster.counts<[dp], requests, @step>
!rows = !muster.counts<[dp], rows, @step>
muster.mesh @mesh <["dp" = {D}, "tp" = {A}]>
muster.weight @rope_cos : tensor<16x2xf32> layout <[p, e]>
muster.weight @rope_sin : tensor<16x2xf32> layout <[p, e]>
muster.weight @token_embedding : tensor<120x16xf32> layout <[v/(dp,tp), i]>
muster.weight @attention_norm : tensor<16xf32> layout <[i]>
muster.weight @qkv : tensor<32x16xf32> layout <[{q:16/tp | k:8/tp | v:8/tp}, i]>
muster.weight @o : tensor<16x16xf32> layout <[o, i/tp]>
muster.weight @feed_forward_norm : tensor<16xf32> layout <[i]>
muster.weight @gate_up : tensor<48x16xf32> layout <[{gate:24/(dp,tp) | up:24/(dp,tp)}, i]>
muster.weight @down : tensor<16x24xf32> layout <[o, i/(dp,tp)]>
muster.weight @output_norm : tensor<16xf32> layout <[i]>
muster.state @keys : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
muster.state @values : tensor<?x4x2x4xf32> layout <[page/dp, slot, kv/tp, d]>
func.func @step(
    %tokens: tensor<?xi32> {muster.name = "tokens", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %positions: tensor<?xi32> {muster.name = "positions", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %starts: tensor<?xi32> {muster.name = "query_starts", muster.layout = #muster.layout<[starts/dp : starts @step]>},
    %blocks: tensor<?x4xi32> {muster.name = "block_table", muster.layout = #muster.layout<[s/dp : requests @step, pages]>},
    %slots: tensor<?xi32> {muster.name = "write_slots", muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %logit_rows: tensor<?xi32> {muster.name = "logit_rows", muster.layout = #muster.layout<[r/dp : rows @step]>})
    -> (tensor<?x120xf32> {muster.name = "logits", muster.layout = #muster.layout<[r/dp : rows @step, v]>})
    attributes {muster.mesh = @mesh, muster.bounds = {t = 8 : i64, starts = 5 : i64, s = 4 : i64, r = 4 : i64},
                muster.variants = [{t = 2 : i64}]} {
  %c0 = arith.constant 0 : index
  // counts
  %t = tensor.dim %tokens, %c0 : tensor<?xi32>
  %s = tensor.dim %blocks, %c0 : tensor<?x4xi32>
  %r = tensor.dim %logit_rows, %c0 : tensor<?xi32>
  %lt = muster.local_count %t field "t" : !local_tokens
  %ls = muster.local_count %s field "s" : !local_requests
  %lr = muster.local_count %r field "r" : !local_rows
  %nt, %ns, %nr = muster.exchange_counts %lt, %ls, %lr : !local_tokens, !local_requests, !local_rows -> !tokens, !requests, !rows
  %nst = muster.scale %ns times 1 plus 1 : !requests -> !muster.counts<[dp], starts, @step>
  // end of counts
  %cos = muster.load @rope_cos : tensor<16x2xf32>
  %sin = muster.load @rope_sin : tensor<16x2xf32>
  %all = muster.redistribute %tokens counts(%nt : !tokens) from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  %table = muster.load @token_embedding : tensor<{V}x16xf32>
  %dp = muster.coordinate "dp"
  %tp = muster.coordinate "tp"
  %of_group = arith.constant {VD} : index
  %of_rank = arith.constant {V} : index
  %first_dp = arith.muli %dp, %of_group : index
  %first_tp = arith.muli %tp, %of_rank : index
  %first = arith.addi %first_tp, %first_dp : index
  %e = nn.gather_rows %table[%all] first %first : tensor<{V}x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %x0 = muster.redistribute %e counts(%nt : !tokens) from <[t, i], partial(sum: dp, tp)> to <[t/dp : tokens @step, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %own = tensor.dim %x0, %c0 : tensor<?x16xf32>
  %w_an = muster.load @attention_norm : tensor<16xf32>
  %n0 = nn.rms_norm %x0, %w_an epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %w_qkv = muster.load @qkv : tensor<{QKV}x16xf32>
  %qkv = nn.matmul %n0, %w_qkv : tensor<?x16xf32>, tensor<{QKV}x16xf32> -> tensor<?x{QKV}xf32>
  %q2 = tensor.extract_slice %qkv[0, 0] [%own, {Q}] [1, 1] : tensor<?x{QKV}xf32> to tensor<?x{Q}xf32>
  %k2 = tensor.extract_slice %qkv[0, {Q}] [%own, {K}] [1, 1] : tensor<?x{QKV}xf32> to tensor<?x{K}xf32>
  %v2 = tensor.extract_slice %qkv[0, {QK}] [%own, {K}] [1, 1] : tensor<?x{QKV}xf32> to tensor<?x{K}xf32>
  %q3 = nn.split_heads %q2 heads 4 head_dim 4 : tensor<?x{Q}xf32> -> tensor<?x{H}x4xf32>
  %k3 = nn.split_heads %k2 heads 2 head_dim 4 : tensor<?x{K}xf32> -> tensor<?x{KV}x4xf32>
  %v3 = nn.split_heads %v2 heads 2 head_dim 4 : tensor<?x{K}xf32> -> tensor<?x{KV}x4xf32>
  %q = nn.rope %q3, %cos, %sin, %positions : tensor<?x{H}x4xf32>, tensor<16x2xf32>, tensor<?xi32>
  %k = nn.rope %k3, %cos, %sin, %positions : tensor<?x{KV}x4xf32>, tensor<16x2xf32>, tensor<?xi32>
  nn.cache_append @keys, %k, %slots : tensor<?x{KV}x4xf32>, tensor<?xi32>
  nn.cache_append @values, %v3, %slots : tensor<?x{KV}x4xf32>, tensor<?xi32>
  %a = nn.attention %q keys @keys values @values positions %positions starts %starts blocks %blocks heads 4 kv_heads 2
      scale 0.5 : tensor<?x{H}x4xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  %am = nn.merge_heads %a heads 4 head_dim 4 : tensor<?x{H}x4xf32> -> tensor<?x{Q}xf32>
  %w_o = muster.load @o : tensor<16x{Q}xf32>
  %ao = nn.matmul %am, %w_o : tensor<?x{Q}xf32>, tensor<16x{Q}xf32> -> tensor<?x16xf32>
  %as = muster.redistribute %ao from <[t/dp : tokens @step, i], partial(sum: tp)> to <[t/dp : tokens @step, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %x1_to = tensor.empty(%own) : tensor<?x16xf32>
  %x1 = linalg.add ins(%x0, %as : tensor<?x16xf32>, tensor<?x16xf32>) outs(%x1_to : tensor<?x16xf32>) -> tensor<?x16xf32>
  %w_fn = muster.load @feed_forward_norm : tensor<16xf32>
  %n1 = nn.rms_norm %x1, %w_fn epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %g = muster.redistribute %n1 counts(%nt : !tokens) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %rows = tensor.dim %g, %c0 : tensor<?x16xf32>
  %w_gu = muster.load @gate_up : tensor<{GU}x16xf32>
  %gu = nn.matmul %g, %w_gu : tensor<?x16xf32>, tensor<{GU}x16xf32> -> tensor<?x{GU}xf32>
  %gate = tensor.extract_slice %gu[0, 0] [%rows, {F}] [1, 1] : tensor<?x{GU}xf32> to tensor<?x{F}xf32>
  %up = tensor.extract_slice %gu[0, {F}] [%rows, {F}] [1, 1] : tensor<?x{GU}xf32> to tensor<?x{F}xf32>
  %act_to = tensor.empty(%rows) : tensor<?x{F}xf32>
  %act = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
                         iterator_types = ["parallel", "parallel"]}
      ins(%gate, %up : tensor<?x{F}xf32>, tensor<?x{F}xf32>) outs(%act_to : tensor<?x{F}xf32>) {
  ^bb0(%left: f32, %right: f32, %o: f32):
    %one = arith.constant 1.0 : f32
    %neg = arith.negf %left : f32
    %exp = math.exp %neg : f32
    %den = arith.addf %one, %exp : f32
    %silu = arith.divf %left, %den : f32
    %out = arith.mulf %silu, %right : f32
    linalg.yield %out : f32
  } -> tensor<?x{F}xf32>
  %w_d = muster.load @down : tensor<16x{F}xf32>
  %d = nn.matmul %act, %w_d : tensor<?x{F}xf32>, tensor<16x{F}xf32> -> tensor<?x16xf32>
  %ds = muster.redistribute %d counts(%nt : !tokens) from <[t, i], partial(sum: dp, tp)> to <[t/dp : tokens @step, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %x2_to = tensor.empty(%own) : tensor<?x16xf32>
  %x2 = linalg.add ins(%x1, %ds : tensor<?x16xf32>, tensor<?x16xf32>) outs(%x2_to : tensor<?x16xf32>) -> tensor<?x16xf32>
  %asked = nn.gather_rows %x2[%logit_rows] : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %h = muster.redistribute %asked counts(%nr : !rows) from <[r/dp : rows @step, i]> to <[r, i]> : tensor<?x16xf32> -> tensor<?x16xf32>
  %w_on = muster.load @output_norm : tensor<16xf32>
  %hn = nn.rms_norm %h, %w_on epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %logits = nn.matmul %hn, %table : tensor<?x16xf32>, tensor<{V}x16xf32> -> tensor<?x{V}xf32>
  %out = muster.redistribute %logits counts(%nr : !rows) from <[r, v/(dp,tp)]> to <[r/dp : rows @step, v]> : tensor<?x{V}xf32> -> tensor<?x120xf32>
  return %out : tensor<?x120xf32>
}
)";

std::string test::dataParallelLayer(int64_t groups, int64_t heads, bool isCounted) {
  int64_t ranks = groups * heads;
  const std::map<std::string, int64_t> numbers{
      {"{D}", groups},       {"{A}", heads},      {"{V}", vocabulary / ranks}, {"{VD}", vocabulary / groups},
      {"{QKV}", 32 / heads}, {"{Q}", 16 / heads}, {"{K}", 8 / heads},          {"{QK}", 24 / heads},
      {"{H}", 4 / heads},    {"{KV}", 2 / heads}, {"{GU}", 48 / ranks},        {"{F}", 24 / ranks}};
  std::string text = layer;
  for (const auto &[name, number] : numbers)
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name))
      text.replace(at, name.size(), std::to_string(number));
  if (isCounted)
    return text;
  size_t begin = text.find("  // counts"), end = text.find("  // end of counts");
  text.erase(begin, end - begin);
  for (const std::string clause : {" counts(%nt : !tokens)", " counts(%nr : !rows)"})
    for (size_t at = text.find(clause); at != std::string::npos; at = text.find(clause))
      text.erase(at, clause.size());
  return text;
}

StepInputs test::makeInputs(MLIRContext *context, const Step &step, bool asOneGroup) {
  std::vector<int64_t> tokens, positions, starts, blocks, slots, rows;
  std::vector<int64_t> tokensOf, requestsOf, startsOf, rowsOf;
  int64_t rowsBefore = 0, firstPage = 0;
  for (const std::vector<Share> &group : step) {
    if (!asOneGroup || &group == &step.front()) {
      starts.push_back(0);
      rowsBefore = 0;
    }
    int64_t taken = 0;
    for (const Share &share : group) {
      for (int64_t i = 0; i < share.tokens; ++i) {
        int64_t position = share.position + i;
        tokens.push_back((share.sequence * 37 + position * 11) % vocabulary);
        positions.push_back(position);
        slots.push_back((firstPage + share.firstPage) * slotsPerPage + position);
      }
      for (int64_t page = 0; page < pagesPerSequence; ++page)
        blocks.push_back(firstPage + share.firstPage + page);
      taken += share.tokens;
      rowsBefore += share.tokens;
      starts.push_back(rowsBefore);
      rows.push_back(rowsBefore - 1);
    }
    auto sequences = static_cast<int64_t>(group.size());
    tokensOf.push_back(taken);
    requestsOf.push_back(sequences);
    startsOf.push_back(sequences + 1);
    rowsOf.push_back(sequences);
    if (asOneGroup)
      firstPage += pagesPerGroup;
  }
  auto sum = [](std::vector<int64_t> &counts) {
    int64_t all = 0;
    for (int64_t count : counts)
      all += count;
    counts = {all};
  };
  if (asOneGroup) {
    for (std::vector<int64_t> *counts : {&tokensOf, &requestsOf, &rowsOf})
      sum(*counts);
    startsOf = {requestsOf.front() + 1};
  }
  auto i32 = IntegerType::get(context, 32);
  auto make = [&](const std::vector<int64_t> &values) {
    return Tensor::ofIntegers({static_cast<int64_t>(values.size())}, i32, values);
  };
  StepInputs inputs;
  int64_t sequences = static_cast<int64_t>(blocks.size()) / pagesPerSequence;
  inputs.tensors = {make(tokens), make(positions),
                    make(starts), Tensor::ofIntegers({sequences, pagesPerSequence}, i32, blocks),
                    make(slots),  make(rows)};
  inputs.sizes.counts["tokens@step"] = tokensOf;
  inputs.sizes.counts["requests@step"] = requestsOf;
  inputs.sizes.counts["starts@step"] = startsOf;
  inputs.sizes.counts["rows@step"] = rowsOf;
  return inputs;
}
