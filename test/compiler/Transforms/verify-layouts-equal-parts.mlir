// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Rows of a step in equal parts: not every number of rows has any. A program that is wrong where they have is wrong.

muster.mesh @m <["sp" = 3]>

// Each rank's first third goes to rank 0: its rows are no longer rows that follow one another.
func.func @negative_parts_of_parts(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/sp, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/sp, i]>}) {
  // expected-note @+1 {{dim 0 holds}}
  %0 = muster.all_to_all %x on "sp" split 0 concat 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  // expected-error @+3 {{E1104 result holds the wrong elements}}
  // expected-note @+2 {{wanted logical [6, 0] of [t, i], got [2, 0] (where t/9=2)}}
  // expected-note @+1 {{where 't' is a multiple of 9}}
  return %0 : tensor<?x5xf32>
}

// -----

muster.mesh @m <["sp" = 3]>

// Twice is where it was, if there are equal parts at all.
func.func @twice(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/sp, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/sp, i]>}) {
  // expected-error @+2 {{E1108 cannot be proved: dim 0 of local size t/3 has no equal parts for the 3 positions of 'sp'}}
  // expected-note @+1 {{what would settle it: 3 divides t/3}}
  %0 = muster.all_to_all %x on "sp" split 0 concat 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  %1 = muster.all_to_all %0 on "sp" split 0 concat 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}

// -----

muster.mesh @m <["sp" = 3]>

// There are never as many rows.
func.func @few_rows(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/sp, i]>})
    -> (tensor<?x5xf32> {muster.layout = #muster.layout<[t/sp, i]>}) attributes {muster.bounds = {t = 8 : i64}} {
  // expected-error @+2 {{E1108 cannot be proved: dim 0 of local size t/3 has no equal parts for the 3 positions of 'sp'}}
  // expected-note @+1 {{what would settle it: 3 divides t/3}}
  %0 = muster.all_to_all %x on "sp" split 0 concat 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}
