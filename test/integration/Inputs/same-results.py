# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""same-results.py A.json B.json: two runs of muster-run --json gave the same tokens."""
import json
import sys

first, second = ([r["tokens"] for r in json.load(open(path))["results"]] for path in sys.argv[1:])
if first != second or not first:
    sys.exit(f"expected {first} but got {second}")
