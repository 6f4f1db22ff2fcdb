/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * How a compiled host kernel is called. One signature for every kernel, so that the executor needs no thunks and a
 * launch is data.
 *
 *   bindings  one pointer an operand, in the order of the plan's Launch.bindings: to the first byte of a span of the
 * rank's arena, of a weight or of a state. 64-byte aligned. What a kernel writes does not overlap what other bindings
 * of it read, except where two bindings are equal. sizes     the values of the count slots of Launch.sizes, in that
 * order; they lie in memory because a value passed by register goes stale in a captured graph. Unchanged while the
 * kernel runs. worker    0 <= worker < workers: the caller calls the kernel once for each; the kernel divides its work
 * items among them, and no two workers write the same element. Results do not depend on `workers`, to the bit.
 *
 * A kernel allocates nothing, calls nothing outside its object, keeps no state and returns in bounded time.
 */
#ifndef MUSTER_KERNEL_ABI_H
#define MUSTER_KERNEL_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*muster_kernel_fn)(void *const *bindings, const int64_t *sizes, int64_t worker, int64_t workers);

#ifdef __cplusplus
}
#endif

#endif /* MUSTER_KERNEL_ABI_H */
