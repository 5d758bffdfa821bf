#pragma once
/* What the fuzz harnesses share.
 *
 * A harness fuzz_<format>.c has LLVMFuzzerTestOneInput: it turns bytes into the files that one reader opens, reads all it can, and demands what the reader
 * promises.  It also lists words of the format (a dictionary) and makes seeds: valid inputs, from which deep code is reached.  With clang it is linked
 * to libFuzzer; without, to standalone.c, which knows the same options.
 *
 *     fuzz_x --seeds DIR     writes the seeds to DIR and the dictionary to DIR.dict
 *     fuzz_x FILE...         runs these inputs once, e.g. one that failed
 *     fuzz_x -max_total_time=20 DIR...   fuzzes; tests/fuzz/fuzz.bash gives all options
 *
 * Files are made in $LT_FUZZ_TMP, or else in memory under /dev/shm, in a folder of this process that is removed at exit. */
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reader's promise; a failure ends the process, and the engine saves the input. */
#define FUZZ_REQUIRE(cond)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(cond)) {                                                                                                                     \
            fprintf(stderr, "%s:%d: FAILED: promise broken: %s\n", __FILE__, __LINE__, #cond);                                             \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)
/* The call must succeed. */
#define FUZZ_OK(call)                                                                                                                      \
    do {                                                                                                                                   \
        lt_status fuzz_st_ = (call);                                                                                                       \
        if (fuzz_st_ != LT_OK) {                                                                                                           \
            fprintf(stderr, "%s:%d: FAILED: %s: %s: %s\n", __FILE__, __LINE__, #call, lt_status_name(fuzz_st_), lt_err_last()->msg);       \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

/* --- of each harness ----------------------------------------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
/* Words and pieces of the format, ended by NULL. */
extern const char *const fuzz_words[];
/* Calls fuzz_seed() for each valid input. */
void fuzz_make_seeds(void);

/* --- fuzz.c -------------------------------------------------------------------------------------------------------------------------- */

/* Before the first input; serves --seeds. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
/* A seed of `parts` pieces, one after the other. */
typedef struct fuzz_piece {
    const void *data;
    size_t bytes;
} fuzz_piece;
void fuzz_seed(const fuzz_piece *piece, int n);
#define FUZZ_SEED(...) fuzz_seed((const fuzz_piece[]){__VA_ARGS__}, (int)(sizeof((fuzz_piece[]){__VA_ARGS__}) / sizeof(fuzz_piece)))
#define FUZZ_TEXT(s)   ((fuzz_piece){(s), strlen(s)})

/* The folder of this process. */
const char *fuzz_dir(void);
/* Path of a name in it; valid until the eighth call after this one. */
const char *fuzz_path(const char *name);
/* Writes a file there. */
void fuzz_write(const char *name, const void *data, size_t bytes);
/* Removes it, if it is there. */
void fuzz_remove(const char *name);
/* A whole file; released by free(). */
void *fuzz_load(const char *path, size_t *bytes);

/* An input in parts.  Takes what stands before the next FUZZ_CUT (or all) off the input: two bytes that no UTF-8 text holds. */
#define FUZZ_CUT "\xFF\xFF"
typedef struct fuzz_input {
    const uint8_t *data;
    size_t bytes;
} fuzz_input;
fuzz_input fuzz_take_part(fuzz_input *in);
/* Takes one byte; 0 at the end. */
unsigned fuzz_take_byte(fuzz_input *in);
/* Takes at most n bytes into a zeroed number, lowest first. */
uint64_t fuzz_take_number(fuzz_input *in, int n);
/* As a string that ends with NUL; released by free(). */
char *fuzz_string(fuzz_input part);
