// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads a tokenizer section. Everything is checked here, once: what encodes and decodes afterwards trusts its tables.
#include <algorithm>
#include <cstring>

#include "runtime/schema/tokenizer_generated.h"
#include "runtime/text/Tokenizer.h"

namespace muster {

namespace schema = text::schema;

class TokenizerLoader {
public:
  explicit TokenizerLoader(const schema::Tokenizer &section) : section(section) {}

  Result<Tokenizer> load() {
    MUSTER_RETURN_IF_ERROR(checkKinds());
    MUSTER_RETURN_IF_ERROR(loadVocabulary());
    MUSTER_RETURN_IF_ERROR(loadMerges());
    MUSTER_RETURN_IF_ERROR(loadAddedTokens());
    MUSTER_RETURN_IF_ERROR(loadIds());
    MUSTER_RETURN_IF_ERROR(loadSteps());
    if (section.chat_template())
      result.chatTemplateText = section.chat_template()->str();
    return std::move(result);
  }

private:
  /// The version of the schema that this code knows.
  static constexpr uint32_t knownVersion = 1;

  Status checkKinds() const {
    if (section.version() != knownVersion)
      return Status::unsupported(3202, "expected tokenizer version {} but got {}", knownVersion, section.version());
    if (section.model() != schema::ModelKind::ByteLevelBpe)
      return Status::unsupported(3202, "expected tokenizer model {} but got {}",
                                 static_cast<int>(schema::ModelKind::ByteLevelBpe), static_cast<int>(section.model()));
    if (section.normalizer() != schema::Normalizer::None)
      return Status::unsupported(3202, "expected tokenizer normalizer {} but got {}",
                                 static_cast<int>(schema::Normalizer::None), static_cast<int>(section.normalizer()));
    if (section.missing_byte() > schema::MissingByte::MAX)
      return Status::unsupported(3202, "expected a treatment of missing bytes of 0 to {} but got {}",
                                 static_cast<int>(schema::MissingByte::MAX), static_cast<int>(section.missing_byte()));
    return Status::ok();
  }

  Status loadVocabulary() {
    const auto &bytes = *section.vocabulary_bytes();
    const auto &ends = *section.vocabulary_ends();
    if (ends.size() == 0 || ends.size() > maxVocabulary)
      return Status::error(3203, "expected a vocabulary of 1 to {} tokens but got {}", maxVocabulary, ends.size());
    uint32_t last = 0;
    for (uint32_t id = 0; id < ends.size(); ++id) {
      if (ends[id] < last || ends[id] > bytes.size())
        return Status::error(3203, "expected token {} to end at byte {} to {} but got {}", id, last, bytes.size(),
                             ends[id]);
      last = ends[id];
    }
    if (last != bytes.size())
      return Status::error(3203, "expected the vocabulary's {} bytes to end with the last token but got {}",
                           bytes.size(), last);
    result.tokenText.assign(reinterpret_cast<const char *>(bytes.data()),
                            reinterpret_cast<const char *>(bytes.data()) + bytes.size());
    result.tokenEnds.assign(ends.begin(), ends.end());
    result.special.assign(ends.size(), false);
    return Status::ok();
  }

  Status checkId(const char *role, int64_t id, bool optional) const {
    if (optional && id == -1)
      return Status::ok();
    if (id < 0 || id >= result.vocabularySize())
      return Status::error(3205, "expected a token id of 0 to {} as {} but got {}", result.vocabularySize() - 1, role,
                           id);
    return Status::ok();
  }

  /// Ids that stand for themselves in the text are no result of bytes and merges.
  std::vector<bool> addedIds() const {
    std::vector<bool> added(result.tokenEnds.size(), false);
    if (section.added_tokens())
      for (const schema::AddedToken *token : *section.added_tokens())
        if (result.isValid(token->id()))
          added[token->id()] = true;
    return added;
  }

  Status loadMerges() {
    text::BytePairMerges &merges = result.merges;
    const auto &rows = *section.merges();
    std::vector<bool> added = addedIds();
    for (int32_t id = 0; id < result.vocabularySize(); ++id) {
      std::string_view bytes = result.tokenBytes(id);
      if (bytes.size() == 1 && !added[id] && merges.byteTokens[static_cast<uint8_t>(bytes[0])] < 0)
        merges.byteTokens[static_cast<uint8_t>(bytes[0])] = id;
    }
    MUSTER_RETURN_IF_ERROR(checkId("the unknown token", section.unknown(), true));
    merges.unknown = section.unknown();
    merges.dropBeforeMerge = section.missing_byte() == schema::MissingByte::DropBeforeMerge;
    merges.reserve(rows.size());
    for (uint32_t rank = 0; rank < rows.size(); ++rank) {
      const schema::Merge &row = *rows.Get(rank);
      for (int32_t id : {row.left(), row.right(), row.result()})
        if (!result.isValid(id))
          return Status::error(3204, "expected token ids of 0 to {} in merge {} but got {}",
                               result.vocabularySize() - 1, rank, id);
      std::string_view left = result.tokenBytes(row.left()), right = result.tokenBytes(row.right()),
                       whole = result.tokenBytes(row.result());
      if (left.empty() || right.empty() || whole.size() != left.size() + right.size() || !whole.starts_with(left) ||
          !whole.ends_with(right))
        return Status::error(3204, "expected merge {} of tokens {} and {} to give their bytes but got token {}", rank,
                             row.left(), row.right(), row.result());
      if (!merges.add(row.left(), row.right(), static_cast<int32_t>(rank), row.result()))
        return Status::error(3204, "expected one merge of tokens {} and {} but got another at {}", row.left(),
                             row.right(), rank);
    }
    if (section.ignore_merges()) {
      merges.reserveWholeTokens(result.tokenEnds.size());
      for (int32_t id = 0; id < result.vocabularySize(); ++id)
        if (!added[id] && !result.tokenBytes(id).empty())
          merges.addWholeToken(result.tokenBytes(id), id);
    }
    return Status::ok();
  }

  Status loadAddedTokens() {
    if (!section.added_tokens())
      return Status::ok();
    for (const schema::AddedToken *token : *section.added_tokens()) {
      MUSTER_RETURN_IF_ERROR(checkId("an added token", token->id(), false));
      std::string_view content = result.tokenBytes(token->id());
      if (content.empty())
        return Status::error(3205, "expected added token {} to have at least 1 byte but got 0", token->id());
      text::AddedTokens &tokens = token->normalized() ? result.normalizedTokens : result.rawTokens;
      if (!tokens.add(content, {token->id(), token->special(), token->lstrip(), token->rstrip()}))
        return Status::error(3205, "expected added tokens of distinct bytes but got those of token {} twice",
                             token->id());
      if (token->special())
        result.special[token->id()] = true;
    }
    return Status::ok();
  }

  Status loadIds() {
    const std::pair<const char *, std::pair<int32_t, int32_t *>> single[] = {
        {"the begin token", {section.bos(), &result.bosId}},
        {"the end token", {section.eos(), &result.eosId}},
        {"the padding token", {section.padding(), &result.paddingId}}};
    for (auto [role, entry] : single) {
      MUSTER_RETURN_IF_ERROR(checkId(role, entry.first, true));
      *entry.second = entry.first;
    }
    const std::pair<const char *, std::pair<const flatbuffers::Vector<int32_t> *, std::vector<int32_t> *>> lists[] = {
        {"a prefix token", {section.prefix(), &result.prefixIds}},
        {"a suffix token", {section.suffix(), &result.suffixIds}},
        {"a stop token", {section.stop(), &result.stopIds}}};
    for (auto [role, entry] : lists) {
      if (!entry.first)
        continue;
      for (int32_t id : *entry.first) {
        MUSTER_RETURN_IF_ERROR(checkId(role, id, false));
        entry.second->push_back(id);
      }
    }
    std::sort(result.stopIds.begin(), result.stopIds.end());
    return Status::ok();
  }

  Status loadSteps() {
    // A value that this version does not know is shown as a number; it only tells where the steps come from.
    const char *name = schema::EnumNamePreTokenizer(section.pre_tokenizer());
    result.preTokenizerText = *name ? name : std::to_string(static_cast<int>(section.pre_tokenizer()));
    if (!section.steps())
      return Status::ok();
    for (const schema::Step *step : *section.steps()) {
      using PreStep = text::PreTokenizer::Step;
      PreStep kind;
      switch (step->kind()) {
      case schema::StepKind::SplitIsolated:
        kind = PreStep::splitIsolated;
        break;
      case schema::StepKind::SplitRemoved:
        kind = PreStep::splitRemoved;
        break;
      case schema::StepKind::SplitKept:
        kind = PreStep::splitKept;
        break;
      case schema::StepKind::PrefixSpace:
        kind = PreStep::prefixSpace;
        break;
      default:
        return Status::unsupported(3202, "expected a pre-tokenizer step of 1 to {} but got {}",
                                   static_cast<int>(schema::StepKind::MAX), static_cast<int>(step->kind()));
      }
      if (kind != PreStep::prefixSpace && !step->pattern())
        return Status::error(3206, "expected a pattern for a pre-tokenizer step of kind {} but got none",
                             static_cast<int>(step->kind()));
      MUSTER_RETURN_IF_ERROR(result.preTokenizer.add(kind, step->pattern() ? step->pattern()->str() : std::string()));
    }
    return Status::ok();
  }

  static constexpr uint32_t maxVocabulary = uint32_t(1) << 24;

  const schema::Tokenizer &section;
  Tokenizer result;
};

Result<Tokenizer> Tokenizer::load(std::span<const uint8_t> section) {
  // Flatbuffers are read in place, at the alignment of their widest field.
  std::vector<uint8_t> copy;
  if (reinterpret_cast<uintptr_t>(section.data()) % alignof(uint64_t)) {
    copy.assign(section.begin(), section.end());
    section = copy;
  }
  constexpr size_t smallest = 2 * sizeof(flatbuffers::uoffset_t); // root offset and identifier
  if (section.size() < smallest)
    return Status::error(3201, "expected a tokenizer section of at least {} bytes but got {}", smallest,
                         section.size());
  if (section.size() > FLATBUFFERS_MAX_BUFFER_SIZE - 1)
    return Status::error(3201, "expected a tokenizer section of at most {} bytes but got {}",
                         FLATBUFFERS_MAX_BUFFER_SIZE - 1, section.size());
  if (!schema::TokenizerBufferHasIdentifier(section.data()))
    return Status::error(3201, "expected a section with identifier {} but got another", schema::TokenizerIdentifier());
  flatbuffers::Verifier verifier(section.data(), section.size());
  if (!schema::VerifyTokenizerBuffer(verifier))
    return Status::error(3201, "expected a well-formed tokenizer section but got {} bytes that are not",
                         section.size());
  return TokenizerLoader(*schema::GetTokenizer(section.data())).load();
}

} // namespace muster
