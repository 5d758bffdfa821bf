/* What an exported folder says of itself beyond what its format has words for: ltune.json, head.safetensors, and the warnings. */
#include "train/export_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"
#include "store/json.h"
#include "store/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 512 };

static const char *act_name(lt_act act) {
    return act == LT_ACT_TANH        ? "tanh"
           : act == LT_ACT_RELU      ? "relu"
           : act == LT_ACT_GELU_TANH ? "gelu_tanh"
           : act == LT_ACT_GELU_ERF  ? "gelu"
                                     : "silu";
}

static const char *pooling_name(lt_readout readout) {
    static const char *const name[] = {"first", "cls", "last", "mean", "max", "tokens"};
    return name[readout];
}

/* True where the row that is read goes through the dense layer of the base. */
static bool pools(const lt_export *e) { return e->form.pooler && (e->form.readout == LT_READ_FIRST || e->form.readout == LT_READ_CLS); }

/* How logits come from what the model puts out, as one line. */
static void formula(const lt_export *e, char text[TEXT_BYTES]) {
    int P = e->form.prompt ? e->method.length : 0;
    char row[128], pooler[96] = "";
    switch (e->form.readout) {
    case LT_READ_FIRST:
        (void)snprintf(row, sizeof row, "last_hidden_state[0]");
        break;
    case LT_READ_CLS:
        (void)snprintf(row, sizeof row, "last_hidden_state[%d]", P);
        break;
    case LT_READ_LAST:
        (void)snprintf(row, sizeof row, "last_hidden_state[-1]");
        break;
    case LT_READ_TOKENS:
        (void)snprintf(row, sizeof row, "last_hidden_state[%d + i] of token i", P);
        break;
    default:
        (void)snprintf(row, sizeof row, "%s of last_hidden_state[%d:]", pooling_name(e->form.readout), P);
    }
    if (pools(e)) (void)snprintf(pooler, sizeof pooler, "; x = %s(x @ pooler.weight.T + pooler.bias)", act_name(e->arch->pool_act));
    (void)snprintf(text, TEXT_BYTES, "x = %s%s; logits = x @ head.weight.T%s", row, pooler, e->form.bias ? " + head.bias" : "");
}

/* ---- head.safetensors ---- */

/* The base's dense layer: weight [C, C] and bias [C], into `values`. */
static lt_status read_pooler(const lt_export *e, lt_named pooler[2], float *values) {
    static const char *const part[] = {"weight", "bias"};
    int64_t C = e->arch->C;
    lt_st *st = NULL;
    char name[4 * LT_NAME_BYTES];
    LT_TRY(lt_st_open(e->base, &st));
    lt_status rc = LT_OK;
    for (int i = 0; i < 2 && rc == LT_OK; i++) {
        const lt_st_tensor *t = NULL;
        for (int prefixed = 0; prefixed < 2 && !t; prefixed++) {
            (void)snprintf(name, sizeof name, "%s%s.%s", prefixed ? lt_module_prefix(e->arch) : "", lt_module_pooler(e->arch), part[i]);
            t = lt_st_find(st, name);
        }
        pooler[i] = (lt_named){.n_dims = 2 - i, .dim = {C, i ? 0 : C}, .data = values + (i ? C * C : 0)};
        (void)snprintf(pooler[i].name, sizeof pooler[i].name, "pooler.%s", part[i]);
        rc = t ? lt_st_read(st, t, 0, C, 0, i ? 1 : C, pooler[i].data, LT_F32)
               : LT_FAIL(LT_ERR_FORMAT, "%s is missing in %s", name, lt_st_path(st));
    }
    lt_st_close(&st);
    return rc;
}

static lt_status write_head(const lt_export *e) {
    lt_named t[4];
    int n = 0;
    float *values = NULL;
    char *path = NULL;
    lt_status st = LT_OK;
    for (int i = 0; i < e->n; i++)
        if (!strncmp(e->value[i].name, "head.", 5)) t[n++] = e->value[i];
    if (pools(e)) {
        LT_TRY(lt_calloc(&values, e->arch->C * (e->arch->C + 1), sizeof *values, "the pooler"));
        LT_TRY_GOTO(read_pooler(e, t + n, values), st, done);
        n += 2;
    }
    LT_TRY_GOTO(lt_fs_path(&path, "%s/head.safetensors", e->tmp), st, done);
    st = lt_st_write_named(path, t, n);
done:
    free(values);
    free(path);
    return st;
}

/* ---- ltune.json ---- */

static json_t *names_of_labels(const lt_export *e) {
    json_t *list = json_array();
    for (int k = 0; k < e->run->data.K; k++) json_array_append_new(list, json_string(lt_dataset_about(e->run->data.file)->label_name[k]));
    return list;
}

/* Layers that see both ways, text in either form. */
static json_t *open_layers(const lt_export *e, char text[TEXT_BYTES]) {
    json_t *list = json_array();
    text[0] = 0;
    for (int l = 0; l < e->arch->m; l++) {
        size_t at = strlen(text);
        if (e->arch->layer[l].causal) continue;
        json_array_append_new(list, json_integer(l));
        (void)snprintf(text + at, TEXT_BYTES - at, "%s%d", at ? ", " : "", l);
    }
    return list;
}

/* What stands before every text: words, their tokens, and how many special tokens of the text are before them. */
static void add_lead(const lt_export *e, json_t *o) {
    json_t *tokens = json_array();
    for (int i = 0; i < e->n_lead; i++) json_array_append_new(tokens, json_integer(e->lead_token[i]));
    json_object_set_new(o, "prefix", json_string(e->lead));
    json_object_set_new(o, "prefix_tokens", tokens);
    json_object_set_new(o, "prefix_behind", json_integer(e->trial->tuner.lead_begin));
}

static json_t *about(const lt_export *e, const char *how) {
    char layers[TEXT_BYTES];
    json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:I, s:s, s:s, s:o, s:s, s:s, s:s, s:s}", "kind", "ltune-export", "format_version", 1,
                          "trial", e->trial->cfg->name, "method", lt_method_of(&e->trial->cfg->method)->name, "step", (json_int_t)e->step,
                          "base", e->base, "base_fingerprint", lt_model_fingerprint(e->run->model), "labels", names_of_labels(e),
                          "label_of", e->form.readout == LT_READ_TOKENS ? "token" : "text", "pooling", pooling_name(e->form.readout),
                          "head", e->exact ? e->cls.name : "head.safetensors", "logits", how);
    if (o && pools(e)) json_object_set_new(o, "pooler", json_string(act_name(e->arch->pool_act)));
    if (o && e->lead) add_lead(e, o);
    if (o && !e->form.own_masks) json_object_set_new(o, "bidirectional_layers", open_layers(e, layers));
    return o;
}

static void tell(const lt_export *e, const char *how) {
    char layers[TEXT_BYTES];
    json_decref(open_layers(e, layers));
    if (e->exact)
        lt_info("%s: transformers' %s with these files gives the same logits", e->args->dir, e->cls.name);
    else
        lt_info("%s: no class of transformers reads out like this trial, so the files are of the bare model (AutoModel) and the head is in "
                "head.safetensors: %s",
                e->args->dir, how);
    if (!e->exact && e->arch->causal && e->form.readout == LT_READ_LAST && e->form.own_masks && e->form.bias)
        lt_info("  (a head without bias, method.head_bias: false, would be one of transformers' own)");
    if (e->lead)
        lt_warn(
            "before every text stands \"%s\", for which the format has no word: whoever loads %s must put its %d tokens (prefix_tokens in "
            "ltune.json) before those of each text%s, or its numbers mean nothing",
            e->lead, e->args->dir, e->n_lead, e->trial->tuner.lead_begin ? ", behind the special ones that begin it (prefix_behind)" : "");
    if (e->form.padding && !e->exact)
        lt_warn(
            "this trial was trained with method.compat: authors: its rows see the padding of its batches, or pool it; the logits of a text "
            "alone, and those of other programs, differ from what its evaluations say");
    if (!e->form.own_masks)
        lt_warn("this trial was trained with other masks than its architecture's (model.bidirectional; layers that see both ways: %s): the "
                "format has no word for that: whoever loads %s must set these masks, or its numbers mean nothing. ltune.json lists them",
                layers[0] ? layers : "none", e->args->dir);
}

lt_status lt_run_impl_export_about(const lt_export *e) {
    char how[TEXT_BYTES];
    formula(e, how);
    if (!e->exact) LT_TRY(write_head(e));
    LT_TRY(lt_json_write(e->tmp, "ltune.json", about(e, how), JSON_PRESERVE_ORDER));
    tell(e, how);
    return LT_OK;
}
