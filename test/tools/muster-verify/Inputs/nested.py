#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints a right program of scf.if inside scf.if, so many levels deep."""
import sys

depth = int(sys.argv[1])
layout = "#muster.layout<[s/sp, h]>"
print(f"""muster.mesh @mesh <["sp" = 4]>
func.func @nested(%x: tensor<6x10xf32> {{muster.layout = {layout}}}) -> (tensor<6x10xf32> {{muster.layout = {layout}}}) {{
  %c = arith.constant true""")
for level in range(depth):
    print(f"%v{level} = scf.if %c -> tensor<6x10xf32> {{")
print(f"%v{depth} = math.tanh %x : tensor<6x10xf32>")
for level in reversed(range(depth)):
    print(f"scf.yield %v{level + 1} : tensor<6x10xf32>\n}} else {{\nscf.yield %x : tensor<6x10xf32>\n}}")
print("return %v0 : tensor<6x10xf32>\n}")
