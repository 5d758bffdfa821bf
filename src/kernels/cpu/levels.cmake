# The CPU kernels (src/kernels/cpu/*.c) compiled once for each level of instruction sets; cpu/shared/levels.c chooses when the program starts.
#
# Everything else is compiled for the compiler's default processor, so no other code can hold an instruction that a node lacks.  The objects of a
# level are joined into one, in which every symbol but the level's unit is made local: equal names of two levels cannot meet, inline functions
# included, and no name in the kernels has to know of levels.
#
# LT_ARCH=levels gives x86-64, -v3 (AVX2) and -v4 (AVX-512); any other value is one level, compiled with -march of that value.
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" processor)
set(LT_CPU_X86 FALSE)
if(processor MATCHES "^(x86_64|amd64)$")
  set(LT_CPU_X86 TRUE)
endif()

file(GLOB kernel_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*.c)
# Elementwise kernels may reorder sums; files that compute losses or look for NaN may not (*_strict.c).
set(fast_files ${kernel_files})
list(FILTER fast_files EXCLUDE REGEX "_strict\\.c$")
set_source_files_properties(${fast_files} PROPERTIES COMPILE_OPTIONS "-ffast-math;-fno-finite-math-only;$<$<BOOL:${LT_CPU_X86}>:-mprefer-vector-width=512>")

# Adds the kernels compiled with the options in ARGN to lt_kernels, as the unit lt_cpu_unit_NAME.
function(lt_cpu_level name)
  set(unit lt_cpu_unit_${name})
  set(joined ${CMAKE_BINARY_DIR}/lt_cpu_${name}.o)
  add_library(lt_cpu_${name} OBJECT ${kernel_files})
  target_link_libraries(lt_cpu_${name} PRIVATE lt_flags MPI::MPI_C OpenMP::OpenMP_C)
  target_compile_options(lt_cpu_${name} PRIVATE ${ARGN})
  target_compile_definitions(lt_cpu_${name} PRIVATE LT_CPU_UNIT=${unit})
  add_custom_command(OUTPUT ${joined}
    COMMAND ${CMAKE_LINKER} -r -o ${joined} $<TARGET_OBJECTS:lt_cpu_${name}>
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=${unit} ${joined}
    DEPENDS lt_cpu_${name} $<TARGET_OBJECTS:lt_cpu_${name}>
    COMMENT "Joining the CPU kernels of level ${name}" COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${joined} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_sources(lt_kernels PRIVATE ${joined})
endfunction()

if(LT_ARCH STREQUAL "levels" AND LT_CPU_X86)
  lt_cpu_level(v1 -march=x86-64 -Wno-psabi) # vector types wider than its registers stay inside the unit
  lt_cpu_level(v3 -march=x86-64-v3 -mtune=generic)
  lt_cpu_level(v4 -march=x86-64-v4)
elseif(LT_ARCH STREQUAL "levels")
  lt_cpu_level(one)
  target_compile_definitions(lt_kernels PRIVATE LT_CPU_ONE="${processor}")
else()
  lt_cpu_level(one -march=${LT_ARCH} -Wno-psabi)
  target_compile_definitions(lt_kernels PRIVATE LT_CPU_ONE="${LT_ARCH}")
endif()
