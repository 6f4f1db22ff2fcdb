// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-verify-counts --muster-verify-collectives
//
// Rows to other ranks and home again, in numbers that the device counts.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @there_and_back(%x: tensor<8x6xf32>, %to: tensor<8xi32>) -> tensor<8x6xf32> {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<32x6xf32> -> tensor<8x6xf32>
  return %z : tensor<8x6xf32>
}

// -----

// Exchanged as an all_to_all, twice and once more.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @exchanged_thrice(%x: tensor<8x6xf32>, %to: tensor<8xi32>) -> tensor<32x6xf32> {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4x2xi32, #counts>
  %a = muster.all_to_all %s on "ep" split 0 concat 0 : tensor<4x2xi32, #counts> -> tensor<4x2xi32, #counts>
  %b = muster.exchange %a on "ep" : tensor<4x2xi32, #counts>
  %r = muster.exchange %b on "ep" : tensor<4x2xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4x2xi32, #counts>) receive(%r : tensor<4x2xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  return %y : tensor<32x6xf32>
}

// -----

// Every rank would read as many rows from the others as it sends them (DeepEP's layouts, transposed).
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @received_as_sent(%x: tensor<8x6xf32>, %to: tensor<8xi32>) -> tensor<32x6xf32> {
  // expected-note @+1 {{the counts are made here; muster.exchange over the group makes of them what is received}}
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  // expected-error @+2 {{E1213 expected to receive what the others send but got the counts of what is sent}}
  // expected-note @+1 {{where position 0 sends 1 row to position 1, which sends it none, position 0 would take 1 row from position 1}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%s : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  return %y : tensor<32x6xf32>
}

// -----

// On the way back, in the order of the way there.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @exchanged_twice(%x: tensor<8x6xf32>, %to: tensor<8xi32>) -> tensor<32x6xf32> {
  // expected-note @+1 {{the counts are made here}}
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %t = muster.exchange %r on "ep" : tensor<4xi32, #counts>
  // expected-error @+2 {{E1213}}
  // expected-note @+1 {{position 0 would take 1 row}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%t : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  return %y : tensor<32x6xf32>
}

// -----

// Counts of other rows, and counts that were exchanged over another group: what is known says neither yes nor no.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["dp" = 4, "ep" = 4]>
func.func @other_counts(%x: tensor<8x6xf32>, %to: tensor<8xi32>,
    // expected-note @+1 {{what is received here}}
    %r: tensor<4xi32, #counts>) -> (tensor<32x6xf32>, tensor<32x6xf32>)
    attributes {muster.mesh = @node} {
  // expected-note @+1 {{what is sent is counted here}}
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  // expected-error @+1 {{E1220 cannot prove that what is received is what is sent: that one is the other, exchanged over the group}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  // expected-note @+1 {{what is received here}}
  %t = muster.exchange %s on "dp" : tensor<4xi32, #counts>
  // expected-error @+1 {{E1220 cannot prove that what is received is what is sent}}
  %z = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%t : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  return %y, %z : tensor<32x6xf32>, tensor<32x6xf32>
}

// -----

// Room for a balanced share: all rows may go to one rank (DeepEP #427).
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @balanced_share(%x: tensor<8x6xf32>, %to: tensor<8xi32>) -> tensor<8x6xf32> {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  // expected-error @+1 {{E1209 the buffer has room for 8 rows, but 32 can come}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

// A bound below what one rank may send to one other, and fewer rows than are counted.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @small_bound(%x: tensor<8x6xf32>, %to: tensor<16xi32>) -> tensor<32x6xf32> {
  // expected-error @+1 {{E1209 the bound of the counts has room for 8 rows, but 16 can come}}
  %s = nn.histogram %to : tensor<16xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  // expected-error @+1 {{E1209 what is sent has room for 8 rows, but 16 can come}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
  return %y : tensor<32x6xf32>
}

// -----

// Rows of a step: two experts a token. Where only so many rows as there are tokens are declared, they may not fit.
#counts = #muster.routed<rows, @route, 16>
#few = #muster.routed<rows, @few, 8>
muster.mesh @node <["dp" = 2]>
func.func @rows_of_a_step(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                          %to: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> (tensor<32x6xf32>, tensor<16x6xf32>)
    attributes {muster.bounds = {t = 16}} {
  %s = nn.histogram %to : tensor<?xi32> -> tensor<2xi32, #counts>
  %r = muster.exchange %s on "dp" : tensor<2xi32, #counts>
  %y = muster.all_to_all_v %x on "dp" send(%s : tensor<2xi32, #counts>) receive(%r : tensor<2xi32, #counts>) : tensor<?x6xf32> -> tensor<32x6xf32>
  // expected-error @+2 {{E1209 the bound of the counts has room for 8 rows, but there are own tokens @step}}
  // expected-note @+1 {{where the tokens @step}}
  %f = nn.histogram %to : tensor<?xi32> -> tensor<2xi32, #few>
  %g = muster.exchange %f on "dp" : tensor<2xi32, #few>
  %z = muster.all_to_all_v %x on "dp" send(%f : tensor<2xi32, #few>) receive(%g : tensor<2xi32, #few>) : tensor<?x6xf32> -> tensor<16x6xf32>
  return %y, %z : tensor<32x6xf32>, tensor<16x6xf32>
}

// -----

// Skipped where a rank receives nothing from the first: the others wait for it (sgl-kernel-npu #69).
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
// expected-note @+1 {{the condition differs over 'ep' from here on}}
func.func @skipped(%x: tensor<8x6xf32> {muster.layout = #muster.layout<[t/ep, i]>}, %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>})
    -> tensor<32x6xf32> {
  %c0 = arith.constant 0 : index
  %none = arith.constant 0 : i32
  %s = nn.histogram %to : tensor<8xi32> -> tensor<4xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<4xi32, #counts>
  %first = tensor.extract %r[%c0] : tensor<4xi32, #counts>
  %some = arith.cmpi ne, %first, %none : i32
  // expected-error @+4 {{E1221}}
  // expected-note @+3 {{then: all_to_all_v on "ep" of tensor<8x6xf32>}}
  // expected-note @+2 {{else: nothing}}
  // expected-note @+1 {{a condition of what all ranks of the group know}}
  %y = scf.if %some -> tensor<32x6xf32> {
    %sent = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<8x6xf32> -> tensor<32x6xf32>
    scf.yield %sent : tensor<32x6xf32>
  } else {
    %nothing = tensor.empty() : tensor<32x6xf32>
    scf.yield %nothing : tensor<32x6xf32>
  }
  return %y : tensor<32x6xf32>
}

// -----

// As many indices as the program computes: whether the bound holds is not known.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @node <["ep" = 4]>
func.func @bound_of_unknown(%to: tensor<?xi32>, %n: index) -> tensor<4xi32, #counts> {
  // expected-error @+1 {{E1220 cannot prove that the bound of the counts has room}}
  %s = nn.histogram %to valid %n : tensor<?xi32> -> tensor<4xi32, #counts>
  return %s : tensor<4xi32, #counts>
}
