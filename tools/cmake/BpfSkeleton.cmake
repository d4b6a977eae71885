# SPDX-License-Identifier: BSD-3-Clause
#
# Compiles BPF programs and embeds them as skeletons.
#
#   bmc_add_bpf_skeleton(TARGET SOURCE NAME.bpf.c [INCLUDES HEADER...])
#
# makes from the source, in ${CMAKE_BINARY_DIR}/bpf/:
#   NAME.bpf.o           the object, by the preferred clang (BMC_CLANG)
#   NAME.skel.h          its skeleton; struct NAME_bpf, NAME_bpf__open() ...
#   NAME.bpf.clang14.o   the same by clang 14, if that is there and another
# and an INTERFACE library TARGET that gives its users the skeleton's folder
# and libbpf. Properties of TARGET: BMC_BPF_OBJECT, the path of the first
# object, and BMC_BPF_OBJECT_CLANG14, that of the second, empty if not made.
# INCLUDES names the headers that define the structs of the program's global
# variables; the skeleton mentions those structs and includes them first.
# All are rebuilt when any header that the source includes changes.

find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED DOC "bpftool")
find_program(BMC_CLANG
    NAMES clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 clang
    REQUIRED DOC "clang that compiles the BPF programs (14 or newer)")
find_program(BMC_CLANG14 NAMES clang-14 DOC "clang 14, the oldest that must do")

function(bmc_clang_version program result)
    execute_process(COMMAND ${program} -dumpversion OUTPUT_VARIABLE version
                    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    set(${result} ${version} PARENT_SCOPE)
endfunction()

bmc_clang_version(${BMC_CLANG} BMC_CLANG_VERSION)
if(BMC_CLANG_VERSION VERSION_LESS 14)
    message(FATAL_ERROR "${BMC_CLANG} is clang ${BMC_CLANG_VERSION}; the BPF programs need 14 or "
                        "newer. Give another with -DBMC_CLANG=PROGRAM.")
endif()
message(STATUS "BPF compiler: ${BMC_CLANG} (${BMC_CLANG_VERSION})")

set(BMC_BPF_FLAGS
    # Headers are written field by field and summed word by word.
    -fno-strict-aliasing
    -g -O2 -target bpf -mcpu=v3 -std=gnu11
    -Wall -Wextra -Werror -Wshadow
    # Entry points are found by their section, not by a prototype.
    -Wno-missing-prototypes)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    list(APPEND BMC_BPF_FLAGS -D__TARGET_ARCH_x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(APPEND BMC_BPF_FLAGS -D__TARGET_ARCH_arm64)
else()
    message(FATAL_ERROR "Unknown processor ${CMAKE_SYSTEM_PROCESSOR}: only x86_64 and arm64 are known")
endif()

function(bmc_compile_bpf clang source object)
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${clang} ${BMC_BPF_FLAGS}
                -I ${CMAKE_SOURCE_DIR} -isystem ${CMAKE_BINARY_DIR}/kernel-src/include
                -MD -MF ${object}.d -MT ${object}
                -c ${source} -o ${object}
        DEPENDS ${source} bmc_vmlinux ${CMAKE_BINARY_DIR}/kernel-src/include/vmlinux.h
        DEPFILE ${object}.d
        COMMENT "Building BPF object ${object}"
        VERBATIM)
endfunction()

function(bmc_add_bpf_skeleton target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE" "INCLUDES")
    get_filename_component(source ${arg_SOURCE} ABSOLUTE)
    get_filename_component(name ${source} NAME)
    string(REGEX REPLACE "\\.bpf\\.c$" "" name ${name})
    list(JOIN arg_INCLUDES "," includes)

    set(dir ${CMAKE_BINARY_DIR}/bpf)
    set(object ${dir}/${name}.bpf.o)
    set(skeleton ${dir}/${name}.skel.h)
    file(MAKE_DIRECTORY ${dir})

    # `gen object` drops the debug sections that libbpf does not need.
    bmc_compile_bpf(${BMC_CLANG} ${source} ${dir}/${name}.bpf.debug.o)
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${BPFTOOL} gen object ${object} ${dir}/${name}.bpf.debug.o
        DEPENDS ${dir}/${name}.bpf.debug.o
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${CMAKE_COMMAND} -D BPFTOOL=${BPFTOOL} -D OBJECT=${object} -D NAME=${name}_bpf
                -D HEADER=${skeleton} -D INCLUDES=${includes}
                -P ${CMAKE_SOURCE_DIR}/tools/cmake/skeleton.cmake
        DEPENDS ${object} ${CMAKE_SOURCE_DIR}/tools/cmake/skeleton.cmake
        COMMENT "Generating ${name}.skel.h"
        VERBATIM)
    set(products ${object} ${skeleton})

    set(object14 "")
    if(BMC_CLANG14 AND BMC_CLANG_VERSION VERSION_GREATER_EQUAL 15)
        set(object14 ${dir}/${name}.bpf.clang14.o)
        bmc_compile_bpf(${BMC_CLANG14} ${source} ${object14})
        list(APPEND products ${object14})
    endif()

    add_custom_target(${target}_files ALL DEPENDS ${products})
    add_library(${target} INTERFACE)
    add_dependencies(${target} ${target}_files)
    target_include_directories(${target} INTERFACE ${CMAKE_SOURCE_DIR})
    target_include_directories(${target} SYSTEM INTERFACE ${dir})
    target_link_libraries(${target} INTERFACE PkgConfig::LIBBPF)
    set_target_properties(${target} PROPERTIES
        BMC_BPF_OBJECT ${object}
        BMC_BPF_OBJECT_CLANG14 "${object14}")
endfunction()
