/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Kernels for plans made by hand. Compiled to a shared object that PlanBuilder puts into plans. */
#include "muster/kernel_abi.h"

#include <unistd.h>

static int64_t part(int64_t count, int64_t worker, int64_t workers) { return count * worker / workers; }

/* y[i] = 2 x[i] + 1 for sizes[0] * sizes[1] elements */
void affine(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers) {
  const float *x = bindings[0];
  float *y = bindings[1];
  int64_t count = sizes[0] * sizes[1];
  for (int64_t i = part(count, worker, workers); i != part(count, worker + 1, workers); ++i)
    y[i] = 2.0f * x[i] + 1.0f;
}

/* state[i] += x[i]; y[i] = state[i] for sizes[0] elements */
void accumulate(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers) {
  const float *x = bindings[0];
  float *state = bindings[1];
  float *y = bindings[2];
  for (int64_t i = part(sizes[0], worker, workers); i != part(sizes[0], worker + 1, workers); ++i) {
    state[i] += x[i];
    y[i] = state[i];
  }
}

/* does nothing: what a step costs by itself */
void nothing(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers) {}

/* sleeps x[0] milliseconds, then y[0] = x[0]: a rank that is slow or stuck */
void dawdle(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers) {
  const float *x = bindings[0];
  float *y = bindings[1];
  if (worker == 0) {
    usleep((useconds_t)(x[0] * 1000.0f));
    y[0] = x[0];
  }
}
