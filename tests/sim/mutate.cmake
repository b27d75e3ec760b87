# mutate.cmake - writes a copy of one source file with a bug in it: cmake -D ROOT=... -D MUTANT=... -D OUT=... -P mutate.cmake
#
# A mutant: the source file in the first line; "--- " and what goes wrong; the lines to replace; "+++"; the lines that replace them.
# They must be there exactly once: a source that has changed since stops the build, so that no mutant is without its bug.
file(READ "${MUTANT}" mutant)
if(NOT mutant MATCHES "^([^\n]+)\n--- ([^\n]+)\n")
    message(FATAL_ERROR "${MUTANT}: no head")
endif()
set(source "${CMAKE_MATCH_1}")
set(head "${CMAKE_MATCH_0}")
string(LENGTH "${head}" begin)
string(FIND "${mutant}" "+++\n" middle)
if(middle EQUAL -1)
    message(FATAL_ERROR "${MUTANT}: no line +++")
endif()
math(EXPR length "${middle} - ${begin}")
math(EXPR after "${middle} + 4")
string(SUBSTRING "${mutant}" ${begin} ${length} old)
string(SUBSTRING "${mutant}" ${after} -1 new)

file(READ "${ROOT}/${source}" text)
string(FIND "${text}" "${old}" first)
string(FIND "${text}" "${old}" last REVERSE)
if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "${MUTANT}: its lines are not exactly once in ${source}")
endif()
string(REPLACE "${old}" "${new}" text "${text}")
file(WRITE "${OUT}" "${text}")
