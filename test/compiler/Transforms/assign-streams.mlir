// RUN: muster-opt %s --muster-assign-streams | FileCheck %s
// RUN: muster-opt %s --muster-assign-streams --muster-plan-memory --muster-schedule-steps | FileCheck %s --check-prefix=PLANNED

muster.mesh @mesh <["dp" = 2]>
plan.kernel @k1(%a: tensor<16xf32>) -> tensor<16xf32> {
  plan.return %a : tensor<16xf32>
}

#on = affine_map<(o, p) -> (16)>
#at = affine_map<(o, p) -> (0)>
#by = affine_map<(o, p) -> (1)>

// Two halves in turn: what a sends travels while b computes, and the reverse. The last one has nothing beside it.
// CHECK-LABEL: plan.entry @halves
// CHECK: plan.launch_step
// CHECK-NEXT: plan.transfer_step "all_reduce" %[[A:.*]] -> %[[AR:.*]] on ["dp"] {{.*}} stream 1 :
// CHECK-NEXT: plan.launch_step
// CHECK-NEXT: plan.transfer_step "all_reduce" %[[B:.*]] -> %[[BR:.*]] on ["dp"] {{.*}} stream 1 :
// CHECK-NEXT: plan.launch_step @k1(%[[AR]],
// CHECK-NEXT: plan.launch_step @k1(%[[BR]],
// CHECK-NEXT: plan.transfer_step "all_reduce"
// CHECK-NOT: stream
// The memory of a's source is not taken by b's steps in front of the first that needs the result: b's launch (2) waits
// for nothing, so that it need not wait for the transfer (1).
// PLANNED-LABEL: plan.entry @halves
// PLANNED: plan.launch_step {{.*}} waits []
// PLANNED-NEXT: plan.transfer_step {{.*}} waits [0] stream 1 :
// PLANNED-NEXT: plan.launch_step {{.*}} waits []
// PLANNED-NEXT: plan.transfer_step {{.*}} waits [2] stream 1 :
// PLANNED-NEXT: plan.launch_step {{.*}} waits [1]
plan.entry @halves inputs [] results [] attributes {muster.split = {parent = @step, first = @a, second = @b}} {
  plan.variant "all" bounds {} arena 0 {
    %x = plan.span() role "input" 0 : !plan.span<tensor<16xf32>>
    %y = plan.span() role "input" 1 : !plan.span<tensor<16xf32>>
    %a = plan.span() : !plan.span<tensor<16xf32>>
    %ar = plan.span() : !plan.span<tensor<16xf32>>
    %b = plan.span() : !plan.span<tensor<16xf32>>
    %br = plan.span() : !plan.span<tensor<16xf32>>
    %ra = plan.span() role "result" 0 : !plan.span<tensor<16xf32>>
    %rb = plan.span() : !plan.span<tensor<16xf32>>
    %r = plan.span() role "result" 1 : !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%x, %a) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
    plan.transfer_step "all_reduce" %a -> %ar on ["dp"] reduce <sum> sizes() box #on from #at #by to #at #by : !plan.span<tensor<16xf32>> -> !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%y, %b) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
    plan.transfer_step "all_reduce" %b -> %br on ["dp"] reduce <sum> sizes() box #on from #at #by to #at #by : !plan.span<tensor<16xf32>> -> !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%ar, %ra) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%br, %rb) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
    plan.transfer_step "all_reduce" %rb -> %r on ["dp"] reduce <sum> sizes() box #on from #at #by to #at #by : !plan.span<tensor<16xf32>> -> !plan.span<tensor<16xf32>>
  }
}

// Beside a local copy, or with one, there is nothing to gain; a step that writes the source comes behind the transfer.
// CHECK-LABEL: plan.entry @negative_nothing_beside
// CHECK-NOT: stream
plan.entry @negative_nothing_beside inputs [] results [] attributes {muster.split = {parent = @step, first = @a, second = @b}} {
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span() role "input" 0 : !plan.span<tensor<16xf32>>
    %b = plan.span() : !plan.span<tensor<16xf32>>
    %c = plan.span() : !plan.span<tensor<16xf32>>
    %d = plan.span() role "result" 0 : !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%a, %b) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
    plan.transfer_step "all_reduce" %b -> %c on ["dp"] reduce <sum> sizes() box #on from #at #by to #at #by : !plan.span<tensor<16xf32>> -> !plan.span<tensor<16xf32>>
    plan.transfer_step "copy" %a -> %d on [] sizes() box #on from #at #by to #at #by : !plan.span<tensor<16xf32>> -> !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%a, %b) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%c, %b) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
  }
}

// An entry that is not split has one stream.
// CHECK-LABEL: plan.entry @negative_not_split
// CHECK-NOT: stream
plan.entry @negative_not_split inputs [] results [] {
  plan.variant "all" bounds {} arena 0 {
    %a = plan.span() role "input" 0 : !plan.span<tensor<16xf32>>
    %b = plan.span() : !plan.span<tensor<16xf32>>
    %c = plan.span() role "result" 0 : !plan.span<tensor<16xf32>>
    plan.transfer_step "all_reduce" %a -> %b on ["dp"] reduce <sum> sizes() box #on from #at #by to #at #by : !plan.span<tensor<16xf32>> -> !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%a, %c) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
    plan.launch_step @k1(%b, %c) sizes() writes [1] : !plan.span<tensor<16xf32>>, !plan.span<tensor<16xf32>>
  }
}
