# SPDX-License-Identifier: BSD-3-Clause
#
# cmake -D BPFTOOL=... -D BTF=... -D HEADER=... -P generate.cmake
#
# Writes HEADER only if its content changes: files under /sys get new time
# stamps at every boot, which is no reason to compile everything again.

get_filename_component(dir ${HEADER} DIRECTORY)
file(MAKE_DIRECTORY ${dir})
execute_process(
    COMMAND ${BPFTOOL} btf dump file ${BTF} format c
    OUTPUT_FILE ${HEADER}.types
    ERROR_VARIABLE error
    RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    file(REMOVE ${HEADER}.types)
    message(FATAL_ERROR "bpftool cannot read BTF from ${BTF}: ${error}")
endif()

# The kernel's global type names share C's one name space with our maps and
# variables. `config` is a type of its zlib and our load-time configuration.
file(READ ${HEADER}.types types)
file(WRITE ${HEADER}.new "#define config kernel_config\n" "${types}" "#undef config\n")
file(COPY_FILE ${HEADER}.new ${HEADER} ONLY_IF_DIFFERENT)
file(REMOVE ${HEADER}.new ${HEADER}.types)
