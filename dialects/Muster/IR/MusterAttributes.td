// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_MUSTER_IR_MUSTERATTRIBUTES_TD
#define MUSTER_DIALECTS_MUSTER_IR_MUSTERATTRIBUTES_TD

include "dialects/Muster/IR/MusterDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

class Muster_Attr<string name, string attrMnemonic, list<Trait> traits = []> : AttrDef<Muster_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

//===----------------------------------------------------------------------===//
// Mesh
//===----------------------------------------------------------------------===//

def Muster_MeshAxisAttr : Muster_Attr<"MeshAxis", "axis"> {
  let summary = "A named axis of a mesh";
  let parameters = (ins StringRefParameter<"name">:$name, "int64_t":$size);
  let assemblyFormat = "$name `=` $size";
}

def Muster_MeshAttr : Muster_Attr<"Mesh", "mesh"> {
  let summary = "Named axes; ranks number row-major, the last axis fastest";
  let description = [{
    `["dp" = 2, "tp" = 4]`: rank 5 has coordinates dp=1, tp=1.

    Constraints:
    - (C1) axis names are distinct and not empty.
    - (C2) axis sizes are at least 1 and their product does not exceed 2^31 - 1. A size of `?` (stored as `ShapedType::kDynamic`)
      is a symbol: the graph is meant to be verified for every size.
  }];
  let parameters = (ins ArrayRefParameter<"MeshAxisAttr">:$axes);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Number of ranks; kDynamic where an axis is symbolic.
    int64_t getRankCount() const;
    /// Position of the named axis, or -1.
    int64_t findAxis(::llvm::StringRef name) const;
    int64_t getAxisSize(::llvm::StringRef name) const { return getAxes()[findAxis(name)].getSize(); }
    /// Coordinates of a rank, one an axis (concrete meshes only).
    ::llvm::SmallVector<int64_t> getCoordinates(int64_t rank) const;
    int64_t getRank(::llvm::ArrayRef<int64_t> coordinates) const;
  }];
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

def Muster_ChunkOrder : I32EnumAttr<"ChunkOrder", "order in which a sharded dim's chunks are dealt to positions of the axis", [
  I32EnumAttrCase<"Contiguous", 0, "contiguous">,
  I32EnumAttrCase<"ZigZag", 1, "zigzag">,
  I32EnumAttrCase<"Stripe", 2, "stripe">
]> { let cppNamespace = "::muster"; let genSpecializedAttr = 0; }

def Muster_ReductionKind : I32EnumAttr<"ReductionKind", "how the parts of an unreduced value combine", [
  I32EnumAttrCase<"Sum", 1, "sum">,
  I32EnumAttrCase<"Max", 2, "max">,
  I32EnumAttrCase<"Min", 3, "min">
]> { let cppNamespace = "::muster"; let genSpecializedAttr = 0; }
def Muster_ReductionKindAttr : EnumAttr<Muster_Dialect, Muster_ReductionKind, "reduction"> { let assemblyFormat = "`<` $value `>`"; }

def Muster_CountUnit : I32EnumAttr<"CountUnit", "what is counted", [
  I32EnumAttrCase<"Requests", 0, "requests">,
  I32EnumAttrCase<"Tokens", 1, "tokens">,
  I32EnumAttrCase<"Rows", 2, "rows">,
  I32EnumAttrCase<"Padded", 3, "padded">,
  I32EnumAttrCase<"Starts", 4, "starts">
]> { let cppNamespace = "::muster"; let genSpecializedAttr = 0; }

def Muster_PaddingMode : I32EnumAttr<"PaddingMode", "how counts are padded", [
  I32EnumAttrCase<"Sum", 0, "sum">,
  I32EnumAttrCase<"Max", 1, "max">,
  I32EnumAttrCase<"Balanced", 2, "balanced">
]> { let cppNamespace = "::muster"; let genSpecializedAttr = 0; }
def Muster_PaddingModeAttr : EnumAttr<Muster_Dialect, Muster_PaddingMode, "padding"> { let assemblyFormat = "$value"; }

def Muster_RaggedSide : I32EnumAttr<"RaggedSide", "which dim of an all_to_all has parts of unequal length", [
  I32EnumAttrCase<"Concat", 0, "concat">,
  I32EnumAttrCase<"Split", 1, "split">
]> { let cppNamespace = "::muster"; let genSpecializedAttr = 0; }
def Muster_RaggedSideAttr : EnumAttr<Muster_Dialect, Muster_RaggedSide, "ragged_side"> { let assemblyFormat = "$value"; }

def Muster_AxisRefAttr : Muster_Attr<"AxisRef", "axis_ref"> {
  let summary = "An axis of a mesh, or a part of one";
  let description = [{
    `tp` is the whole axis; `tp[1:2]` the sub-axis of size 2 with 1 faster position inside it (weight 1): its coordinate is
    `(c_tp / weight) mod size`. Sub-axes serve KV heads fewer than ranks.
  }];
  let parameters = (ins StringRefParameter<"name">:$name, "int64_t":$weight, "int64_t":$size);
  let builders = [AttrBuilder<(ins "::llvm::StringRef":$name), [{ return $_get($_ctxt, name, int64_t(1), int64_t(0)); }]>];
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{ bool isWholeAxis() const { return getSize() == 0; } }];
}

def Muster_LayoutTermAttr : Muster_Attr<"LayoutTerm", "term"> {
  let summary = "One named logical dim inside a tensor dim, with the axes that divide it";
  let description = [{
    - `s`, `s/sp`, `h/(tp,sp)` (outer to inner), `s/sp zigzag`, `any(h)/tp`: one shared, unspecified permutation of the heads.
    - `t/dp : tokens@step`: ragged; the parts' lengths are the counts of unit `tokens` of batch `@step`.
    - `q:5` inside `{q:5 | k:2 | v:2}`: a segment of extent 5 of a packed dim; `name` is then the segment's name.
  }];
  let parameters = (ins StringRefParameter<"name">:$name, OptionalArrayRefParameter<"AxisRefAttr">:$axes, "ChunkOrder":$order,
                        "bool":$anyOrder, StringRefParameter<"unit", "">:$unit, StringRefParameter<"epoch", "">:$epoch, "int64_t":$extent);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    bool isRagged() const { return !getUnit().empty(); }
    /// A term that is only a name and axes.
    static LayoutTermAttr getPlain(::mlir::MLIRContext *context, ::llvm::StringRef name, ::llvm::ArrayRef<::llvm::StringRef> axes = {});
  }];
}

def Muster_LayoutDimAttr : Muster_Attr<"LayoutDim", "dim"> {
  let summary = "One dim of a tensor: a term, a product of terms (major first), or segments side by side";
  let parameters = (ins ArrayRefParameter<"LayoutTermAttr">:$terms, "bool":$segmented);
  let hasCustomAssemblyFormat = 1;
}

def Muster_PartialAttr : Muster_Attr<"Partial", "partial"> {
  let summary = "The value is still to be reduced over axes";
  let parameters = (ins "ReductionKind":$kind, ArrayRefParameter<"AxisRefAttr">:$axes);
  let hasCustomAssemblyFormat = 1;
}

def Muster_LayoutAttr : Muster_Attr<"Layout", "layout"> {
  let summary = "Which elements of a logical tensor a rank holds";
  let description = [{
    ```
    layout  ::= `[` (dim (`,` dim)*)? `]` (`,` `partial` `(` kind `:` axis (`,` axis)* `)`)*
    dim     ::= term | `(` term+ `)` | `{` term (`|` term)+ `}`
    term    ::= (name | `any` `(` name `)` | name `:` extent) (`/` axes)? order? (`:` unit `@` epoch)?
    axes    ::= axis | `(` axis (`,` axis)+ `)`
    axis    ::= name (`[` weight `:` size `]`)?
    order   ::= `zigzag` | `stripe`
    kind    ::= `sum` | `max` | `min`
    ```
    `[b, s/sp, h, d]` reads "s divided by sp"; an axis that is not named is replicated. A name that is no identifier, or a word of the
    grammar, stands between quotes.

    Constraints:
    - (C1) an axis (or a part of it) divides at most one term, or several segments of one dim, and is not both dividing and partial.
    - (C2) a name occurs at most once.
    - (C3) a segmented dim has at least two terms, each with an extent; other terms have none. Extents are logical; each segment is
      divided on its own, so that a rank's part of `{q:6/tp | k:2/tp}` is its part of q, then its part of k.
    - (C4) the unit of a ragged term is one of counts: `requests`, `tokens`, `rows`, `padded`, `starts`.
  }];
  let parameters = (ins OptionalArrayRefParameter<"LayoutDimAttr">:$dims, OptionalArrayRefParameter<"PartialAttr">:$partials);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getDims().size(); }
    /// The name of a dim that is one plain term, else empty.
    ::llvm::StringRef getDimName(int64_t dim) const;
    /// Names of the whole axes that divide the dim, outer first; empty for anything but one plain contiguous term.
    ::llvm::SmallVector<::llvm::StringRef> getPlainAxes(int64_t dim) const;
    /// Every dim is one term in contiguous order over whole axes, not ragged, and nothing is partial.
    bool isPlain() const;
    bool isPlainDim(int64_t dim) const;
    /// Size of a rank's part of dim `dim` of logical size `logical`; failure with a text where sizes do not divide.
    ::mlir::FailureOr<int64_t> getLocalSize(int64_t dim, int64_t logical, MeshAttr mesh,
                                            ::llvm::function_ref<void(const ::llvm::Twine &)> emit) const;
    /// Shape of a rank's part of a tensor of `logical` shape; failure with a text where sizes do not divide. Dynamic stays dynamic.
    ::mlir::FailureOr<::llvm::SmallVector<int64_t>> getLocalShape(::llvm::ArrayRef<int64_t> logical, MeshAttr mesh,
                                                                  ::llvm::function_ref<void(const ::llvm::Twine &)> emit) const;
    /// A layout of plain terms: names and, for each, the axes.
    static LayoutAttr getPlain(::mlir::MLIRContext *context,
                               ::llvm::ArrayRef<std::pair<::llvm::StringRef, ::llvm::SmallVector<::llvm::StringRef>>> dims,
                               ::llvm::ArrayRef<::llvm::StringRef> partialSumAxes = {});
    /// Parses the text of a layout, "[b, s/sp]", as the attribute prints it; null on a syntax error.
    static LayoutAttr parseText(::mlir::MLIRContext *context, ::llvm::StringRef text);
    std::string getText() const;
  }];
}

//===----------------------------------------------------------------------===//
// Facts of symbolic programs
//===----------------------------------------------------------------------===//

def Muster_RoutedAttr : Muster_Attr<"Routed", "routed", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "Encoding of a tensor of routed counts: made and read on the device, never by the host";
  let description = [{
    `tensor<4xi32, #muster.routed<rows, @route, 512>>` holds how many rows of batch `@route` go to, or come from, each of four positions
    of a group; `tensor<4x8xi32, ...>` to each of eight experts of them. `bound` is the most that one position gets from one rank: the
    greatest sum of the elements with one index of dim 0. Step counts (`!muster.counts`) are known to the host before anything is launched;
    of routed ones it knows the bound only.

    Constraints:
    - (C1) the tensor has one or two dims, both static, of i32 or i64.
    - (C2) `bound` is not negative.
  }];
  let parameters = (ins EnumParameter<Muster_CountUnit>:$unit, "::mlir::FlatSymbolRefAttr":$epoch, "int64_t":$bound);
  let assemblyFormat = "`<` $unit `,` $epoch `,` $bound `>`";
  let genVerifyDecl = 1;
}

def Muster_FactsAttr : Muster_Attr<"Facts", "facts"> {
  let summary = "Divisibility facts of a symbolic program: `[sp|s, sp|h]`";
  let description = "`a|b`: the size named a divides the size named b. Divisors and dividends are parallel lists.";
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$divisors, ArrayRefParameter<"::mlir::StringAttr">:$dividends);
  let hasCustomAssemblyFormat = 1;
}

#endif
