// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/HuggingFace/HuggingFaceConfig.h"

#include "compiler/Import/HuggingFace/JsonFile.h"
#include "compiler/Import/ImportError.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

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

llvm::Error readArchitecture(const Fields &fields, const std::string &source, ModelConfig &config) {
  std::string architecture;
  const llvm::json::Value *list = fields.get("architectures");
  const llvm::json::Array *array = list ? list->getAsArray() : nullptr;
  if (list && (!array || array->size() != 1 || !(*array)[0].getAsString()))
    return wrongInput("E3302 {}: expected one name in 'architectures' but got {}", source, jsonText(list));
  if (array)
    architecture = (*array)[0].getAsString()->str();
  else if (llvm::Error error = fields.read("model_type", architecture))
    return error;
  const bool isKnown = architecture == "LlamaForCausalLM" || architecture == "MistralForCausalLM" ||
                       (!array && (architecture == "llama" || architecture == "mistral"));
  if (!isKnown)
    return unsupportedInput("E3301 {}: unsupported architecture {}, expected LlamaForCausalLM or MistralForCausalLM",
                            source, quoted(architecture));
  config.architecture = "llama";
  return llvm::Error::success();
}

llvm::Error readSizes(const Fields &fields, ModelConfig &config) {
  if (llvm::Error error = fields.read("num_hidden_layers", config.layers))
    return error;
  if (llvm::Error error = fields.read("hidden_size", config.hidden))
    return error;
  if (llvm::Error error = fields.read("num_attention_heads", config.heads))
    return error;
  if (llvm::Error error = fields.read("num_key_value_heads", config.kvHeads, config.heads))
    return error;
  const int64_t wholeHead = config.heads > 0 ? config.hidden / config.heads : 0;
  if (llvm::Error error = fields.read("head_dim", config.headDim, wholeHead))
    return error;
  if (llvm::Error error = fields.read("intermediate_size", config.feedForward))
    return error;
  if (llvm::Error error = fields.read("vocab_size", config.vocabulary))
    return error;
  if (llvm::Error error = fields.read("max_position_embeddings", config.contextLength, int64_t(2048)))
    return error;
  if (llvm::Error error = fields.read("rms_norm_eps", config.rmsEpsilon, 1e-6))
    return error;
  if (llvm::Error error = fields.read("attention_bias", config.attentionBias, false))
    return error;
  if (llvm::Error error = fields.read("mlp_bias", config.mlpBias, false))
    return error;
  return fields.read("tie_word_embeddings", config.tiedEmbeddings, false);
}

llvm::Error readScaling(const Fields &scaling, const std::string &source, ModelConfig &config) {
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
  RopeScaling &rope = config.ropeScaling.emplace();
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
llvm::Error readRope(const Fields &fields, const std::string &source, ModelConfig &config) {
  if (llvm::Error error = fields.read("rope_theta", config.ropeTheta, 10000.0))
    return error;
  for (const char *key : {"rope_parameters", "rope_scaling"}) {
    if (!fields.get(key))
      continue;
    const llvm::json::Object *object = nullptr;
    if (llvm::Error error = fields.read(key, object))
      return error;
    Fields parameters(*object, source);
    if (llvm::Error error = parameters.read("rope_theta", config.ropeTheta, double(config.ropeTheta)))
      return error;
    if (llvm::Error error = readScaling(parameters, source, config))
      return error;
    break;
  }
  if (!config.ropeScaling)
    return llvm::Error::success();
  if (llvm::Error error = validate(config, source)) // the number of divisors follows from the head size
    return error;
  return computeRopeDivisors(config, source);
}

llvm::Error refuseOtherFeatures(const Fields &fields, const std::string &source, const ModelConfig &config) {
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
  int64_t window = 0;
  if (llvm::Error error = fields.read("sliding_window", window, config.contextLength))
    return error;
  if (window < config.contextLength)
    return unsupportedInput("E3304 {}: unsupported sliding_window {}, expected none below the context of {}", source,
                            window, config.contextLength);
  return llvm::Error::success();
}

// `eos_token_id` is one number or several.
llvm::Error readEosTokens(const Fields &fields, const std::string &source, std::vector<int64_t> &tokens) {
  const llvm::json::Value *value = fields.get("eos_token_id");
  if (!value)
    return llvm::Error::success();
  const llvm::json::Array one{*value};
  const llvm::json::Array *array = value->getAsArray();
  tokens.clear();
  for (const llvm::json::Value &element : array ? *array : one) {
    std::optional<int64_t> token = element.getAsInteger();
    if (!token)
      return wrongInput("E3302 {}: expected integers in 'eos_token_id' but got {}", source, jsonText(value));
    tokens.push_back(*token);
  }
  return llvm::Error::success();
}

std::string pathOf(llvm::StringRef folder, llvm::StringRef file) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

// One template, or a list of named ones of which "default" counts.
llvm::Error readChatTemplate(const Fields &fields, const std::string &source, std::string &chatTemplate) {
  const llvm::json::Value *value = fields.get("chat_template");
  if (!value)
    return llvm::Error::success();
  const llvm::json::Array *array = value->getAsArray();
  if (!array)
    return fields.read("chat_template", chatTemplate);
  for (const llvm::json::Value &element : *array) {
    const llvm::json::Object *object = element.getAsObject();
    if (!object || !object->getString("name") || !object->getString("template"))
      return wrongInput("E3302 {}: expected named templates in 'chat_template' but got {}", source, jsonText(&element));
    if (*object->getString("name") == "default")
      chatTemplate = object->getString("template")->str();
  }
  return llvm::Error::success();
}

llvm::Error readTokenizerConfig(llvm::StringRef folder, ModelConfig &config) {
  const std::string source = pathOf(folder, "tokenizer_config.json");
  if (llvm::sys::fs::exists(source)) {
    llvm::Expected<llvm::json::Object> object = readJsonObject(source);
    if (!object)
      return object.takeError();
    Fields fields(*object, source);
    if (fields.get("add_bos_token"))
      if (llvm::Error error = fields.read("add_bos_token", config.addBos.emplace()))
        return error;
    if (llvm::Error error = readChatTemplate(fields, source, config.chatTemplate))
      return error;
  }
  const std::string templatePath = pathOf(folder, "chat_template.jinja");
  if (!llvm::sys::fs::exists(templatePath))
    return llvm::Error::success();
  auto buffer = llvm::MemoryBuffer::getFile(templatePath);
  if (!buffer)
    return wrongInput("E3110 {}: cannot open because {}", templatePath, buffer.getError().message());
  config.chatTemplate = (*buffer)->getBuffer().str();
  return llvm::Error::success();
}

} // namespace

llvm::Expected<ModelConfig> readConfig(const llvm::json::Object &object, llvm::StringRef source) {
  const Fields fields(object, source);
  const std::string name = source.str();
  ModelConfig config;
  if (llvm::Error error = readArchitecture(fields, name, config))
    return error;
  if (llvm::Error error = readSizes(fields, config))
    return error;
  if (llvm::Error error = readRope(fields, name, config))
    return error;
  if (llvm::Error error = refuseOtherFeatures(fields, name, config))
    return error;
  if (fields.get("bos_token_id"))
    if (llvm::Error error = fields.read("bos_token_id", config.bosToken.emplace()))
      return error;
  if (llvm::Error error = readEosTokens(fields, name, config.eosTokens))
    return error;
  if (llvm::Error error = fields.read("_name_or_path", config.name, std::string()))
    return error;
  return config;
}

llvm::Expected<ModelConfig> readFolderConfig(llvm::StringRef folder) {
  const std::string source = pathOf(folder, "config.json");
  llvm::Expected<llvm::json::Object> object = readJsonObject(source);
  if (!object)
    return object.takeError();
  llvm::Expected<ModelConfig> config = readConfig(*object, source);
  if (!config)
    return config.takeError();
  const std::string generation = pathOf(folder, "generation_config.json");
  if (llvm::sys::fs::exists(generation)) {
    llvm::Expected<llvm::json::Object> content = readJsonObject(generation);
    if (!content)
      return content.takeError();
    if (llvm::Error error = readEosTokens(Fields(*content, generation), generation, config->eosTokens))
      return error;
  }
  if (llvm::Error error = readTokenizerConfig(folder, *config))
    return error;
  return config;
}

} // namespace muster::huggingface
