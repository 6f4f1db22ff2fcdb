// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tokenizer.json of Hugging Face tokenizers (https://github.com/huggingface/tokenizers), and the files beside it.
//
// Every component of the file is looked at. One that is not known, or has an option that is not known, is E3214: it
// might change the ids.
#include "compiler/Import/HuggingFace/JsonFile.h"
#include "compiler/Import/ImportError.h"
#include "compiler/Import/Tokenizer/PatternDialect.h"
#include "compiler/Import/Tokenizer/SectionBuilder.h"
#include "compiler/Import/Tokenizer/TokenizerImport.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <algorithm>

namespace muster::tokenizers {

namespace {

namespace json = llvm::json;

std::string fileIn(llvm::StringRef folder, llvm::StringRef name) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// The text of a file; nothing if there is no such file.
llvm::Expected<std::optional<std::string>> readFile(const std::string &path) {
  if (!llvm::sys::fs::exists(path))
    return std::nullopt;
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return wrongInput("E3213 {}: cannot read because of: {}", path, buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

/// JSON text with its escaped surrogate pairs (\ud83d\ude00) written as the characters that they mean. LLVM's parser
/// joins the halves with | instead of +, which gives other characters for every second plane, U+20000 on among them.
std::string decodeSurrogatePairs(llvm::StringRef text) {
  std::string out;
  out.reserve(text.size());
  auto unitAt = [&](size_t position) -> uint32_t {
    uint32_t unit = 0;
    llvm::StringRef escape = text.substr(position, 6);
    bool isUnit = escape.size() == 6 && escape.starts_with("\\u") && !escape.drop_front(2).getAsInteger(16, unit);
    return isUnit ? unit : 0;
  };
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    uint32_t high = unitAt(i), low = unitAt(i + 6);
    if (high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
      char buffer[UNI_MAX_UTF8_BYTES_PER_CODE_POINT], *end = buffer;
      llvm::ConvertCodePointToUTF8(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), end);
      out.append(buffer, end);
      i += 12;
    } else {
      out += text.substr(i, 2); // an escape is two characters at least: the second may be a backslash too
      i += 2;
    }
  }
  return out;
}

/// A file that holds one JSON object; nothing if there is no such file.
llvm::Expected<std::optional<json::Object>> readObject(const std::string &path) {
  auto text = readFile(path);
  if (!text)
    return text.takeError();
  if (!*text)
    return std::nullopt;
  return huggingface::parseJsonObject(decodeSurrogatePairs(**text), path);
}

bool isAbsent(const json::Object &object, llvm::StringRef key) {
  const json::Value *value = object.get(key);
  return !value || value->getAsNull();
}

/// A token in a configuration file: a string, or an object with the string as "content".
std::optional<llvm::StringRef> tokenText(const json::Value *value) {
  if (!value)
    return std::nullopt;
  if (const json::Object *object = value->getAsObject())
    return object->getString("content");
  return value->getAsString();
}

class HuggingFaceTokenizer {
public:
  HuggingFaceTokenizer(llvm::StringRef folder, const json::Object &root)
      : folder(folder), path(fileIn(folder, "tokenizer.json")), root(root), builder(3213, path) {}

  llvm::Expected<Section> import() {
    for (auto step : {&HuggingFaceTokenizer::importModel, &HuggingFaceTokenizer::importAddedTokens,
                      &HuggingFaceTokenizer::importNormalizer, &HuggingFaceTokenizer::importPreTokenizer,
                      &HuggingFaceTokenizer::checkDecoder, &HuggingFaceTokenizer::importPostProcessor,
                      &HuggingFaceTokenizer::importConfiguration, &HuggingFaceTokenizer::importStopTokens,
                      &HuggingFaceTokenizer::checkUnknown})
      if (llvm::Error error = (this->*step)())
        return error;
    builder.section.missing_byte = schema::MissingByte::DropBeforeMerge;
    return builder.finish();
  }

private:
  llvm::Error refuse(llvm::StringRef what, const json::Value *value) const {
    return unsupportedInput("E3214 {}: unsupported {} {}", path, what, huggingface::jsonText(value));
  }

  /// `key` of `object` as an object with a "type"; null where it is absent or null.
  llvm::Expected<const json::Object *> component(llvm::StringRef key) const {
    if (isAbsent(root, key))
      return nullptr;
    const json::Object *object = root.getObject(key);
    if (!object || !object->getString("type"))
      return builder.error("expected an object with a type as {} but got {}", key,
                           huggingface::jsonText(root.get(key)));
    return object;
  }

  /// A flag that may be absent.
  llvm::Expected<bool> flag(const json::Object &object, llvm::StringRef key, bool otherwise) const {
    if (isAbsent(object, key))
      return otherwise;
    if (std::optional<bool> value = object.getBoolean(key))
      return *value;
    return builder.error("expected true or false as {} but got {}", key, huggingface::jsonText(object.get(key)));
  }

  /// Refuses members of `object` that are not named in `known`.
  llvm::Error checkMembers(const json::Object &object, llvm::StringRef what,
                           std::initializer_list<llvm::StringRef> known) const {
    for (const auto &[key, value] : object)
      if (!llvm::is_contained(known, llvm::StringRef(key)))
        return refuse((what + " option " + llvm::StringRef(key)).str(), &value);
    return llvm::Error::success();
  }

  llvm::Error importModel() {
    const json::Object *model = root.getObject("model");
    if (!model)
      return builder.error("expected an object as model but got {}", huggingface::jsonText(root.get("model")));
    // Files of early versions name no type; only those of byte pairs have merges.
    llvm::StringRef type = model->getString("type").value_or(model->get("merges") ? "BPE" : "");
    if (type != "BPE")
      return unsupportedInput("E3211 {}: expected tokenizer model 'BPE' but got {}", path, quoted(type));
    if (llvm::Error error =
            checkMembers(*model, "model",
                         {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                          "byte_fallback", "ignore_merges", "vocab", "merges"}))
      return error;
    if (!isAbsent(*model, "dropout") && model->getNumber("dropout").value_or(1) != 0)
      return refuse("model option dropout", model->get("dropout"));
    for (llvm::StringRef key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!isAbsent(*model, key) && model->getString(key) != llvm::StringRef())
        return refuse(("model option " + key).str(), model->get(key));
    auto byteFallback = flag(*model, "byte_fallback", false);
    if (!byteFallback)
      return byteFallback.takeError();
    if (*byteFallback)
      return refuse("model option byte_fallback", model->get("byte_fallback"));
    auto ignoreMerges = flag(*model, "ignore_merges", false);
    if (!ignoreMerges)
      return ignoreMerges.takeError();
    builder.section.ignore_merges = *ignoreMerges;
    if (llvm::Error error = importVocabulary(*model))
      return error;
    return importMerges(*model);
  }

  llvm::Error importVocabulary(const json::Object &model) {
    const json::Object *vocabulary = model.getObject("vocab");
    if (!vocabulary)
      return builder.error("expected an object as vocab but got {}", huggingface::jsonText(model.get("vocab")));
    std::vector<std::pair<int64_t, llvm::StringRef>> tokens;
    for (const auto &[text, id] : *vocabulary) {
      std::optional<int64_t> number = id.getAsInteger();
      if (!number)
        return builder.error("expected an integer as id of token {} but got {}", quoted(text),
                             huggingface::jsonText(&id));
      tokens.emplace_back(*number, text);
    }
    llvm::sort(tokens); // an object has no order; errors name the lowest id
    for (auto [id, text] : tokens)
      if (llvm::Error error = builder.addToken(id, text, decodeByteAlphabet(text)))
        return error;
    return llvm::Error::success();
  }

  llvm::Error importMerges(const json::Object &model) {
    const json::Array *merges = model.getArray("merges");
    if (!merges)
      return builder.error("expected an array as merges but got {}", huggingface::jsonText(model.get("merges")));
    for (auto [rank, merge] : llvm::enumerate(*merges)) {
      std::optional<llvm::StringRef> left, right;
      if (auto text = merge.getAsString()) {
        auto [first, second] = text->split(' ');
        if (!first.empty() && !second.empty() && !second.contains(' '))
          left = first, right = second;
      } else if (const json::Array *pair = merge.getAsArray(); pair && pair->size() == 2) {
        left = (*pair)[0].getAsString();
        right = (*pair)[1].getAsString();
      }
      if (!left || !right)
        return builder.error("expected two tokens as merge {} but got {}", rank, huggingface::jsonText(&merge));
      if (llvm::Error error = builder.addMerge(*left, *right))
        return error;
    }
    return llvm::Error::success();
  }

  llvm::Error importAddedTokens() {
    if (isAbsent(root, "added_tokens"))
      return llvm::Error::success();
    const json::Array *tokens = root.getArray("added_tokens");
    if (!tokens)
      return builder.error("expected an array as added_tokens but got {}",
                           huggingface::jsonText(root.get("added_tokens")));
    for (const json::Value &value : *tokens) {
      const json::Object *token = value.getAsObject();
      std::optional<int64_t> id = token ? token->getInteger("id") : std::nullopt;
      std::optional<llvm::StringRef> content = token ? token->getString("content") : std::nullopt;
      if (!id || !content || content->empty())
        return builder.error("expected an added token with id and content but got {}", huggingface::jsonText(&value));
      if (llvm::Error error = checkMembers(
              *token, "added token", {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}))
        return error;
      constexpr const char *keys[] = {"special", "lstrip", "rstrip", "normalized", "single_word"};
      bool flags[std::size(keys)];
      for (auto [index, key] : llvm::enumerate(keys)) {
        auto set = flag(*token, key, false);
        if (!set)
          return set.takeError();
        flags[index] = *set;
      }
      if (flags[4])
        return refuse("added token option single_word of", &value);
      int32_t known = builder.idOf(*content);
      if (known < 0) {
        if (llvm::Error error = builder.addToken(*id, *content, content->str()))
          return error;
      } else if (known != *id) {
        return builder.error("expected added token {} to have id {} as in vocab but got {}", quoted(*content), known,
                             *id);
      } else {
        // In the vocabulary too; it stands for its text, not for bytes of the alphabet.
        builder.setBytes(known, content->str());
      }
      if (builder.isAddedToken(*id))
        return builder.error("expected one added token of id {} but got {} too", *id, quoted(*content));
      schema::AddedTokenT &added = builder.addAddedToken(static_cast<int32_t>(*id), flags[0]);
      added.lstrip = flags[1];
      added.rstrip = flags[2];
      added.normalized = flags[3];
    }
    return llvm::Error::success();
  }

  llvm::Error importNormalizer() {
    auto normalizer = component("normalizer");
    if (!normalizer)
      return normalizer.takeError();
    if (!*normalizer)
      return llvm::Error::success();
    const llvm::json::Array *list = (*normalizer)->getArray("normalizers");
    bool isEmpty = (*normalizer)->getString("type") == llvm::StringRef("Sequence") && list && list->empty();
    return isEmpty ? llvm::Error::success() : refuse("normalizer", root.get("normalizer"));
  }

  llvm::Error importPreTokenizer() {
    auto top = component("pre_tokenizer");
    if (!top)
      return top.takeError();
    bool isByteLevel = false;
    if (!*top)
      return refuse("pre_tokenizer without a ByteLevel component:", root.get("pre_tokenizer"));
    if ((*top)->getString("type") != llvm::StringRef("Sequence")) {
      if (llvm::Error error = importPreTokenizerComponent(**top, isByteLevel))
        return error;
    } else {
      const json::Array *list = (*top)->getArray("pretokenizers");
      if (!list)
        return builder.error("expected an array as pretokenizers but got {}",
                             huggingface::jsonText((*top)->get("pretokenizers")));
      for (const json::Value &value : *list) {
        const json::Object *object = value.getAsObject();
        if (!object || !object->getString("type"))
          return builder.error("expected an object with a type in pretokenizers but got {}",
                               huggingface::jsonText(&value));
        // After it, text is spelled in GPT-2's alphabet, and patterns would see that.
        if (isByteLevel)
          return refuse("pre_tokenizer component behind ByteLevel:", &value);
        if (llvm::Error error = importPreTokenizerComponent(*object, isByteLevel))
          return error;
      }
    }
    if (!isByteLevel)
      return refuse("pre_tokenizer without a ByteLevel component:", root.get("pre_tokenizer"));
    return llvm::Error::success();
  }

  llvm::Error importPreTokenizerComponent(const json::Object &object, bool &isByteLevel) {
    llvm::StringRef type = *object.getString("type");
    if (type == "Digits") {
      if (llvm::Error error = checkMembers(object, "Digits", {"type", "individual_digits"}))
        return error;
      auto individual = flag(object, "individual_digits", false);
      if (!individual)
        return individual.takeError();
      builder.addStep(schema::StepKind::SplitIsolated, *individual ? "\\p{N}" : "\\p{N}+");
      return llvm::Error::success();
    }
    if (type == "Split")
      return importSplit(object);
    if (type != "ByteLevel") {
      json::Value value(json::Object{{"type", type}});
      return refuse("pre_tokenizer component", &value);
    }
    if (llvm::Error error =
            checkMembers(object, "ByteLevel", {"type", "add_prefix_space", "trim_offsets", "use_regex"}))
      return error;
    isByteLevel = true;
    auto prefixSpace = flag(object, "add_prefix_space", true);
    if (!prefixSpace)
      return prefixSpace.takeError();
    auto useRegex = flag(object, "use_regex", true);
    if (!useRegex)
      return useRegex.takeError();
    if (*prefixSpace)
      builder.addStep(schema::StepKind::PrefixSpace);
    if (*useRegex)
      builder.addStep(schema::StepKind::SplitIsolated, gpt2Pattern);
    return llvm::Error::success();
  }

  llvm::Error importSplit(const json::Object &object) {
    if (llvm::Error error = checkMembers(object, "Split", {"type", "pattern", "behavior", "invert"}))
      return error;
    auto invert = flag(object, "invert", false);
    if (!invert)
      return invert.takeError();
    llvm::StringRef behavior = object.getString("behavior").value_or("");
    schema::StepKind kind;
    if (behavior == "Isolated")
      kind = schema::StepKind::SplitIsolated;
    else if (behavior == "Removed")
      kind = *invert ? schema::StepKind::SplitKept : schema::StepKind::SplitRemoved;
    else
      return refuse("Split behavior", object.get("behavior"));
    const json::Object *pattern = object.getObject("pattern");
    if (!pattern || pattern->size() != 1)
      return builder.error("expected a Regex or a String as pattern but got {}",
                           huggingface::jsonText(object.get("pattern")));
    if (auto text = pattern->getString("String")) {
      builder.addStep(kind, literalPattern(*text));
      return llvm::Error::success();
    }
    auto regex = pattern->getString("Regex");
    if (!regex)
      return builder.error("expected a Regex or a String as pattern but got {}",
                           huggingface::jsonText(object.get("pattern")));
    auto translated = translatePattern(*regex, path);
    if (!translated)
      return translated.takeError();
    builder.addStep(kind, *translated);
    return llvm::Error::success();
  }

  llvm::Error checkDecoder() {
    auto decoder = component("decoder");
    if (!decoder)
      return decoder.takeError();
    if (!*decoder || (*decoder)->getString("type") != llvm::StringRef("ByteLevel"))
      return refuse("decoder", root.get("decoder"));
    return llvm::Error::success();
  }

  llvm::Error importPostProcessor() {
    auto top = component("post_processor");
    if (!top)
      return top.takeError();
    if (!*top)
      return llvm::Error::success();
    if ((*top)->getString("type") != llvm::StringRef("Sequence"))
      return importProcessor(**top);
    const json::Array *list = (*top)->getArray("processors");
    if (!list)
      return builder.error("expected an array as processors but got {}",
                           huggingface::jsonText((*top)->get("processors")));
    for (const json::Value &value : *list) {
      const json::Object *object = value.getAsObject();
      if (!object || !object->getString("type"))
        return builder.error("expected an object with a type in processors but got {}", huggingface::jsonText(&value));
      if (llvm::Error error = importProcessor(*object))
        return error;
    }
    return llvm::Error::success();
  }

  llvm::Error importProcessor(const json::Object &object) {
    llvm::StringRef type = *object.getString("type");
    if (type == "ByteLevel")
      return llvm::Error::success(); // moves offsets, no ids
    if (type != "TemplateProcessing") {
      json::Value value(json::Object{{"type", type}});
      return refuse("post_processor component", &value);
    }
    if (hasTemplate)
      return refuse("second TemplateProcessing in", root.get("post_processor"));
    hasTemplate = true;
    const json::Array *single = object.getArray("single");
    const json::Object *specials = object.getObject("special_tokens");
    if (!single || !specials)
      return builder.error("expected single and special_tokens in TemplateProcessing but got {} and {}",
                           huggingface::jsonText(object.get("single")),
                           huggingface::jsonText(object.get("special_tokens")));
    bool isBehindText = false;
    for (const json::Value &value : *single) {
      const json::Object *piece = value.getAsObject();
      const json::Object *token = piece ? piece->getObject("SpecialToken") : nullptr;
      const json::Object *text = piece ? piece->getObject("Sequence") : nullptr;
      if (text && text->getString("id") == llvm::StringRef("A") && !isBehindText) {
        isBehindText = true;
        continue;
      }
      auto name = token ? token->getString("id") : std::nullopt;
      const json::Object *special = name ? specials->getObject(*name) : nullptr;
      const json::Array *ids = special ? special->getArray("ids") : nullptr;
      if (!ids)
        return builder.error("expected a known special token or the text A in TemplateProcessing but got {}",
                             huggingface::jsonText(&value));
      for (const json::Value &id : *ids) {
        std::optional<int64_t> number = id.getAsInteger();
        if (!number || !builder.hasToken(*number))
          return builder.error("expected the id of a token in TemplateProcessing but got {}",
                               huggingface::jsonText(&id));
        (isBehindText ? builder.section.suffix : builder.section.prefix).push_back(static_cast<int32_t>(*number));
      }
    }
    if (!isBehindText)
      return builder.error("expected the text A in TemplateProcessing but got {}",
                           huggingface::jsonText(object.get("single")));
    return llvm::Error::success();
  }

  llvm::Error readToken(const json::Object &configuration, llvm::StringRef key, int32_t &id) {
    if (isAbsent(configuration, key))
      return llvm::Error::success();
    auto text = tokenText(configuration.get(key));
    if (!text || builder.idOf(*text) < 0)
      return builder.error("expected a token of the vocabulary as {} in tokenizer_config.json but got {}", key,
                           huggingface::jsonText(configuration.get(key)));
    id = builder.idOf(*text);
    return llvm::Error::success();
  }

  llvm::Error importConfiguration() {
    auto configuration = readObject(fileIn(folder, "tokenizer_config.json"));
    if (!configuration)
      return configuration.takeError();
    schema::TokenizerT &section = builder.section;
    if (*configuration) {
      for (auto [key, id] : {std::pair<const char *, int32_t *>("bos_token", &section.bos),
                             {"eos_token", &section.eos},
                             {"pad_token", &section.padding}})
        if (llvm::Error error = readToken(**configuration, key, *id))
          return error;
      if (llvm::Error error = applyFlags(**configuration))
        return error;
      if (auto text = (*configuration)->getString("chat_template"))
        section.chat_template = text->str();
      else if (const json::Array *list = (*configuration)->getArray("chat_template"))
        for (const json::Value &value : *list) // several templates with names
          if (const json::Object *named = value.getAsObject();
              named && named->getString("name") == llvm::StringRef("default"))
            section.chat_template = named->getString("template").value_or("").str();
    }
    auto chatTemplate = readFile(fileIn(folder, "chat_template.jinja"));
    if (!chatTemplate)
      return chatTemplate.takeError();
    if (*chatTemplate)
      section.chat_template = **chatTemplate;
    return llvm::Error::success();
  }

  /// Of the classes that this can be, transformers lets only LlamaTokenizer's flags change what tokenizer.json says.
  llvm::Error applyFlags(const json::Object &configuration) {
    if (!configuration.getString("tokenizer_class").value_or("").starts_with("LlamaTokenizer"))
      return llvm::Error::success();
    schema::TokenizerT &section = builder.section;
    struct Flag {
      llvm::StringRef key;
      int32_t id;
      std::vector<int32_t> *ids;
    };
    for (const Flag &entry :
         {Flag{"add_bos_token", section.bos, &section.prefix}, Flag{"add_eos_token", section.eos, &section.suffix}}) {
      if (isAbsent(configuration, entry.key))
        continue;
      auto set = flag(configuration, entry.key, false);
      if (!set)
        return set.takeError();
      if (*set && entry.id < 0)
        return builder.error("expected the token that {} in tokenizer_config.json asks for but got none", entry.key);
      *entry.ids = *set ? std::vector<int32_t>{entry.id} : std::vector<int32_t>();
    }
    return llvm::Error::success();
  }

  llvm::Error importStopTokens() {
    std::vector<int32_t> &stop = builder.section.stop;
    auto add = [&](int64_t id) {
      if (builder.hasToken(id) && !llvm::is_contained(stop, static_cast<int32_t>(id)))
        stop.push_back(static_cast<int32_t>(id));
    };
    add(builder.section.eos);
    // As transformers: config.json counts only where there is no generation_config.json.
    llvm::StringRef file = "generation_config.json";
    if (!llvm::sys::fs::exists(fileIn(folder, file)))
      file = "config.json";
    auto configuration = readObject(fileIn(folder, file));
    if (!configuration)
      return configuration.takeError();
    if (!*configuration || isAbsent(**configuration, "eos_token_id"))
      return llvm::Error::success();
    const json::Value *ids = (*configuration)->get("eos_token_id");
    json::Array one{*ids};
    for (const json::Value &id : ids->getAsArray() ? *ids->getAsArray() : one) {
      std::optional<int64_t> number = id.getAsInteger();
      if (!number || !builder.hasToken(*number))
        return builder.error("expected the id of a token as eos_token_id in {} but got {}", file,
                             huggingface::jsonText(&id));
      add(*number);
    }
    return llvm::Error::success();
  }

  /// The unknown token takes the place of bytes that the vocabulary lacks.
  llvm::Error checkUnknown() {
    const json::Object &model = *root.getObject("model");
    if (isAbsent(model, "unk_token"))
      return llvm::Error::success();
    auto text = model.getString("unk_token");
    int32_t id = text ? builder.idOf(*text) : -1;
    if (id < 0)
      return builder.error("expected a token of the vocabulary as unk_token but got {}",
                           huggingface::jsonText(model.get("unk_token")));
    auto fuse = flag(model, "fuse_unk", false);
    if (!fuse)
      return fuse.takeError();
    if (*fuse && !builder.hasAllBytes())
      return refuse("model option fuse_unk with a vocabulary that lacks bytes:", model.get("fuse_unk"));
    builder.section.unknown = id;
    return llvm::Error::success();
  }

  llvm::StringRef folder;
  std::string path;
  const json::Object &root;
  SectionBuilder builder;
  bool hasTemplate = false;
};

} // namespace

llvm::Expected<std::optional<Section>> importHuggingFace(llvm::StringRef folder) {
  auto root = readObject(fileIn(folder, "tokenizer.json"));
  if (!root)
    return root.takeError();
  if (!*root) {
    for (llvm::StringRef other : {"tokenizer.model", "vocab.json", "vocab.txt"})
      if (llvm::sys::fs::exists(fileIn(folder, other)))
        return unsupportedInput("E3211 {}: expected a tokenizer.json but got {} alone", folder, other);
    return std::nullopt;
  }
  auto section = HuggingFaceTokenizer(folder, **root).import();
  if (!section)
    return section.takeError();
  return std::move(*section);
}

} // namespace muster::tokenizers
