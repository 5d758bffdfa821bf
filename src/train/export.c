/* `ltune export`: from a checkpoint to a folder; see export.h.
 *
 * The folder is made under a temporary name beside its own and renamed when it is whole. */
#include "train/export_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nothing of the user's is overwritten. */
static lt_status check_target(const char *dir) {
    char **names;
    int n = 0;
    struct stat info;
    if (stat(dir, &info) != 0) return LT_OK;
    LT_CHECK(S_ISDIR(info.st_mode), LT_ERR_ARG, "%s is a file: name another folder with -o", dir);
    LT_TRY(lt_fs_list(dir, &names, &n));
    free(names);
    LT_CHECK(n == 0, LT_ERR_ARG, "%s is there already and not empty: remove it, or name another folder with -o", dir);
    return LT_OK;
}

static lt_status read_values(lt_export *e, lt_ckpt *ck) {
    const lt_tuner *t = &e->trial->tuner;
    LT_TRY(lt_calloc(&e->values, lt_tuner_trainable(t), sizeof *e->values, "trained values"));
    lt_run_impl_views(e->run, (int)(e->trial - e->run->trial), e->values, e->value);
    e->n = t->n_params;
    e->step = lt_ckpt_about(ck)->step;
    return lt_ckpt_get_named(ck, e->trial->cfg->name, "params", e->value, e->n);
}

static bool has_own_masks(const lt_arch *a) {
    for (int l = 0; l < a->m; l++)
        if (a->layer[l].causal != a->causal) return false;
    return true;
}

/* PEFT takes modules by the end of their names: for a head `classifier` it wants `pre_classifier` in the file as well, which is the base's here. */
static bool takes_pooler_too(const lt_export *e) {
    const char *pooler = lt_module_pooler(e->arch);
    size_t n = pooler ? strlen(pooler) : 0, k = strlen(e->cls.head);
    return !e->args->merged && n >= k && !strcmp(pooler + n - k, e->cls.head);
}

static void find_form(lt_export *e) {
    const lt_run *r = e->run;
    const lt_method_cfg *m = &e->method;
    e->form = (lt_head_form){.readout = r->readout,
                             .pooler = lt_model_has_pooler(r->model),
                             .prompt = m->name == LT_METHOD_PROMPT,
                             .bias = m->head_bias == LT_HEAD_BIAS,
                             .own_masks = has_own_masks(e->arch),
                             .padding = lt_tuner_pads(&e->trial->tuner)};
    e->exact = lt_hf_class_of(e->arch, &e->form, &e->cls);
    if (e->exact && !e->cls.tokens && takes_pooler_too(e)) e->exact = false;
    e->peft = (lt_peft){.arch = e->arch, .cfg = m, .base = e->base, .cls = e->exact ? &e->cls : NULL};
}

/* The prefix of a gpta trial, where a folder can say what to do with it: put its tokens before those of the text. */
static lt_status read_lead(lt_export *e, lt_ckpt *ck) {
    const lt_tuner *t = &e->trial->tuner;
    const char *name = e->trial->cfg->name;
    int trial = (int)(e->trial - e->run->trial), before = t->lead_in_rows ? 0 : t->lead_begin;
    char *text = NULL;
    if (t->lead_most == 0) return LT_OK;
    LT_TRY(lt_ckpt_get_str(ck, name, "dialogue", &text));
    lt_status st = lt_run_impl_gpta_recall(e->run, trial, text, &e->lead_token, &e->n_lead);
    free(text);
    if (st != LT_OK || e->n_lead == 0) return st;
    LT_CHECK(e->method.name == LT_METHOD_LORA || (e->method.name == LT_METHOD_HEAD && t->lead_joins && e->run->readout == LT_READ_LAST),
             LT_ERR_CONFIG,
             "trial %s: its prefix stands beside the rows of a text, which no form of others has: of gpta only lora students, and heads of "
             "causal models that read the last row, can be exported; the prefix is in the run log (ltune-report --dialogue %s)",
             name, name);
    e->n_lead -= before;
    memmove(e->lead_token, e->lead_token + before, (size_t)e->n_lead * sizeof *e->lead_token);
    e->lead = lt_dialogue_in_use(&e->run->gpta.of[trial].talk)->text;
    return LT_OK;
}

static lt_status check_method(const lt_export *e) {
    const lt_method_cfg *m = &e->method;
    LT_CHECK(
        !e->args->merged || m->name == LT_METHOD_LORA || m->name == LT_METHOD_HEAD, LT_ERR_CONFIG,
        "trial %s: %s stands before the text and cannot be merged into weights: only lora and head can; PEFT's format holds prompt and "
        "prefix (--format peft)",
        e->trial->cfg->name, lt_method_of(m)->name);
    LT_CHECK(e->args->merged || m->name != LT_METHOD_HEAD, LT_ERR_CONFIG,
             "trial %s trains a head and nothing else, for which PEFT has no form: use --format merged", e->trial->cfg->name);
    return m->name == LT_METHOD_HEAD ? LT_OK : lt_peft_check(e->arch, m);
}

/* A prefix beside windows: elsewhere it is text that slides out of sight. */
static void warn_windows(const lt_export *e) {
    bool windows = false;
    for (int l = 0; l < e->arch->m; l++) windows = windows || e->arch->layer[l].window > 0;
    if (windows && (e->method.name == LT_METHOD_PREFIX || (e->lead && !e->trial->tuner.lead_in_rows)))
        lt_warn(
            "this model has sliding windows: here every row sees the prefix, while transformers counts it as text that slides out of the "
            "window: on texts near or beyond the window its numbers are others");
}

static lt_status make_folder(lt_export *e) {
    LT_TRY(lt_fs_temp_name(e->args->dir, &e->tmp));
    LT_TRY(lt_fs_mkdirs(e->tmp));
    if (e->args->merged)
        LT_TRY(lt_run_impl_merge(e));
    else
        LT_TRY(lt_peft_write(e->tmp, &e->peft, e->value, e->n));
    LT_TRY(lt_run_impl_export_about(e));
    warn_windows(e);
    return lt_fs_rename(e->tmp, e->args->dir, true);
}

/* What a failure leaves. */
static void remove_folder(const char *dir) {
    char **names, *path;
    int n = 0;
    if (!dir || lt_fs_list(dir, &names, &n) != LT_OK) return;
    for (int i = 0; i < n; i++)
        if (lt_fs_path(&path, "%s/%s", dir, names[i]) == LT_OK) {
            (void)unlink(path);
            free(path);
        }
    (void)rmdir(dir);
    free(names);
}

/* Rank 0. */
static lt_status export_local(lt_run *r, int trial, const lt_export_args *args, lt_ckpt *ck) {
    lt_export e = {.run = r, .args = args, .trial = &r->trial[trial], .arch = lt_model_arch(r->model)};
    e.method = e.trial->cfg->method;
    e.method.name = (int)lt_method_trained(&e.method);
    lt_status st = LT_FAULT_POINT("run.export");
    e.base = realpath(r->cfg->model.path, NULL);
    if (st == LT_OK && !e.base) st = LT_FAIL(LT_ERR_IO, "cannot open the model folder %s: %s", r->cfg->model.path, strerror(errno));
    if (st == LT_OK) st = check_target(args->dir);
    if (st == LT_OK) st = check_method(&e);
    if (st == LT_OK) st = read_lead(&e, ck);
    if (st == LT_OK) find_form(&e);
    if (st == LT_OK) st = read_values(&e, ck);
    if (st == LT_OK) st = make_folder(&e);
    if (st != LT_OK) {
        lt_err_record first = *lt_err_last(); /* cleaning up may fail too */
        remove_folder(e.tmp);
        *lt_err_last() = first;
    }
    free(e.values);
    free(e.lead_token);
    free(e.base);
    free(e.tmp);
    return st;
}

lt_status lt_run_export(lt_run *r, int trial, const lt_export_args *args) {
    lt_ckpt *ck = NULL;
    LT_TRY(lt_run_impl_open_trial(r, args->which, trial, &ck));
    lt_status st = lt_agree(r->grid.world, ck ? export_local(r, trial, args, ck) : LT_OK);
    lt_ckpt_close(&ck);
    return st;
}
