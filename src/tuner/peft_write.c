/* Writing PEFT's folders; see peft.h. */
#include "tuner/peft_impl.h"

#include "base/mem.h"
#include "store/fs.h"
#include "store/json.h"
#include "store/safetensors_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lt_status lt_peft_check(const lt_arch *a, const lt_method_cfg *c) {
    const char *name = lt_method_of(c)->name;
    int shared = 1 << LT_TARGET_Q | 1 << LT_TARGET_K;
    LT_CHECK(c->name == LT_METHOD_LORA || c->name == LT_METHOD_PROMPT || c->name == LT_METHOD_PREFIX, LT_ERR_CONFIG,
             "method.name: PEFT has no form for %s: what it trains %s; lora, prompt and prefix have one", name,
             lt_method_of(c)->pairs ? "depends on the label that is judged" : "is a head and nothing inside the model");
    LT_CHECK(
        c->name != LT_METHOD_LORA || !lt_arch_is_relative(a) || !a->relative.shared || !(c->targets & shared), LT_ERR_CONFIG,
        "method.targets: this model (%s) makes its relative positions with the matrices of q and k (share_att_key); elsewhere an update "
        "of these changes the positions too, here it does not: such a trial cannot be said in PEFT; train others of v, o, up, down",
        a->model_type);
    LT_CHECK(
        c->name != LT_METHOD_PREFIX || !lt_arch_is_relative(a), LT_ERR_CONFIG,
        "method.name: transformers' %s takes no keys and values from outside, so that a prefix cannot be said in PEFT: lora and prompt can",
        a->model_type);
    return LT_OK;
}

/* ---- adapter_config.json ---- */

/* A whole number as one. */
static json_t *number(double x) { return x == floor(x) && fabs(x) < 1e15 ? json_integer((json_int_t)x) : json_real(x); }

/* What every kind says. */
static json_t *common(const lt_peft *p, const char *type) {
    json_t *save = p->cls ? json_pack("[s]", p->cls->head) : json_null();
    return json_pack("{s:n, s:s, s:b, s:o, s:s, s:n, s:s}", "auto_mapping", "base_model_name_or_path", p->base, "inference_mode", 1,
                     "modules_to_save", save, "peft_type", type, "revision", "task_type",
                     p->cls ? p->cls->tokens ? "TOKEN_CLS" : "SEQ_CLS" : "FEATURE_EXTRACTION");
}

/* Names that tell PEFT which modules it shall update, and their own rank and alpha where they are not the file's. */
static void add_targets(const lt_peft *p, const lt_update *u, bool own, json_t *targets, json_t *ranks, json_t *alphas) {
    const char *end = lt_module_short(p->arch, &u->module);
    double alpha = lt_lora_scale(p->cfg) * (p->cfg->scaling == LT_SCALING_RSLORA ? sqrt((double)u->R) : (double)u->R);
    for (int l = 0; l < (end ? 1 : p->arch->m); l++) {
        char name[LT_NAME_BYTES];
        lt_module_name(&u->module, l, name);
        json_array_append_new(targets, json_string(end ? end : name));
        if (!own) continue;
        json_object_set_new(ranks, end ? end : name, json_integer((json_int_t)u->R));
        json_object_set_new(alphas, end ? end : name, number(alpha));
    }
}

static json_t *lora_config(const lt_peft *p, const lt_update *u, int n) {
    json_t *o = common(p, "LORA"), *targets = json_array(), *ranks = json_object(), *alphas = json_object();
    bool rs = p->cfg->scaling == LT_SCALING_RSLORA, same = true, turned = false;
    for (int i = 0; i < n; i++) {
        same = same && u[i].R == u[0].R;
        turned = turned || u[i].module.turned;
    }
    int64_t R = same ? u[0].R : p->cfg->rank, parts = R / p->cfg->rank;
    for (int i = 0; i < n; i++) add_targets(p, &u[i], u[i].R != R, targets, ranks, alphas);
    json_t *own = json_pack("{s:I, s:o, s:f, s:o, s:s, s:b, s:b, s:o, s:o, s:b, s:b}", "r", (json_int_t)R, "lora_alpha",
                            number(p->cfg->alpha * (rs ? sqrt((double)parts) : (double)parts)), "lora_dropout", p->cfg->dropout,
                            "target_modules", targets, "bias", "none", "fan_in_fan_out", turned, "use_rslora", rs, "rank_pattern", ranks,
                            "alpha_pattern", alphas, "use_dora", 0, "init_lora_weights", 1);
    if (o && own) json_object_update(o, own);
    json_decref(own);
    return o;
}

static json_t *rows_config(const lt_peft *p, int64_t P) {
    const lt_arch *a = p->arch;
    bool prefix = p->cfg->name == LT_METHOD_PREFIX;
    json_t *o = common(p, prefix ? "PREFIX_TUNING" : "PROMPT_TUNING"), *own;
    json_int_t wide = prefix ? (json_int_t)a->Hkv * a->D : a->C;
    own = json_pack("{s:I, s:I, s:i, s:i, s:i}", "num_virtual_tokens", (json_int_t)P, "token_dim", wide, "num_layers", a->m,
                    "num_attention_heads", prefix ? a->Hkv : a->H, "num_transformer_submodules", 1);
    if (o && own) json_object_update(o, own);
    json_decref(own);
    own = prefix ? json_pack("{s:b, s:n}", "prefix_projection", 0, "encoder_hidden_size")
                 : json_pack("{s:s}", "prompt_tuning_init", "RANDOM");
    if (o && own) json_object_update(o, own);
    json_decref(own);
    return o;
}

/* ---- adapter_model.safetensors ---- */

static lt_status declare(lt_st_writer *w, const char *name, int64_t rows, int64_t cols) {
    int64_t dim[2] = {rows, cols};
    return lt_st_write_declare(w, name, LT_F32, cols ? 2 : 1, dim);
}

static void tensor_name(char name[2 * LT_NAME_BYTES], const lt_peft *p, const lt_module *module, int layer, char which) {
    char path[LT_NAME_BYTES];
    lt_module_name(module, layer, path);
    (void)snprintf(name, 2 * LT_NAME_BYTES, "base_model.model.%s%s.lora_%c.weight", p->cls ? lt_module_prefix(p->arch) : "", path, which);
}

/* The head, where the file has it; `before`: what stands before its name. */
static lt_status declare_head(lt_st_writer *w, const lt_peft *p, const lt_named *value, int n, const char *before) {
    char name[2 * LT_NAME_BYTES];
    const lt_named *weight = lt_peft_impl_value(value, n, "head.weight");
    if (!p->cls) return LT_OK;
    LT_ASSERT(weight);
    (void)snprintf(name, sizeof name, "%s%s.weight", before, p->cls->head);
    LT_TRY(declare(w, name, weight->dim[0], weight->dim[1]));
    if (!p->cls->bias) return LT_OK;
    (void)snprintf(name, sizeof name, "%s%s.bias", before, p->cls->head);
    return declare(w, name, weight->dim[0], 0);
}

static lt_status add_head(lt_st_writer *w, const lt_peft *p, const lt_named *value, int n) {
    const lt_named *weight = lt_peft_impl_value(value, n, "head.weight"), *bias = lt_peft_impl_value(value, n, "head.bias");
    if (!p->cls) return LT_OK;
    LT_TRY(lt_st_write_add(w, weight->data, lt_named_elems(weight) * (int64_t)sizeof(float)));
    if (!p->cls->bias) return LT_OK;
    for (int64_t k = 0; k < weight->dim[0]; k++) LT_TRY(lt_st_write_add(w, bias ? &bias->data[k] : &(float){0}, sizeof(float)));
    return LT_OK;
}

static lt_status write_lora(lt_st_writer *w, const lt_peft *p, const lt_named *value, int n, lt_update *u, int n_updates) {
    char name[2 * LT_NAME_BYTES];
    for (int l = 0; l < p->arch->m; l++)
        for (int i = 0; i < n_updates; i++) {
            tensor_name(name, p, &u[i].module, l, 'A');
            LT_TRY(declare(w, name, u[i].R, u[i].module.K));
            tensor_name(name, p, &u[i].module, l, 'B');
            LT_TRY(declare(w, name, u[i].module.N, u[i].R));
        }
    LT_TRY(declare_head(w, p, value, n, "base_model.model."));
    for (int l = 0; l < p->arch->m; l++)
        for (int i = 0; i < n_updates; i++) {
            LT_TRY(lt_update_fill(&u[i], p, value, n, l));
            LT_TRY(lt_st_write_add(w, u[i].A, u[i].R * u[i].module.K * (int64_t)sizeof(float)));
            LT_TRY(lt_st_write_add(w, u[i].B, u[i].module.N * u[i].R * (int64_t)sizeof(float)));
        }
    return add_head(w, p, value, n);
}

/* Rows of a reparametrised prefix: W2 tanh(W1 e + b1) + b2, summed in double. */
static lt_status make_rows(const lt_named *value, int n, int64_t P, int64_t E, float *rows) {
    static const char *const name[] = {"prefix.embedding", "prefix.mlp.0.weight", "prefix.mlp.0.bias", "prefix.mlp.2.weight",
                                       "prefix.mlp.2.bias"};
    const float *v[5];
    int64_t mlp = 0, C = 0;
    double *h = NULL;
    for (int i = 0; i < 5; i++) {
        const lt_named *t = lt_peft_impl_value(value, n, name[i]);
        LT_CHECK(t, LT_ERR_FORMAT, "the trial has no value %s", name[i]);
        v[i] = t->data;
        if (i == 1) mlp = t->dim[0], C = t->dim[1];
    }
    LT_TRY(lt_calloc(&h, mlp, sizeof *h, "rows of a prefix"));
    for (int64_t r = 0; r < P; r++) {
        for (int64_t k = 0; k < mlp; k++) {
            h[k] = v[2][k];
            for (int64_t c = 0; c < C; c++) h[k] += (double)v[1][k * C + c] * v[0][r * C + c];
            h[k] = tanh(h[k]);
        }
        for (int64_t e = 0; e < E; e++) {
            double sum = v[4][e];
            for (int64_t k = 0; k < mlp; k++) sum += v[3][e * mlp + k] * h[k];
            rows[r * E + e] = (float)sum;
        }
    }
    free(h);
    return LT_OK;
}

static lt_status write_rows(lt_st_writer *w, const lt_peft *p, const lt_named *value, int n, int64_t P) {
    bool prefix = p->cfg->name == LT_METHOD_PREFIX;
    int64_t wide = prefix ? (int64_t)p->arch->m * 2 * p->arch->Hkv * p->arch->D : p->arch->C;
    const lt_named *rows = lt_peft_impl_value(value, n, prefix ? "prefix.rows" : "prompt.rows");
    float *made = NULL;
    LT_TRY(declare_head(w, p, value, n, "base_model."));
    LT_TRY(declare(w, "prompt_embeddings", P, wide));
    LT_TRY(add_head(w, p, value, n));
    if (rows) return lt_st_write_add(w, rows->data, P * wide * (int64_t)sizeof(float));
    LT_TRY(lt_calloc(&made, P * wide, sizeof *made, "rows of a prefix"));
    lt_status st = make_rows(value, n, P, wide, made);
    if (st == LT_OK) st = lt_st_write_add(w, made, P * wide * (int64_t)sizeof(float));
    free(made);
    return st;
}

lt_status lt_peft_write(const char *dir, const lt_peft *p, const lt_named *value, int n) {
    lt_update *u = NULL;
    lt_st_writer *w = NULL;
    char *path = NULL;
    int n_updates = 0;
    bool lora = p->cfg->name == LT_METHOD_LORA;
    lt_status st = LT_OK;
    LT_TRY(lt_peft_check(p->arch, p->cfg));
    if (lora) LT_TRY_GOTO(lt_updates_list(p, &u, &n_updates), st, done);
    LT_TRY_GOTO(lt_json_write(dir, LT_PEFT_CONFIG, lora ? lora_config(p, u, n_updates) : rows_config(p, p->cfg->length), JSON_SORT_KEYS),
                st, done);
    LT_TRY_GOTO(lt_fs_path(&path, "%s/%s", dir, LT_PEFT_TENSORS), st, done);
    LT_TRY_GOTO(lt_st_write_begin(path, &w), st, done);
    LT_TRY_GOTO(lora ? write_lora(w, p, value, n, u, n_updates) : write_rows(w, p, value, n, p->cfg->length), st, done);
    st = lt_st_write_commit(&w);
done:
    lt_st_write_cancel(&w);
    lt_updates_free(u, n_updates);
    free(path);
    return st;
}
