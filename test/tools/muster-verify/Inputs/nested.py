#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints a right program of scf.if inside scf.if, so many levels deep; with --shared one linalg.generic, each operation
of whose body uses the one before it twice."""
import sys

depth = int(sys.argv[1])
if sys.argv[2:] == ["--shared"]:
    print("""muster.mesh @mesh <["sp" = 4]>
func.func @shared(%x: tensor<6x10xf32> {muster.layout = #muster.layout<[s/sp, h]>})
    -> (tensor<6xf32> {muster.layout = #muster.layout<[s/sp]>}) {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<6xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%empty : tensor<6xf32>) -> tensor<6xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(s, h) -> (s, h)>, affine_map<(s, h) -> (s)>],
                       iterator_types = ["parallel", "reduction"]} ins(%x : tensor<6x10xf32>) outs(%zeros : tensor<6xf32>) {
  ^bb0(%v0: f32, %sum: f32):""")
    for step in range(depth):
        print(f"    %v{step + 1} = arith.addf %v{step}, %v{step} : f32")
    print(f"""    %next = arith.addf %sum, %v{depth} : f32
    linalg.yield %next : f32
  }} -> tensor<6xf32>
  return %y : tensor<6xf32>
}}""")
    sys.exit()
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
