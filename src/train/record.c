/* What a run tells while it goes: the run log (HDF5) and progress on stderr.  Rank 0 only.
 *
 * Rows go into memory at every step and reach the disk as store/runlog.h says.  A perf row sums the steps since the last one: about one a second,
 * so that a long run of short steps does not fill the file with clock readings.  On a terminal progress is one line that is rewritten; in a file a line
 * comes every 30 seconds and at evaluations. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernels/cpu.h"
#include "store/fs.h"
#include "store/runlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_EVERY_S = 10, LINE_EVERY_S = 30 };

/* Names of the nodes, as the layout lists them: "  NAME: ranks ...". */
static lt_status put_hosts(lt_run *r) {
    char *hosts = NULL;
    size_t at = 0;
    LT_TRY(lt_strdup(&hosts, r->layout));
    for (const char *p = r->layout; (p = strstr(p, "\n  "));) {
        size_t n = strcspn(p += 3, ":\n");
        if (*p == ' ' || p[n] != ':') continue;
        if (at > 0) hosts[at++] = ' ';
        memmove(hosts + at, p, n); /* never longer than the layout itself */
        at += n;
    }
    hosts[at] = 0;
    lt_status st = lt_runlog_put_str(r->record.log, "hosts", hosts);
    free(hosts);
    return st;
}

/* Of a gpta trial: what trains, what it is a control of, and how many training sentences its assistant is shown. */
static lt_status put_dialogue_facts(const lt_run *r, const lt_trial *t) {
    const lt_method_cfg *m = &t->cfg->method;
    lt_runlog *log = r->record.log;
    LT_TRY(lt_runlog_put_trial_str(log, t->cfg->name, "student", lt_methods[lt_method_trained(m)].name));
    LT_TRY(lt_runlog_put_trial_str(log, t->cfg->name, "control", lt_control_words[m->control]));
    LT_TRY(lt_runlog_put_trial_str(log, t->cfg->name, "assistant",
                                   r->cfg->assistant.command[0] ? r->cfg->assistant.command : r->cfg->assistant.model));
    return lt_runlog_put_trial_i64(log, t->cfg->name, "exemplars", m->exemplars);
}

static lt_status put_facts(lt_run *r) {
    char *text = NULL, numbers[64];
    lt_runlog *log = r->record.log;
    LT_TRY(lt_runlog_start(log));
    lt_status st = lt_config_text(r->cfg, &text);
    if (st == LT_OK) st = lt_runlog_put_str(log, "config", text);
    free(text);
    if (st == LT_OK) st = lt_runlog_put_str(log, "layout", r->layout);
    if (st == LT_OK) st = put_hosts(r);
    (void)snprintf(numbers, sizeof numbers, "gcc %s", __VERSION__);
    const struct {
        const char *key, *value;
    } strings[] = {{"version", LT_VERSION},
                   {"git", LT_GIT},
                   {"compiler", numbers},
                   {"dtype", lt_dtype_word(r->dtype)},
                   {"model_sha256", lt_model_fingerprint(r->model)},
                   {"tokenizer_sha256", r->data.tok_sha},
                   {"config_sha256", r->config_sha},
                   {"data_sha256", r->data.sha},
                   {"devices", r->device.index >= 0 ? r->device.info.name : "cpu"},
                   {"device", lt_device_word(&r->device)},
                   {"cpu", lt_cpu_level_name(lt_cpu_level_now())},
                   {"metric", r->data.judge.kind->name},
                   {"resumed_from", r->folder.resume_path ? r->folder.resume_path : ""}};
    const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"ranks", r->grid.size}, {"tp", r->grid.tp_size}, {"dp", r->grid.dp_size},
                {"threads", r->threads}, {"first_step", r->step}, {"train_samples", r->data.train.n},
                {"labels", r->data.K}};
    for (size_t i = 0; st == LT_OK && i < sizeof strings / sizeof *strings; i++)
        st = lt_runlog_put_str(log, strings[i].key, strings[i].value);
    for (size_t i = 0; st == LT_OK && i < sizeof ints / sizeof *ints; i++) st = lt_runlog_put_i64(log, ints[i].key, ints[i].value);
    if (st == LT_OK) st = lt_runlog_put_env(log, "SLURM_");
    for (int i = 0; st == LT_OK && i < r->n_trials; i++) {
        const lt_trial *t = &r->trial[i];
        st = lt_runlog_put_trial_str(log, t->cfg->name, "method", lt_method_of(&t->cfg->method)->name);
        if (st == LT_OK && t->cfg->method.name == LT_METHOD_GPTA) st = put_dialogue_facts(r, t);
        if (st == LT_OK) st = lt_runlog_put_trial_i64(log, t->cfg->name, "trainable", lt_tuner_trainable(&t->tuner));
        if (st == LT_OK) st = lt_runlog_put_trial_i64(log, t->cfg->name, "seed", (int64_t)t->cfg->seed);
        (void)snprintf(numbers, sizeof numbers, "%g", t->cfg->train.lr);
        if (st == LT_OK) st = lt_runlog_put_trial_str(log, t->cfg->name, "lr", numbers);
    }
    return st;
}

/* A run log that cannot be read makes room for a new one. */
static lt_status set_log_aside(lt_run *r, const char *path) {
    lt_warn("the run log cannot be read, a new one begins at step %lld: %s", (long long)r->step, lt_err_last()->msg);
    lt_err_clear();
    LT_TRY(lt_fs_set_aside(path));
    return lt_runlog_open(path, FLUSH_EVERY_S, &r->record.log);
}

static lt_status open_local(lt_run *r) {
    char *path = NULL;
    LT_TRY(LT_FAULT_POINT("run.record"));
    LT_TRY(lt_fs_path(&path, "%s/run.h5", r->cfg->run.dir));
    if (r->cfg->run.resume == LT_RESUME_NEVER && unlink(path) == 0) lt_info("run.resume: never: the earlier %s is removed", path);
    lt_status st = lt_runlog_open(path, FLUSH_EVERY_S, &r->record.log);
    if (st == LT_ERR_FORMAT) st = set_log_aside(r, path); /* training can go on without its past rows */
    free(path);
    if (st != LT_OK) return st;
    lt_runlog_truncate_after(r->record.log, r->step);
    for (int i = 0; r->gpta.of && i < r->n_trials; i++)
        lt_runlog_truncate_rounds(r->record.log, r->trial[i].cfg->name, r->gpta.of[i].talk.rounds);
    LT_TRY(put_facts(r));
    const lt_judge *j = &r->data.judge;
    LT_TRY(lt_runlog_set_classes(r->record.log, lt_run_label_names(r), j->K, (const char *const *)j->tags.type, j->tags.n_types));
    return lt_runlog_flush(r->record.log, true);
}

lt_status lt_run_impl_record_open(lt_run *r) {
    r->last_save_s = lt_time_s();
    r->record.recorded = r->step;
    return lt_agree(r->grid.world, r->grid.rank == 0 ? open_local(r) : LT_OK);
}

/* Rows that are in the log's journal come into run.h5; where that fails they stay in the journal for the next start. */
void lt_run_impl_record_close(lt_run *r) {
    lt_status st = r->record.log ? lt_runlog_finish(r->record.log) : LT_OK;
    if (st != LT_OK) { /* a file server that hiccuped */
        lt_info("the run log was not written and is tried once more: %s", lt_err_last()->msg);
        lt_err_clear();
        st = lt_runlog_finish(r->record.log);
    }
    if (st != LT_OK) {
        lt_warn("the newest rows of the run log are not in run.h5 yet; the next start of the run brings them: %s", lt_err_last()->msg);
        lt_err_clear();
    }
    lt_runlog_close(&r->record.log);
}

/* A row that cannot be kept (no memory) is no reason to lose the run: the next flush tells of it. */
static void keep(lt_run *r, lt_status st) {
    if (st == LT_OK) return;
    r->record.lost++;
    lt_err_clear();
}

static void add_perf(lt_run *r) {
    const lt_run_rates *now = &r->rates, *then = &r->record.base;
    if (now->steps == then->steps) return;
    lt_perf_row row = {.step = r->step,
                       .seconds = now->seconds - then->seconds,
                       .tokens = now->tokens - then->tokens,
                       .sentences = now->sentences - then->sentences,
                       .t_compute = now->compute_s - then->compute_s,
                       .t_comm = now->comm_s - then->comm_s,
                       .t_data = now->data_s - then->data_s,
                       .t_io = now->io_s - then->io_s,
                       .t_linear = now->linear_s - then->linear_s,
                       .t_attention = now->attention_s - then->attention_s};
    keep(r, lt_runlog_add_perf(r->record.log, &row));
    r->record.base = *now;
}

void lt_run_impl_record_step(lt_run *r) {
    if (!r->record.log) return;
    for (int i = 0; i < r->n_trials && r->step > r->record.recorded; i++) {
        const lt_trial *t = &r->trial[i];
        if (t->step != r->step || t->state == LT_TRIAL_NUMERIC) continue;
        lt_train_row row = {.step = t->step, .loss = t->loss, .lr = t->lr, .grad_norm = t->grad_norm};
        keep(r, lt_runlog_add_train(r->record.log, t->cfg->name, &row));
    }
    r->record.recorded = r->step;
    if (r->rates.seconds - r->record.base.seconds >= 1) add_perf(r);
}

void lt_run_impl_record_eval(lt_run *r, int trial, const char *split, const lt_metrics *m, const int64_t *detail, double seconds) {
    const lt_trial *t = &r->trial[trial];
    const char *name = t->cfg->name;
    bool is_best = t->best.step == t->step;
    char text[256];
    if (!r->record.log) return;
    lt_eval_row row = {.step = t->step,
                       .loss = m->loss,
                       .accuracy = m->accuracy,
                       .mcc = m->mcc,
                       .f1 = m->f1,
                       .sequences = m->n,
                       .seconds = seconds,
                       .precision = m->precision,
                       .recall = m->recall,
                       .micro_f1 = m->micro_f1,
                       .macro_f1 = m->macro_f1,
                       .weighted_f1 = m->weighted_f1,
                       .precision_strict = m->precision_strict,
                       .recall_strict = m->recall_strict,
                       .f1_strict = m->f1_strict,
                       .token_f1 = m->token_f1,
                       .broken_truth = m->broken_truth,
                       .broken_predicted = m->broken_predicted};
    (void)snprintf(row.split, sizeof row.split, "%s", split);
    keep(r, lt_runlog_add_eval(r->record.log, name, &row));
    keep(r, lt_runlog_add_detail(r->record.log, name, t->step, split, is_best, detail));
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    lt_info("step %lld/%lld  %s  %s: %s%s", (long long)t->step, (long long)t->steps, name, split,
            lt_metrics_text(r->data.judge.kind, m, text, sizeof text), is_best ? "  (best)" : "");
}

lt_status lt_run_impl_record_flush(lt_run *r, bool force) {
    if (r->record.log && force) add_perf(r);
    lt_status st = r->record.log ? lt_runlog_flush(r->record.log, force) : LT_OK;
    if (r->record.lost) lt_warn("%lld rows of metrics were lost: no memory for them", (long long)r->record.lost);
    r->record.lost = 0;
    if (force) return lt_agree(r->grid.world, st);
    if (st != LT_OK) { /* rank 0's own affair: the rows are kept for the next flush */
        lt_warn("the run log was not written and will be tried again: %s", lt_err_last()->msg);
        lt_err_clear();
    }
    return LT_OK;
}

void lt_run_impl_progress(lt_run *r, bool last) {
    double now = lt_time_s(), since = now - r->record.progress_s;
    bool terminal = isatty(STDERR_FILENO);
    int64_t total = 0;
    double loss = 0;
    int running = 0;
    if (r->grid.rank != 0 || (!last && since < (terminal ? 0.2 : LINE_EVERY_S))) return;
    for (int i = 0; i < r->n_trials; i++) {
        const lt_trial *t = &r->trial[i];
        if (t->steps > total) total = t->steps;
        if (t->state == LT_TRIAL_NUMERIC) continue;
        loss += t->loss;
        running++;
    }
    double per_step = (r->rates.seconds + r->eval_s + r->rates.io_s) / (double)(r->rates.steps ? r->rates.steps : 1);
    int64_t eta = (int64_t)(per_step * (double)(total - r->step));
    r->record.progress_s = now;
    if (!lt_log_on(LT_LOG_INFO)) return;
    char line[256];
    (void)snprintf(line, sizeof line, "step %lld/%lld  mean loss %.4f  %.0f sentences/s  ETA %lld:%02lld", (long long)r->step,
                   (long long)total, running ? loss / running : 0,
                   (double)r->rates.sentences / (r->rates.seconds > 0 ? r->rates.seconds : 1), (long long)(eta / 60),
                   (long long)(eta % 60));
    if (terminal)
        fprintf(stderr, "\r\033[K%s%s", line, last ? "\n" : "");
    else
        lt_info("%s", line);
}

void lt_run_impl_record_dialogue(lt_run *r, int trial, const lt_dialogue_row *row) {
    if (r->record.log) keep(r, lt_runlog_add_dialogue(r->record.log, r->trial[trial].cfg->name, row));
}
