#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the golden files of the tokenizer tests from two independent implementations.

    pip install llama-cpp-python==0.3.36 tokenizers==0.23.3 gguf==0.19.0
    python make-golden.py SmolLM2-135M-Instruct.Q4_1.gguf

Writes beside this script:
  golden.json            the texts, and for each tokenizer the ids of each text
  tokenizer-<kind>.json  small tokenizers, trained here on the texts and a paragraph of prose and code

llama.cpp reads SmolLM2's GGUF file, and GGUF files made here from the small vocabularies; Hugging Face tokenizers
reads the small tokenizers, and one with SmolLM2's vocabulary (not written: the test makes it from the GGUF file).
The files belong together: training breaks some ties by chance, so that another run writes another "odd" vocabulary.
"""
import json
import os
import random
import sys
import tempfile

import gguf
import llama_cpp
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))

TEXTS = [
    "The capital of France is",
    "Hello, world!",
    "",
    " ",
    "  ",
    "a",
    " leading space",
    "trailing space ",
    "trailing spaces   ",
    "two  spaces and   three    four",
    " " * 37 + "x" + " " * 64,
    "\n",
    "\n\n\n",
    "a\nb\n\nc\n\n\nd",
    "a \n b\t\n\tc",
    "line\r\nline\r\n\r\nline\rline",
    "tabs\t\tand\x0bvertical\x0cform feed",
    "no-break\u00a0space thin\u2009space ideographic\u3000space\u3000\u3000 end",
    "next\u0085line line\u2028separator para\u2029graph ogham\u1680space",
    "mongolian\u180evowel separator zero\u200bwidth bom\ufeff",
    "I'm you're he'll she'd we've it's don't 'twas rock'n'roll",
    "I'M YOU'RE HE'LL SHE'D WE'VE IT'S DON'T",
    "curly\u2019s quotes \u2018here\u2019 \u201cand\u201d there",
    "'s't're've'm'll'd 's 't",
    "1234567890",
    "3.14159 1,000,000 0x7fff 1e-9 2024-01-31T23:59:59Z",
    "½ ² Ⅷ ٣ ①② 四 ১২৩ ௧௨ 𝟘𝟙",
    "v1.2.3rc4 A4 b2b 5G 10km",
    "def f(x):\n    if x > 0:\n        return x ** 2\n    return -x  # comment\n",
    "for (int i = 0; i < n; ++i) {\n\ta[i] += b[i];\n}\n",
    "SELECT * FROM t WHERE a <> 'b' AND c >= 10;--",
    '{"key": [1, 2.5, null, true], "nested": {"a": "\\u00e9"}}',
    "<div class=\"a b\">&nbsp;</div><!-- x -->",
    "https://example.org/a/b?c=d&e=%20f#g user@example.com C:\\dir\\file.txt",
    "中文分词测试,没有空格。日本語のテキスト、カタカナとひらがな。한국어 문장입니다.",
    "混合 mixed 文字text与English空格",
    "Привет, мир! Γειά σου Κόσμε שלום עולם مرحبا بالعالم नमस्ते दुनिया สวัสดีชาวโลก",
    "e\u0301te\u0301 a\u0308 o\u0302\u0323 \u0301alone cafe\u0301",
    "été ä ộ café naïve Straße ŒUVRE ǅ ﬁ",
    "😀😃 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷🇩🇪 ❤️ ☺",
    "emoji😀between🚀words",
    "→ ← ∀x∈ℝ: ∑ᵢ xᵢ² ≤ ∞ ≠ ± × ÷ √2",
    "!!! ??? ... --- === ***bold*** __init__ `code` ~~x~~ $10 50% #tag @user",
    "(a)[b]{c}<d>/e\\f|g^h~i",
    "\x00\x01\x07\x08\x1b[0m\x7f",
    "\u0014ab\u0013cd\u0004a\u0006b \x1d",
    "\U00040000 \U000e0001 \U0010ffff \ue000 \ufffd \uffff",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|><|endoftext|> <|endoftext|>x<|endoftext|>",
    "<|im_start|><|im_start <|im_end|",
    "text<repo_name>x<file_sep><reponame>",
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ACGTACGTTGCAACGTACGTTGCAACGTACGTTGCA",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case",
    "What is the answer?\n\n   \n  Forty-two.   \n",
    "x\u0301\u0302\u0303\u0304 zalgo\u0336\u0335 te\u0336xt",
    "\u202eright to left\u202c \u2066isolate\u2069",
    "'\u017f \u017f 'K \u212a \u0130 \u0131 ß ẞ",
    " \u00a0 \u00a0x \u2003\n\u2003 y",
    "\t \t \n \t\n\n \r\n \r x",
    "「引用」『二重』【墨付き】、。！？・ー〜",
    "A.B.C. e.g., i.e.; etc... U.S.A.",
    "1st 2nd 3rd 4th 21世紀 第3章 ３４５",
]

PROSE = """
The quick brown fox jumps over the lazy dog, and then the other dog jumps over the fox as well. There's nothing in the
theory that says they can't; it's what the others have thought since 1987. We've seen 1,234 of them, you're told, and I'll
say it again: the answer isn't 42. Where there is a will there is a way, and where there is none there are excuses.
    def compute(values, start=0):
        total = start
        for value in values:
            total += value * 2
        return total
L'été dernier, nous étions à la plage. Die Straße war naß. Привет, как дела? Привет ещё раз. 中文中文测试测试。日本語日本語です。
"""


def random_texts():
    rng = random.Random(2024)
    alphabets = [
        "abcdefghij   '", "ABCdef 0123456789", " \t\n\r", "éüñçßø àè", "中文字日本語。、 ", "абвгд ", "😀👍\u200d\ufe0f🏽 ",
        "'sStTmMdDlLrReEvV ", "!?.,;:-_()[]{}<>|/\\ ", "\u00a0\u2003\u3000 \n", "\u0301\u0308\u0327ae", "½²Ⅷ٣४５ 12",
    ]
    texts = []
    for _ in range(60):
        chosen = rng.sample(alphabets, 3)
        texts.append("".join(rng.choice(rng.choice(chosen)) for _ in range(rng.randrange(5, 50))))
    return texts


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK = [
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
]
DEEPSEEK_LLM = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿА-я]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+"]


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated", invert=False)


def byte_level(use_regex, add_prefix_space=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


KINDS = {
    "smollm": [pre_tokenizers.Digits(individual_digits=True), byte_level(True)],
    "gpt2": [byte_level(True, add_prefix_space=True)],
    "llama3": [split(LLAMA3), byte_level(False)],
    "qwen2": [split(QWEN2), byte_level(False)],
    "deepseek": [split(p) for p in DEEPSEEK] + [byte_level(False)],
    "deepseek-llm": [split(p) for p in DEEPSEEK_LLM] + [pre_tokenizers.Digits(individual_digits=True), byte_level(False)],
    "odd": [pre_tokenizers.Split("-", "removed"), pre_tokenizers.Split(Regex(r"\p{Han}+|[a-f\d]+"), "isolated"),
            pre_tokenizers.Digits(individual_digits=False), byte_level(True)],
}
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def train(kind, texts):
    tokenizer = Tokenizer(models.BPE())
    steps = KINDS[kind]
    tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    # "odd" learns no rare bytes, so that some are missing.
    options = {"limit_alphabet": 120} if kind == "odd" else {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    trainer = trainers.BpeTrainer(vocab_size=450, min_frequency=2, special_tokens=SPECIALS, show_progress=False,
                                  **options)
    tokenizer.train_from_iterator([PROSE] * 3 + texts, trainer)
    tokenizer.add_tokens([AddedToken("<tool>", normalized=True), AddedToken("zebra crossing", normalized=True)])
    if kind == "odd":
        tokenizer.add_special_tokens([AddedToken("<pad>", lstrip=True), AddedToken("<mask>", rstrip=True)])
        tokenizer.add_tokens([AddedToken("<to", normalized=False), AddedToken("user", normalized=True)])
    if kind in ("llama3", "odd"):
        bos, eos = tokenizer.token_to_id("<|endoftext|>"), tokenizer.token_to_id("<|im_end|>")
        suffix = " <|im_end|>" if kind == "odd" else ""
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|endoftext|> $A" + suffix, pair="<|endoftext|> $A $B",
                                          special_tokens=[("<|endoftext|>", bos), ("<|im_end|>", eos)]),
        ])
    data = json.loads(tokenizer.to_str())
    if kind == "llama3":
        data["model"]["ignore_merges"] = True
    if kind == "deepseek-llm":
        data["normalizer"] = {"type": "Sequence", "normalizers": []}
    return data


def encode_all(data, texts):
    tokenizer = Tokenizer.from_str(json.dumps(data))
    return {"plain": [tokenizer.encode(t, add_special_tokens=False).ids for t in texts],
            "special": [tokenizer.encode(t, add_special_tokens=True).ids for t in texts[:8]]}


def llama_all(path, texts):
    model = llama_cpp.Llama(model_path=path, vocab_only=True, verbose=False)
    return {"plain": [model.tokenize(t.encode(), add_bos=False, special=True) for t in texts],
            "special": [model.tokenize(t.encode(), add_bos=True, special=True) for t in texts[:8]],
            "stranger": {i: model.tokenize(t.encode(), add_bos=False, special=False) for i, t in enumerate(texts)
                         if "<" in t}}


def write_gguf(path, data, pre):
    """The vocabulary of a tokenizer.json as GGUF metadata; as convert_hf_to_gguf.py of llama.cpp writes it."""
    added = {t["id"]: t for t in data["added_tokens"]}
    vocabulary = {i: t for t, i in data["model"]["vocab"].items()}
    count = max(max(added), max(vocabulary)) + 1
    tokens = [added[i]["content"] if i in added else vocabulary[i] for i in range(count)]
    types = [(3 if added[i]["special"] else 4) if i in added else 1 for i in range(count)]
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def smollm2_json(path):
    """SmolLM2's tokenizer.json, from its GGUF file."""
    fields = gguf.GGUFReader(path).fields
    tokens, types, merges = (fields["tokenizer.ggml." + k].contents() for k in ("tokens", "token_type", "merges"))
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i, t in enumerate(tokens) if types[i] == 3],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges},
    }


def main():
    smollm2 = sys.argv[1]
    texts = TEXTS + random_texts()
    golden = {"made_by": {"llama-cpp-python": llama_cpp.__version__, "tokenizers": tokenizers.__version__},
              "texts": texts, "llama.cpp": {}, "tokenizers": {}}
    golden["llama.cpp"]["smollm2"] = llama_all(smollm2, texts)
    golden["tokenizers"]["smollm2"] = encode_all(smollm2_json(smollm2), texts)
    for kind in KINDS:
        data = train(kind, texts)
        with open(os.path.join(HERE, f"tokenizer-{kind}.json"), "w") as file:
            json.dump(data, file, ensure_ascii=True, separators=(",", ":"))
            file.write("\n")
        golden["tokenizers"][kind] = encode_all(data, texts)
    for kind, pre in (("smollm", "smollm"), ("gpt2", "gpt-2"), ("llama3", "llama-bpe"), ("qwen2", "qwen2")):
        with open(os.path.join(HERE, f"tokenizer-{kind}.json")) as file:
            data = json.load(file)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "vocabulary.gguf")
            write_gguf(path, data, pre)
            golden["llama.cpp"][pre] = llama_all(path, texts)
    # No \\u escapes: LLVM's JSON reader gets surrogate pairs of some planes wrong.
    with open(os.path.join(HERE, "golden.json"), "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
