# Stops unless OBJECT defines SYMBOL and nothing else that other objects can see. Were an inline function of a
# header compiled into several of them, the linker would keep one, perhaps with instructions this processor lacks.
execute_process(COMMAND ${NM} --defined-only --extern-only -P ${OBJECT}
                OUTPUT_VARIABLE listing RESULT_VARIABLE status)
string(REGEX MATCHALL "[^\n]+" lines "${listing}")
list(TRANSFORM lines REPLACE " .*" "")
if(NOT status EQUAL 0 OR NOT lines STREQUAL SYMBOL)
  message(FATAL_ERROR "${OBJECT} may define ${SYMBOL} only, and defines:\n${listing}")
endif()
