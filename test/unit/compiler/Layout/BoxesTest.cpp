// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Box lists against the definition of layouts, element by element: for all pairs of layouts of small tensors every rank
// pulls each of its elements once, from a place that holds it.
#include "compiler/Layout/TransferForm.h"

#include "llvm/ADT/STLExtras.h"

#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>
#include <set>

using namespace muster::layout;

namespace {

/// Positions of a dim that a rank holds, by definition: position p is dealt to one of `ranks`.
std::vector<int64_t> heldBy(const Segment &segment, int64_t position) {
  int64_t ranks = segment.deal.ranks();
  std::vector<int64_t> held;
  auto chunk = [&](int64_t number, int64_t chunks) {
    int64_t length = (segment.size + chunks - 1) / chunks;
    for (int64_t at = number * length; at < std::min(segment.size, (number + 1) * length); ++at)
      held.push_back(at);
  };
  switch (segment.deal.order) {
  case ChunkOrder::Contiguous:
    chunk(position, ranks);
    break;
  case ChunkOrder::ZigZag:
    chunk(position, 2 * ranks);
    chunk(2 * ranks - 1 - position, 2 * ranks);
    break;
  case ChunkOrder::Stripe:
    for (int64_t at = position; at < segment.size; at += ranks)
      held.push_back(at);
    break;
  }
  return held;
}

std::vector<int64_t> heldBy(const DealtDim &dim, const Coordinates &coordinates) {
  std::vector<int64_t> held;
  int64_t first = 0;
  for (const Segment &segment : dim.segments) {
    int64_t position = 0;
    for (const AxisDigit &digit : segment.deal.axes)
      position = position * digit.count + coordinates[digit.axis] / digit.weight % digit.count;
    for (int64_t at : heldBy(segment, position))
      held.push_back(first + at);
    first += segment.size;
  }
  return held;
}

/// Memory of a rank: the number of the element at each place.
std::vector<int64_t> memoryOf(const Sharding &sharding, int64_t rank) {
  Coordinates coordinates = coordinatesOf(sharding.mesh, rank);
  std::vector<std::vector<int64_t>> held;
  for (const DealtDim &dim : sharding.dims)
    held.push_back(heldBy(dim, coordinates));
  std::vector<unsigned> order(sharding.order.begin(), sharding.order.end());
  if (order.empty())
    for (unsigned dim = 0; dim < sharding.dims.size(); ++dim)
      order.push_back(dim);
  std::vector<int64_t> memory;
  std::vector<int64_t> position(sharding.dims.size());
  auto walk = [&](auto &&self, size_t place) -> void {
    if (place == order.size()) {
      int64_t number = 0;
      for (auto [dim, at] : llvm::zip_equal(sharding.dims, position))
        number = number * dim.size() + at;
      memory.push_back(number);
      return;
    }
    for (int64_t at : held[order[place]]) {
      position[order[place]] = at;
      self(self, place + 1);
    }
  };
  walk(walk, 0);
  return memory;
}

template <typename Visit>
void forEachElement(const Box &box, Visit visit) {
  auto walk = [&](auto &&self, size_t dim, int64_t from, int64_t to) -> void {
    if (dim == box.dims.size())
      return visit(from, to);
    for (int64_t i = 0; i < box.dims[dim].extent; ++i)
      self(self, dim + 1, from + i * box.dims[dim].sourceStride, to + i * box.dims[dim].targetStride);
  };
  walk(walk, 0, box.sourceOffset, box.targetOffset);
}

std::string describe(const Sharding &sharding) {
  std::string text = "mesh";
  for (int64_t size : sharding.mesh)
    text += " " + std::to_string(size);
  for (const DealtDim &dim : sharding.dims) {
    text += ", {";
    for (const Segment &segment : dim.segments) {
      text += " " + std::to_string(segment.size) + "/";
      for (const AxisDigit &digit : segment.deal.axes)
        text += "a" + std::to_string(digit.axis) + "[" + std::to_string(digit.weight) + ":" +
                std::to_string(digit.count) + "]";
      text += segment.deal.order == ChunkOrder::ZigZag ? "z" : segment.deal.order == ChunkOrder::Stripe ? "s" : "";
    }
    text += "}";
  }
  return text;
}

int64_t evaluate(const Linear &linear, const Coordinates &own, const Coordinates &peer,
                 llvm::ArrayRef<int64_t> columns) {
  int64_t value = linear.constant;
  for (const Linear::Term &term : linear.own)
    value += term.factor * own[term.axis];
  for (const Linear::Term &term : linear.peer)
    value += term.factor * peer[term.axis];
  return value + (linear.column ? columns[*linear.column] : 0);
}

/// What a rank pulls, read from the closed form.
std::vector<Pull> expand(const Redistribution &redistribution, const TransferForm &form, int64_t rank) {
  const auto &mesh = redistribution.from.mesh;
  Coordinates own = coordinatesOf(mesh, rank);
  int64_t position = 0, positions = 1;
  for (unsigned axis : form.group) {
    position = position * mesh[axis] + own[axis];
    positions *= mesh[axis];
  }
  std::vector<Pull> pulls;
  auto add = [&](int64_t peerPosition, llvm::ArrayRef<int64_t> columns) {
    Coordinates peer = own;
    for (unsigned axis : llvm::reverse(form.group)) {
      peer[axis] = peerPosition % mesh[axis];
      peerPosition /= mesh[axis];
    }
    auto sourceStrides = redistribution.from.stridesAt(peer), targetStrides = redistribution.to.stridesAt(own);
    Pull pull{rankOf(mesh, peer), {}};
    for (auto [index, dim] : llvm::enumerate(form.dims)) {
      auto at = [&](const Linear &linear) { return evaluate(linear, own, peer, columns); };
      pull.box.sourceOffset += at(dim.sourceStart) * sourceStrides[index];
      pull.box.targetOffset += at(dim.targetStart) * targetStrides[index];
      pull.box.dims.push_back(
          {at(dim.extent), at(dim.sourceStep) * sourceStrides[index], at(dim.targetStep) * targetStrides[index]});
    }
    pulls.push_back(std::move(pull));
  };
  if (form.pulls == 0) {
    for (int64_t peer = 0; peer < positions; ++peer)
      add(peer, {});
    return pulls;
  }
  size_t width = 1 + form.columns;
  EXPECT_EQ(form.rows.size(), static_cast<size_t>(positions * form.pulls) * width);
  for (int64_t pull = 0; pull < form.pulls; ++pull) {
    llvm::ArrayRef<int64_t> row =
        llvm::ArrayRef(form.rows).slice(static_cast<size_t>(position * form.pulls + pull) * width, width);
    if (row.front() >= 0)
      add(row.front(), row.drop_front());
  }
  return pulls;
}

/// Equal parts: what a closed form is for.
bool isEven(const Redistribution &redistribution) {
  if (!redistribution.isOneMachine || redistribution.from.mesh != redistribution.to.mesh)
    return false;
  for (const Sharding *sharding : {&redistribution.from, &redistribution.to})
    for (const DealtDim &dim : sharding->dims)
      for (const Segment &segment : dim.segments) {
        if (segment.size % segment.deal.chunks() != 0)
          return false;
        for (const AxisDigit &digit : segment.deal.axes)
          if (digit.count != sharding->mesh[digit.axis])
            return false;
      }
  return true;
}

/// Boxes pulled by all ranks.
int64_t check(const Redistribution &redistribution) {
  const auto &[from, to, isOneMachine] = redistribution;
  std::vector<std::vector<int64_t>> sources;
  for (int64_t rank = 0; rank < from.ranks(); ++rank)
    sources.push_back(memoryOf(from, rank));
  std::optional<TransferForm> form;
  if (isEven(redistribution))
    form = formOf(redistribution);
  int64_t boxes = 0, received = 0, elements = 0;
  for (int64_t round = 0; round < to.ranks() * (form ? 2 : 1); ++round) {
    int64_t rank = round % to.ranks();
    std::vector<int64_t> wanted = memoryOf(to, rank), got(wanted.size(), -1);
    elements += static_cast<int64_t>(wanted.size());
    for (const Pull &pull : round < to.ranks() ? pullsOf(redistribution, rank) : expand(redistribution, *form, rank)) {
      ++boxes;
      received += pull.source == rank ? 0 : pull.box.elements();
      EXPECT_GT(pull.box.elements(), 0);
      forEachElement(pull.box, [&](int64_t at, int64_t place) {
        const std::vector<int64_t> &memory = sources[static_cast<size_t>(pull.source)];
        if (at < 0 || at >= static_cast<int64_t>(memory.size()) || place < 0 ||
            place >= static_cast<int64_t>(got.size())) {
          ADD_FAILURE() << "outside of memory";
          return;
        }
        EXPECT_EQ(got[static_cast<size_t>(place)], -1) << "written twice";
        int64_t element = got[static_cast<size_t>(place)] = memory[static_cast<size_t>(at)];
        // Own first.
        if (isOneMachine && rank < from.ranks() && pull.source != rank) {
          EXPECT_FALSE(llvm::is_contained(sources[static_cast<size_t>(rank)], element)) << "rank has it itself";
        }
      });
    }
    EXPECT_EQ(got, wanted) << "rank " << rank;
  }
  if (form) {
    EXPECT_NEAR(static_cast<double>(received) / static_cast<double>(elements), receivedShare(redistribution), 1e-9);
  }
  if (testing::Test::HasFailure())
    ADD_FAILURE() << describe(from) << "\n -> " << describe(to);
  return boxes;
}

/// All ways to deal `dims` dims over axes of the mesh: every axis goes to one dim, behind those that it has, or to
/// none.
std::vector<std::vector<std::vector<unsigned>>> placements(size_t axes, size_t dims) {
  std::set<std::vector<std::vector<unsigned>>> all;
  std::vector<unsigned> order(axes);
  std::iota(order.begin(), order.end(), 0u);
  do {
    std::vector<std::vector<unsigned>> made(dims);
    auto place = [&](auto &&self, size_t next) -> void {
      if (next == axes) {
        all.insert(made);
        return;
      }
      self(self, next + 1);
      for (size_t dim = 0; dim < dims; ++dim) {
        made[dim].push_back(order[next]);
        self(self, next + 1);
        made[dim].pop_back();
      }
    };
    place(place, 0);
  } while (std::next_permutation(order.begin(), order.end()));
  return {all.begin(), all.end()};
}

std::vector<Sharding> shardings(llvm::ArrayRef<int64_t> mesh, llvm::ArrayRef<int64_t> sizes, bool allOrders) {
  std::vector<Sharding> made;
  for (const auto &placement : placements(mesh.size(), sizes.size())) {
    std::vector<Sharding> orders(1);
    orders[0].mesh.assign(mesh.begin(), mesh.end());
    for (auto [axes, size] : llvm::zip_equal(placement, sizes)) {
      Segment segment{size, {}};
      for (unsigned axis : axes)
        segment.deal.axes.push_back({axis, mesh[axis]});
      std::vector<Sharding> longer;
      for (const Sharding &sharding : orders)
        for (ChunkOrder order : {ChunkOrder::Contiguous, ChunkOrder::ZigZag, ChunkOrder::Stripe}) {
          if (order != ChunkOrder::Contiguous && (axes.empty() || !allOrders))
            continue;
          Sharding more = sharding;
          segment.deal.order = order;
          more.dims.push_back({{segment}});
          longer.push_back(std::move(more));
        }
      orders = std::move(longer);
    }
    llvm::append_range(made, orders);
  }
  return made;
}

const std::vector<std::vector<int64_t>> meshes = {{1},    {2},    {3},    {4},    {5},    {6},   {2, 2},
                                                  {2, 3}, {3, 2}, {3, 3}, {2, 5}, {1, 4}, {4, 3}};

TEST(Boxes, oneDimOfAllSizes) {
  int64_t pairs = 0;
  for (const std::vector<int64_t> &mesh : meshes)
    for (int64_t size : {1, 2, 3, 4, 5, 6, 7, 12, 24}) {
      std::vector<Sharding> all = shardings(mesh, size, true);
      for (const Sharding &from : all)
        for (const Sharding &to : all) {
          check({from, to});
          ++pairs;
          ASSERT_FALSE(HasFailure());
        }
    }
  EXPECT_EQ(pairs, 9 * (6 * 16 + 7 * 13 * 13));
}

TEST(Boxes, twoDimsOfPrimeAndOtherSizes) {
  for (const std::vector<int64_t> &mesh : {std::vector<int64_t>{3}, {5}, {2, 2}, {2, 3}, {3, 2}})
    for (const std::vector<int64_t> &sizes : {std::vector<int64_t>{5, 3}, {6, 6}, {2, 5}, {4, 6}}) {
      std::vector<Sharding> all = shardings(mesh, sizes, true);
      for (const Sharding &from : all)
        for (const Sharding &to : all) {
          check({from, to});
          ASSERT_FALSE(HasFailure());
        }
    }
}

TEST(Boxes, threeDims) {
  for (const std::vector<int64_t> &mesh : {std::vector<int64_t>{3}, {2, 3}, {2, 2}})
    for (const std::vector<int64_t> &sizes : {std::vector<int64_t>{2, 3, 5}, {6, 1, 4}, {5, 6, 6}}) {
      std::vector<Sharding> all = shardings(mesh, sizes, false);
      for (const Sharding &from : all)
        for (Sharding to : all) {
          to.order = {2, 0, 1};
          check({from, to});
          ASSERT_FALSE(HasFailure());
        }
    }
}

/// Meshes of other sizes and other axes, on the same processes and on others; memory in other orders of dims.
TEST(Boxes, fromMeshToMesh) {
  std::mt19937 random(7);
  for (int64_t i = 0; i < 4000; ++i) {
    llvm::SmallVector<int64_t, 3> sizes;
    for (size_t dim = 0, dims = 1 + random() % 3; dim < dims; ++dim)
      sizes.push_back(1 + random() % 6);
    std::vector<Sharding> froms = shardings(meshes[random() % meshes.size()], sizes, true),
                          tos = shardings(meshes[random() % meshes.size()], sizes, true);
    Sharding from = froms[random() % froms.size()], to = tos[random() % tos.size()];
    for (Sharding *sharding : {&from, &to}) {
      for (unsigned dim = 0; dim < sizes.size(); ++dim)
        sharding->order.push_back(dim);
      std::shuffle(sharding->order.begin(), sharding->order.end(), random);
    }
    check({from, to, random() % 2 == 0});
    ASSERT_FALSE(HasFailure());
  }
}

/// Key-value heads fewer than ranks: parts of an axis divide them, and the ranks that differ elsewhere hold duplicates.
TEST(Boxes, partsOfAxes) {
  std::vector<llvm::SmallVector<AxisDigit, 2>> parts = {
      {}, {{0, 12}}, {{0, 3, 2}}, {{0, 2, 1}}, {{0, 2, 6}}, {{0, 3, 2}, {0, 2, 6}}, {{0, 6, 1}}, {{0, 4, 3}}};
  for (const auto &given : parts)
    for (const auto &wanted : parts)
      for (int64_t size : {3, 6, 12, 7}) {
        Sharding from{{12}, {{{{size, {given}}}}, {{{2, {}}}}}}, to{{12}, {{{{size, {wanted}}}}, {{{2, {}}}}}};
        check({from, to});
        ASSERT_FALSE(HasFailure());
      }
}

TEST(Boxes, packedDims) {
  Deal none, tp{{{0, 3}}}, dp{{{1, 2}}}, both{{{1, 2}, {0, 3}}}, kv{{{0, 3}}};
  std::vector<Deal> deals = {none, tp, dp, both};
  for (const Deal &q : deals)
    for (const Deal &k : deals)
      for (const Deal &toQ : deals)
        for (const Deal &toK : deals) {
          auto packed = [](const Deal &q, const Deal &k) { return DealtDim{{{12, q}, {6, k}, {6, k}}}; };
          Sharding from{{3, 2}, {{{{2, {}}}}, packed(q, k)}}, to{{3, 2}, {{{{2, {}}}}, packed(toQ, toK)}};
          check({from, to});
          ASSERT_FALSE(HasFailure());
        }
}

TEST(Boxes, ranksWithoutAPart) {
  // 2 rows over 3 ranks: the last one has none, pulls nothing, and is asked for nothing.
  Sharding from{{3}, {{{{2, {{{0, 3}}}}}}, {{{5, {}}}}}},
      to{{3}, {{{{2, {{{0, 3}}, ChunkOrder::Stripe}}}}, {{{5, {}}}}}};
  EXPECT_EQ(from.elementsAt({2}), 0);
  EXPECT_TRUE(pullsOf({from, to}, 2).empty());
  EXPECT_EQ(pullsOf({from, to}, 1).size(), 1u);
  EXPECT_TRUE(boxesBetween({from, to}, 2, 0).empty());
}

/// Every pair of ranks: the boxes are all that the two have in common.
TEST(Boxes, inverseOfComposition) {
  for (const Sharding &from : shardings({2, 3}, {6, 5}, true))
    for (const Sharding &to : shardings({2, 3}, {6, 5}, true))
      for (int64_t source = 0; source < 6; ++source)
        for (int64_t target = 0; target < 6; ++target) {
          std::vector<int64_t> held = memoryOf(from, source), wanted = memoryOf(to, target);
          std::set<int64_t> common;
          for (const Box &box : boxesBetween({from, to}, source, target))
            forEachElement(box, [&](int64_t at, int64_t place) {
              ASSERT_EQ(held[static_cast<size_t>(at)], wanted[static_cast<size_t>(place)]);
              ASSERT_TRUE(common.insert(held[static_cast<size_t>(at)]).second);
            });
          int64_t expected = llvm::count_if(wanted, [&](int64_t element) { return llvm::is_contained(held, element); });
          ASSERT_EQ(static_cast<int64_t>(common.size()), expected);
        }
}

/// How many boxes the rank that is asked most serves to others, and how many it would serve if all served alike.
std::pair<int64_t, int64_t> load(const Sharding &from, const Sharding &to) {
  std::map<int64_t, int64_t> served;
  int64_t total = 0;
  for (int64_t rank = 0; rank < to.ranks(); ++rank)
    for (const Pull &pull : pullsOf({from, to}, rank)) {
      ++served[pull.source];
      ++total;
    }
  int64_t most = 0;
  for (auto [rank, count] : served)
    most = std::max(most, count);
  return {most, (total + from.ranks() - 1) / from.ranks()};
}

TEST(Boxes, replicasShareTheLoad) {
  for (auto [a, b] : {std::pair<int64_t, int64_t>{4, 4}, {2, 4}, {4, 2}, {2, 6}, {6, 3}, {3, 3}}) {
    Sharding from{{a, b}, {{{{24, {{{0, a}}}}}}}}, to{{a, b}, {{{{24, {{{1, b}}}}}}}};
    auto [most, fair] = load(from, to);
    EXPECT_EQ(most, fair) << a << " x " << b;
  }
  // Between meshes: 2 source ranks hold copies of all; 6 ranks ask, 3 each.
  Sharding from{{2}, {{{{24, {}}}}}}, to{{6}, {{{{24, {{{0, 6}}}}}}}};
  std::map<int64_t, int64_t> served;
  for (int64_t rank = 0; rank < 6; ++rank)
    for (const Pull &pull : pullsOf({from, to, false}, rank))
      ++served[pull.source];
  EXPECT_EQ(served, (std::map<int64_t, int64_t>{{0, 3}, {1, 3}}));
}

/// What a rank pulls is found without looking at other ranks: the same number of boxes, wherever it lies.
TEST(Boxes, areAsManyOnEightRanksAsOn8192) {
  for (int64_t ranks : {8, 8192}) {
    int64_t size = 8 * ranks;
    Sharding contiguous{{ranks, 2}, {{{{size, {{{0, ranks}}}}}}}}, zigzag = contiguous, other = contiguous;
    zigzag.dims[0].segments[0].deal.order = ChunkOrder::ZigZag;
    other.dims[0].segments[0].deal.axes = {{1, 2}, {0, ranks}};
    for (int64_t rank : {int64_t(0), ranks - 1, 2 * ranks - 1}) {
      EXPECT_LE(pullsOf({zigzag, contiguous}, rank).size(), 2u);
      EXPECT_LE(pullsOf({contiguous, zigzag}, rank).size(), 2u);
      EXPECT_EQ(pullsOf({contiguous, other}, rank).size(), 1u);
      EXPECT_EQ(pullsOf({other, contiguous}, rank).size(), 2u);
    }
  }
}

/// Rows are a few for each position of the group: four times as many ranks, four times as many rows; and ranks that
/// differ elsewhere add none. An affine form has none at all.
TEST(TransferForm, growsWithTheGroupOnly) {
  auto deal = [](std::initializer_list<AxisDigit> axes, ChunkOrder order = ChunkOrder::Contiguous) {
    return Deal{axes, order};
  };
  for (int64_t ranks : {8, 128, 2048, 8192}) {
    int64_t size = 4 * ranks;
    auto form = [&](const Deal &from, const Deal &to, llvm::SmallVector<int64_t, 4> mesh) {
      auto made = formOf({{mesh, {{{{size, from}}}, {{{size, {}}}}}}, {mesh, {{{{size, to}}}, {{{size, {}}}}}}});
      EXPECT_TRUE(made.has_value());
      return *made;
    };
    TransferForm gathered = form(deal({{0, ranks}}), {}, {ranks});
    EXPECT_EQ(gathered.rows.size(), 0u);
    EXPECT_EQ(gathered.group.size(), 1u);
    TransferForm zigzag = form(deal({{0, ranks}}, ChunkOrder::ZigZag), deal({{0, ranks}}), {ranks, 3});
    EXPECT_EQ(zigzag.pulls, 2);
    EXPECT_EQ(zigzag.rows.size(), static_cast<size_t>(2 * ranks) * (1 + zigzag.columns));
    EXPECT_EQ(zigzag.columns, 2u);
    TransferForm turned = form(deal({{0, 4}, {1, ranks / 4}}), deal({{1, ranks / 4}, {0, 4}}), {4, ranks / 4});
    EXPECT_EQ(turned.pulls, 1);
    EXPECT_EQ(turned.rows.size(), static_cast<size_t>(ranks));
    EXPECT_EQ(turned.columns, 0u);
  }
}

} // namespace
