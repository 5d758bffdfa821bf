#pragma once
/* What the harnesses of the formats share: a file read by a layout, twice, with all that a row promises. */
#include "fuzz.h"

#include "preset.h"

/* Reads the bytes as a file, plain and packed by gzip, and demands the promises of rows.h and the same rows from both. */
void fuzz_rows(const prep_layout *layout, fuzz_input file);
/* A column by a byte: a number from 1, or from 200 on one of the names. */
prep_column fuzz_column(unsigned byte, const char *const name[4]);
/* Switches that all formats have. */
void fuzz_switches(prep_layout *layout, unsigned byte);
