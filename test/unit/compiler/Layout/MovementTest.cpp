// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random chains of data movement: the element that the algebra names at every rank and index is the one that arrives
// when numbers are moved by the definitions of the operations.
#include "compiler/Layout/Movement.h"

#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/NormalForm.h"
#include "test/unit/compiler/Layout/RankedData.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

using namespace muster;
using namespace muster::layout;
using namespace muster::test;

namespace {

struct Chain {
  Universe universe;
  RankMesh mesh;
  Value value;
  RankedData data;
  std::string text;
};

class Maker {
public:
  explicit Maker(uint64_t seed) : generator(seed) {}
  int64_t below(int64_t n) { return static_cast<int64_t>(generator() % static_cast<uint64_t>(n)); }

  /// A value with up to four dims, each a space of its own, sharded over some axes.
  Chain start() {
    Chain chain;
    int64_t axes = 1 + below(3);
    for (int64_t axis = 0; axis < axes; ++axis) {
      chain.mesh.sizes.push_back(1 + below(axes == 1 ? 6 : 3));
      chain.universe.axes.push_back({std::string(1, static_cast<char>('p' + axis)), chain.mesh.sizes.back()});
    }
    std::vector<uint32_t> free;
    for (uint32_t axis = 0; axis < axes; ++axis)
      free.push_back(axis);
    std::shuffle(free.begin(), free.end(), generator);
    int64_t dims = 1 + below(4);
    for (int64_t dim = 0; dim < dims; ++dim) {
      std::vector<uint32_t> own;
      while (!free.empty() && below(3) == 0) {
        own.push_back(free.back());
        free.pop_back();
      }
      addDim(chain, own, 1 + below(4));
    }
    normalise(chain.value);
    fill(chain);
    return chain;
  }

  /// One operation that is legal on the local shapes. False where the algebra refuses; `refusal` says why.
  bool step(Chain &chain, Refusal &refusal) {
    std::vector<uint32_t> group = pickGroup(chain);
    int64_t parts = static_cast<int64_t>(chain.mesh.groupOf(0, group).size());
    const Shape shape = chain.data.shape;
    size_t rank = shape.size();
    switch (below(8)) {
    case 0:
    case 1:
    case 2: {
      Shape next = randomShape(elementsOf(shape));
      chain.text += " reshape" + printShape(next);
      std::vector<Size> sizes(next.begin(), next.end());
      return apply(chain, reshape(chain.universe, chain.value, sizes), chain.data.reshaped(next), refusal);
    }
    case 3: {
      std::vector<int64_t> permutation(rank);
      for (size_t i = 0; i < rank; ++i)
        permutation[i] = static_cast<int64_t>(i);
      std::shuffle(permutation.begin(), permutation.end(), generator);
      chain.text += " transpose" + printShape(permutation);
      chain.value = transpose(chain.value, permutation);
      chain.data = chain.data.transposed(permutation);
      return true;
    }
    case 4: {
      if (rank == 0 || elementsOf(shape) * parts > 512)
        return true;
      size_t dim = static_cast<size_t>(below(static_cast<int64_t>(rank)));
      chain.text += " gather" + printGroup(group) + std::to_string(dim);
      return apply(chain, allGather(chain.universe, chain.value, group, static_cast<unsigned>(dim)),
                   chain.data.gathered(chain.mesh, group, dim), refusal);
    }
    case 5: {
      if (rank == 0)
        return true;
      size_t dim = static_cast<size_t>(below(static_cast<int64_t>(rank)));
      if (shape[dim] % parts != 0)
        return true;
      chain.text += " slice" + printGroup(group) + std::to_string(dim);
      return apply(chain, slice(chain.universe, chain.value, group, static_cast<unsigned>(dim)),
                   chain.data.sliced(chain.mesh, group, dim), refusal);
    }
    case 6: {
      if (rank == 0)
        return true;
      size_t split = static_cast<size_t>(below(static_cast<int64_t>(rank)));
      size_t concat = static_cast<size_t>(below(static_cast<int64_t>(rank)));
      if (shape[split] % parts != 0)
        return true;
      chain.text += " all_to_all" + printGroup(group) + std::to_string(split) + std::to_string(concat);
      return apply(
          chain,
          allToAll(chain.universe, chain.value, group, static_cast<unsigned>(split), static_cast<unsigned>(concat)),
          chain.data.allToAll(chain.mesh, group, split, concat), refusal);
    }
    default: {
      for (size_t dim = 0; dim < rank; ++dim)
        if (shape[dim] == parts) {
          chain.text += " exchange" + printGroup(group) + std::to_string(dim);
          return apply(chain, exchange(chain.universe, chain.value, group, static_cast<unsigned>(dim)),
                       chain.data.exchanged(chain.mesh, group, dim), refusal);
        }
      return true;
    }
    }
  }

private:
  void addDim(Chain &chain, const std::vector<uint32_t> &axes, int64_t local) {
    Size stride = local;
    Dim dim;
    SpaceId space = chain.universe.addSpace({std::string(1, static_cast<char>('a' + chain.value.dims.size())), 1});
    for (size_t i = axes.size(); i-- > 0;) {
      Digit digit;
      digit.count = chain.mesh.sizes[axes[i]];
      digit.stride = stride;
      digit.space = space;
      digit.axis = axes[i];
      digit.home = Size(1);
      dim.digits.insert(dim.digits.begin(), digit);
      stride *= digit.count;
    }
    Digit own;
    own.count = local;
    own.stride = 1;
    own.space = space;
    dim.digits.push_back(own);
    chain.universe.spaces[space].size = stride;
    chain.value.dims.push_back(dim);
  }

  static int64_t numberOf(const Chain &chain, llvm::ArrayRef<int64_t> positions) {
    int64_t number = 0;
    for (size_t i = 0; i < positions.size(); ++i)
      number = number * chain.universe.spaces[i].size.getValue() + positions[i];
    return number;
  }

public:
  static RankedData meaning(const Chain &chain) {
    RankedData data;
    for (const Size &size : chain.value.localShape())
      data.shape.push_back(size.getValue());
    for (int64_t rank = 0; rank < chain.mesh.ranks(); ++rank) {
      std::vector<int64_t> elements;
      Shape index(data.shape.size(), 0), coordinates = chain.mesh.coordinatesOf(rank);
      do {
        Place place;
        place.coordinates.assign(coordinates.begin(), coordinates.end());
        place.index.assign(index.begin(), index.end());
        elements.push_back(numberOf(chain, positionsAt(chain.universe, chain.value, place)));
      } while (advance(index, data.shape));
      data.ranks.push_back(std::move(elements));
    }
    return data;
  }

private:
  void fill(Chain &chain) { chain.data = meaning(chain); }

  std::vector<uint32_t> pickGroup(const Chain &chain) {
    std::vector<uint32_t> axes;
    for (uint32_t axis = 0; axis < chain.mesh.sizes.size(); ++axis)
      axes.push_back(axis);
    std::shuffle(axes.begin(), axes.end(), generator);
    axes.resize(below(4) == 0 ? static_cast<size_t>(1 + below(static_cast<int64_t>(axes.size()))) : 1);
    return axes;
  }
  Shape randomShape(int64_t elements) {
    Shape shape;
    while (elements > 1) {
      std::vector<int64_t> divisors;
      for (int64_t d = 2; d <= elements; ++d)
        if (elements % d == 0)
          divisors.push_back(d);
      shape.push_back(divisors[static_cast<size_t>(below(static_cast<int64_t>(divisors.size())))]);
      elements /= shape.back();
    }
    std::shuffle(shape.begin(), shape.end(), generator);
    while (shape.empty() || (shape.size() < 5 && below(4) == 0))
      shape.insert(shape.begin() + below(static_cast<int64_t>(shape.size()) + 1), 1);
    return shape;
  }
  static std::string printShape(const std::vector<int64_t> &shape) {
    std::string text = "[";
    for (int64_t size : shape)
      text += std::to_string(size) + " ";
    return text + "]";
  }
  static std::string printGroup(const std::vector<uint32_t> &group) {
    std::string text = "(";
    for (uint32_t axis : group)
      text += static_cast<char>('p' + axis);
    return text + ")";
  }
  static bool apply(Chain &chain, const Outcome<Value> &value, RankedData data, Refusal &refusal) {
    if (!value) {
      refusal = value.getRefusal();
      return false;
    }
    chain.value = *value;
    chain.data = std::move(data);
    return true;
  }
  std::mt19937_64 generator;
};

TEST(Movement, RandomChainsNameWhatArrives) {
  const char *wanted = std::getenv("MUSTER_FUZZ_CHAINS");
  const uint64_t chains = wanted ? std::strtoull(wanted, nullptr, 10) : 20000;
  size_t operations = 0, misaligned = 0, varying = 0;
  for (uint64_t seed = 1; seed <= chains; ++seed) {
    Maker maker(seed);
    Chain chain = maker.start();
    std::string first = print(chain.universe, chain.value);
    for (int step = 0; step < 8; ++step) {
      Chain before = chain;
      Refusal refusal;
      if (!maker.step(chain, refusal)) {
        chain = before;
        ASSERT_NE(refusal.kind, Refusal::Kind::Unknown) << seed << ": " << refusal.message;
        ++(refusal.kind == Refusal::Kind::Misaligned ? misaligned : varying);
        continue;
      }
      ++operations;
      RankedData named = Maker::meaning(chain);
      ASSERT_EQ(named.shape, chain.data.shape)
          << "seed " << seed << " mesh " << testing::PrintToString(chain.mesh.sizes) << "\n"
          << first << "\n"
          << chain.text << "\nbefore " << print(before.universe, before.value) << "\nafter "
          << print(chain.universe, chain.value);
      ASSERT_EQ(named.ranks, chain.data.ranks)
          << "seed " << seed << " mesh " << testing::PrintToString(chain.mesh.sizes) << "\n"
          << first << "\n"
          << chain.text << "\nbefore " << print(before.universe, before.value) << "\nafter "
          << print(chain.universe, chain.value);
    }
  }
  std::printf("%zu operations, %zu misaligned, %zu refused as wrong\n", operations, misaligned, varying);
  EXPECT_LT(misaligned * 5, operations);
}

} // namespace
