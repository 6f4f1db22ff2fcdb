#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Everything that can be wrong with what the tools are given: each ends with its number and its exit code.

    bad-input.py WORK-FOLDER [--bin FOLDER] [--only TEXT]

The table below has one row for each case: a name, the exit code, the error's number (a regular expression), what its text
must hold, the command. A case also fails on a signal, on more than one line of errors and after LIMIT seconds. Files are
made from one small checkpoint (make-tiny-llama.py) and its plans for one rank and for three; damaged plans get a digest
that fits, as else nothing but the digest would be tested.
"""
import argparse
import ctypes
import importlib.util
import json
import os
import pathlib
import re
import resource
import shutil
import struct
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 60
WRONG, USAGE, UNSUPPORTED, RUN_TIME = range(1, 5)
CUTS = 200


class Digest(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def xxh3(data):
    """XXH3 with 128 bits in canonical form, as Container.h asks for."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_128bits.restype = Digest
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    digest = library.XXH3_128bits(bytes(data), len(data))
    return struct.pack(">QQ", digest.high, digest.low)


def replaced(data, old, new):
    """`data` with the only occurrence of `old` overwritten by `new`, which is as long."""
    assert len(old) == len(new) and data.count(old) == 1, f"expected one {old!r} but got {data.count(old)}"
    return data.replace(old, new)


def forged(plan, old, new):
    """A plan with a part overwritten, and the digest that then belongs to it."""
    data = bytearray(replaced(plan, old, new))
    data[40:56] = xxh3(data[56:])
    return bytes(data)


class Inputs:
    """Files of the cases, made as they are asked for."""

    def __init__(self, work):
        self.work = work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        tiny = ["--byte-tokenizer", "--vocabulary=276", "--heads=6", "--kv-heads=3", "--head-dim=8", "--hidden=29",
                "--context=128", "--layers=1"]
        for name, options in (("good", ["--untied"]), ("other", ["--seed=2"]), ("sharded", ["--shards=3"])):
            subprocess.run([sys.executable, HERE / "make-tiny-llama.py", work / name, *tiny, *options], check=True)
        for name, source, mesh in (("one", "good/model.gguf", 1), ("three", "good/model.gguf", 3), ("other", "other/model.gguf", 1),
                                   ("bare", "good", 1)):
            subprocess.run(["muster-compile", work / source, "--mesh", f"tp={mesh}", "--target", "x86-64-v3", "--max-step-tokens", "16",
                            "--max-seqs", "2", "-o", work / f"{name}.plan"], check=True, stdout=subprocess.DEVNULL)
        # Steps of 400,000 tokens: an arena of 488 MB.
        subprocess.run(["muster-compile", work / "good", "--target", "x86-64-v3", "--max-step-tokens", "400000", "-o", work / "large.plan"],
                       check=True, stdout=subprocess.DEVNULL)
        self.gguf = (work / "good/model.gguf").read_bytes()
        self.plan = (work / "one.plan").read_bytes()
        self.array("ids", np.arange(5, dtype=np.int32))

    def file(self, name, data):
        path = self.work / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def array(self, name, values):
        np.save(self.work / f"{name}.npy", values)
        return self.work / f"{name}.npy"

    def model(self, name, old, new):
        """The GGUF file with something overwritten."""
        return self.file(name + ".gguf", replaced(self.gguf, old, new))

    def folder(self, name, source="good"):
        """A copy of the Hugging Face folder."""
        target = self.work / name
        shutil.copytree(self.work / source, target, ignore=shutil.ignore_patterns("*.gguf"))
        return target

    def config(self, name, **values):
        """A folder with other values in config.json; None removes one."""
        target = self.folder(name)
        config = json.loads((target / "config.json").read_text()) | values
        (target / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
        return target

    def tensors(self, name, change):
        """A folder whose safetensors header was changed by `change`, which gets the header."""
        target = self.folder(name)
        data = (target / "model.safetensors").read_bytes()
        length = struct.unpack_from("<Q", data)[0]
        header = json.loads(data[8 : 8 + length])
        change(header)
        text = json.dumps(header).encode()
        (target / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
        return target

    def planned(self, name, data, weights="one.weights"):
        """A plan file with weights beside it."""
        path = self.file(name + ".plan", data)
        if weights:
            (self.work / (name + ".weights")).symlink_to(self.work / weights)
        return path


def renamed(header, old, new):
    """Renames tensors and keeps their order."""
    tensors = {name.replace(old, new): value for name, value in header.items()}
    header.clear()
    header.update(tensors)


def add_empty(header):
    end = max(tensor["data_offsets"][1] for tensor in header.values() if "data_offsets" in tensor)
    header["extra"] = {"dtype": "F32", "shape": [0], "data_offsets": [end, end]}


def shape_of(header, name, shape):
    header[name]["shape"] = shape


def compile_cases(i):
    """name, exit code, number, text, arguments of muster-compile"""
    good, out = i.work / "good/model.gguf", i.work / "out.plan"
    type_of_head = len(b"output.weight") + 4 + 16  # behind its name: dims, then the type
    head = struct.pack("<Q", 13) + b"output.weight"
    at = i.gguf.index(head) + 8 + type_of_head
    named = lambda number: i.file(f"type{number}.gguf", i.gguf[:at] + struct.pack("<I", number) + i.gguf[at + 4 :])
    swapped = struct.pack("<IQQ", 2, 276, 29)
    yield from [
        ("no input", USAGE, "E0101", "input", []),
        ("unknown option", USAGE, "E0101", "nonsense", [good, "-o", out, "--nonsense"]),
        ("value of no number", USAGE, "E0101", "x", [good, "-o", out, "--max-seqs", "x"]),
        ("no output", USAGE, "E0104", "-o", [good]),
        *((f"mesh '{mesh}'", USAGE, "E0105", "--mesh", [good, "-o", out, "--mesh", mesh])
          for mesh in ("tp", "tp=", "tp=0", "tp=-3", "=3", "tp=x", "tp=3,", "tp=99999999999999999999")),
        ("phase", USAGE, "E0106", "nonsense", [good, "--to", "nonsense"]),
        ("first phase", USAGE, "E0106", "nonsense", [good, "-o", out, "--from", "nonsense"]),
        ("target", WRONG, "E4101", "x86-64-v9", [good, "-o", out, "--target", "x86-64-v9"]),
        ("target of another architecture", WRONG, "E4101", "sm_90", [good, "-o", out, "--target", "sm_90"]),
        ("mesh does not divide", WRONG, "E3323", "3 key-value heads or is a multiple of them but got 2", [good, "-o", out, "--mesh", "tp=2"]),
        ("mesh is too large", WRONG, "E3323", "but got 1000000", [good, "-o", out, "--mesh", "tp=1000000"]),
        ("axis", WRONG, "E3322", "ep=3", [good, "-o", out, "--mesh", "ep=3"]),
        ("axis is too large", WRONG, "E3322", "each of size 1 to 2147483647 but got dp=3000000000", [good, "-o", out, "--mesh", "dp=3000000000"]),
        ("axes", WRONG, "E3322", "dp=2, sp=3", [good, "-o", out, "--mesh", "dp=2,sp=3"]),
        ("axis twice", WRONG, "E3322", "tp=3", [good, "-o", out, "--mesh", "tp=3,tp=3"]),
        ("folder of the output", WRONG, "E4202", "nowhere", [good, "-o", i.work / "nowhere/x.plan"]),
        ("output is a folder", WRONG, "E4202", "sharded", [good, "-o", i.work / "sharded"]),
        ("text output", WRONG, "E4202", "nowhere", [good, "--to", "model", "-o", i.work / "nowhere/x.mlir"]),
        ("no tokens in a step", WRONG, "E3321", "0", [good, "-o", out, "--max-step-tokens", "0"]),
        ("no sequences", WRONG, "E3321", "0", [good, "-o", out, "--max-seqs", "0"]),
        ("context of the model", WRONG, "E3321", "129", [good, "-o", out, "--max-context", "129"]),
        ("no page", WRONG, "E3321", "0", [good, "-o", out, "--page-slots", "0"]),
        ("no file", WRONG, "E3012|E3101", "nowhere", [i.work / "nowhere.gguf", "-o", out]),
        ("no folder", WRONG, "E3101", "nowhere", [i.work / "nowhere", "-o", out]),
        ("empty file", WRONG, "E3001", "", [i.file("empty.gguf", b""), "-o", out]),
        ("text as a model", WRONG, "E3001|E3101", "", [i.file("text.gguf", b"hello\n" * 100), "-o", out]),
        ("version of GGUF", UNSUPPORTED, "E3002", "9", [i.model("version", b"GGUF\x03", b"GGUF\x09"), "-o", out]),
        ("architecture", UNSUPPORTED, "E3301", "lmama", [i.model("architecture", b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0lmama"), "-o", out]),
        ("pre-tokenizer", UNSUPPORTED, "E3212", "smollo", [i.model("pre", b"smollm", b"smollo"), "-o", out]),
        ("tokenizer", UNSUPPORTED, "E3211", "gpt3", [i.model("tokenizer", b"gpt2", b"gpt3"), "-o", out]),
        ("tensor type of no meaning", UNSUPPORTED, "E3008", "99", [named(99), "-o", out]),
        ("tensor type that is not supported", UNSUPPORTED, "E3008", "", [named(10), "-o", out]),
        ("missing tensor", WRONG, "E3305|E3307", "blk.0.ffn_up", [i.model("missing", b"blk.0.ffn_up.weight", b"blk.0.ffn_uq.weight"), "-o", out]),
        ("misshapen tensor", WRONG, "E3306", "output.weight", [i.model("shape", head + struct.pack("<IQQ", 2, 29, 276), head + swapped), "-o", out]),
        ("heads that do not divide", WRONG, "E33", "", [i.model("heads", b"head_count\4\0\0\0\6", b"head_count\4\0\0\0\7"), "-o", out]),
        ("no layers", WRONG, "E33", "", [i.model("layers", b"block_count\4\0\0\0\1", b"block_count\4\0\0\0\0"), "-o", out]),
        ("model type", UNSUPPORTED, "E3301", "mamba", [i.config("mamba", model_type="mamba", architectures=["Mamba"]), "-o", out]),
        ("activation", UNSUPPORTED, "E3304", "gelu", [i.config("gelu", hidden_act="gelu"), "-o", out]),
        ("rotary scaling", UNSUPPORTED, "E3308|E3304", "yarn", [i.config("yarn", rope_scaling={"rope_type": "yarn", "factor": 2.0}), "-o", out]),
        ("no hidden size", WRONG, "E3302", "hidden_size", [i.config("nohidden", hidden_size=None), "-o", out]),
        ("hidden size of no number", WRONG, "E3302", "hidden_size", [i.config("texthidden", hidden_size="x"), "-o", out]),
        ("negative layers", WRONG, "E330", "", [i.config("negative", num_hidden_layers=-1), "-o", out]),
        ("missing tensor in a folder", WRONG, "E3305|E3307", "o_pro", [i.tensors("gone", lambda h: renamed(h, "o_proj", "o_prox")), "-o", out]),
        ("misshapen tensor in a folder", WRONG, "E3306", "lm_head", [i.tensors("turned", lambda h: shape_of(h, "lm_head.weight", [29, 276])), "-o", out]),
        ("size of a tensor", WRONG, "E310", "lm_head", [i.tensors("larger", lambda h: shape_of(h, "lm_head.weight", [276, 30])), "-o", out]),
        ("type of a tensor", UNSUPPORTED, "E3105", "F8_E4M3", [i.tensors("eight", lambda h: h["lm_head.weight"].update(dtype="F8_E4M3")), "-o", out]),
        ("unknown tensor", UNSUPPORTED, "E3307", "extra", [i.tensors("extra", add_empty), "-o", out]),
    ]
    lost = i.folder("lost", "sharded")
    (lost / "model-00002-of-00003.safetensors").unlink()
    yield "missing shard", WRONG, "E31", "model-00002-of-00003", [lost, "-o", out]
    json_broken = i.folder("brokenjson")
    (json_broken / "config.json").write_text("{")
    yield "config.json", WRONG, "E3102", "config.json", [json_broken, "-o", out]
    none = i.folder("nosafetensors")
    (none / "model.safetensors").unlink()
    yield "no safetensors", WRONG, "E3109", "", [none, "-o", out]
    for cut in [*range(1, 2600, 325), *np.linspace(2700, len(i.gguf) - 1, 12).astype(int)]:
        yield f"GGUF cut at {cut}", WRONG, "E30", "", [i.file(f"cut{cut}.gguf", i.gguf[:cut]), "-o", out]
    tensors = (i.work / "good/model.safetensors").read_bytes()
    for cut in [0, 7, 8, 9, 300, 900, *np.linspace(1500, len(tensors) - 1, 6).astype(int)]:
        folder = i.folder(f"cutfolder{cut}")
        (folder / "model.safetensors").write_bytes(tensors[:cut])
        yield f"safetensors cut at {cut}", WRONG, "E31", "safetensors", [folder, "-o", out]
    yield "program that does not parse", WRONG, "", "error", [i.file("bad.mlir", b"func.func @f("), "-o", out]


def run_cases(i):
    """name, exit code, number, text, arguments of muster-run"""
    one, three, ids = i.work / "one.plan", i.work / "three.plan", i.work / "ids.npy"
    teacher = ["--tokens", ids]
    long = i.array("long", np.zeros(129, dtype=np.int32))
    feature = lambda name: b"\x03\0\0\0" + name + b"\0"
    version = bytearray(i.plan)
    version[8] = 77
    truncated = i.file("truncated.npy", i.array("full", np.arange(50, dtype=np.int32)).read_bytes()[:-7])
    weights = (i.work / "one.weights").read_bytes()
    i.file("cut.weights", weights[:-100])
    i.file("tiny.weights", weights[:20])
    i.file("magic.weights", b"X" + weights[1:])
    yield from [
        ("no plan", USAGE, "E0101", "plan", []),
        ("unknown option", USAGE, "E0101", "--nonsense", [one, *teacher, "--nonsense"]),
        ("nothing to do", USAGE, "E0101", "but got 0", [one]),
        ("two things to do", USAGE, "E0101", "but got 2", [one, *teacher, "--prompt", "a"]),
        ("plan of another version", WRONG, "E2003", "77", [i.planned("version", bytes(version)), *teacher]),
        ("a text file as a plan", WRONG, "E2002|E2004", "", [i.planned("text", b"hello\n" * 100), *teacher]),
        ("weights as a plan", WRONG, "E2002", "", [i.work / "one.weights", *teacher]),
        ("damaged plan", WRONG, "E2005", "", [i.planned("damaged", i.plan[:-1] + bytes([i.plan[-1] ^ 1])), *teacher]),
        ("plan with more behind it", WRONG, "E2004", "", [i.planned("longer", i.plan + b"x"), *teacher]),
        ("CPU feature that is missing", WRONG, "E2302", "tbm", [i.planned("tbm", forged(i.plan, feature(b"fma"), feature(b"tbm"))), *teacher]),
        ("CPU feature of no meaning", UNSUPPORTED, "E2303", "zzz", [i.planned("zzz", forged(i.plan, feature(b"fma"), feature(b"zzz"))), *teacher]),
        ("CPU feature that no line can hold", UNSUPPORTED, "E2303", r"feature \x00\x1B\x0A,", [i.planned("control", forged(i.plan, feature(b"fma"), feature(b"\0\x1b\n"))), *teacher]),
        ("another architecture", WRONG, "E2301", "riscv6", [i.planned("riscv", forged(i.plan, b"\6\0\0\0x86_64\0", b"\6\0\0\0riscv6\0")), *teacher]),
        ("no weights", WRONG, "E2201", "lonely.weights", [i.planned("lonely", i.plan, None), *teacher]),
        ("weights of another plan", WRONG, "E2204", "", [i.planned("exchanged", i.plan, "other.weights"), *teacher]),
        ("weights for another number of ranks", WRONG, "E2204", "1 sections|4", [i.planned("ranks", i.plan, "three.weights"), *teacher]),
        ("cut weights", WRONG, "E2201", "", [i.planned("cutweights", i.plan, "cut.weights"), *teacher]),
        ("weights cut in the header", WRONG, "E2201", "", [i.planned("tinyweights", i.plan, "tiny.weights"), *teacher]),
        ("no weights file", WRONG, "E2202", "", [i.planned("magicweights", i.plan, "magic.weights"), *teacher]),
        ("other weights named", WRONG, "E2204", "", [one, *teacher, "--weights-file", i.work / "other.weights"]),
        ("no weights there", WRONG, "E2201", "nowhere", [one, *teacher, "--weights-file", i.work / "nowhere"]),
        ("longer than the context", RUN_TIME, "E2421", "128 tokens but got 129", [one, "--tokens", long]),
        ("prompt longer than the context", RUN_TIME, "E2421", "128 tokens but got 200", [one, "--prompt", "a" * 200]),
        ("empty prompt", RUN_TIME, "E2420", "", [one, "--prompt", ""]),
        ("no tokens", RUN_TIME, "E2420", "", [one, "--tokens", i.array("none", np.zeros(0, dtype=np.int32))]),
        ("floats as tokens", WRONG, "E2442", "f64", [one, "--tokens", i.array("floats", np.zeros(3))]),
        ("short integers as tokens", WRONG, "E2442", "", [one, "--tokens", i.array("bytes", np.zeros(3, dtype=np.int16))]),
        ("two dims of tokens", WRONG, "E2442", "with 2", [one, "--tokens", i.array("square", np.zeros((2, 2), dtype=np.int32))]),
        ("token over the vocabulary", RUN_TIME, "E2423", "276", [one, "--tokens", i.array("over", np.array([1, 276], dtype=np.int64))]),
        ("negative token", RUN_TIME, "E2423", "-1", [one, "--tokens", i.array("under", np.array([-1], dtype=np.int64))]),
        ("cut .npy", WRONG, "E2443", "", [one, "--tokens", truncated]),
        ("cut header of .npy", WRONG, "E244[13]", "", [one, "--tokens", i.file("header.npy", truncated.read_bytes()[:40])]),
        ("no .npy", WRONG, "E2441", "", [one, "--tokens", one]),
        ("missing .npy", WRONG, "E2440", "nowhere", [one, "--tokens", i.work / "nowhere.npy"]),
        ("logits to nowhere", WRONG, "E2444", "nowhere", [one, *teacher, "--logits", i.work / "nowhere/x.npy"]),
        ("trace to nowhere", RUN_TIME, "E2416", "nowhere", [one, *teacher, "--trace", i.work / "nowhere/x.json"]),
        ("missing prompts", WRONG, "E0103", "nowhere", [one, "--prompts", i.work / "nowhere.txt"]),
        ("prompts of no texts", WRONG, "E0103", "", [one, "--prompts", i.file("numbers.json", b"[1]")]),
        ("plan without a tokenizer", WRONG, "E2429", "bare.plan", [i.work / "bare.plan", "--prompt", "a"]),
        ("no memory for the cache", RUN_TIME, "E2404", "", [one, *teacher, "--kv-memory", "900TB"]),
        ("cache without a page", RUN_TIME, "E2434", "", [one, *teacher, "--kv-memory", "16"]),
        ("no memory for the cache of processes", RUN_TIME, "E2404", "", [one, *teacher, "--kv-memory", "900TB", "--processes"]),
        ("--check with another model", WRONG, "check:.*DIFFERS", "", [one, *teacher, "--check", i.work / "other.plan"]),
        ("unknown entry", WRONG, "E2431|E2418", "nothing", [one, "--entry", "nothing"]),
        ("entry without its inputs", WRONG, "E2431", "", [one, "--entry", "step"]),
        ("input of another shape", WRONG, "E2432", "", [one, "--entry", "step", *(text for name in (
            "tokens", "positions", "query_starts", "block_table", "write_slots", "logit_rows") for text in ("--input", f"{name}={ids}"))]),
        ("an error of three processes is said once", RUN_TIME, "E2423", "", [three, "--processes", "--tokens", i.work / "over.npy"]),
    ]
    for cut in np.linspace(0, len(i.plan) - 1, CUTS).astype(int):
        yield f"plan cut at {cut}", WRONG, "E200[1-6]", "", [i.planned(f"cut{cut}", i.plan[:cut]), *teacher]


def little_memory_cases(i):
    """As run_cases, with 448 MiB of address space."""
    for name, options in (("threads", []), ("processes", ["--processes"])):
        yield f"no memory for the arena of {name}", RUN_TIME, "E2404", "arena", [i.work / "large.plan", "--tokens", i.work / "ids.npy", *options]


def inspect_cases(i):
    yield from [
        ("no plan", USAGE, "E0101", "", []),
        ("missing plan", WRONG, "E2001", "nowhere", [i.work / "nowhere.plan"]),
        ("plan of another version", WRONG, "E2003", "77", [i.work / "version.plan"]),
        ("cut plan", WRONG, "E200[1-6]", "", [i.file("cut.plan", i.plan[:4000])]),
    ]


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (448 << 20, 448 << 20))


def fault_of(tool, code, number, text, arguments, prepare=None):
    """What is wrong with how the case ends; nothing if it ends as it should."""
    try:
        done = subprocess.run([tool, *map(str, arguments)], capture_output=True, timeout=LIMIT, preexec_fn=prepare)
    except subprocess.TimeoutExpired:
        return f"no end within {LIMIT} s"
    said = done.stderr.decode(errors="replace")
    if done.returncode == WRONG and number.startswith("check:"):
        said = done.stdout.decode()
    if done.returncode != code:
        return f"expected exit {code} but got {done.returncode}: {said[:300]}"
    lines = said.splitlines()
    if not number:  # several lines, of MLIR's parser
        return None if text in said else f"expected {text} but got {said[:300]}"
    if len(lines) != 1:
        return f"expected one line but got {len(lines)}: {said[:500]}"
    if not re.search(number, lines[0]):
        return f"expected {number} but got {lines[0]}"
    return None if re.search(re.escape(text) if "|" not in text else text, lines[0]) else f"expected '{text}' in {lines[0]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--bin", help="folder of the tools; default: PATH")
    parser.add_argument("--only", default="", help="cases with this text in their name")
    options = parser.parse_args()
    if options.bin:
        os.environ["PATH"] = os.path.abspath(options.bin) + os.pathsep + os.environ["PATH"]
    inputs, done, wrong = Inputs(options.work.resolve()), 0, 0
    for tool, cases, prepare in (("muster-compile", compile_cases, None), ("muster-run", run_cases, None),
                                 ("muster-run", little_memory_cases, limit_memory), ("muster-inspect", inspect_cases, None)):
        for name, code, number, text, arguments in cases(inputs):
            if options.only not in name:
                continue
            done += 1
            if fault := fault_of(tool, code, number, text, arguments, prepare):
                wrong += 1
                print(f"{tool}, {name}: {fault}", flush=True)
    print(f"{done - wrong} of {done} cases end as they should")
    return 1 if wrong or not done else 0


if __name__ == "__main__":
    sys.exit(main())
