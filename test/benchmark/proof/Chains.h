// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs of one shape and any length, to see how the cost of a proof grows.

#ifndef MUSTER_TEST_BENCHMARK_PROOF_CHAINS_H
#define MUSTER_TEST_BENCHMARK_PROOF_CHAINS_H

#include <cstdint>
#include <string>

namespace muster::benchmarks {

/// From a divided sequence to divided heads and back by reshapes, transpositions and exchanges, with a nonlinear
/// operation at each end: `operations` of them in all, one after the other.
std::string movementChain(int64_t operations);

/// Reshapes that end inside a digit and a transposition between them, which only following each element back decides.
std::string misalignedChain(int64_t operations);

/// scf.if in scf.if.
std::string nestedBranches(int64_t depth);

/// A private function of ten operations, called one after the other.
std::string calls(int64_t count);

/// So many functions with a mesh each, all layouts declared.
std::string functions(int64_t count);

/// So many weights, each loaded and multiplied with.
std::string weights(int64_t count);

} // namespace muster::benchmarks

#endif // MUSTER_TEST_BENCHMARK_PROOF_CHAINS_H
