// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/GGUF/GgufCheckpoint.h"

#include "compiler/Import/ImportError.h"
#include "compiler/Import/RopeScaling.h"

#include "llvm/ADT/StringSwitch.h"

#include <charconv>
#include <system_error>

namespace muster::gguf {

namespace {

std::string sourceName(llvm::StringRef layer, llvm::StringRef part) {
  llvm::StringRef name = llvm::StringSwitch<llvm::StringRef>(part)
                             .Case("token_embedding", "token_embd.weight")
                             .Case("output_norm", "output_norm.weight")
                             .Case("output", "output.weight")
                             .Case("attention_norm", "attn_norm.weight")
                             .Case("q", "attn_q.weight")
                             .Case("k", "attn_k.weight")
                             .Case("v", "attn_v.weight")
                             .Case("o", "attn_output.weight")
                             .Case("q_bias", "attn_q.bias")
                             .Case("k_bias", "attn_k.bias")
                             .Case("v_bias", "attn_v.bias")
                             .Case("o_bias", "attn_output.bias")
                             .Case("feed_forward_norm", "ffn_norm.weight")
                             .Case("gate", "ffn_gate.weight")
                             .Case("up", "ffn_up.weight")
                             .Case("down", "ffn_down.weight")
                             .Case("gate_bias", "ffn_gate.bias")
                             .Case("up_bias", "ffn_up.bias")
                             .Case("down_bias", "ffn_down.bias");
  return layer.empty() ? name.str() : "blk." + layer.str() + "." + name.str();
}

// The float32 of the file as the double that was meant: 1e-5f is 9.99999974737875e-06, but the model says 1e-05, and so
// does the same model's config.json.
double asWritten(double value) {
  char text[32];
  const std::to_chars_result printed = std::to_chars(text, text + sizeof(text), static_cast<float>(value));
  double meant = value;
  std::from_chars(text, printed.ptr, meant);
  return meant;
}

// Fills one config field each; the first error of a kind stops the reading.
class ConfigReader {
public:
  explicit ConfigReader(const GgufFile &file) : file(file) {}
  llvm::Expected<llama::LlamaConfig> read();

private:
  llvm::Error readSizes();
  llvm::Error readVocabulary();
  llvm::Error readNumbers();
  llvm::Error readRope();
  llvm::Error readRopeDivisors();
  llvm::Error refuseOtherFeatures();
  llvm::Error integer(llvm::StringRef key, int64_t &value) { return assign(file.getInteger(key), value); }
  llvm::Error integer(llvm::StringRef key, int64_t &value, int64_t otherwise) {
    return assign(file.getInteger(key, otherwise), value);
  }
  template <typename T, typename U>
  static llvm::Error assign(llvm::Expected<T> from, U &to) {
    if (!from)
      return from.takeError();
    to = U(*from);
    return llvm::Error::success();
  }
  std::string path() const { return file.path().str(); }

  const GgufFile &file;
  llama::LlamaConfig config;
};

llvm::Error ConfigReader::readSizes() {
  if (llvm::Error error = integer("llama.block_count", config.layers))
    return error;
  if (llvm::Error error = integer("llama.embedding_length", config.hidden))
    return error;
  if (llvm::Error error = integer("llama.attention.head_count", config.heads))
    return error;
  if (llvm::Error error = integer("llama.attention.head_count_kv", config.kvHeads, config.heads))
    return error;
  if (llvm::Error error = integer("llama.feed_forward_length", config.feedForward))
    return error;
  if (llvm::Error error = integer("llama.context_length", config.contextLength))
    return error;
  const int64_t wholeHead = config.heads > 0 ? config.hidden / config.heads : 0;
  if (llvm::Error error = integer("llama.attention.key_length", config.headDim, wholeHead))
    return error;
  int64_t valueDim = 0;
  if (llvm::Error error = integer("llama.attention.value_length", valueDim, config.headDim))
    return error;
  if (valueDim != config.headDim)
    return unsupportedInput("E3304 {}: unsupported llama.attention.value_length {}, expected the key's {}", path(),
                            valueDim, config.headDim);
  return readVocabulary();
}

// Older files leave llama.vocab_size out; then the embedding's rows say it.
llvm::Error ConfigReader::readVocabulary() {
  const CheckpointTensor *embedding = file.findTensor("token_embd.weight");
  if (embedding && !file.contains("llama.vocab_size")) {
    config.vocabulary = embedding->shape.front();
    return llvm::Error::success();
  }
  return integer("llama.vocab_size", config.vocabulary);
}

llvm::Error ConfigReader::readNumbers() {
  if (llvm::Error error = assign(file.getFloat("llama.attention.layer_norm_rms_epsilon"), config.rmsEpsilon))
    return error;
  config.rmsEpsilon = asWritten(config.rmsEpsilon);
  if (llvm::Error error = assign(file.getFloat("llama.rope.freq_base", 10000.0), config.ropeTheta))
    return error;
  config.ropeTheta = asWritten(config.ropeTheta);
  return llvm::Error::success();
}

llvm::Error ConfigReader::readRope() {
  if (llvm::Error error = validate(config, path())) // the number of divisors follows from the head size
    return error;
  int64_t rotated = 0;
  if (llvm::Error error = integer("llama.rope.dimension_count", rotated, config.headDim))
    return error;
  if (rotated != config.headDim)
    return unsupportedInput("E3304 {}: unsupported llama.rope.dimension_count {}, expected the whole head of {}",
                            path(), rotated, config.headDim);
  std::string type;
  if (llvm::Error error = assign(file.getString("llama.rope.scaling.type", "none"), type))
    return error;
  if (type != "none" && type != "linear")
    return unsupportedInput("E3304 {}: unsupported llama.rope.scaling.type {}, expected none or linear", path(),
                            quoted(type));
  double factor = 1.0;
  if (llvm::Error error = assign(file.getFloat("llama.rope.scale_linear", 1.0), factor)) // the key's older name
    return error;
  if (type == "linear")
    if (llvm::Error error = assign(file.getFloat("llama.rope.scaling.factor", factor), factor))
      return error;
  if (factor != 1.0)
    if (llvm::Error error = scaleRope(config, {RopeScaling::Kind::Linear, asWritten(factor)}, path()))
      return error;
  return readRopeDivisors();
}

llvm::Error ConfigReader::readRopeDivisors() {
  const CheckpointTensor *tensor = file.findTensor("rope_freqs.weight");
  if (!tensor)
    return llvm::Error::success();
  if (!config.ropeFrequencyDivisors.empty())
    return unsupportedInput(
        "E3304 {}: unsupported tensor 'rope_freqs.weight' together with linear rotary scaling, expected "
        "one of them",
        path());
  if (tensor->shape.size() != 1 || tensor->shape[0] != config.headDim / 2)
    return wrongInput("E3308 {}: expected shape [{}] of tensor 'rope_freqs.weight' but got {}", path(),
                      config.headDim / 2, shapeText(tensor->shape));
  std::vector<float> divisors(static_cast<size_t>(tensor->shape[0]));
  decodeRows(*tensor, 0, tensor->shape[0], divisors.data());
  config.ropeFrequencyDivisors.assign(divisors.begin(), divisors.end());
  return llvm::Error::success();
}

llvm::Error ConfigReader::refuseOtherFeatures() {
  llvm::Expected<bool> causal = file.getBool("llama.attention.causal", true);
  if (!causal)
    return causal.takeError();
  if (!*causal)
    return unsupportedInput("E3304 {}: unsupported llama.attention.causal false, expected true", path());
  // Factors that other families' converters write, and that this family's mathematics has no place for.
  for (const char *key : {"llama.attention.scale", "llama.attention.clamp_kqv", "llama.attention.max_alibi_bias",
                          "llama.embedding_scale", "llama.residual_scale", "llama.logit_scale"})
    if (file.contains(key))
      return unsupportedInput("E3304 {}: unsupported metadata key {}, expected a model without it", path(), key);
  int64_t experts = 0, window = 0, parts = 0;
  if (llvm::Error error = integer("split.count", parts, 0))
    return error;
  if (parts > 1)
    return unsupportedInput("E3304 {}: unsupported split.count {}, expected one whole file (join the parts with "
                            "llama-gguf-split --merge)",
                            path(), parts);
  if (llvm::Error error = integer("llama.expert_count", experts, 0))
    return error;
  if (experts != 0)
    return unsupportedInput("E3304 {}: unsupported llama.expert_count {}, expected a model without experts", path(),
                            experts);
  if (llvm::Error error = integer("llama.attention.sliding_window", window, 0))
    return error;
  if (window != 0 && window < config.contextLength)
    return unsupportedInput(
        "E3304 {}: unsupported llama.attention.sliding_window {}, expected none below the context of {}", path(),
        window, config.contextLength);
  return llvm::Error::success();
}

llvm::Expected<llama::LlamaConfig> ConfigReader::read() {
  llvm::Expected<llvm::StringRef> architecture = file.getString("general.architecture");
  if (!architecture)
    return architecture.takeError();
  if (*architecture != "llama")
    return unsupportedInput("E3301 {}: unsupported architecture {}, expected 'llama'", path(), quoted(*architecture));
  for (auto step : {&ConfigReader::readSizes, &ConfigReader::readNumbers, &ConfigReader::readRope,
                    &ConfigReader::refuseOtherFeatures})
    if (llvm::Error error = (this->*step)())
      return error;
  config.tiedEmbeddings = !file.findTensor("output.weight");
  config.attentionBias = file.findTensor("blk.0.attn_q.bias") != nullptr;
  config.mlpBias = file.findTensor("blk.0.ffn_gate.bias") != nullptr;
  return std::move(config);
}

// Used for the config, or written by old converters and never read by anyone.
bool isNoWeight(llvm::StringRef tensor) { return tensor == "rope_freqs.weight" || tensor.ends_with(".attn_rot_embd"); }

} // namespace

llvm::Expected<std::unique_ptr<Checkpoint>> makeCheckpoint(std::unique_ptr<GgufFile> file) {
  llvm::Expected<llama::LlamaConfig> config = ConfigReader(*file).read();
  if (!config)
    return config.takeError();
  llvm::Expected<llvm::StringRef> name = file->getString("general.name", "");
  if (!name)
    return name.takeError();
  std::shared_ptr<const GgufFile> owner = std::move(file);
  Checkpoint::Parts parts{.path = owner->path().str(),
                          .name = name->str(),
                          .config = std::move(*config),
                          .tensors = {},
                          .sourceName = sourceName,
                          .pairedRows = true,
                          .files = owner,
                          .gguf = owner.get()};
  for (const CheckpointTensor &tensor : owner->tensors())
    if (!isNoWeight(tensor.name))
      parts.tensors.push_back(&tensor);
  return Checkpoint::create(std::move(parts));
}

} // namespace muster::gguf
