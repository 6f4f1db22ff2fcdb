// RUN: muster-opt %s --muster-schedule-steps | FileCheck %s

// Spans A: [0, 128), B: [128, 256), C: [256, 384).
muster.mesh @mesh <["tp" = 2]>
muster.state @k : tensor<?x4x2xf32> layout <[page, slot, d]>
muster.state @v : tensor<?x4x2xf32> layout <[page, slot, d]>
plan.kernel @k1(%a: tensor<32xf32>) -> tensor<32xf32> {
  plan.return %a : tensor<32xf32>
}

// 1 reads what 0 wrote; 2 overwrites what 1 reads, and its wait on 1 implies 0; 3 overwrites what 2 wrote; 4 touches nothing of theirs.
// CHECK-LABEL: plan.entry @order
// CHECK: plan.launch_step @k1({{.*}} writes [1] waits [] :
// CHECK-NEXT: plan.launch_step @k1({{.*}} writes [1] waits [0] :
// CHECK-NEXT: plan.launch_step @k1({{.*}} writes [0] waits [1] :
// CHECK-NEXT: plan.launch_step @k1({{.*}} writes [0] waits [2] :
// CHECK-NEXT: plan.launch_step @k1({{.*}} writes [] waits [] :
plan.entry @order inputs [] results [] {
  plan.variant "all" bounds {} arena 512 {
    %in = plan.span() offset 384 role "input" 0 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %a = plan.span() offset 0 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %b = plan.span() offset 128 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %a1 = plan.span() offset 0 {bytes = 64 : i64} : !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%in, %a) sizes() writes [1] : !plan.span<tensor<32xf32>>, !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%a, %b) sizes() writes [1] : !plan.span<tensor<32xf32>>, !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%a1) sizes() writes [0] : !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%a) sizes() writes [0] : !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%in) sizes() writes [] : !plan.span<tensor<32xf32>>
  }
}

// Bytes that only touch do not conflict; reads do not either.
// CHECK-LABEL: plan.entry @negative_neighbours
// CHECK-COUNT-3: waits [] :
// CHECK-NOT: waits [{{[0-9]}}
plan.entry @negative_neighbours inputs [] results [] {
  plan.variant "all" bounds {} arena 512 {
    %a = plan.span() offset 0 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %b = plan.span() offset 128 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %c = plan.span() offset 256 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%a, %c) sizes() writes [0] : !plan.span<tensor<32xf32>>, !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%b, %c) sizes() writes [0] : !plan.span<tensor<32xf32>>, !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%c) sizes() writes [] : !plan.span<tensor<32xf32>>
  }
}

// A state is one thing however many references name it, and another state is another thing.
// CHECK-LABEL: plan.entry @states
// CHECK: writes [0] waits [] :
// CHECK-NEXT: writes [] waits [0] :
// CHECK-NEXT: writes [0] waits [] :
plan.entry @states inputs [] results [] {
  plan.variant "all" bounds {} arena 0 {
    %k = plan.state_span @k : !plan.span<tensor<?x4x2xf32>>
    %same = plan.state_span @k : !plan.span<tensor<?x4x2xf32>>
    %v = plan.state_span @v : !plan.span<tensor<?x4x2xf32>>
    plan.launch_step @k1(%k) sizes() writes [0] : !plan.span<tensor<?x4x2xf32>>
    plan.launch_step @k1(%same) sizes() writes [] : !plan.span<tensor<?x4x2xf32>>
    plan.launch_step @k1(%v) sizes() writes [0] : !plan.span<tensor<?x4x2xf32>>
  }
}

#box = affine_map<(d0, d1) -> (32)>
#zero = affine_map<(d0, d1) -> (0)>
#one = affine_map<(d0, d1) -> (1)>
// The source of pull 1 is overwritten by 2, which waits for every peer's acknowledgement; 3 overwrites it again, behind 2: no second one.
// CHECK-LABEL: plan.entry @acknowledgements
// CHECK: writes [0] waits [] :
// CHECK-NEXT: plan.transfer_step "all_gather" {{.*}} waits [0] :
// CHECK-NEXT: writes [0] waits [1] acknowledgements [1] :
// CHECK-NEXT: writes [0] waits [2] :
plan.entry @acknowledgements inputs [] results [] {
  plan.variant "all" bounds {} arena 512 {
    %a = plan.span() offset 0 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %b = plan.span() offset 128 {bytes = 256 : i64} : !plan.span<tensor<64xf32>>
    plan.launch_step @k1(%a) sizes() writes [0] : !plan.span<tensor<32xf32>>
    plan.transfer_step "all_gather" %a -> %b on ["tp"] sizes() box #box from #zero #one to affine_map<(d0, d1) -> (d1 * 32)> #one : !plan.span<tensor<32xf32>> -> !plan.span<tensor<64xf32>>
    plan.launch_step @k1(%a) sizes() writes [0] : !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%a) sizes() writes [0] : !plan.span<tensor<32xf32>>
  }
}

// Nobody pulls over no axes, a read overwrites nothing, and what else the pull touches is its own.
// CHECK-LABEL: plan.entry @negative_acknowledgements
// CHECK: plan.transfer_step "slice" {{.*}} waits [] :
// CHECK-NEXT: plan.transfer_step "all_reduce" {{.*}} waits [0] :
// CHECK-NEXT: writes [0] waits [1] :
// CHECK-NEXT: writes [1] waits [2] :
// CHECK-NOT: acknowledgements [
plan.entry @negative_acknowledgements inputs [] results [] {
  plan.variant "all" bounds {} arena 512 {
    %a = plan.span() offset 0 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %b = plan.span() offset 128 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %c = plan.span() offset 256 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    plan.transfer_step "slice" %a -> %b on [] sizes() box #box from #zero #one to #zero #one : !plan.span<tensor<32xf32>> -> !plan.span<tensor<32xf32>>
    plan.transfer_step "all_reduce" %b -> %c on ["tp"] reduce <sum> sizes() box #box from #zero #one to #zero #one : !plan.span<tensor<32xf32>> -> !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%c) sizes() writes [0] : !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%c, %a) sizes() writes [1] : !plan.span<tensor<32xf32>>, !plan.span<tensor<32xf32>>
  }
}

// Peers read rows and counts of an exchange: who overwrites either asks whether they have.
// CHECK-LABEL: plan.entry @exchange
// CHECK: plan.exchange_rows_step {{.*}} waits [] :
// CHECK-NEXT: plan.launch_step @k1({{.*}} writes [0] waits [0] acknowledgements [0] :
// CHECK-NEXT: plan.launch_step @k1({{.*}} writes [0] waits [0] acknowledgements [0] :
// CHECK-NEXT: plan.launch_step @k1({{.*}} writes [] waits [0] :
plan.entry @exchange inputs [] results [] {
  plan.variant "all" bounds {} arena 512 {
    %x = plan.span() offset 0 role "input" 0 {bytes = 128 : i64} : !plan.span<tensor<8x4xf32>>
    %s = plan.span() offset 128 role "input" 1 {bytes = 64 : i64} : !plan.span<tensor<2xi32>>
    %y = plan.span() offset 256 {bytes = 128 : i64} : !plan.span<tensor<8x4xf32>>
    %a = plan.span() offset 0 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    %b = plan.span() offset 128 {bytes = 128 : i64} : !plan.span<tensor<32xf32>>
    plan.exchange_rows_step %x send %s -> %y on ["tp"] : !plan.span<tensor<8x4xf32>>, !plan.span<tensor<2xi32>> -> !plan.span<tensor<8x4xf32>>
    plan.launch_step @k1(%a) sizes() writes [0] : !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%b) sizes() writes [0] : !plan.span<tensor<32xf32>>
    plan.launch_step @k1(%y) sizes() writes [] : !plan.span<tensor<8x4xf32>>
  }
}
