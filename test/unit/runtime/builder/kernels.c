/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Kernels for plans made by hand. Compiled to a shared object that PlanBuilder puts into plans. */
#include "muster/kernel_abi.h"

#include <string.h>
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

/* A model for tests of sessions: logits are a function of a sequence's tokens alone, but it finds them only through the
 * paged cache, as attention does. bindings: tokens, positions, query_starts, block_table, write_slots, logit_rows
 * (i32), cache (a float a slot), logits; sizes: t, r, page slots, pages a sequence, vocabulary. For one work item. */
void pure_step(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers) {
  const int32_t *tokens = bindings[0], *positions = bindings[1], *starts = bindings[2], *table = bindings[3],
                *slots = bindings[4], *rows = bindings[5];
  float *cache = bindings[6], *logits = bindings[7];
  if (worker != 0)
    return;
  for (int64_t i = 0; i != sizes[0]; ++i)
    if (slots[i] >= 0)
      cache[slots[i]] = (float)tokens[i];
  for (int64_t i = 0; i != sizes[1]; ++i) {
    int64_t row = rows[i], sequence = 0;
    while (starts[sequence + 1] <= row)
      ++sequence;
    uint64_t hash = 1469598103934665603u;
    for (int64_t position = 0; position <= positions[row]; ++position) {
      int64_t page = table[sequence * sizes[3] + position / sizes[2]];
      hash = (hash ^ (uint64_t)(cache[page * sizes[2] + position % sizes[2]] + 7.0f)) * 1099511628211u;
    }
    /* A sequence that begins with 365, 367 has no logits: the prompt "<|end|><|end|>" of TinyTokenizer.h. */
    const float *first = cache + table[sequence * sizes[3]] * sizes[2];
    float poison = positions[row] > 0 && first[0] == 365.0f && first[1] == 367.0f ? __builtin_nanf("") : 0.0f;
    for (int64_t column = 0; column != sizes[4]; ++column) {
      hash = hash * 6364136223846793005u + 1442695040888963407u;
      logits[i * sizes[4] + column] = (float)(hash >> 40) / 16777216.0f * 8.0f + poison;
    }
  }
}

/* z [sizes[0] + sizes[1], sizes[2]] = the rows of x, then those of y */
void join_rows(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers) {
  float *z = bindings[2];
  if (worker != 0)
    return;
  memcpy(z, bindings[0], (size_t)(sizes[0] * sizes[2]) * sizeof(float));
  memcpy(z + sizes[0] * sizes[2], bindings[1], (size_t)(sizes[1] * sizes[2]) * sizeof(float));
}

/* y = x for sizes[0] bytes: one memcpy, the yardstick of transfers */
void copy_bytes(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers) {
  if (worker == 0)
    memcpy(bindings[1], bindings[0], (size_t)sizes[0]);
}
