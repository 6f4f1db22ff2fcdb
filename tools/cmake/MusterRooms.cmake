# How a room is declared. A room's CMakeLists.txt says what it is; the functions here say how it is built.

# muster_add_library(name SOURCES ... [LINK ...] [DEPENDS ...]): plain C++, no LLVM. Used by runtime/ and by rooms without IR.
function(muster_add_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC fmt::fmt ${arg_LINK})
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
endfunction()

# Options of a target that includes LLVM or MLIR headers.
function(muster_use_mlir name)
  separate_arguments(definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
  target_compile_options(${name} PRIVATE ${definitions})
  target_include_directories(${name} SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    if(NOT TARGET muster_precompiled)
      file(WRITE "${CMAKE_BINARY_DIR}/muster_precompiled.cpp" "")
      add_library(muster_precompiled STATIC "${CMAKE_BINARY_DIR}/muster_precompiled.cpp")
      target_compile_options(muster_precompiled PRIVATE ${definitions} -fpch-instantiate-templates)
      target_include_directories(muster_precompiled SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
      target_link_libraries(muster_precompiled PUBLIC fmt::fmt)
      target_precompile_headers(muster_precompiled PRIVATE "${CMAKE_SOURCE_DIR}/tools/cmake/MlirPrecompiled.h")
    endif()
    target_compile_options(${name} PRIVATE -fpch-instantiate-templates)
    target_precompile_headers(${name} REUSE_FROM muster_precompiled)
  endif()
endfunction()

# muster_add_compiler_library(name SOURCES ... [LINK ...] [DEPENDS ...]): a room that includes LLVM or MLIR.
function(muster_add_compiler_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  muster_use_mlir(${name})
  target_link_libraries(${name} PUBLIC fmt::fmt MLIR LLVM ${arg_LINK})
  get_property(tablegen GLOBAL PROPERTY MUSTER_TABLEGEN_TARGETS)
  if(tablegen OR arg_DEPENDS)
    add_dependencies(${name} ${tablegen} ${arg_DEPENDS})
  endif()
endfunction()

# muster_tablegen(target FILE.td OUTPUT -gen-... [OUTPUT -gen-... ...]) : several outputs of one .td; a flag list is one quoted string.
function(muster_tablegen target source)
  set(LLVM_TARGET_DEFINITIONS ${source})
  set(TABLEGEN_OUTPUT)
  set(arguments ${ARGN})
  while(arguments)
    list(POP_FRONT arguments output flags)
    separate_arguments(flags)
    mlir_tablegen(${output} ${flags} EXTRA_INCLUDES ${CMAKE_SOURCE_DIR} ${MLIR_INCLUDE_DIRS})
  endwhile()
  add_custom_target(${target} DEPENDS ${TABLEGEN_OUTPUT})
  set_property(GLOBAL APPEND PROPERTY MUSTER_TABLEGEN_TARGETS ${target})
endfunction()

# muster_add_dialect(Name mnemonic SOURCES ... [LINK ...]): expects NameDialect.td, NameTypes.td, NameAttributes.td (each optional
# but the first) and NameOps.td in the folder, and makes library Muster<Name>Dialect.
function(muster_add_dialect name mnemonic)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  set(outputs
    ${name}Dialect.h.inc "-gen-dialect-decls -dialect=${mnemonic}" ${name}Dialect.cpp.inc "-gen-dialect-defs -dialect=${mnemonic}"
    ${name}Ops.h.inc -gen-op-decls ${name}Ops.cpp.inc -gen-op-defs
    ${name}Types.h.inc "-gen-typedef-decls -typedefs-dialect=${mnemonic}" ${name}Types.cpp.inc "-gen-typedef-defs -typedefs-dialect=${mnemonic}"
    ${name}Attributes.h.inc "-gen-attrdef-decls -attrdefs-dialect=${mnemonic}" ${name}Attributes.cpp.inc "-gen-attrdef-defs -attrdefs-dialect=${mnemonic}"
    ${name}Enums.h.inc -gen-enum-decls ${name}Enums.cpp.inc -gen-enum-defs)
  muster_tablegen(Muster${name}IncGen ${name}Ops.td ${outputs})
  muster_add_compiler_library(Muster${name}Dialect SOURCES ${arg_SOURCES} LINK ${arg_LINK} DEPENDS Muster${name}IncGen)
endfunction()

# muster_flatbuffers(target FILE.fbs...): FILE_generated.h beside it in the build folder.
function(muster_flatbuffers target)
  set(outputs)
  foreach(schema ${ARGN})
    get_filename_component(base ${schema} NAME_WE)
    set(output "${CMAKE_CURRENT_BINARY_DIR}/${base}_generated.h")
    add_custom_command(OUTPUT ${output}
      COMMAND ${MUSTER_FLATC} --cpp --cpp-std c++17 --scoped-enums --gen-object-api --gen-mutable --reflect-names
              -o ${CMAKE_CURRENT_BINARY_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${schema}
      DEPENDS ${schema} VERBATIM)
    list(APPEND outputs ${output})
  endforeach()
  add_custom_target(${target} DEPENDS ${outputs})
endfunction()

# What tools, unit tests and benchmarks share: an executable in FOLDER of the build folder, `bin` where none is named.
function(muster_add_program name)
  cmake_parse_arguments(arg "MLIR" "FOLDER" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  if(arg_FOLDER)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/${arg_FOLDER}")
  endif()
  if(arg_MLIR)
    muster_use_mlir(${name})
    get_property(tablegen GLOBAL PROPERTY MUSTER_TABLEGEN_TARGETS)
    if(tablegen)
      add_dependencies(${name} ${tablegen})
    endif()
  endif()
endfunction()

# muster_add_tool(name SOURCES ... [LINK ...] [MLIR]): an executable in build/<preset>/bin.
function(muster_add_tool name)
  muster_add_program(${name} ${ARGN})
  set_property(GLOBAL APPEND PROPERTY MUSTER_TEST_DEPENDS ${name})
endfunction()

# muster_add_unit_test(NameTest SOURCES ... [LINK ...] [MLIR]): a GoogleTest binary that lit finds below test/unit in the build folder.
function(muster_add_unit_test name)
  muster_add_program(${name} FOLDER test/unit/bin ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest_main)
  set_property(GLOBAL APPEND PROPERTY MUSTER_UNIT_TESTS ${name})
endfunction()

# muster_add_benchmark(NameBenchmark SOURCES ... [LINK ...] [MLIR]): a Google Benchmark binary in build/<preset>/bin/benchmark, with a
# main of its own, or BENCHMARK_MAIN(). MUSTER_SOURCE_ROOT is the folder of this repository.
function(muster_add_benchmark name)
  muster_add_program(${name} FOLDER bin/benchmark ${ARGN})
  target_link_libraries(${name} PRIVATE benchmark::benchmark)
  target_compile_definitions(${name} PRIVATE MUSTER_SOURCE_ROOT="${CMAKE_SOURCE_DIR}")
endfunction()
