#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""at-most.py COUNT: ends with 1 where standard input has more lines."""
import sys

lines = len(sys.stdin.readlines())
if not 0 < lines <= int(sys.argv[1]):
    sys.exit(f"expected at most {sys.argv[1]} lines but got {lines}")
