// RUN: muster-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{expected unit 'requests', 'tokens', 'rows', 'padded' or 'starts' but got 'words'}}
func.func private @unit(!muster.counts<[], words, @step>)

// -----

// expected-error @+1 {{expected unit 'requests', 'tokens', 'rows', 'padded' or 'starts' but got 'words'}}
func.func private @layout_unit(tensor<4xf32> {muster.layout = #muster.layout<[t/dp : words @step]>})

// -----

func.func @local_count_c2_field(%n: index) {
  // expected-error @+1 {{expected a name of a field but got none}}
  %c = muster.local_count %n field "" : !muster.counts<[], tokens, @step>
  return
}

// -----

func.func @step_field_c1_has_no_axes() {
  // expected-error @+1 {{expected a count without axes but got '!muster.counts<[dp], tokens, @step>'}}
  %c = muster.step_field "x" bound 1 : !muster.counts<[dp], tokens, @step>
  return
}

// -----

func.func @step_field_c2_bound() {
  // expected-error @+1 {{expected a name and a bound of at least 0 but got "x" and -1}}
  %c = muster.step_field "x" bound -1 : !muster.counts<[], tokens, @step>
  return
}

// -----

muster.mesh @node <["dp" = 2, "tp" = 2]>
func.func @exchange_counts_c3_axes(%a: !muster.counts<[], tokens, @step>, %b: !muster.counts<[], requests, @step>) {
  // expected-error @+1 {{expected all results over the axes of tokens of batch @step on [dp] but got requests of batch @step on [tp]}}
  %c:2 = muster.exchange_counts %a, %b : !muster.counts<[], tokens, @step>, !muster.counts<[], requests, @step>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[tp], requests, @step>
  return
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @exchange_counts_c3_as_many(%a: !muster.counts<[], tokens, @step>) {
  // expected-error @+1 {{expected as many results as counts, at least one, but got 2 of 1}}
  %c:2 = muster.exchange_counts %a : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step>
  return
}

// -----

func.func @total_c1_of_a_group(%c: !muster.counts<[], tokens, @step>) {
  // expected-error @+1 {{expected counts of a group but got tokens of batch @step on [], known to each rank alone}}
  %n = muster.total %c : !muster.counts<[], tokens, @step>
  return
}

// -----

func.func @own_count_c1_of_a_group(%c: !muster.counts<[], tokens, @step>) {
  // expected-error @+1 {{expected counts of a group but got}}
  %n = muster.own_count %c : !muster.counts<[], tokens, @step>
  return
}

// -----

func.func @offsets_c1_batch(%c: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected offsets of tokens of batch @a on [dp] but got '!muster.offsets<[dp], tokens, @b>'}}
  %o = muster.offsets %c : !muster.counts<[dp], tokens, @a> -> !muster.offsets<[dp], tokens, @b>
  return
}

// -----

func.func @align_c1_multiple(%c: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected a multiple of at least 1 but got 0}}
  %o = muster.align %c to 0 : !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp], padded, @a>
  return
}

// -----

func.func @align_c2_unit(%c: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected unit padded but got tokens}}
  %o = muster.align %c to 4 : !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp], tokens, @a>
  return
}

// -----

func.func @align_c2_batch(%c: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected a result with axes and batch of tokens of batch @a on [dp] but got padded of batch @b on [dp]}}
  %o = muster.align %c to 4 : !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp], padded, @b>
  return
}

// -----

func.func @scale_c1_factor(%c: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected a factor of at least 1 and an addend of at least 0 but got 0 and 1}}
  %o = muster.scale %c times 0 plus 1 : !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp], rows, @a>
  return
}

// -----

func.func @scale_c2_axes(%c: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected a result with axes and batch of tokens of batch @a on [dp] but got rows of batch @a on [dp, tp]}}
  %o = muster.scale %c times 2 : !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp, tp], rows, @a>
  return
}

// -----

func.func @pad_counts_c2_unit(%c: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected unit padded but got tokens}}
  %o = muster.pad_counts %c align 2 mode sum : (!muster.counts<[dp], tokens, @a>) -> !muster.counts<[dp], tokens, @a>
  return
}

// -----

func.func @pad_counts_c2_axes(%c: !muster.counts<[], tokens, @a>) {
  // expected-error @+1 {{expected counts of a group but got}}
  %o = muster.pad_counts %c align 2 mode max : (!muster.counts<[], tokens, @a>) -> !muster.counts<[], padded, @a>
  return
}

// -----

func.func @pad_counts_c3_mode(%c: !muster.counts<[dp], tokens, @a>, %p: !muster.counts<[dp], requests, @a>) {
  // expected-error @+1 {{expected mode balanced beside 'unless' but got max}}
  %o = muster.pad_counts %c align 2 mode max unless %p : (!muster.counts<[dp], tokens, @a>, !muster.counts<[dp], requests, @a>) -> !muster.counts<[dp], padded, @a>
  return
}

// -----

// Two batches: the makers of both are named.
muster.mesh @node <["dp" = 2]>
func.func @pad_counts_c3_batch(%n: index, %m: index) {
  // expected-note @+1 {{batch @a is counted here}}
  %a = muster.local_count %n : !muster.counts<[], tokens, @a>
  %c = muster.exchange_counts %a : !muster.counts<[], tokens, @a> -> !muster.counts<[dp], tokens, @a>
  // expected-note @+1 {{batch @b is counted here}}
  %b = muster.local_count %m : !muster.counts<[], requests, @b>
  %p = muster.exchange_counts %b : !muster.counts<[], requests, @b> -> !muster.counts<[dp], requests, @b>
  // expected-error @+1 {{expected requests of batch @a over the axes of the counts but got requests of batch @b on [dp]}}
  %o = muster.pad_counts %c align 2 mode balanced unless %p : (!muster.counts<[dp], tokens, @a>, !muster.counts<[dp], requests, @b>) -> !muster.counts<[dp], padded, @a>
  return
}

// -----

// expected-note @+1 {{batch @s is counted here}}
func.func @split_counts_c1_unit(%c: !muster.counts<[dp], tokens, @s>,
    // expected-note @+1 {{batch @a is counted here}}
    %f: !muster.counts<[dp], requests, @a>) {
  // expected-error @+1 {{expected a first child counted as tokens of batch @s on [dp] but got requests of batch @a on [dp]}}
  %a, %b = muster.split_counts %c first %f : !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], requests, @a> -> !muster.counts<[dp], requests, @a>, !muster.counts<[dp], tokens, @b>
  return
}

// -----

func.func @split_counts_c1_second(%c: !muster.counts<[dp], tokens, @s>, %f: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected a second child counted as tokens of batch @s on [dp] but got rows of batch @b on [dp]}}
  %a, %b = muster.split_counts %c first %f : !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp], tokens, @a>, !muster.counts<[dp], rows, @b>
  return
}

// -----

func.func @split_counts_c1_batches(%c: !muster.counts<[dp], tokens, @s>, %f: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected three batches but got @s, @a and @a}}
  %a, %b = muster.split_counts %c first %f : !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp], tokens, @a>, !muster.counts<[dp], tokens, @a>
  return
}

// -----

func.func @split_counts_c2_first(%c: !muster.counts<[dp], tokens, @s>, %f: !muster.counts<[dp], tokens, @a>) {
  // expected-error @+1 {{expected the first result to be tokens of batch @a on [dp] but got tokens of batch @x on [dp]}}
  %a, %b = muster.split_counts %c first %f : !muster.counts<[dp], tokens, @s>, !muster.counts<[dp], tokens, @a> -> !muster.counts<[dp], tokens, @x>, !muster.counts<[dp], tokens, @b>
  return
}

// -----

func.func @check_count_c1_bound(%n: index) {
  // expected-error @+1 {{expected a bound of at least 0 but got -1}}
  muster.check_count %n at_most -1 "tokens"
  return
}

// -----

func.func @first_row_c1_rows() {
  // expected-error @+1 {{expected a layout of one dim that counts divide but got [t/dp]}}
  %f = muster.first_row of <[t/dp]>
  return
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @first_row_c2_axes() {
  // expected-error @+1 {{references unknown mesh axis 'sp'}}
  %f = muster.first_row of <[t/sp : tokens @step]>
  return
}
