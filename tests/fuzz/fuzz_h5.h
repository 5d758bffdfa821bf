#pragma once
/* Fuzzing of our HDF5 files by their content: what a reader meets when HDF5 finds nothing wrong, but types, shapes, names or numbers are not what they
 * should be.  Every input is a list of edits to a good file; the edited file is written and sealed by our own writer, so that its digests are right.
 * Damaged bytes are another matter: the digest finds those (fuzz_h5_damaged), and what HDF5 itself makes of them is not fuzzed in this process. */
#include "fuzz.h"

#include "store/h5.h"

/* The good file: made once by make(path), then read by every input. */
typedef struct fuzz_h5 {
    const char *kind; /* as lt_h5_write_begin takes them */
    int64_t version;
    void (*make)(const char *path);
    /* Opens the file by our reader, reads all it can, demands what the reader promises, and returns a digest of what it read (any failure: 0). */
    uint64_t (*read)(const char *path);
} fuzz_h5;

/* One input: the first byte 'd' patches bytes of the file (4 bytes of place, 1 of value each) and demands that the reader refuses it or reads
 * what was there; else the input is a list of edits. */
void fuzz_h5_input(const fuzz_h5 *h, const uint8_t *data, size_t bytes);
/* Seeds that every kind has. */
void fuzz_h5_seeds(void);
/* Running digest of what was read. */
uint64_t fuzz_h5_mix(uint64_t h, const void *data, size_t bytes);
