#pragma once
/* The models of tests/golden: a folder, or a folder with a config.VARIANT.json in place of its config.json. */
#include "model_fixture.h"

#include <string.h>

typedef struct golden_model {
    const char *folder, *variant; /* variant: NULL = the folder as it is */
    const char *golden;           /* hidden_GOLDEN.h5, methods_GOLDEN.h5 */
    bool methods;                 /* there is a golden of the methods */
} golden_model;

static const golden_model golden_models[] = {
    {"tiny-bert", NULL, "tiny-bert", true},
    {"tiny-llama", NULL, "tiny-llama", true},
    {"tiny-mistral", NULL, "tiny-mistral", true},
    {"tiny-gpt2", NULL, "tiny-gpt2", true},
    {"tiny-bert-old", NULL, "tiny-bert-old", true},
    {"tiny-roberta", NULL, "tiny-roberta", true},
    {"tiny-xlm-roberta", NULL, "tiny-xlm-roberta", true},
    {"tiny-distilbert", NULL, "tiny-distilbert", true},
    {"tiny-bloom", NULL, "tiny-bloom", true},
    {"tiny-falcon-7b", NULL, "tiny-falcon-7b", true},
    {"tiny-falcon-40b", NULL, "tiny-falcon-40b", true},
    {"tiny-falcon-rw", NULL, "tiny-falcon-rw", true},
    {"tiny-gpt-neox", NULL, "tiny-gpt-neox", true},
    {"tiny-gpt-neox", "serial", "tiny-gpt-neox.serial", true},
    {"tiny-gqa", NULL, "tiny-gqa", true},
    {"tiny-gqa", "llama3", "tiny-gqa.llama3", true},
    {"tiny-gqa", "v5", "tiny-gqa.llama3", false}, /* the same in the words of transformers 5 */
    {"tiny-gqa", "linear", "tiny-gqa.linear", true},
    {"tiny-qwen2", NULL, "tiny-qwen2", true},
    {"tiny-qwen2", "window", "tiny-qwen2.window", true},
    {"tiny-qwen3", NULL, "tiny-qwen3", true},
    {"tiny-gemma3", NULL, "tiny-gemma3", true},
    {"tiny-gemma3", "pattern", "tiny-gemma3", false}, /* the same without layer_types */
    {"tiny-gemma3", "scaled", "tiny-gemma3.scaled", true},
    {"tiny-deberta", NULL, "tiny-deberta", false},
    {"tiny-deberta-v2", NULL, "tiny-deberta-v2", false},
    {"tiny-deberta-v2-conv", NULL, "tiny-deberta-v2-conv", false},
};
enum { N_GOLDEN_MODELS = sizeof golden_models / sizeof *golden_models };

/* Weight files that a variant's folder links to. */
static const char *const golden_files[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"};
enum { N_GOLDEN_FILES = sizeof golden_files / sizeof *golden_files };

/* Collective(world).  The model's folder; for a variant one of links in /tmp, which golden_model_close takes away. */
static inline void golden_model_open(lt_comm *world, const golden_model *g, char dir[4096]) {
    char from[8400], to[4200];
    (void)snprintf(dir, 4096, "%s/%s", LT_GOLDEN, g->folder);
    if (!g->variant) return;
    if (lt_comm_rank(world) == 0) {
        (void)snprintf(dir, 4096, "/tmp/golden-XXXXXX");
        CHECK(mkdtemp(dir) != NULL);
        (void)snprintf(from, sizeof from, "%s/%s/config.%s.json", LT_GOLDEN, g->folder, g->variant);
        (void)snprintf(to, sizeof to, "%s/config.json", dir);
        CHECK(symlink(from, to) == 0);
        for (int i = 0; i < N_GOLDEN_FILES; i++) {
            (void)snprintf(from, sizeof from, "%s/%s/%s", LT_GOLDEN, g->folder, golden_files[i]);
            (void)snprintf(to, sizeof to, "%s/%s", dir, golden_files[i]);
            if (access(from, R_OK) == 0) CHECK(symlink(from, to) == 0);
        }
    }
    lt_bcast_host(world, dir, 4096, 0);
}

/* Collective(world). */
static inline void golden_model_close(lt_comm *world, const golden_model *g, const char *dir) {
    char path[4200];
    if (g->variant) lt_barrier(world);
    if (!g->variant || lt_comm_rank(world) != 0) return;
    for (int i = -1; i < N_GOLDEN_FILES; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, i < 0 ? "config.json" : golden_files[i]);
        (void)unlink(path);
    }
    CHECK(rmdir(dir) == 0);
}

/* Does this model divide among tp ranks? */
static inline bool golden_model_fits(const char *dir, int tp) {
    static lt_arch arch; /* large */
    lt_status st = lt_arch_read(dir, &arch);
    CHECK_OK(st);
    return st == LT_OK && lt_arch_tp_works(&arch, tp);
}

/* ... and can it say a next token? */
static inline bool golden_model_speaks(const char *dir, int tp) {
    static lt_arch arch;
    lt_status st = lt_arch_read(dir, &arch);
    CHECK_OK(st);
    return st == LT_OK && arch.causal && lt_arch_tp_works(&arch, tp);
}
