// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that the analysis has rules of its own for (slices at offsets, concatenation, insertion, padding, packed
// segments, permutations of ranks, redistribution, exchange of parts), against enumeration: all programs of a few
// operations on small shapes, under all results that could be declared. Proved and refuted must be what moving numbers
// by the definitions shows. How many are unknown is held.
#include "compiler/Analysis/LayoutInference.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "test/unit/compiler/Layout/EnumeratedMoves.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>

using namespace mlir;
using namespace muster;
using namespace muster::test;

namespace {

constexpr int64_t noElement = -1;
/// The positions of an element; above them stands the segment that it is of, which may go by another name.
constexpr int64_t nameMask = (int64_t(1) << 40) - 1;

/// A layout: by dim its name, logical size and axes.
struct Named {
  std::string name;
  int64_t size;
  AxisList axes;
};
using Layout = std::vector<Named>;

std::string axisName(uint32_t axis) { return std::string(1, static_cast<char>('p' + axis)); }

std::string axesText(const AxisList &axes) {
  std::string text;
  for (uint32_t axis : axes)
    text += (text.empty() ? "" : ",") + axisName(axis);
  return text.empty() ? "" : "/(" + text + ")";
}

std::string textOf(const Layout &layout) {
  std::string text;
  for (const Named &dim : layout)
    text += (text.empty() ? "" : ", ") + dim.name + axesText(dim.axes);
  return "[" + text + "]";
}

std::string typeOf(const Shape &shape) {
  std::string text = "tensor<";
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + "f32>";
}

std::string listOf(const Shape &list) {
  std::string text;
  for (int64_t number : list)
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  return "[" + text + "]";
}

int64_t partsOf(const RankMesh &mesh, const AxisList &axes) {
  return static_cast<int64_t>(mesh.groupOf(0, axes).size());
}

/// What ranks hold of a layout: positions of its dims, packed. Names stand for themselves.
RankedData dataOf(const RankMesh &mesh, const Layout &layout) {
  RankedData data;
  for (const Named &dim : layout)
    data.shape.push_back(dim.size / partsOf(mesh, dim.axes));
  for (int64_t rank = 0; rank < mesh.ranks(); ++rank) {
    data.ranks.emplace_back();
    Shape index(layout.size(), 0);
    do {
      // By name: dims may stand in another order.
      int64_t element = 0;
      for (size_t d = 0; d < layout.size(); ++d) {
        int64_t position = mesh.positionOf(rank, layout[d].axes) * data.shape[d] + index[d];
        element += position << 10 * (layout[d].name[0] - 'a');
      }
      data.ranks.back().push_back(element);
    } while (advance(index, data.shape));
  }
  return data;
}

//===-- definitions of the operations -----------------------------------------------------------------------------===//

RankedData partOf(const RankedData &data, size_t dim, int64_t offset, int64_t size) {
  Shape shape = data.shape;
  shape[dim] = size;
  return data.pulled(shape, [&](int64_t rank, Shape index) {
    index[dim] += offset;
    return std::pair(rank, index);
  });
}

/// `into` with `source` written at an offset of a dim.
RankedData inserted(const RankedData &source, RankedData into, size_t dim, int64_t offset) {
  for (size_t rank = 0; rank < into.ranks.size(); ++rank) {
    Shape index(source.shape.size(), 0);
    do {
      Shape at = index;
      at[dim] += offset;
      into.ranks[rank][static_cast<size_t>(offsetOf(at, into.shape))] =
          source.ranks[rank][static_cast<size_t>(offsetOf(index, source.shape))];
    } while (advance(index, source.shape));
  }
  return into;
}

RankedData filled(const RankedData &like, size_t dim, int64_t size) {
  RankedData data{like.shape, {}};
  data.shape[dim] = size;
  data.ranks.assign(like.ranks.size(), std::vector<int64_t>(static_cast<size_t>(elementsOf(data.shape)), noElement));
  return data;
}

RankedData joined(const std::vector<RankedData> &parts, size_t dim) {
  int64_t size = 0;
  for (const RankedData &part : parts)
    size += part.shape[dim];
  RankedData all = filled(parts.front(), dim, size);
  int64_t offset = 0;
  for (const RankedData &part : parts) {
    all = inserted(part, std::move(all), dim, offset);
    offset += part.shape[dim];
  }
  return all;
}

//===-- programs --------------------------------------------------------------------------------------------------===//

/// Arguments with layouts and operations on them; what the last one holds.
struct Written {
  std::string arguments, body, result;
  RankedData data;
};

class PartsEnumeration : public testing::Test {
protected:
  PartsEnumeration() {
    context.loadDialect<MusterDialect, func::FuncDialect, tensor::TensorDialect, arith::ArithDialect>();
    context.disableMultithreading();
  }

  static std::string argument(const std::string &name, const Shape &shape, const std::string &layout) {
    return name + ": " + typeOf(shape) + " {muster.layout = #muster.layout<" + layout + ">}";
  }
  static std::string sliceText(const std::string &result, const std::string &from, const Shape &shape, size_t dim,
                               int64_t offset, int64_t size) {
    Shape offsets(shape.size(), 0), sizes = shape, strides(shape.size(), 1);
    offsets[dim] = offset, sizes[dim] = size;
    return "  " + result + " = tensor.extract_slice " + from + listOf(offsets) + " " + listOf(sizes) + " " +
           listOf(strides) + " : " + typeOf(shape) + " to " + typeOf(sizes) + "\n";
  }

  /// Declares the result to be `layout` and compares the answer with the numbers.
  void judge(const RankMesh &mesh, const Written &program, const std::string &layout, const RankedData &declared) {
    bool isConstant = llvm::all_of(program.data.ranks, [](const std::vector<int64_t> &rank) {
      return llvm::all_of(rank, [](int64_t element) { return element == noElement; });
    });
    if (HasFatalFailure() || isConstant || declared.shape != program.data.shape)
      return;
    std::string axes;
    for (uint32_t axis = 0; axis < mesh.sizes.size(); ++axis)
      axes += (axis ? ", \"" : "\"") + axisName(axis) + "\" = " + std::to_string(mesh.sizes[axis]);
    std::string type = typeOf(declared.shape);
    std::string text = "muster.mesh @m <[" + axes + "]>\nfunc.func @f(" + program.arguments + ") -> (" + type +
                       " {muster.layout = #muster.layout<" + layout + ">}) {\n" + program.body + "  return " +
                       program.result + " : " + type + "\n}\n";
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    LayoutReport report = inferLayouts(*module);
    bool isRight = isSame(program.data, declared);
    ++(isRight ? right : wrong);
    std::string message = report.findings.empty() ? "" : report.findings.front().message;
    if (report.has(LayoutFinding::Kind::Refuted)) {
      ASSERT_FALSE(isRight) << "refuted: " << message << "\n" << text;
    } else if (report.has(LayoutFinding::Kind::Unknown)) {
      ++(isRight ? rightUnknown : wrongUnknown);
      ++reasons[message.substr(0, 50)];
    } else {
      ASSERT_TRUE(isRight) << "proved:\n" << text;
    }
  }

  /// Whether ranks hold what is declared. A constant is one whatever its positions are called, and the positions of a
  /// dim that no result names may go by the name of another.
  static bool isSame(const RankedData &data, const RankedData &declared) {
    std::optional<int64_t> renamed;
    for (size_t rank = 0; rank < data.ranks.size(); ++rank)
      for (size_t i = 0; i < data.ranks[rank].size(); ++i) {
        int64_t own = data.ranks[rank][i], wanted = declared.ranks[rank][i];
        if (own == noElement)
          continue;
        if ((own & nameMask) != (wanted & nameMask) || (renamed && *renamed != (own ^ wanted)))
          return false;
        renamed = own ^ wanted;
      }
    return true;
  }

  /// All layouts that have these dims, in this order, with these logical sizes.
  static std::vector<Layout> layoutsOf(const RankMesh &mesh, const Layout &dims) {
    std::vector<Layout> layouts;
    Layout layout = dims;
    for (Named &dim : layout)
      dim.axes.clear();
    std::function<void(uint32_t)> place = [&](uint32_t axis) {
      if (axis == mesh.sizes.size()) {
        for (const Named &dim : layout)
          if (dim.size % partsOf(mesh, dim.axes) != 0)
            return;
        layouts.push_back(layout);
        return;
      }
      place(axis + 1);
      for (Named &dim : layout)
        for (size_t at = 0; at <= dim.axes.size(); ++at) {
          dim.axes.insert(dim.axes.begin() + static_cast<ptrdiff_t>(at), axis);
          place(axis + 1);
          dim.axes.erase(dim.axes.begin() + static_cast<ptrdiff_t>(at));
        }
    };
    place(0);
    return layouts;
  }
  /// Declares every layout of the dims in turn.
  void judgeAll(const RankMesh &mesh, const Written &program, const Layout &dims) {
    for (const Layout &layout : layoutsOf(mesh, dims))
      judge(mesh, program, textOf(layout), dataOf(mesh, layout));
  }

  /// Calls `visit` for every mesh and every entry layout of up to `mostDims` local dims of up to `mostSize`.
  template <typename Visit>
  void forEachEntry(const std::vector<RankMesh> &meshes, size_t mostDims, int64_t mostSize, Visit visit) {
    for (const RankMesh &mesh : meshes)
      for (const Shape &shape : shapesUpTo(mostDims, mostSize, mostElements)) {
        Layout dims;
        for (size_t d = 0; d < shape.size(); ++d)
          dims.push_back({std::string(1, static_cast<char>('a' + d)), 0, {}});
        for (Layout &layout : layoutsOf(mesh, dims)) {
          for (size_t d = 0; d < shape.size(); ++d)
            layout[d].size = shape[d] * partsOf(mesh, layout[d].axes);
          RankedData data = dataOf(mesh, layout);
          visit(mesh, layout, data, argument("%x", shape, textOf(layout)));
          if (HasFatalFailure())
            return;
        }
      }
  }

  void expectCounts(int64_t leastRight, int64_t leastWrong, int64_t mostRightUnknown, int64_t mostWrongUnknown) {
    for (const auto &[reason, count] : reasons)
      std::printf("  %ld unknown: %s\n", long(count), reason.c_str());
    std::printf("%ld right, %ld of them unknown; %ld wrong, %ld of them unknown\n", long(right), long(rightUnknown),
                long(wrong), long(wrongUnknown));
    if (std::getenv("MUSTER_ENUMERATE_PARTS"))
      return;
    EXPECT_GE(right, leastRight);
    EXPECT_GE(wrong, leastWrong);
    EXPECT_LE(rightUnknown, mostRightUnknown);
    EXPECT_LE(wrongUnknown, mostWrongUnknown);
  }

  /// On a rank; MUSTER_ENUMERATE_PARTS sets it, to 64 for all shapes.
  static int64_t boundOfElements() {
    const char *text = std::getenv("MUSTER_ENUMERATE_PARTS");
    return text ? std::strtoll(text, nullptr, 10) : 6;
  }

  const int64_t mostElements = boundOfElements();
  const std::vector<RankMesh> meshes = {{{2}}, {{3}}, {{2, 2}}, {{2, 3}}};
  int64_t right = 0, wrong = 0, rightUnknown = 0, wrongUnknown = 0;
  std::map<std::string, int64_t> reasons;
  MLIRContext context;
};

/// A dim in two or three parts, put together again in every order, at every cut.
TEST_F(PartsEnumeration, PartsPutTogether) {
  forEachEntry(meshes, 3, 4,
               [&](const RankMesh &mesh, const Layout &layout, const RankedData &x, const std::string &argument) {
                 for (size_t dim = 0; dim < layout.size(); ++dim)
                   for (int64_t first = 1; first < x.shape[dim]; ++first)
                     for (int64_t second = 1; first + second <= x.shape[dim]; ++second) {
                       std::vector<std::pair<int64_t, int64_t>> cuts = {{0, first}, {first, second}};
                       if (first + second < x.shape[dim])
                         cuts.push_back({first + second, x.shape[dim] - first - second});
                       do {
                         Written program{argument, "", "%y", {}};
                         std::vector<RankedData> parts;
                         std::string names, types;
                         for (auto [offset, size] : cuts) {
                           std::string name = "%p" + std::to_string(parts.size());
                           program.body += sliceText(name, "%x", x.shape, dim, offset, size);
                           names += (parts.empty() ? "" : ", ") + name;
                           parts.push_back(partOf(x, dim, offset, size));
                           types += (types.empty() ? "" : ", ") + typeOf(parts.back().shape);
                         }
                         program.data = joined(parts, dim);
                         program.body += "  %y = tensor.concat dim(" + std::to_string(dim) + ") " + names + " : (" +
                                         types + ") -> " + typeOf(program.data.shape) + "\n";
                         judgeAll(mesh, program, layout);
                       } while (std::next_permutation(cuts.begin(), cuts.end()));
                     }
               });
  expectCounts(3740, 14620, 0, 0);
}

/// A part of a dim, written over each part of it of that size.
TEST_F(PartsEnumeration, PartsInserted) {
  forEachEntry(
      meshes, 3, 4, [&](const RankMesh &mesh, const Layout &layout, const RankedData &x, const std::string &argument) {
        for (size_t dim = 0; dim < layout.size(); ++dim)
          for (int64_t size = 1; size <= x.shape[dim]; ++size)
            for (int64_t from = 0; from + size <= x.shape[dim]; ++from)
              for (int64_t to = 0; to + size <= x.shape[dim]; ++to) {
                RankedData part = partOf(x, dim, from, size);
                Shape offsets(x.shape.size(), 0), strides(x.shape.size(), 1);
                offsets[dim] = to;
                Written program{argument, sliceText("%p", "%x", x.shape, dim, from, size), "%y",
                                inserted(part, x, dim, to)};
                program.body += "  %y = tensor.insert_slice %p into %x" + listOf(offsets) + " " + listOf(part.shape) +
                                " " + listOf(strides) + " : " + typeOf(part.shape) + " into " + typeOf(x.shape) + "\n";
                judgeAll(mesh, program, layout);
              }
      });
  expectCounts(9554, 20384, 0, 0);
}

/// Padding in front and behind, of which a part as long as what was padded is taken again.
TEST_F(PartsEnumeration, PaddingTakenOff) {
  forEachEntry(meshes, 2, 4,
               [&](const RankMesh &mesh, const Layout &layout, const RankedData &x, const std::string &argument) {
                 for (size_t dim = 0; dim < layout.size(); ++dim)
                   for (int64_t low = 0; low <= 2; ++low)
                     for (int64_t high = 0; high <= 2; ++high)
                       for (int64_t from = 0; from <= low + high; ++from) {
                         RankedData padded = inserted(x, filled(x, dim, x.shape[dim] + low + high), dim, low);
                         Shape lows(x.shape.size(), 0), highs = lows;
                         lows[dim] = low, highs[dim] = high;
                         std::string indices;
                         for (size_t d = 0; d < x.shape.size(); ++d)
                           indices += (d ? ", %i" : "%i") + std::to_string(d) + ": index";
                         Written program{argument,
                                         "  %z = arith.constant 0.5 : f32\n  %q = tensor.pad %x low" + listOf(lows) +
                                             " high" + listOf(highs) + " {\n  ^bb0(" + indices +
                                             "):\n    tensor.yield %z : f32\n  } : " + typeOf(x.shape) + " to " +
                                             typeOf(padded.shape) + "\n" +
                                             sliceText("%y", "%q", padded.shape, dim, from, x.shape[dim]),
                                         "%y", partOf(padded, dim, from, x.shape[dim])};
                         judgeAll(mesh, program, layout);
                       }
               });
  expectCounts(5544, 11256, 0, 2568);
}

/// Packed segments: every part of a packed dim, declared to be each of its segments; and segments packed in any order.
TEST_F(PartsEnumeration, Segments) {
  for (const RankMesh &mesh : meshes)
    for (const AxisList &axes : groupsOf(mesh))
      for (int64_t q = 1; q <= 4; ++q)
        for (int64_t k = 1; k <= 3; ++k) {
          int64_t parts = partsOf(mesh, axes);
          Layout segments = {{"a", q * parts, axes}, {"b", k * parts, axes}, {"c", k * parts, axes}};
          std::vector<RankedData> data;
          std::string packed;
          for (const Named &segment : segments) {
            data.push_back(dataOf(mesh, {segment}));
            // Elements of different segments are different ones.
            for (auto &rank : data.back().ranks)
              for (int64_t &element : rank)
                element = (element >> 10 * (segment.name[0] - 'a')) + (int64_t(1) << (40 + (segment.name[0] - 'a')));
            packed +=
                (packed.empty() ? "" : " | ") + segment.name + ":" + std::to_string(segment.size) + axesText(axes);
          }
          RankedData all = joined(data, 0);
          for (int64_t size : {q, k})
            for (int64_t from = 0; from + size <= all.shape[0]; ++from) {
              Written program{argument("%x", all.shape, "[{" + packed + "}]"),
                              sliceText("%y", "%x", all.shape, 0, from, size), "%y", partOf(all, 0, from, size)};
              for (size_t s = 0; s < segments.size(); ++s)
                judge(mesh, program, textOf({segments[s]}), data[s]);
              if (HasFatalFailure())
                return;
            }
          std::vector<size_t> order = {0, 1, 2};
          do {
            Written program{"", "", "%y", joined({data[order[0]], data[order[1]], data[order[2]]}, 0)};
            std::string names, types;
            for (size_t s = 0; s < segments.size(); ++s)
              program.arguments +=
                  (s ? ", " : "") + argument("%s" + std::to_string(s), data[s].shape, textOf({segments[s]}));
            for (size_t s : order) {
              names += (names.empty() ? "%s" : ", %s") + std::to_string(s);
              types += (types.empty() ? "" : ", ") + typeOf(data[s].shape);
            }
            program.body = "  %y = tensor.concat dim(0) " + names + " : (" + types + ") -> " + typeOf(all.shape) + "\n";
            judge(mesh, program, "[{" + packed + "}]", all);
            if (HasFatalFailure())
              return;
          } while (std::next_permutation(order.begin(), order.end()));
        }
  expectCounts(1110, 1980, 60, 1290);
}

/// Every order of the ranks of every group.
TEST_F(PartsEnumeration, Permutations) {
  forEachEntry(
      meshes, 2, 3, [&](const RankMesh &mesh, const Layout &layout, const RankedData &x, const std::string &argument) {
        for (const AxisList &group : groupsOf(mesh)) {
          Shape sources;
          for (int64_t i = 0; i < partsOf(mesh, group); ++i)
            sources.push_back(i);
          if (sources.size() > 4)
            continue;
          std::string names;
          for (uint32_t axis : group)
            names += (names.empty() ? "\"" : ", \"") + axisName(axis) + "\"";
          do {
            Written program{argument,
                            "  %y = muster.permute %x sources " + listOf(sources) + " on " +
                                (group.size() > 1 ? "[" + names + "]" : names) + " : " + typeOf(x.shape) + "\n",
                            "%y", x.pulled(x.shape, [&](int64_t rank, const Shape &index) {
                              int64_t source = sources[static_cast<size_t>(mesh.positionOf(rank, group))];
                              return std::pair(mesh.groupOf(rank, group)[static_cast<size_t>(source)], index);
                            })};
            judgeAll(mesh, program, layout);
          } while (std::next_permutation(sources.begin(), sources.end()));
        }
      });
  expectCounts(2130, 9378, 0, 0);
}

/// Exchanges of equal parts: part i of dim 0 goes to position i.
TEST_F(PartsEnumeration, ExchangesOfParts) {
  forEachEntry(meshes, 3, 6,
               [&](const RankMesh &mesh, const Layout &layout, const RankedData &x, const std::string &argument) {
                 for (const AxisList &group : groupsOf(mesh)) {
                   int64_t parts = partsOf(mesh, group), part = x.shape[0] / parts;
                   if (x.shape[0] % parts != 0)
                     continue;
                   std::string names;
                   for (uint32_t axis : group)
                     names += (names.empty() ? "\"" : ", \"") + axisName(axis) + "\"";
                   std::string on = (group.size() > 1 ? "[" + names + "]" : names) + " : " + typeOf(x.shape) + "\n";
                   auto exchanged = [&](const RankedData &data) {
                     return data.pulled(data.shape, [&](int64_t rank, Shape index) {
                       int64_t source = mesh.groupOf(rank, group)[static_cast<size_t>(index[0] / part)];
                       index[0] = mesh.positionOf(rank, group) * part + index[0] % part;
                       return std::pair(source, index);
                     });
                   };
                   Written once{argument, "  %y = muster.exchange %x on " + on, "%y", exchanged(x)};
                   judgeAll(mesh, once, layout);
                   Written twice{argument, "  %q = muster.exchange %x on " + on + "  %y = muster.exchange %q on " + on,
                                 "%y", exchanged(once.data)};
                   judgeAll(mesh, twice, layout);
                 }
               });
  expectCounts(946, 2090, 0, 877);
}

/// From every layout to every layout, declared as every layout.
TEST_F(PartsEnumeration, Redistributions) {
  forEachEntry(meshes, 2, 3,
               [&](const RankMesh &mesh, const Layout &layout, const RankedData &x, const std::string &argument) {
                 for (const Layout &to : layoutsOf(mesh, layout)) {
                   RankedData moved = dataOf(mesh, to);
                   Written program{argument,
                                   "  %y = muster.redistribute %x from <" + textOf(layout) + "> to <" + textOf(to) +
                                       "> : " + typeOf(x.shape) + " -> " + typeOf(moved.shape) + "\n",
                                   "%y", moved};
                   judgeAll(mesh, program, layout);
                 }
               });
  expectCounts(1208, 608, 0, 0);
}

} // namespace
