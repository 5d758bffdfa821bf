#pragma once
/* What the harnesses of weights share: fuzz_safetensors, fuzz_torch, fuzz_index. */
#include "fuzz.h"

/* Opens the weights of fuzz_dir().  What opens must be consistent, lie within its files and be readable; what does not must say why. */
void fuzz_read_weights(void);
/* Writes a safetensors file of this header and n data bytes. */
void fuzz_write_safetensors(const char *name, const void *header, size_t bytes, size_t n);
