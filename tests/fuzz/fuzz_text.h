#pragma once
/* What the harnesses of tokenizers share: the promises of text/tokenizer.h, components of a tokenizer.json, and texts. */
#include "fuzz.h"

#include "text/tokenizer.h"

/* Opens a file of the harness's folder and demands all that the header promises, on two texts.  No call may take more than FUZZ_TEXT_SECONDS. */
enum { FUZZ_TEXT_SECONDS = 4 }; /* of the processor, under the sanitizers, which take two to four times as long */
void fuzz_text_check(const char *name, fuzz_input one, fuzz_input two);
/* Writes a part that may be left out; removes the file of an earlier input. */
void fuzz_text_write(const char *name, fuzz_input part);

/* Components as JSON with ' for ", one of each kind and setting at least; ended by NULL. */
extern const char *const fuzz_normalizers[];
extern const char *const fuzz_pretokenizers[];
extern const char *const fuzz_posts[];
extern const char *const fuzz_decoders[];
extern const char *const fuzz_models[];
extern const char *const fuzz_added[];
extern const char *const fuzz_configs[];
/* JSON of such a text, in which \\' is a quote that stays; released by free(). */
char *fuzz_text_json(const char *s);
/* Texts that reach much. */
extern const char fuzz_text_one[], fuzz_text_two[];
