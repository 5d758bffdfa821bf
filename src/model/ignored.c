/* Tensors of a folder that a model does not use, by what they are: a user who sees a name in the list wants to know whether the model will be wrong
 * without it.  What no rule knows is said to be so, by its name with * for numbers. */
#include "model/model_impl.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { LISTED = 20 };

/* Names behind the family's prefix; the first that fits says what the tensor is. */
static const struct {
    const char *pattern, *what;
} known[] = {
    {"*rotary_emb.inv_freq", "constants, which are computed here"},
    {"*attn.bias", "constants, which are computed here"}, /* GPT-2's causal mask; a bias of a matrix has the matrix's name */
    {"*attn.masked_bias", "constants, which are computed here"},
    {"*attention.bias", "constants, which are computed here"},
    {"*attention.masked_bias", "constants, which are computed here"},
    {"*position_ids", "constants, which are computed here"},
    {"lm_head.weight", "the output embedding, read by `ltune generate` only"},
    {"embed_out.weight", "the output embedding, read by `ltune generate` only"},
    {"lm_head.*", "a head of pre-training"},
    {"cls.*", "a head of pre-training"},
    {"lm_predictions.*", "a head of pre-training"},
    {"mask_predictions.*", "a head of pre-training"},
    {"discriminator_predictions.*", "a head of pre-training"},
    {"vocab_transform.*", "a head of pre-training"},
    {"vocab_layer_norm.*", "a head of pre-training"},
    {"vocab_projector.*", "a head of pre-training"},
    {"classifier.*", "a head of another task"},
    {"score.*", "a head of another task"},
    {"qa_outputs.*", "a head of another task"},
    {"pooler.*", "a pooler that classifiers of this architecture do not use"},
};

typedef struct group {
    char name[LT_NAME_BYTES];
    const char *what, *first; /* first: whole name of its first tensor */
    int64_t n;
} group;

/* The name with * for each number between dots. */
static void general(const char *name, char out[LT_NAME_BYTES]) {
    size_t at = 0;
    bool begins = true;
    for (const char *c = name; *c && at + 1 < LT_NAME_BYTES;) {
        size_t digits = strspn(c, "0123456789"), left = begins && (c[digits] == '.' || !c[digits]) ? digits : 0;
        out[at++] = left ? '*' : *c;
        begins = *c == '.';
        c += left ? left : 1;
    }
    out[at] = 0;
}

/* Is it a tensor that the family has, where config.json says that this model has none? */
static bool is_off(const lt_model *m, const char *general_name) {
    char row_name[LT_NAME_BYTES];
    for (const lt_row *row = m->arch.family->rows; row->part != LT_PART_END; row++) {
        const char *at = strstr(row->name, "%d");
        (void)snprintf(row_name, sizeof row_name, "%.*s%s%s", at ? (int)(at - row->name) : (int)strlen(row->name), row->name, at ? "*" : "",
                       at ? at + 2 : "");
        size_t n = strlen(row_name);
        if (!strncmp(general_name, row_name, n) && (!general_name[n] || (general_name[n] == '.' && !strchr(general_name + n + 1, '.'))))
            return true;
    }
    return false;
}

static group group_of(const lt_model *m, const char *name) {
    const char *prefix = m->arch.family->prefix, *bare = strncmp(name, prefix, strlen(prefix)) ? name : name + strlen(prefix);
    group g = {.first = name, .n = 1};
    general(bare, g.name);
    for (size_t i = 0; i < sizeof known / sizeof *known && !g.what; i++) {
        if (fnmatch(known[i].pattern, bare, 0) != 0) continue;
        g.what = known[i].what;
        if (known[i].pattern[0] != '*') (void)snprintf(g.name, sizeof g.name, "%s", known[i].pattern);
    }
    if (!g.what && is_off(m, g.name)) g.what = "config.json says that this model has none";
    if (!g.what) g.what = "not known; if the model needs it, config.json is of another model";
    return g;
}

lt_status lt_model_impl_print_ignored(const lt_model *m, FILE *out) {
    const lt_st_tensor *all = lt_st_count(m->st) ? lt_st_at(m->st, 0) : NULL; /* they lie one behind the other */
    int64_t n = lt_st_count(m->st), n_groups = 0;
    bool *used = NULL;
    group *list = NULL;
    lt_status st = lt_calloc(&used, n, sizeof *used, "tensors of a folder");
    if (st == LT_OK) st = lt_calloc(&list, n, sizeof *list, "tensors of a folder");
    for (int64_t k = 0; st == LT_OK && k < m->n_weights; k++) used[m->weight[k].src - all] = true;
    for (int64_t i = 0; st == LT_OK && i < n; i++) {
        int64_t k = 0;
        if (used[i]) continue;
        group g = group_of(m, all[i].name);
        while (k < n_groups && (strcmp(list[k].name, g.name) != 0 || list[k].what != g.what)) k++;
        if (k == n_groups)
            list[n_groups++] = g;
        else
            list[k].n++;
    }
    for (int64_t k = 0; k < n_groups && k < LISTED; k++) {
        if (list[k].n == 1)
            fprintf(out, "ignored: %s: %s\n", list[k].first, list[k].what);
        else
            fprintf(out, "ignored: %s (%lld): %s\n", list[k].name, (long long)list[k].n, list[k].what);
    }
    if (n_groups > LISTED) fprintf(out, "ignored: and %lld more kinds of names\n", (long long)(n_groups - LISTED));
    free(list);
    free(used);
    return st;
}
