// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Links relocatable objects to the one shared object that a plan carries.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_LINKOBJECT_H
#define MUSTER_COMPILER_CODEGEN_HOST_LINKOBJECT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace muster::codegen {

/// The bytes of an ELF shared object made of `objects`: no undefined symbol, no needed library, page-aligned segments,
/// a stack that is not executable. Runs lld inside this process, one link at a time.
///
/// lld resets every `llvm::cl` option of the process to its default: read options before calling this.
/// E4110: a symbol is undefined or the link fails otherwise; E4111: no room for temporary files.
llvm::Expected<llvm::SmallVector<char>> linkSharedObject(llvm::ArrayRef<llvm::SmallVector<char>> objects);

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_LINKOBJECT_H
