// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/HuggingFace/HuggingFaceConfig.h"

#include "compiler/Import/Checkpoint.h"
#include "compiler/Import/HuggingFace/JsonFile.h"
#include "compiler/Import/ImportError.h"
#include "compiler/Import/RopeScaling.h"

#include <optional>

namespace muster::huggingface {

namespace {

// Typed access to one JSON object; null counts as absent.
class Fields {
public:
  Fields(const llvm::json::Object &object, llvm::StringRef source) : object(object), source(source.str()) {}

  const llvm::json::Value *get(llvm::StringRef key) const {
    const llvm::json::Value *value = object.get(key);
    return value && value->kind() != llvm::json::Value::Null ? value : nullptr;
  }

  /// Whether the key is there, be it with null.
  bool names(llvm::StringRef key) const { return object.get(key) != nullptr; }

  template <typename T>
  llvm::Error read(llvm::StringRef key, T &field) const {
    const llvm::json::Value *value = get(key);
    if (value && convert(*value, field))
      return llvm::Error::success();
    return wrongInput("E3302 {}: expected {} in '{}' but got {}", source, wanted(field), key.str(), jsonText(value));
  }

  template <typename T>
  llvm::Error read(llvm::StringRef key, T &field, T otherwise) const {
    if (get(key))
      return read(key, field);
    field = std::move(otherwise);
    return llvm::Error::success();
  }

private:
  static bool convert(const llvm::json::Value &value, int64_t &field) {
    std::optional<int64_t> integer = value.getAsInteger();
    field = integer.value_or(0);
    return integer.has_value();
  }
  static bool convert(const llvm::json::Value &value, double &field) {
    std::optional<double> number = value.getAsNumber();
    field = number.value_or(0.0);
    return number.has_value();
  }
  static bool convert(const llvm::json::Value &value, bool &field) {
    std::optional<bool> boolean = value.getAsBoolean();
    field = boolean.value_or(false);
    return boolean.has_value();
  }
  static bool convert(const llvm::json::Value &value, std::string &field) {
    std::optional<llvm::StringRef> text = value.getAsString();
    field = text.value_or("").str();
    return text.has_value();
  }
  static bool convert(const llvm::json::Value &value, const llvm::json::Object *&field) {
    field = value.getAsObject();
    return field;
  }
  static const char *wanted(int64_t) { return "an integer"; }
  static const char *wanted(double) { return "a number"; }
  static const char *wanted(bool) { return "true or false"; }
  static const char *wanted(const std::string &) { return "a string"; }
  static const char *wanted(const llvm::json::Object *) { return "an object"; }

  const llvm::json::Object &object;
  std::string source;
};

/// What a config means that leaves a key out.
struct Defaults {
  std::optional<int64_t> kvHeads; // nothing: as many as heads
  int64_t contextLength;
  std::optional<int64_t> window; // nothing: none
  bool hasBiases;                // whether the family knows keys for them
};
constexpr Defaults llamaDefaults = {std::nullopt, 2048, std::nullopt, true};
constexpr Defaults mistralDefaults = {8, 131072, 4096, false};

llvm::Expected<Defaults> readArchitecture(const Fields &fields, const std::string &source) {
  std::string architecture;
  const llvm::json::Value *list = fields.get("architectures");
  const llvm::json::Array *array = list ? list->getAsArray() : nullptr;
  if (list && (!array || array->size() != 1 || !(*array)[0].getAsString()))
    return wrongInput("E3302 {}: expected one name in 'architectures' but got {}", source, jsonText(list));
  if (array)
    architecture = (*array)[0].getAsString()->str();
  else if (llvm::Error error = fields.read("model_type", architecture))
    return error;
  if (architecture == "LlamaForCausalLM" || (!array && architecture == "llama"))
    return llamaDefaults;
  if (architecture == "MistralForCausalLM" || (!array && architecture == "mistral"))
    return mistralDefaults;
  return unsupportedInput("E3301 {}: unsupported architecture {}, expected LlamaForCausalLM or MistralForCausalLM",
                          source, quoted(architecture));
}

llvm::Error readSizes(const Fields &fields, const Defaults &defaults, llama::LlamaConfig &config) {
  if (llvm::Error error = fields.read("num_hidden_layers", config.layers))
    return error;
  if (llvm::Error error = fields.read("hidden_size", config.hidden))
    return error;
  if (llvm::Error error = fields.read("num_attention_heads", config.heads))
    return error;
  const bool keepsDefault = defaults.kvHeads && !fields.names("num_key_value_heads");
  const int64_t kvHeads = keepsDefault ? *defaults.kvHeads : config.heads;
  if (llvm::Error error = fields.read("num_key_value_heads", config.kvHeads, int64_t(kvHeads)))
    return error;
  const int64_t wholeHead = config.heads > 0 ? config.hidden / config.heads : 0;
  if (llvm::Error error = fields.read("head_dim", config.headDim, wholeHead))
    return error;
  if (llvm::Error error = fields.read("intermediate_size", config.feedForward))
    return error;
  if (llvm::Error error = fields.read("vocab_size", config.vocabulary))
    return error;
  if (llvm::Error error = fields.read("max_position_embeddings", config.contextLength, int64_t(defaults.contextLength)))
    return error;
  if (llvm::Error error = fields.read("rms_norm_eps", config.rmsEpsilon, 1e-6))
    return error;
  if (defaults.hasBiases) {
    if (llvm::Error error = fields.read("attention_bias", config.attentionBias, false))
      return error;
    if (llvm::Error error = fields.read("mlp_bias", config.mlpBias, false))
      return error;
  }
  return fields.read("tie_word_embeddings", config.tiedEmbeddings, false);
}

llvm::Error readScaling(const Fields &scaling, const std::string &source, std::optional<RopeScaling> &result) {
  std::string type;
  if (llvm::Error error = scaling.read("type", type, std::string("default"))) // the key's older name
    return error;
  if (llvm::Error error = scaling.read("rope_type", type, std::string(type)))
    return error;
  double rotatedPart = 1.0;
  if (llvm::Error error = scaling.read("partial_rotary_factor", rotatedPart, 1.0))
    return error;
  if (rotatedPart != 1.0)
    return unsupportedInput("E3304 {}: unsupported partial_rotary_factor {}, expected 1", source, rotatedPart);
  if (type == "default")
    return llvm::Error::success();
  if (type != "linear" && type != "llama3")
    return unsupportedInput("E3304 {}: unsupported rope_type {}, expected default, linear or llama3", source,
                            quoted(type));
  RopeScaling &rope = result.emplace();
  if (llvm::Error error = scaling.read("factor", rope.factor))
    return error;
  if (type == "linear")
    return llvm::Error::success();
  rope.kind = RopeScaling::Kind::Llama3;
  if (llvm::Error error = scaling.read("low_freq_factor", rope.lowFrequencyFactor))
    return error;
  if (llvm::Error error = scaling.read("high_freq_factor", rope.highFrequencyFactor))
    return error;
  return scaling.read("original_max_position_embeddings", rope.originalContext);
}

// Newer files hold everything about the rotation in `rope_parameters`, older ones in `rope_theta` and `rope_scaling`.
llvm::Error readRope(const Fields &fields, const std::string &source, llama::LlamaConfig &config) {
  if (llvm::Error error = fields.read("rope_theta", config.ropeTheta, 10000.0))
    return error;
  std::optional<RopeScaling> scaling;
  for (const char *key : {"rope_parameters", "rope_scaling"}) {
    if (!fields.get(key))
      continue;
    const llvm::json::Object *object = nullptr;
    if (llvm::Error error = fields.read(key, object))
      return error;
    Fields parameters(*object, source);
    if (llvm::Error error = parameters.read("rope_theta", config.ropeTheta, double(config.ropeTheta)))
      return error;
    if (llvm::Error error = readScaling(parameters, source, scaling))
      return error;
    break;
  }
  if (!scaling)
    return llvm::Error::success();
  if (llvm::Error error = validate(config, source)) // the number of divisors follows from the head size
    return error;
  return scaleRope(config, *scaling, source);
}

llvm::Error refuseOtherFeatures(const Fields &fields, const std::string &source, const Defaults &defaults,
                                const llama::LlamaConfig &config) {
  std::string activation;
  if (llvm::Error error = fields.read("hidden_act", activation, std::string("silu")))
    return error;
  if (activation != "silu")
    return unsupportedInput("E3304 {}: unsupported hidden_act {}, expected 'silu'", source, quoted(activation));
  if (const llvm::json::Value *quantisation = fields.get("quantization_config"))
    return unsupportedInput("E3304 {}: unsupported quantization_config {}, expected weights in F32, F16 or BF16",
                            source, jsonText(quantisation));
  double rotatedPart = 1.0;
  if (llvm::Error error = fields.read("partial_rotary_factor", rotatedPart, 1.0))
    return error;
  if (rotatedPart != 1.0)
    return unsupportedInput("E3304 {}: unsupported partial_rotary_factor {}, expected 1", source, rotatedPart);
  // Left out it is the family's, null says that there is none.
  int64_t window =
      fields.names("sliding_window") ? config.contextLength : defaults.window.value_or(config.contextLength);
  if (llvm::Error error = fields.read("sliding_window", window, int64_t(window)))
    return error;
  if (window < config.contextLength)
    return unsupportedInput("E3304 {}: unsupported sliding_window {}, expected none below the context of {}", source,
                            window, config.contextLength);
  return llvm::Error::success();
}

} // namespace

llvm::Expected<llama::LlamaConfig> readConfig(const llvm::json::Object &object, llvm::StringRef source) {
  const Fields fields(object, source);
  const std::string name = source.str();
  llama::LlamaConfig config;
  llvm::Expected<Defaults> defaults = readArchitecture(fields, name);
  if (!defaults)
    return defaults.takeError();
  if (llvm::Error error = readSizes(fields, *defaults, config))
    return error;
  if (llvm::Error error = readRope(fields, name, config))
    return error;
  if (llvm::Error error = refuseOtherFeatures(fields, name, *defaults, config))
    return error;
  return config;
}

} // namespace muster::huggingface
