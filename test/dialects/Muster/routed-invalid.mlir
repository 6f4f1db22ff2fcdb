// RUN: muster-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{expected a bound of at least 0 but got -1}}
func.func private @encoding_c2(tensor<3xi32, #muster.routed<rows, @route, -1>>)

// -----

// expected-error @+1 {{expected routed counts to be one or two static dims of i32 or i64}}
func.func private @encoding_c1_dims(tensor<?xi32, #muster.routed<rows, @route, 4>>)

// -----

// expected-error @+1 {{expected routed counts to be one or two static dims of i32 or i64}}
func.func private @encoding_c1_element(tensor<3xf32, #muster.routed<rows, @route, 4>>)

// -----

func.func @histogram_c1(%i: tensor<?xi32>) {
  // expected-error @+1 {{expected a result of routed counts, tensor<..., #muster.routed<...>>, but got 'tensor<3xi32>'}}
  %s = nn.histogram %i : tensor<?xi32> -> tensor<3xi32>
  return
}

// -----

#counts = #muster.routed<rows, @route, 4>
muster.mesh @node <["ep" = 3]>
func.func @all_to_all_v_c1(%x: tensor<?x2xf32>, %s: tensor<3xi32, #counts>, %r: tensor<3xi32, #counts>) {
  // expected-error @+1 {{references unknown mesh axis 'tp'}}
  %y = muster.all_to_all_v %x on "tp" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32, #counts>) : tensor<?x2xf32> -> tensor<12x2xf32>
  return
}

// -----

#counts = #muster.routed<rows, @route, 4>
muster.mesh @node <["ep" = 3]>
func.func @all_to_all_v_c2_plain(%x: tensor<?x2xf32>, %s: tensor<3xi32, #counts>, %r: tensor<3xi32>) {
  // expected-error @+1 {{expected 'receive' to be routed counts, tensor<..., #muster.routed<...>>, but got 'tensor<3xi32>'}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32>) : tensor<?x2xf32> -> tensor<12x2xf32>
  return
}

// -----

#one = #muster.routed<rows, @route, 4>
#other = #muster.routed<rows, @route.b, 4>
muster.mesh @node <["ep" = 3]>
func.func @all_to_all_v_c2_batch(%x: tensor<?x2xf32>, %i: tensor<?xi32>, %j: tensor<?xi32>) {
  // expected-note @+1 {{the counts of what is sent are made here}}
  %s = nn.histogram %i : tensor<?xi32> -> tensor<3xi32, #one>
  // expected-note @+1 {{those of what is received here}}
  %t = nn.histogram %j : tensor<?xi32> -> tensor<3xi32, #other>
  %r = muster.exchange %t on "ep" : tensor<3xi32, #other>
  // expected-error @+1 {{expected counts of rows of batch @route to receive but got rows of batch @route.b}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #one>) receive(%r : tensor<3xi32, #other>) : tensor<?x2xf32> -> tensor<12x2xf32>
  return
}

// -----

#one = #muster.routed<rows, @route, 4>
#other = #muster.routed<rows, @route, 5>
muster.mesh @node <["ep" = 3]>
func.func @all_to_all_v_c2_bound(%x: tensor<?x2xf32>, %s: tensor<3xi32, #one>, %r: tensor<3xi32, #other>) {
  // expected-error @+1 {{expected counts of one type but got}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #one>) receive(%r : tensor<3xi32, #other>) : tensor<?x2xf32> -> tensor<12x2xf32>
  return
}

// -----

#counts = #muster.routed<rows, @route, 4>
muster.mesh @node <["ep" = 3]>
func.func @all_to_all_v_c2_group(%x: tensor<?x2xf32>, %s: tensor<4xi32, #counts>, %r: tensor<4xi32, #counts>) {
  // expected-error @+1 {{expected counts for the group's 3 ranks but got 'tensor<4xi32, #muster.routed<rows, @route, 4>>'}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #counts>) receive(%r : tensor<4xi32, #counts>) : tensor<?x2xf32> -> tensor<12x2xf32>
  return
}

// -----

#counts = #muster.routed<rows, @route, 4>
muster.mesh @node <["ep" = 3]>
func.func @all_to_all_v_c3_dynamic(%x: tensor<?x2xf32>, %s: tensor<3xi32, #counts>, %r: tensor<3xi32, #counts>) {
  // expected-error @+1 {{expected dim 0 of the result to be static, the room for rows, but got 'tensor<?x2xf32>'}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32, #counts>) : tensor<?x2xf32> -> tensor<?x2xf32>
  return
}

// -----

#counts = #muster.routed<rows, @route, 4>
muster.mesh @node <["ep" = 3]>
func.func @all_to_all_v_c3_width(%x: tensor<?x2xf32>, %s: tensor<3xi32, #counts>, %r: tensor<3xi32, #counts>) {
  // expected-error @+1 {{expected dim 1 of the result to have size 2 but got 3}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32, #counts>) : tensor<?x2xf32> -> tensor<12x3xf32>
  return
}
