// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/benchmark/proof/Chains.h"

namespace muster::benchmarks {

static std::string value(int64_t number) { return "%v" + std::to_string(number); }

std::string movementChain(int64_t operations) {
  std::string text = R"(muster.mesh @mesh <["sp" = 4]>
func.func @chain(%v0: tensor<2x6x8x5xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x6x8x5xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
)";
  // Ten operations lead back to the first layout.
  static const char *const steps[][3] = {
      {"math.tanh ", "", " : tensor<2x6x8x5xf32>"},
      {"tensor.expand_shape ", " [[0], [1], [2, 3], [4]] output_shape [2, 6, 4, 2, 5]",
       " : tensor<2x6x8x5xf32> into tensor<2x6x4x2x5xf32>"},
      {"linalg.transpose ins(",
       " : tensor<2x6x4x2x5xf32>) outs(%e0 : tensor<4x2x6x2x5xf32>) permutation = [2, 0, 1, 3, 4]", ""},
      {"muster.exchange ", " on \"sp\"", " : tensor<4x2x6x2x5xf32>"},
      {"linalg.transpose ins(",
       " : tensor<4x2x6x2x5xf32>) outs(%e1 : tensor<2x4x6x2x5xf32>) permutation = [1, 0, 2, 3, 4]", ""},
      {"tensor.collapse_shape ", " [[0], [1, 2], [3], [4]]", " : tensor<2x4x6x2x5xf32> into tensor<2x24x2x5xf32>"},
      {"math.exp ", "", " : tensor<2x24x2x5xf32>"},
      {"arith.negf ", "", " : tensor<2x24x2x5xf32>"},
      {"arith.addf %v0, ", "", ""}, // replaced below
      {"muster.all_to_all ", " on \"sp\" split 1 concat 2", " : tensor<2x24x2x5xf32> -> tensor<2x6x8x5xf32>"},
  };
  text += "  %e0 = tensor.empty() : tensor<4x2x6x2x5xf32>\n  %e1 = tensor.empty() : tensor<2x4x6x2x5xf32>\n";
  int64_t made = 0, own = 0;
  while (made + 10 <= operations) {
    for (const auto &step : steps) {
      bool isSum = &step == &steps[8];
      if (isSum)
        text += "  " + value(own + 1) + " = arith.addf " + value(own) + ", " + value(own) + " : tensor<2x24x2x5xf32>\n";
      else
        text += "  " + value(own + 1) + " = " + step[0] + value(own) + step[1] + step[2] + "\n";
      ++own;
    }
    made += 10;
  }
  return text + "  return " + value(own) + " : tensor<2x6x8x5xf32>\n}\n";
}

std::string misalignedChain(int64_t operations) {
  std::string text = R"(muster.mesh @mesh <["sp" = 4]>
func.func @misaligned(%v0: tensor<6x10xf32> {muster.layout = #muster.layout<[s/sp, h]>})
    -> (tensor<6x10xf32> {muster.layout = #muster.layout<[s/sp, h]>}) {
  %e0 = tensor.empty() : tensor<15x4xf32>
  %e1 = tensor.empty() : tensor<4x15xf32>
)";
  int64_t own = 0;
  for (int64_t made = 0; made + 4 <= operations; made += 4) {
    text += "  " + value(own + 1) + "c = tensor.collapse_shape " + value(own) +
            " [[0, 1]] : tensor<6x10xf32> into tensor<60xf32>\n";
    text += "  " + value(own + 1) + "w = tensor.expand_shape " + value(own + 1) +
            "c [[0, 1]] output_shape [4, 15] : tensor<60xf32> into tensor<4x15xf32>\n";
    text += "  " + value(own + 1) + "t = linalg.transpose ins(" + value(own + 1) +
            "w : tensor<4x15xf32>) outs(%e0 : tensor<15x4xf32>) permutation = [1, 0]\n";
    text += "  " + value(own + 1) + "u = linalg.transpose ins(" + value(own + 1) +
            "t : tensor<15x4xf32>) outs(%e1 : tensor<4x15xf32>) permutation = [1, 0]\n";
    text += "  " + value(own + 1) + "d = tensor.collapse_shape " + value(own + 1) +
            "u [[0, 1]] : tensor<4x15xf32> into tensor<60xf32>\n";
    text += "  " + value(own + 1) + " = tensor.expand_shape " + value(own + 1) +
            "d [[0, 1]] output_shape [6, 10] : tensor<60xf32> into tensor<6x10xf32>\n";
    ++own;
  }
  return text + "  return " + value(own) + " : tensor<6x10xf32>\n}\n";
}

std::string nestedBranches(int64_t depth) {
  std::string text = R"(muster.mesh @mesh <["sp" = 4]>
func.func @nested(%x: tensor<6x10xf32> {muster.layout = #muster.layout<[s/sp, h]>})
    -> (tensor<6x10xf32> {muster.layout = #muster.layout<[s/sp, h]>}) {
  %c = arith.constant true
)";
  for (int64_t i = 0; i < depth; ++i)
    text += value(i) + " = scf.if %c -> tensor<6x10xf32> {\n";
  text += value(depth) + " = math.tanh %x : tensor<6x10xf32>\n";
  for (int64_t i = depth; i-- > 0;)
    text += "scf.yield " + value(i + 1) + " : tensor<6x10xf32>\n} else {\nscf.yield %x : tensor<6x10xf32>\n}\n";
  return text + "  return %v0 : tensor<6x10xf32>\n}\n";
}

std::string calls(int64_t count) {
  std::string text = R"(muster.mesh @mesh <["sp" = 4]>
func.func private @block(%x: tensor<2x6x8x5xf32>) -> tensor<2x6x8x5xf32> {
  %a = muster.all_to_all %x on "sp" split 2 concat 1 : tensor<2x6x8x5xf32> -> tensor<2x24x2x5xf32>
  %b = math.tanh %a : tensor<2x24x2x5xf32>
  %c = arith.negf %b : tensor<2x24x2x5xf32>
  %d = arith.addf %b, %c : tensor<2x24x2x5xf32>
  %e = arith.mulf %d, %a : tensor<2x24x2x5xf32>
  %f = math.exp %e : tensor<2x24x2x5xf32>
  %g = arith.subf %f, %e : tensor<2x24x2x5xf32>
  %h = arith.addf %g, %a : tensor<2x24x2x5xf32>
  %i = muster.all_to_all %h on "sp" split 1 concat 2 : tensor<2x24x2x5xf32> -> tensor<2x6x8x5xf32>
  return %i : tensor<2x6x8x5xf32>
}
func.func @calls(%v0: tensor<2x6x8x5xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x6x8x5xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
)";
  for (int64_t i = 0; i < count; ++i)
    text +=
        "  " + value(i + 1) + " = func.call @block(" + value(i) + ") : (tensor<2x6x8x5xf32>) -> tensor<2x6x8x5xf32>\n";
  return text + "  return " + value(count) + " : tensor<2x6x8x5xf32>\n}\n";
}

std::string functions(int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    std::string number = std::to_string(i);
    text += "muster.mesh @mesh" + number + " <[\"sp\" = 4]>\nfunc.func @f" + number +
            "(%x: tensor<6x8xf32> {muster.layout = #muster.layout<[s/sp, h]>}) -> (tensor<24x2xf32> {muster.layout = "
            "#muster.layout<[s, h/sp]>}) attributes {muster.mesh = @mesh" +
            number +
            "} {\n  %y = math.tanh %x : tensor<6x8xf32>\n  %z = muster.all_to_all %y on \"sp\" split 1 concat 0 : "
            "tensor<6x8xf32> -> tensor<24x2xf32>\n  return %z : tensor<24x2xf32>\n}\n";
  }
  return text;
}

std::string weights(int64_t count) {
  std::string head = "muster.mesh @mesh <[\"tp\" = 4]>\n", body;
  for (int64_t i = 0; i < count; ++i) {
    std::string number = std::to_string(i);
    head += "muster.weight @w" + number + " : tensor<8x8xf32> layout <[o, i]>\n";
    body += "  %w" + number + " = muster.load @w" + number + " : tensor<8x8xf32>\n  " + value(i + 1) + " = nn.matmul " +
            value(i) + ", %w" + number + " : tensor<6x8xf32>, tensor<8x8xf32> -> tensor<6x8xf32>\n";
  }
  return head +
         "func.func @weights(%v0: tensor<6x8xf32> {muster.layout = #muster.layout<[t/tp, i]>})\n    -> "
         "(tensor<6x8xf32> {muster.layout = #muster.layout<[t/tp, o]>}) {\n" +
         body + "  return " + value(count) + " : tensor<6x8xf32>\n}\n";
}

} // namespace muster::benchmarks
