// RUN: muster-opt %s --split-input-file --verify-diagnostics

// Two batches: the makers of both are named.
muster.mesh @node <["dp" = 2]>
func.func @pad_c1_batch(%x: tensor<?x5xf32>, %n: index, %m: index) {
  // expected-note @+1 {{batch @a is counted here}}
  %a = muster.local_count %n : !muster.counts<[], tokens, @a>
  %c = muster.exchange_counts %a : !muster.counts<[], tokens, @a> -> !muster.counts<[dp], tokens, @a>
  // expected-note @+1 {{batch @b is counted here}}
  %b = muster.local_count %m : !muster.counts<[], tokens, @b>
  %d = muster.exchange_counts %b : !muster.counts<[], tokens, @b> -> !muster.counts<[dp], tokens, @b>
  %g = muster.pad_counts %d align 2 mode max : (!muster.counts<[dp], tokens, @b>) -> !muster.counts<[dp], padded, @b>
  // expected-error @+1 {{expected padded counts of batch @a over the axes of the rows but got padded of batch @b on [dp]}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @a>) to(%g : !muster.counts<[dp], padded, @b>) : tensor<?x5xf32>
  return
}

// -----

// expected-note @+1 {{batch @a is counted here}}
func.func @pad_c1_unit(%x: tensor<?x5xf32>, %c: !muster.counts<[dp], tokens, @a>,
    // expected-note @+1 {{batch @a is counted here}}
    %g: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected padded counts of batch @a over the axes of the rows but got tokens of batch @a on [dp]}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @a>) to(%g : !muster.counts<[dp], tokens, @a>) : tensor<?x5xf32>
  return
}

// -----

// expected-note @+1 {{batch @a is counted here}}
func.func @pad_c1_padded_twice(%x: tensor<?x5xf32>, %c: !muster.counts<[dp], padded, @a>, %g: !muster.counts<[dp], padded, @a>) {
  // expected-error @+1 {{expected counts of rows that are not padded but got padded of batch @a on [dp]}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], padded, @a>) to(%g : !muster.counts<[dp], padded, @a>) : tensor<?x5xf32>
  return
}

// -----

func.func @pad_c1_of_a_group(%x: tensor<?x5xf32>, %c: !muster.counts<[], tokens, @a>, %g: !muster.counts<[], padded, @a>) {
  // expected-error @+1 {{expected counts of a group but got tokens of batch @a on [], known to each rank alone}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[], tokens, @a>) to(%g : !muster.counts<[], padded, @a>) : tensor<?x5xf32>
  return
}

// -----

func.func @pad_c2_dim(%x: tensor<?x5xf32>, %c: !muster.counts<[dp], tokens, @a>, %g: !muster.counts<[dp], padded, @a>) {
  // expected-error @+1 {{expected 'dim' to be a dim of 'tensor<?x5xf32>' but got 2}}
  %p = muster.pad %x dim 2 counts(%c : !muster.counts<[dp], tokens, @a>) to(%g : !muster.counts<[dp], padded, @a>) : tensor<?x5xf32>
  return
}

// -----

func.func @pad_c2_dynamic(%x: tensor<?x5xf32>, %c: !muster.counts<[dp], tokens, @a>, %g: !muster.counts<[dp], padded, @a>) {
  // expected-error @+1 {{expected dim 1 to be dynamic, as it is counted, but got 'tensor<?x5xf32>'}}
  %p = muster.pad %x dim 1 counts(%c : !muster.counts<[dp], tokens, @a>) to(%g : !muster.counts<[dp], padded, @a>) : tensor<?x5xf32>
  return
}

// -----

func.func @pad_c3_fill(%x: tensor<?x5xf32>, %c: !muster.counts<[dp], tokens, @a>, %g: !muster.counts<[dp], padded, @a>, %v: f64) {
  // expected-error @+1 {{expected a fill of type 'f32' but got 'f64'}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @a>) to(%g : !muster.counts<[dp], padded, @a>) fill(%v : f64) : tensor<?x5xf32>
  return
}

// -----

// expected-note @+1 {{batch @a is counted here}}
func.func @unpad_c1_axes(%x: tensor<?x5xf32>, %c: !muster.counts<[dp], tokens, @a>,
    // expected-note @+1 {{batch @a is counted here}}
    %g: !muster.counts<[tp], padded, @a>) {
  // expected-error @+1 {{expected padded counts of batch @a over the axes of the rows but got padded of batch @a on [tp]}}
  %p = muster.unpad %x dim 0 counts(%g : !muster.counts<[tp], padded, @a>) to(%c : !muster.counts<[dp], tokens, @a>) : tensor<?x5xf32>
  return
}

// -----

func.func @unpad_c2_dynamic(%x: tensor<7x5xf32>, %c: !muster.counts<[dp], tokens, @a>, %g: !muster.counts<[dp], padded, @a>) {
  // expected-error @+1 {{expected dim 0 to be dynamic, as it is counted, but got 'tensor<7x5xf32>'}}
  %p = muster.unpad %x dim 0 counts(%g : !muster.counts<[dp], padded, @a>) to(%c : !muster.counts<[dp], tokens, @a>) : tensor<7x5xf32>
  return
}

// -----

// expected-note @+1 {{batch @a is counted here}}
func.func @split_rows_c1_unit(%x: tensor<?x5xf32>, %a: !muster.counts<[dp], tokens, @a>,
    // expected-note @+1 {{batch @b is counted here}}
    %b: !muster.counts<[dp], rows, @b>) {
  // expected-error @+1 {{expected a second child counted as tokens of batch @a on [dp] but got rows of batch @b on [dp]}}
  %p, %q = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @a>, %b : !muster.counts<[dp], rows, @b>) : tensor<?x5xf32>
  return
}

// -----

// expected-note @+1 {{batch @a is counted here}}
func.func @split_rows_c1_batches(%x: tensor<?x5xf32>, %a: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected a second child of another batch than @a but got tokens of batch @a on [dp]}}
  %p, %q = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @a>, %a : !muster.counts<[dp], tokens, @a>) : tensor<?x5xf32>
  return
}

// -----

func.func @split_rows_c2_dim(%x: tensor<?x5xf32>, %a: !muster.counts<[dp], tokens, @a>, %b: !muster.counts<[dp], tokens, @b>) {
  // expected-error @+1 {{expected 'dim' to be a dim of 'tensor<?x5xf32>' but got -1}}
  %p, %q = muster.split_rows %x dim -1 counts(%a : !muster.counts<[dp], tokens, @a>, %b : !muster.counts<[dp], tokens, @b>) : tensor<?x5xf32>
  return
}

// -----

// expected-note @+1 {{batch @a is counted here}}
func.func @join_rows_c1_parent(%x: tensor<?x5xf32>, %a: !muster.counts<[dp], tokens, @a>, %b: !muster.counts<[dp], tokens, @b>,
    // expected-note @+1 {{batch @s is counted here}}
    %c: !muster.counts<[dp, tp], tokens, @s>) {
  // expected-error @+1 {{expected a parent counted as tokens of batch @a on [dp] but got tokens of batch @s on [dp, tp]}}
  %p = muster.join_rows %x, %x dim 0 counts(%a : !muster.counts<[dp], tokens, @a>, %b : !muster.counts<[dp], tokens, @b>) to(%c : !muster.counts<[dp, tp], tokens, @s>) : tensor<?x5xf32>
  return
}

// -----

// expected-note @+1 {{batch @b is counted here}}
func.func @join_rows_c1_three_batches(%x: tensor<?x5xf32>, %a: !muster.counts<[dp], tokens, @a>, %b: !muster.counts<[dp], tokens, @b>) {
  // expected-error @+1 {{expected a parent of another batch than @b but got tokens of batch @b on [dp]}}
  %p = muster.join_rows %x, %x dim 0 counts(%a : !muster.counts<[dp], tokens, @a>, %b : !muster.counts<[dp], tokens, @b>) to(%b : !muster.counts<[dp], tokens, @b>) : tensor<?x5xf32>
  return
}

// -----

func.func @join_rows_c2_dynamic(%x: tensor<?x5xf32>, %a: !muster.counts<[dp], tokens, @a>, %b: !muster.counts<[dp], tokens, @b>, %c: !muster.counts<[dp], tokens, @s>) {
  // expected-error @+1 {{expected dim 1 to be dynamic, as it is counted, but got 'tensor<?x5xf32>'}}
  %p = muster.join_rows %x, %x dim 1 counts(%a : !muster.counts<[dp], tokens, @a>, %b : !muster.counts<[dp], tokens, @b>) to(%c : !muster.counts<[dp], tokens, @s>) : tensor<?x5xf32>
  return
}
