// RUN: muster-opt %s --muster-plan-memory --split-input-file --verify-diagnostics | FileCheck %s

muster.mesh @mesh <["tp" = 2]>
plan.kernel @k(%a: tensor<4xf32>) -> tensor<4xf32> {
  plan.return %a : tensor<4xf32>
}

// The bytes of a dead span serve again. The input lives from the beginning, a result to the end, and what one step reads and writes never
// shares. Spans begin at multiples of 64 bytes.
// CHECK-LABEL: plan.entry @chain
// CHECK: plan.variant "all" bounds {} arena 320 {
// CHECK-NEXT: plan.span() offset 0 role "input" 0 {bytes = 128 : i64} : <tensor<32xf32>>
// CHECK-NEXT: plan.span() offset 128 {bytes = 128 : i64} : <tensor<31xf32>>
// CHECK-NEXT: plan.span() offset 0 {bytes = 128 : i64} : <tensor<30xf32>>
// CHECK-NEXT: plan.span() offset 128 {bytes = 128 : i64} : <tensor<29xf32>>
// CHECK-NEXT: plan.span() offset 0 role "result" 0 {bytes = 128 : i64} : <tensor<17xf32>>
// CHECK-NEXT: plan.span() offset 256 role "result" 1 {bytes = 64 : i64} : <tensor<1xi8>>
plan.entry @chain inputs [] results [] {
  plan.variant "all" bounds {} arena 0 {
    %in = plan.span() role "input" 0 : !plan.span<tensor<32xf32>>
    %a = plan.span() : !plan.span<tensor<31xf32>>
    %b = plan.span() : !plan.span<tensor<30xf32>>
    %c = plan.span() : !plan.span<tensor<29xf32>>
    %out = plan.span() role "result" 0 : !plan.span<tensor<17xf32>>
    %early = plan.span() role "result" 1 : !plan.span<tensor<1xi8>>
    plan.launch_step @k(%in, %early) sizes() writes [1] : !plan.span<tensor<32xf32>>, !plan.span<tensor<1xi8>>
    plan.launch_step @k(%in, %a) sizes() writes [1] : !plan.span<tensor<32xf32>>, !plan.span<tensor<31xf32>>
    plan.launch_step @k(%a, %b) sizes() writes [1] : !plan.span<tensor<31xf32>>, !plan.span<tensor<30xf32>>
    plan.launch_step @k(%b, %c) sizes() writes [1] : !plan.span<tensor<30xf32>>, !plan.span<tensor<29xf32>>
    plan.launch_step @k(%c, %out) sizes() writes [1] : !plan.span<tensor<29xf32>>, !plan.span<tensor<17xf32>>
  }
}

// Two inputs are there at once, although no step reads either.
// CHECK-LABEL: plan.entry @inputs
// CHECK: arena 128 {
plan.entry @inputs inputs [] results [] {
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span() role "input" 0 : !plan.span<tensor<3xf32>>
    %b = plan.span() role "input" 1 : !plan.span<tensor<3xf32>>
  }
}

// A variant has the bounds that it names and the entry's for the rest; the greatest is made too, once. Sizes have their greatest values:
// with t = 5, r = 8: (t / 2 + ceil(t / 3)) * r = 32 rows, max(min(32, 5), 8) * 8 = 64 rows.
// CHECK-LABEL: plan.entry @variants
// CHECK: plan.variant "r8_t5" bounds {r = 8 : i64, t = 5 : i64} arena 6464 {
// CHECK-DAG: role "input" 0 {bytes = 320 : i64}
// CHECK-DAG: role "input" 1 {bytes = 2048 : i64}
// CHECK-DAG: role "input" 2 {bytes = 4096 : i64}
// CHECK: plan.variant "r2_t64" bounds {r = 2 : i64, t = 64 : i64} arena 19200 {
// CHECK-DAG: role "input" 0 {bytes = 4096 : i64}
// CHECK-DAG: role "input" 1 {bytes = 6912 : i64}
// CHECK-DAG: role "input" 2 {bytes = 8192 : i64}
// CHECK: plan.variant "r8_t64" bounds {r = 8 : i64, t = 64 : i64} arena 64512 {
// CHECK-NOT: plan.variant
plan.entry @variants inputs [] results [] attributes {muster.bounds = {r = 8 : i64, t = 64 : i64}, muster.variants = [{t = 5 : i64}, {r = 2 : i64, t = 64 : i64}]} {
  %t = plan.count "t" bound 64
  %r = plan.count "r" bound 8
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %half = arith.divui %t, %c2 : index
  %more = arith.ceildivui %t, %c3 : index
  %sum = arith.addi %half, %more : index
  %product = arith.muli %sum, %r : index
  %least = arith.minui %product, %t : index
  %most = arith.maxui %least, %r : index
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%t) role "input" 0 : !plan.span<tensor<?x16xf32>>
    %b = plan.span(%product) role "input" 1 : !plan.span<tensor<?x16xf32>>
    %c = plan.span(%most, %r) role "input" 2 : !plan.span<tensor<?x?x16xf32>>
  }
}

// -----

plan.kernel @k(%a: tensor<?xf32>) -> tensor<?xf32> {
  plan.return %a : tensor<?xf32>
}
muster.mesh @mesh <["tp" = 2]>
muster.weight @w : tensor<16x16xf32> layout <[o, i]>
muster.state @cache : tensor<?x4x16xf32> layout <[page, slot, d]>

// A variant for none of a count has no steps that work on it only: kernels, products, transfers, and what writes its rows to a state. What joins it with
// others, or writes to a state what does not depend on it, stays.
// CHECK-LABEL: plan.entry @nothing_of_a_count
// CHECK: plan.variant "t64_u0"
// CHECK-DAG: plan.span(%{{.*}}) offset {{[0-9]+}} role "input" 0
// CHECK-DAG: plan.span(%{{.*}}) offset {{[0-9]+}} role "input" 1
// CHECK-NOT: _step
// CHECK: plan.launch_step @k({{.*}}) sizes(%{{.*}}) writes [2]
// CHECK-NOT: _step
// CHECK: plan.launch_step @k({{.*}}) sizes(%{{.*}}) writes [0]
// CHECK-NOT: _step
// CHECK: plan.variant "t64_u8"
// CHECK-COUNT-6: _step
plan.entry @nothing_of_a_count inputs [] results [] attributes {muster.bounds = {t = 64 : i64, u = 8 : i64}, muster.variants = [{u = 0 : i64}]} {
  %t = plan.count "t" bound 64
  %u = plan.count "u" bound 8
  %c3 = arith.constant 3 : index
  %rows = arith.muli %u, %c3 : index
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%u) role "input" 0 : !plan.span<tensor<?x16xf32>>
    %b = plan.span(%t) role "input" 1 : !plan.span<tensor<?x16xf32>>
    %w = plan.weight_span @w : !plan.span<tensor<16x16xf32>>
    %s = plan.state_span @cache : !plan.span<tensor<?x4x16xf32>>
    %c = plan.span(%rows) : !plan.span<tensor<?x16xf32>>
    plan.launch_step @k(%b, %a, %c) sizes(%t) writes [2] : !plan.span<tensor<?x16xf32>>, !plan.span<tensor<?x16xf32>>, !plan.span<tensor<?x16xf32>>
    %d = plan.span(%u) : !plan.span<tensor<?x16xf32>>
    plan.matmul_step %a, %w -> %d rows %u : <tensor<?x16xf32>>, <tensor<16x16xf32>> -> <tensor<?x16xf32>>
    plan.launch_step @k(%s, %d) sizes(%u) writes [0] : !plan.span<tensor<?x4x16xf32>>, !plan.span<tensor<?x16xf32>>
    %e = plan.span(%u) : !plan.span<tensor<?x16xf32>>
    plan.transfer_step "copy" %d -> %e on [] sizes(%u) box affine_map<(d0, d1)[s0] -> (s0, 16)> from affine_map<(d0, d1)[s0] -> (0)> affine_map<(d0, d1)[s0] -> (16, 1)>
        to affine_map<(d0, d1)[s0] -> (0)> affine_map<(d0, d1)[s0] -> (16, 1)> : <tensor<?x16xf32>> -> <tensor<?x16xf32>>
    %f = plan.span(%t) role "result" 0 : !plan.span<tensor<?x16xf32>>
    plan.launch_step @k(%b, %e, %f) sizes(%t) writes [2] : !plan.span<tensor<?x16xf32>>, !plan.span<tensor<?x16xf32>>, !plan.span<tensor<?x16xf32>>
    plan.launch_step @k(%s, %b) sizes(%t) writes [0] : !plan.span<tensor<?x4x16xf32>>, !plan.span<tensor<?x16xf32>>
  }
}

// -----
plan.entry @greatest_variant_once inputs [] results [] attributes {muster.bounds = {t = 64 : i64}, muster.variants = [{t = 64 : i64}]} {
  // CHECK-LABEL: plan.entry @greatest_variant_once
  // CHECK-COUNT-1: plan.variant "t64"
  // CHECK-NOT: plan.variant
  plan.variant "all" bounds {} arena 0 {
  }
}

// -----
// expected-error @+1 {{E4033 expected the variant's bound of "t" to be from 0 to 64 but got 65 : i64}}
plan.entry @negative_variant_above_bound inputs [] results [] attributes {muster.bounds = {t = 64 : i64}, muster.variants = [{t = 65 : i64}]} {
  plan.variant "all" bounds {} arena 0 {
  }
}

// -----
// expected-error @+1 {{E4033 expected the variant's bound of "t" to be from 0 to 64 but got -1 : i64}}
plan.entry @negative_variant_of_nothing inputs [] results [] attributes {muster.bounds = {t = 64 : i64}, muster.variants = [{t = -1 : i64}]} {
  plan.variant "all" bounds {} arena 0 {
  }
}

// -----
// expected-error @+1 {{E4033 expected bounds of a variant to be among those of 'muster.bounds' but got "u"}}
plan.entry @negative_variant_of_unknown_count inputs [] results [] attributes {muster.bounds = {t = 64 : i64}, muster.variants = [{u = 1 : i64}]} {
  plan.variant "all" bounds {} arena 0 {
  }
}

// -----
// expected-error @+1 {{E4033 expected variants to be dictionaries of bounds but got 3}}
plan.entry @negative_variant_is_no_dictionary inputs [] results [] attributes {muster.bounds = {t = 64 : i64}, muster.variants = [3]} {
  plan.variant "all" bounds {} arena 0 {
  }
}

// -----
plan.entry @negative_size_that_shrinks inputs [] results [] attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %c9 = arith.constant 9 : index
  // expected-error @+1 {{E4031 cannot bound this size}}
  %n = arith.subi %c9, %t : index
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%n) : !plan.span<tensor<?xf32>>
  }
}

// -----
plan.entry @negative_quotient_by_a_count inputs [] results [] attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  // expected-error @+1 {{E4031 cannot bound this size}}
  %n = arith.divui %t, %t : index
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%n) : !plan.span<tensor<?xf32>>
  }
}

// -----
plan.entry @greatest_size inputs [] results [] attributes {muster.bounds = {t = 64 : i64}} {
  // CHECK-LABEL: plan.entry @greatest_size
  // CHECK: bytes = 4611686018427387904 : i64
  %t = plan.count "t" bound 64
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%t) : !plan.span<tensor<?x18014398509481984xf32>>
  }
}

// -----
plan.entry @negative_bytes_overflow inputs [] results [] attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  plan.variant "all" bounds {} arena 0 {
    // expected-error @+1 {{E4032 expected sizes below 2^63 bytes but this span overflows}}
    %a = plan.span(%t) : !plan.span<tensor<?x36028797018963968xf32>>
  }
}

// -----
plan.entry @negative_size_overflows inputs [] results [] attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  %c = arith.constant 288230376151711744 : index
  // expected-error @+1 {{E4032 expected sizes below 2^63 bytes but this one overflows}}
  %n = arith.muli %t, %c : index
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%n) : !plan.span<tensor<?xi8>>
  }
}

// -----
plan.entry @negative_arena_overflows inputs [] results [] attributes {muster.bounds = {t = 64 : i64}} {
  %t = plan.count "t" bound 64
  // expected-error @+1 {{E4032 expected an arena below 2^63 bytes but this one overflows}}
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%t) role "input" 0 : !plan.span<tensor<?x18014398509481984xf32>>
    %b = plan.span(%t) role "input" 1 : !plan.span<tensor<?x18014398509481984xf32>>
  }
}
