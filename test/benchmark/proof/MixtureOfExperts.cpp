// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/benchmark/proof/MixtureOfExperts.h"

#include <vector>

namespace muster::benchmarks {

namespace {

using Shape = std::vector<int64_t>;

struct Value {
  std::string name;
  Shape shape;
};

std::string typeOf(const Shape &shape, const char *element = "f32") {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + element + ">";
}

/// Writes operations; each makes a value of its own name.
class Writer {
public:
  explicit Writer(const MixtureOfExperts &model) : model(model) {}

  std::string write();

private:
  Value emit(const std::string &operation, Shape shape) {
    Value value{"%" + std::to_string(count++), std::move(shape)};
    body += "  " + value.name + " = " + operation + "\n";
    return value;
  }

  /// A weight of its own, of logical sizes, with its layout; loaded.
  Value weight(const Shape &logical, const std::string &layout, Shape local) {
    std::string name = "@w" + std::to_string(weights++);
    head += "muster.weight " + name + " : " + typeOf(logical) + " layout <" + layout + ">\n";
    return load(name, std::move(local));
  }
  Value load(const std::string &name, Shape local) {
    std::string type = typeOf(local);
    return emit("muster.load " + name + " : " + type, std::move(local));
  }

  Value matmul(const Value &x, const Value &w) {
    Shape shape{x.shape[0], w.shape[0]};
    return emit("nn.matmul " + x.name + ", " + w.name + " : " + typeOf(x.shape) + ", " + typeOf(w.shape) + " -> " +
                    typeOf(shape),
                shape);
  }
  /// x times a weight [out/axes, in/axes]: `outParts` and `inParts` of tp.
  Value linear(const Value &x, int64_t out, int64_t in, int64_t outParts, int64_t inParts, const char *layout) {
    return matmul(x, weight({out, in}, layout, {out / outParts, in / inParts}));
  }
  Value norm(const Value &x) {
    Value scale = weight({x.shape[1]}, "[i]", {x.shape[1]});
    return emit("nn.rms_norm " + x.name + ", " + scale.name + " epsilon 1.0e-6 : " + typeOf(x.shape) + ", " +
                    typeOf(scale.shape),
                x.shape);
  }
  Value splitHeads(const Value &x, int64_t heads, int64_t headDim) {
    Shape shape{x.shape[0], x.shape[1] / headDim, headDim};
    return emit("nn.split_heads " + x.name + " heads " + std::to_string(heads) + " head_dim " +
                    std::to_string(headDim) + " : " + typeOf(x.shape) + " -> " + typeOf(shape),
                shape);
  }
  Value mergeHeads(const Value &x, int64_t heads) {
    Shape shape{x.shape[0], x.shape[1] * x.shape[2]};
    return emit("nn.merge_heads " + x.name + " heads " + std::to_string(heads) + " head_dim " +
                    std::to_string(x.shape[2]) + " : " + typeOf(x.shape) + " -> " + typeOf(shape),
                shape);
  }
  Value rope(const Value &x) {
    Shape table{model.positions, model.ropeDim / 2};
    Value cos = load("@cos", table), sin = load("@sin", table);
    return emit("nn.rope " + x.name + ", " + cos.name + ", " + sin.name + ", %positions : " + typeOf(x.shape) + ", " +
                    typeOf(table) + ", " + typeOf({x.shape[0]}, "i32"),
                x.shape);
  }
  Value elementwise(const char *operation, const Value &a, const Value &b) {
    return emit(std::string(operation) + " " + a.name + ", " + b.name + " : " + typeOf(a.shape), a.shape);
  }
  Value unary(const char *operation, const Value &a) {
    return emit(std::string(operation) + " " + a.name + " : " + typeOf(a.shape), a.shape);
  }
  /// Rows as groups of rows.
  Value expandRows(const Value &x) {
    Shape shape = x.shape;
    shape[0] = model.tokens;
    shape.insert(shape.begin(), model.groups);
    std::string groups = "[[0, 1]", sizes;
    for (size_t dim = 2; dim < shape.size(); ++dim)
      groups += ", [" + std::to_string(dim) + "]";
    for (int64_t size : shape)
      sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    return emit("tensor.expand_shape " + x.name + " " + groups + "] output_shape [" + sizes + "] : " + typeOf(x.shape) +
                    " into " + typeOf(shape),
                shape);
  }
  Value collapseRows(const Value &x) {
    Shape shape = x.shape;
    shape[1] *= shape[0];
    shape.erase(shape.begin());
    std::string groups = "[[0, 1]";
    for (size_t dim = 2; dim < x.shape.size(); ++dim)
      groups += ", [" + std::to_string(dim) + "]";
    return emit("tensor.collapse_shape " + x.name + " " + groups + "] : " + typeOf(x.shape) + " into " + typeOf(shape),
                shape);
  }
  Value allReduce(const Value &x) {
    return emit("muster.all_reduce " + x.name + " sum on \"tp\" : " + typeOf(x.shape), x.shape);
  }
  Value allToAll(const Value &x, size_t split, size_t concat) {
    Shape shape = x.shape;
    shape[split] /= model.ep;
    shape[concat] *= model.ep;
    return emit("muster.all_to_all " + x.name + " on \"ep\" split " + std::to_string(split) + " concat " +
                    std::to_string(concat) + " : " + typeOf(x.shape) + " -> " + typeOf(shape),
                shape);
  }

  /// A linalg.generic over iterators named by letters: "gshd,gthd->ghst". `body` computes %r of %x0, %x1 and, where
  /// something is reduced, %s; it starts from `start`.
  Value generic(const std::string &maps, const std::vector<Value> &inputs, const std::string &body,
                const char *start = nullptr);
  Value contract(const std::string &maps, const Value &a, const Value &b) {
    return generic(maps, {a, b}, "%p = arith.mulf %x0, %x1 : f32\n%r = arith.addf %s, %p : f32", "0.0");
  }

  Value attention(const Value &x);
  Value feedForward(const Value &x, int64_t width);
  Value experts(const Value &x);

  const MixtureOfExperts &model;
  std::string head, body;
  int64_t count = 0, weights = 0;
};

Value Writer::generic(const std::string &maps, const std::vector<Value> &inputs, const std::string &payload,
                      const char *start) {
  std::string letters, result = maps.substr(maps.find('>') + 1);
  std::vector<std::string> operands(1);
  for (char c : maps.substr(0, maps.find('-'))) {
    if (c == ',')
      operands.emplace_back();
    else
      operands.back() += c;
    if (c != ',' && letters.find(c) == std::string::npos)
      letters += c;
  }
  std::vector<int64_t> sizes(letters.size());
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t dim = 0; dim < operands[i].size(); ++dim)
      sizes[letters.find(operands[i][dim])] = inputs[i].shape[dim];
  auto mapText = [&](const std::string &dims) {
    std::string text = "affine_map<(";
    for (size_t i = 0; i < letters.size(); ++i)
      text += (i ? ", " : "") + std::string(1, letters[i]);
    text += ") -> (";
    for (size_t i = 0; i < dims.size(); ++i)
      text += (i ? ", " : "") + std::string(1, dims[i]);
    return text + ")>";
  };
  Shape shape;
  for (char c : result)
    shape.push_back(sizes[letters.find(c)]);
  Value init = emit("tensor.empty() : " + typeOf(shape), shape);
  if (start) {
    std::string number = "%c" + std::to_string(count);
    body += "  " + number + " = arith.constant " + start + " : f32\n";
    init = emit("linalg.fill ins(" + number + " : f32) outs(" + init.name + " : " + typeOf(shape) + ") -> " +
                    typeOf(shape),
                shape);
  }
  std::string text = "linalg.generic {indexing_maps = [", kinds, names, types, arguments;
  for (size_t i = 0; i < inputs.size(); ++i) {
    text += mapText(operands[i]) + ", ";
    names += (i ? ", " : "") + inputs[i].name;
    types += (i ? ", " : "") + typeOf(inputs[i].shape);
    arguments += "%x" + std::to_string(i) + ": f32, ";
  }
  for (char c : letters)
    kinds += (kinds.empty() ? "" : ", ") +
             std::string(result.find(c) == std::string::npos ? "\"reduction\"" : "\"parallel\"");
  return emit(text + mapText(result) + "], iterator_types = [" + kinds + "]} ins(" + names + " : " + types + ") outs(" +
                  init.name + " : " + typeOf(shape) + ") {\n^bb0(" + arguments + "%s: f32):\n" + payload +
                  "\nlinalg.yield %r : f32\n} -> " + typeOf(shape),
              shape);
}

/// x: [tokens, hidden]; the result is still to be reduced over tp.
Value Writer::attention(const Value &x) {
  int64_t heads = model.heads, tp = model.tp;
  Value low = norm(linear(x, model.queryRank, model.hidden, 1, 1, "[o, i]"));
  Value latent = norm(linear(x, model.keyRank, model.hidden, 1, 1, "[o, i]"));
  Value q = linear(low, heads * model.headDim, model.queryRank, tp, 1, "[o/tp, i]");
  Value qTurned = linear(low, heads * model.ropeDim, model.queryRank, tp, 1, "[o/tp, i]");
  Value k = linear(latent, heads * model.headDim, model.keyRank, tp, 1, "[o/tp, i]");
  Value v = linear(latent, heads * model.headDim, model.keyRank, tp, 1, "[o/tp, i]");
  Value kTurned = linear(x, model.ropeDim, model.hidden, 1, 1, "[o, i]"); // one head for all
  q = expandRows(splitHeads(q, heads, model.headDim));
  k = expandRows(splitHeads(k, heads, model.headDim));
  v = expandRows(splitHeads(v, heads, model.headDim));
  qTurned = expandRows(rope(splitHeads(qTurned, heads, model.ropeDim)));
  kTurned = expandRows(mergeHeads(rope(splitHeads(kTurned, 1, model.ropeDim)), 1));

  Value scores =
      elementwise("arith.addf", contract("gshd,guhd->ghsu", q, k), contract("gshd,gud->ghsu", qTurned, kTurned));
  Value mask = load("@mask", {model.tokens, model.tokens});
  scores = generic("ghsu,su->ghsu", {scores, mask},
                   "%f = arith.constant 0.0721 : f32\n%t = arith.mulf %x0, %f : f32\n%r = arith.addf %t, %x1 : f32");
  Value top = generic("ghsu->ghs", {scores}, "%r = arith.maximumf %s, %x0 : f32", "0xFF800000");
  Value grown = generic("ghsu,ghs->ghsu", {scores, top}, "%t = arith.subf %x0, %x1 : f32\n%r = math.exp %t : f32");
  Value sum = generic("ghsu->ghs", {grown}, "%r = arith.addf %s, %x0 : f32", "0.0");
  Value weights = generic("ghsu,ghs->ghsu", {grown, sum}, "%r = arith.divf %x0, %x1 : f32");
  Value attended = collapseRows(contract("ghsu,guhd->gshd", weights, v));
  return linear(mergeHeads(attended, heads), model.hidden, heads * model.headDim, 1, tp, "[o, i/tp]");
}

/// Gated, its width over tp; the result is still to be reduced over tp.
Value Writer::feedForward(const Value &x, int64_t width) {
  Value gate = linear(x, width, model.hidden, model.tp, 1, "[o/tp, i]");
  Value up = linear(x, width, model.hidden, model.tp, 1, "[o/tp, i]");
  Value one = emit("arith.constant dense<1.0> : " + typeOf(gate.shape), gate.shape);
  Value divisor = elementwise("arith.addf", unary("math.exp", unary("arith.negf", gate)), one);
  Value inner = elementwise("arith.mulf", elementwise("arith.divf", gate, divisor), up);
  return linear(inner, model.hidden, width, 1, model.tp, "[o, i/tp]");
}

/// The routed experts; the result is still to be reduced over tp.
Value Writer::experts(const Value &x) {
  Value logits = linear(x, model.experts, model.hidden, 1, 1, "[o, i]");
  Value bias = weight({model.experts}, "[e]", {model.experts});
  Value one = emit("arith.constant dense<1.0> : " + typeOf(logits.shape), logits.shape);
  Value gates =
      elementwise("arith.divf", one, elementwise("arith.addf", unary("math.exp", unary("arith.negf", logits)), one));
  Value biased = generic("te,e->te", {gates, bias}, "%r = arith.addf %x0, %x1 : f32");
  Value best = generic("te->t", {biased}, "%r = arith.maximumf %s, %x0 : f32", "0xFF800000");
  Value chosen = generic("te,t,te->te", {biased, best, gates},
                         "%h = arith.constant 0.5 : f32\n%z = arith.constant 0.0 : f32\n%b = arith.mulf %x1, %h : f32\n"
                         "%c = arith.cmpf ogt, %x0, %b : f32\n%r = arith.select %c, %x2, %z : f32");
  Value sum = generic("te->t", {chosen}, "%r = arith.addf %s, %x0 : f32", "0.0");
  Value shares = expandRows(generic("te,t->te", {chosen, sum}, "%r = arith.divf %x0, %x1 : f32"));

  // To the experts: each rank has its groups' tokens for all experts, then all groups' tokens for its experts.
  Value slots =
      weight({model.tokens, model.experts, model.capacity}, "[s, e, c]", {model.tokens, model.experts, model.capacity});
  Value sent = contract("sec,gsi->geci", slots, expandRows(x));
  Value received = allToAll(sent, 1, 0);
  int64_t local = model.experts / model.ep, width = model.expertWidth / model.tp;
  Shape wide{model.experts, model.expertWidth, model.hidden}, narrow{model.experts, model.hidden, model.expertWidth};
  Value gate = contract("geci,efi->gecf", received, weight(wide, "[e/ep, f/tp, i]", {local, width, model.hidden}));
  Value up = contract("geci,efi->gecf", received, weight(wide, "[e/ep, f/tp, i]", {local, width, model.hidden}));
  Value inner = generic("gecf,gecf->gecf", {gate, up},
                        "%o = arith.constant 1.0 : f32\n%n = arith.negf %x0 : f32\n%e = math.exp %n : f32\n"
                        "%d = arith.addf %e, %o : f32\n%t = arith.divf %x0, %d : f32\n%r = arith.mulf %t, %x1 : f32");
  Value out = contract("gecf,eif->geci", inner, weight(narrow, "[e/ep, i, f/tp]", {local, model.hidden, width}));
  Value back = allToAll(out, 0, 1);
  Value routes = generic("gse,sec->gsec", {shares, slots}, "%r = arith.mulf %x0, %x1 : f32");
  return collapseRows(contract("gsec,geci->gsi", routes, back));
}

std::string Writer::write() {
  int64_t rows = model.groups * model.tokens, width = model.vocabulary / model.tp;
  head +=
      "muster.mesh @mesh <[\"ep\" = " + std::to_string(model.ep) + ", \"tp\" = " + std::to_string(model.tp) + "]>\n";
  Shape table{model.positions, model.ropeDim / 2};
  for (const char *name : {"@cos", "@sin"})
    head += "muster.weight " + std::string(name) + " : " + typeOf(table) + " layout <[p, e]>\n";
  head += "muster.weight @mask : " + typeOf({model.tokens, model.tokens}) + " layout <[s, u]>\n";

  Value embedding = weight({model.vocabulary, model.hidden}, "[v/tp, i]", {width, model.hidden});
  body += "  %own = muster.coordinate \"tp\"\n  %width = arith.constant " + std::to_string(width) +
          " : index\n  %first = arith.muli %own, %width : index\n";
  Value x = allReduce(emit("nn.gather_rows " + embedding.name + "[%tokens] first %first : " + typeOf(embedding.shape) +
                               ", " + typeOf({rows}, "i32") + " -> " + typeOf({rows, model.hidden}),
                           {rows, model.hidden}));
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    x = elementwise("arith.addf", x, allReduce(attention(norm(x))));
    Value y = norm(x), part = feedForward(y, layer < model.denseLayers ? model.denseWidth : model.expertWidth);
    if (layer >= model.denseLayers)
      part = elementwise("arith.addf", part, experts(y));
    x = elementwise("arith.addf", x, allReduce(part));
  }
  Value logits = linear(norm(x), model.vocabulary, model.hidden, model.tp, 1, "[v/tp, i]");
  auto rowsOf = [&](const char *name) {
    return "%" + std::string(name) + ": " + typeOf({rows}, "i32") + " {muster.layout = #muster.layout<[(g/ep s)]>}";
  };
  return head + "func.func @prefill(" + rowsOf("tokens") + ", " + rowsOf("positions") + ")\n    -> (" +
         typeOf(logits.shape) +
         " {muster.layout = #muster.layout<[(g/ep s), v/tp]>}) attributes {muster.sizes = {s = " +
         std::to_string(model.tokens) + "}} {\n" + body + "  return " + logits.name + " : " + typeOf(logits.shape) +
         "\n}\n";
}

} // namespace

std::string MixtureOfExperts::text() const { return Writer(*this).write(); }

} // namespace muster::benchmarks
