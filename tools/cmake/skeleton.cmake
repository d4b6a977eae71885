# SPDX-License-Identifier: BSD-3-Clause
#
# cmake -D BPFTOOL=... -D OBJECT=... -D NAME=... -D HEADER=... -D INCLUDES=A,B
#       -P skeleton.cmake

execute_process(
    COMMAND ${BPFTOOL} gen skeleton ${OBJECT} name ${NAME}
    OUTPUT_VARIABLE skeleton
    ERROR_VARIABLE error
    RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "bpftool cannot make a skeleton from ${OBJECT}: ${error}")
endif()

string(REPLACE "," ";" includes "${INCLUDES}")
set(text "")
foreach(include IN LISTS includes)
    string(APPEND text "#include \"${include}\"\n")
endforeach()
file(WRITE ${HEADER} "${text}" "${skeleton}")
