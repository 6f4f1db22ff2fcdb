// RUN: muster-opt %s --muster-plan-memory --split-input-file --verify-diagnostics | FileCheck %s

muster.mesh @mesh <["dp" = 3, "tp" = 2]>

// Spans have room for the greatest counts: of one rank; of all, three times as many, or the limit of their sum; behind those of the others;
// padded; scaled. Smaller variants limit ranks and sums by name, and a check limits all variants.
// CHECK-LABEL: plan.entry @counts
// CHECK: plan.variant "t2_t.total5" bounds {t = 2 : i64, t.total = 5 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 128 : i64} : <tensor<?x64xi8>>
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 320 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 128 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 256 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 256 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 768 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 320 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 448 : i64}
// CHECK: plan.variant "t8_t.total12"
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 512 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 768 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 512 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 768 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 512 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 1536 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 1088 : i64}
// CHECK-NEXT: plan.span(%{{.*}}) offset {{.*}} {bytes = 640 : i64}
plan.entry @counts inputs [] results [] attributes {muster.bounds = {t = 8 : i64, "t.total" = 12 : i64}, muster.variants = [{t = 2 : i64, "t.total" = 5 : i64}]} {
  %c = plan.record "t" on ["dp"] bound 8 total 12 : !muster.counts<[dp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[dp], tokens, @step> -> !muster.offsets<[dp], tokens, @step>
  %g = muster.pad_counts %c align 4 mode balanced : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
  %s = muster.scale %c times 2 plus 1 : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], rows, @step>
  %own = muster.own_count %c : !muster.counts<[dp], tokens, @step>
  %all = muster.total %c : !muster.counts<[dp], tokens, @step>
  %most = muster.maximum %c : !muster.counts<[dp], tokens, @step>
  %begin = muster.own_offset %o : !muster.offsets<[dp], tokens, @step>
  %padded = muster.own_count %g : !muster.counts<[dp], padded, @step>
  %all_padded = muster.total %g : !muster.counts<[dp], padded, @step>
  %scaled = muster.own_count %s : !muster.counts<[dp], rows, @step>
  %two = arith.constant 2 : index
  %more = arith.addi %all, %two : index
  muster.check_count %more at_most 10 "things"
  plan.variant "all" bounds {} arena 0 {
    %0 = plan.span(%own) : !plan.span<tensor<?x64xi8>>
    %1 = plan.span(%all) : !plan.span<tensor<?x64xi8>>
    %2 = plan.span(%most) : !plan.span<tensor<?x64xi8>>
    %3 = plan.span(%begin) : !plan.span<tensor<?x64xi8>>
    %4 = plan.span(%padded) : !plan.span<tensor<?x64xi8>>
    %5 = plan.span(%all_padded) : !plan.span<tensor<?x64xi8>>
    %6 = plan.span(%scaled) : !plan.span<tensor<?x64xi8>>
    %7 = plan.span(%more) : !plan.span<tensor<?x64xi8>>
  }
}

// -----
muster.mesh @mesh <["dp" = 2]>
plan.entry @negative_counts_overflow inputs [] results [] {
  %c = plan.record "t" on ["dp"] bound 2305843009213693952 : !muster.counts<[dp], tokens, @step>
  // expected-error @+1 {{E4032 expected sizes below 2^63 bytes but this one overflows}}
  %s = muster.scale %c times 2 : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], rows, @step>
  %own = muster.own_count %s : !muster.counts<[dp], rows, @step>
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%own) : !plan.span<tensor<?xi8>>
  }
}

// -----
muster.mesh @mesh <["dp" = 2]>
plan.entry @negative_counts_of_the_model inputs [] results [] {
  %c = muster.step_field "t" bound 4 : !muster.counts<[], tokens, @step>
  // expected-error @+1 {{E4031 cannot bound these counts}}
  %s = muster.exchange_counts %c : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %own = muster.own_count %s : !muster.counts<[dp], tokens, @step>
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span(%own) : !plan.span<tensor<?xi8>>
  }
}
