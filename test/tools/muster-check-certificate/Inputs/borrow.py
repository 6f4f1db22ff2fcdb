#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""borrow.py CERTIFICATE PROGRAM: prints the certificate as if it were that of the program."""
import hashlib
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    certificate = json.load(file)
with open(sys.argv[2], "rb") as program:
    certificate["program"] = hashlib.sha256(program.read()).hexdigest()
print(json.dumps(certificate))
