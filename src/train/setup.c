/* From a configuration to a run that can step: data, model, trials, bank, memory plan; and the run folder.
 *
 * Local work that may fail is gathered in functions without communication; lt_run_create agrees after each. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lt_status open_data(lt_run *r) {
    const lt_config *c = r->cfg;
    LT_TRY(LT_FAULT_POINT("run.data"));
    LT_TRY(lt_config_require(c, "model.path"));
    LT_TRY(lt_config_require(c, "data.path"));
    LT_CHECK(access(c->model.path, F_OK) == 0, LT_ERR_IO, "cannot open the model folder %s: %m: check model.path", c->model.path);
    LT_TRY(lt_tok_open(c->model.path, &r->tok));
    LT_TRY(lt_tok_sha256(r->tok, r->tok_sha));
    LT_TRY(lt_dataset_open(c->data.path, &r->data));
    LT_TRY(lt_dataset_check_tokenizer(r->data, r->tok_sha, c->model.path));
    r->K = (int)lt_dataset_about(r->data)->n_labels;
    r->by_mcc = !strcmp(lt_dataset_about(r->data)->task, "cola");
    return LT_OK;
}

/* One split of the data set as samples. */
lt_status lt_run_impl_read_samples(lt_run *r, const char *name, int64_t limit, lt_samples *s) {
    lt_dataset_split split = {0};
    LT_TRY(lt_dataset_read(r->data, name, &split));
    lt_status st = lt_samples_create(&split, r->cfg->data.max_length, limit, r->tok, lt_model_arch(r->model)->V, s);
    if (st == LT_OK && s->truncated)
        lt_info("split %s: %lld of %lld samples are longer than data.max_length = %d tokens and were cut", name, (long long)s->truncated,
                (long long)s->n, r->cfg->data.max_length);
    lt_dataset_split_fini(&split);
    return st;
}

lt_status lt_run_impl_check_samples(const lt_run *r, const lt_samples *s) {
    LT_CHECK(s->max_len <= r->longest, LT_ERR_SHAPE,
             "a sample of %lld tokens is longer than the %lld this run was planned for: set data.max_length", (long long)s->max_len,
             (long long)r->longest);
    for (int64_t i = 0; i < s->n && lt_model_arch(r->model)->types == 1; i++)
        LT_CHECK(s->segment[i] == s->offset[i + 1] - s->offset[i], LT_ERR_SHAPE,
                 "sample %lld is a pair of texts, but this model has one token type only (type_vocab_size 1): join the texts when the data "
                 "set is made",
                 (long long)i + 1);
    return LT_OK;
}

static lt_status list_labels(lt_run *r) {
    size_t bytes = 0;
    FILE *f = open_memstream(&r->label_list, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the names of the labels");
    for (int k = 0; k < r->K; k++) fprintf(f, "%s%s", k ? "\n" : "", lt_dataset_about(r->data)->label_name[k]);
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the names of the labels");
    return LT_OK;
}

/* What a run learns from and is judged by: both splits as cut, and the labels. */
static lt_status fingerprint_data(lt_run *r) {
    const lt_dataset_info *info = lt_dataset_about(r->data);
    const lt_samples *both[] = {&r->train, &r->eval};
    lt_sha *sha = NULL;
    LT_TRY(lt_sha_begin(&sha));
    for (int i = 0; i < 2; i++) {
        const lt_samples *s = both[i];
        lt_sha_add(sha, &s->n, sizeof s->n);
        lt_sha_add(sha, s->offset, (size_t)(s->n + 1) * sizeof *s->offset);
        lt_sha_add(sha, s->segment, (size_t)s->n * sizeof *s->segment);
        lt_sha_add(sha, s->label, (size_t)s->n * sizeof *s->label);
        lt_sha_add(sha, s->tokens, (size_t)s->total_tokens * sizeof *s->tokens);
    }
    for (int k = 0; k < r->K; k++) {
        lt_sha_add(sha, info->label_name[k], strlen(info->label_name[k]) + 1);
        lt_sha_add(sha, info->label_words[k], strlen(info->label_words[k]) + 1);
    }
    return lt_sha_finish(&sha, r->data_sha);
}

/* model.dtype: as told, as the checkpoint says on resume, or the faster of the two on this machine (rank 0 measures for all). */
static lt_status choose_dtype(lt_run *r, lt_comm *world) {
    const lt_config *c = r->cfg;
    lt_arch arch;
    lt_status st = LT_OK;
    /* one number for all: updates are mirrored, and the bits of a matrix product depend on its threads */
    r->threads = (int)-lt_max_host(world, -lt_comm_default_threads(world, c->parallel.threads));
    r->dtype = c->model.dtype == LT_DTYPE_CFG_BF16 ? LT_BF16 : LT_F32;
    if (c->model.dtype == LT_DTYPE_CFG_AUTO && r->resume_path) { /* the bits of a run depend on it; evaluation computes as training did */
        r->dtype = r->resume_dtype;
        return LT_OK;
    }
    if (c->model.dtype != LT_DTYPE_CFG_AUTO && r->purpose != LT_RUN_PLAN) return LT_OK;
    if (lt_comm_rank(world) == 0) {
        double f32 = 0, bf16 = 0;
        lt_dtype best = LT_F32;
        st = lt_arch_read(c->model.path, &arch);
        if (st == LT_OK) st = lt_cpu_probe_dtype(r->threads, 512, arch.F / c->parallel.tp, arch.C, &best, &f32, &bf16);
        if (c->model.dtype == LT_DTYPE_CFG_AUTO) r->dtype = best;
        if (st == LT_OK) r->estimate.gflops = r->dtype == LT_BF16 ? bf16 : f32;
        if (st == LT_OK) lt_info("dtype auto: f32 %.0f, bf16 %.0f GFLOP/s here: %s", f32, bf16, lt_dtype_name(r->dtype));
    }
    LT_TRY(lt_agree(world, st));
    lt_bcast_host(world, &r->dtype, sizeof r->dtype, 0);
    return LT_OK;
}

static lt_readout choose_readout(const lt_run *r) {
    switch (r->cfg->model.pool) {
    case LT_POOL_CFG_FIRST:
        return LT_READ_FIRST;
    case LT_POOL_CFG_CLS:
        return LT_READ_CLS;
    case LT_POOL_CFG_LAST:
        return LT_READ_LAST;
    case LT_POOL_CFG_MEAN:
        return LT_READ_MEAN;
    case LT_POOL_CFG_MAX:
        return LT_READ_MAX;
    default:
        return lt_model_arch(r->model)->causal ? LT_READ_LAST : LT_READ_CLS;
    }
}

static lt_status open_model(lt_run *r) {
    const lt_config *c = r->cfg;
    lt_arch arch;
    int *both = NULL;
    lt_status st = lt_arch_read(c->model.path, &arch);
    if (st == LT_OK && c->model.bidirectional != LT_BIDIRECTIONAL_AUTO) {
        st = lt_calloc(&both, arch.m, sizeof *both, "mask modes");
        for (int l = 0; st == LT_OK && l < arch.m; l++) both[l] = c->model.bidirectional == LT_BIDIRECTIONAL_ALL;
        for (int i = 0; st == LT_OK && i < c->model.n_bidirectional_layers; i++) {
            int l = c->model.bidirectional_layers[i];
            if (l < 0 || l >= arch.m)
                st = LT_FAIL(LT_ERR_CONFIG, "model.bidirectional: layer %d is not one of this model's layers 0 to %d", l, arch.m - 1);
            else
                both[l] = 1;
        }
    }
    st = lt_agree(r->grid.world, st);
    if (st == LT_OK)
        st = lt_model_create(c->model.path, &r->grid,
                             &(lt_model_options){.compute = r->dtype, .threads = r->threads, .bidirectional = both}, &r->model);
    free(both);
    return st;
}

static lt_status make_trials(lt_run *r) {
    const lt_config *c = r->cfg;
    const lt_dataset_info *info = lt_dataset_about(r->data);
    bool encoder = !lt_model_arch(r->model)->causal;
    LT_TRY(LT_FAULT_POINT("run.trials"));
    r->readout = choose_readout(r);
    LT_TRY(lt_run_impl_read_samples(r, c->data.train, c->data.limit, &r->train));
    LT_TRY(lt_run_impl_read_samples(r, c->data.eval, 0, &r->eval));
    if (r->purpose == LT_RUN_TRAIN) LT_TRY(fingerprint_data(r));
    LT_TRY(list_labels(r));
    r->n_trials = c->n_trials;
    LT_TRY(lt_calloc(&r->trial, r->n_trials, sizeof *r->trial, "trials"));
    LT_TRY(lt_calloc(&r->labels, r->n_trials, sizeof *r->labels, "trials"));
    LT_TRY(lt_calloc(&r->tuner, r->n_trials, sizeof *r->tuner, "trials"));
    LT_TRY(lt_calloc(&r->segment, r->n_trials, sizeof *r->segment, "trials"));
    for (int i = 0; i < r->n_trials; i++) {
        LT_TRY(lt_labels_create(r->K, info->label_name, info->label_words, &c->trial[i].method, r->tok, encoder, &r->labels[i]));
        LT_TRY(lt_trial_create(&c->trial[i], lt_model_arch(r->model), lt_model_ctx(r->model), &r->labels[i], r->train.n, &r->trial[i]));
        r->tuner[i] = &r->trial[i].tuner;
        if (r->tuner[i]->n_out > r->ld) r->ld = r->tuner[i]->n_out;
        LT_CHECK(encoder || r->readout != LT_READ_FIRST || r->tuner[i]->n_prompts == 0, LT_ERR_CONFIG,
                 "model.pool: first reads the first prompt row of trial %s, which sees no text in a causal model, so nothing could be "
                 "learned: use "
                 "last, mean or max",
                 c->trial[i].name);
    }
    return lt_run_impl_bank_create(r);
}

enum { LEAST_PACK_ROWS = 1024 }; /* evaluation fills packs too, and matrix products want this much */

/* Rows that a step has on average, all ranks and trials together. */
static double rows_of_step(const lt_run *r) {
    double rows = 0, text = (double)r->train.total_tokens / (double)r->train.n;
    for (int i = 0; i < r->n_trials; i++) {
        lt_tuner_input in = lt_tuner_input_of(r->tuner[i], 0);
        rows += r->trial[i].cfg->train.batch * (text + (double)in.prompt_rows);
    }
    return rows;
}

/* Rows of a pack: what a rank's share of a step takes, with a quarter to spare, up to parallel.tokens; memory that no step fills is not planned. */
static int64_t rows_of_pack(const lt_run *r, int64_t longest) {
    int64_t most = r->cfg->parallel.tokens, rows = (int64_t)(1.25 * rows_of_step(r) / r->grid.dp_size) + longest;
    if (rows < LEAST_PACK_ROWS) rows = LEAST_PACK_ROWS;
    return rows < most ? rows : most;
}

/* Largest pack and everything sized by it. */
static lt_status size_steps(lt_run *r, lt_model_limits *lim) {
    int64_t prompt = 0, ahead = 0, other = 0, max_pos = lt_model_arch(r->model)->max_pos, tokens = r->cfg->parallel.tokens;
    int64_t text = r->train.max_len > r->eval.max_len ? r->train.max_len : r->eval.max_len;
    int64_t shortest = r->train.min_len < r->eval.min_len ? r->train.min_len : r->eval.min_len, items = 0, C = lt_model_arch(r->model)->C;
    for (int i = 0; i < r->n_trials; i++) {
        if (r->tuner[i]->n_prompts && r->tuner[i]->P > prompt) prompt = r->tuner[i]->P;
        if ((r->tuner[i]->n_slots || r->tuner[i]->n_prompts) && r->tuner[i]->P > ahead) ahead = r->tuner[i]->P;
        if (r->labels[i].P > other) other = r->labels[i].P; /* label states run through the same buffers */
        if (r->tuner[i]->P > other) other = r->tuner[i]->P; /* and texts that initialise prefixes */
        items += r->trial[i].cfg->train.batch;
    }
    LT_CHECK(text + ahead <= max_pos, LT_ERR_SHAPE,
             "the longest text of %lld tokens and %lld rows of a prefix or prompt before it pass the %lld positions of this model: lower "
             "data.max_length (now %d) or method.length",
             (long long)text, (long long)ahead, (long long)max_pos, r->cfg->data.max_length);
    /* other splits and predict may bring longer texts: up to data.max_length, as far as model and packs have room */
    int64_t room = max_pos - ahead < tokens - prompt ? max_pos - ahead : tokens - prompt;
    r->longest = r->cfg->data.max_length < room ? r->cfg->data.max_length : room;
    if (r->longest < text) r->longest = text;
    LT_TRY(lt_run_impl_check_samples(r, &r->train));
    int64_t max_len = r->longest + prompt > other ? r->longest + prompt : other;
    *lim = (lt_model_limits){.tokens = r->pack_rows = rows_of_pack(r, max_len),
                             .max_len = max_len,
                             .P_max = r->bank.P_max,
                             .slots = r->bank.S,
                             .positions = r->longest + ahead > other ? r->longest + ahead : other,
                             .backward = true};
    LT_CHECK(lim->max_len <= lim->tokens, LT_ERR_CONFIG, "parallel.tokens = %lld is less than the longest sequence of %lld rows: raise it",
             (long long)lim->tokens, (long long)lim->max_len);
    lim->seqs = lim->tokens / (shortest > 0 ? shortest : 1) + 1;
    LT_TRY(lt_batch_create(items, &r->batch));
    LT_TRY(lt_pack_create(lim->tokens, lim->seqs, &r->pack));
    LT_TRY(lt_calloc(&r->logits, lim->seqs * r->ld, sizeof *r->logits, "logits"));
    LT_TRY(lt_calloc(&r->d_logits, lim->seqs * r->ld, sizeof *r->d_logits, "logits"));
    LT_TRY(lt_calloc(&r->row_loss, lim->seqs, sizeof *r->row_loss, "losses"));
    LT_TRY(lt_calloc(&r->row_weight, lim->seqs, sizeof *r->row_weight, "losses"));
    LT_TRY(lt_calloc(&r->row_target, lim->seqs, sizeof *r->row_target, "losses"));
    return lt_calloc(&r->d_out, lim->seqs * C, sizeof *r->d_out, "gradients of the read-out");
}

/* The message lies in comm's memory; heads add their gradients there directly. */
static lt_status make_message(lt_run *r) {
    LT_TRY(lt_buffer_alloc(r->grid.world, (size_t)r->msg.n * sizeof(float), &r->msg.buf));
    r->msg.data = lt_buffer_data(r->msg.buf);
    int64_t at = r->msg.direct;
    for (int i = 0; i < r->n_trials; i++)
        for (int k = 0; k < r->tuner[i]->n_params; k++) {
            lt_param *p = &r->tuner[i]->param[k];
            if (!p->direct) continue;
            p->grad = r->msg.data + at;
            at += lt_named_elems(&p->value);
        }
    return LT_OK;
}

lt_status lt_run_impl_plan_grid(lt_run *r, int ranks) {
    int tp = r->cfg->parallel.tp;
    LT_CHECK(ranks > 0 && ranks % tp == 0, LT_ERR_SHAPE, "%d ranks do not divide into groups of parallel.tp = %d", ranks, tp);
    r->grid.size = ranks;
    r->grid.tp_size = tp;
    r->grid.dp_size = ranks / tp;
    return LT_OK;
}

static void estimate(lt_run *r) {
    lt_run_estimate *e = &r->estimate;
    size_t peak;
    lt_model_memory(r->model, &e->weights, &e->activations, &e->comm);
    e->comm += (size_t)r->msg.n * sizeof(float);
    lt_mem_resident(&e->process, &peak);
    e->tokens_per_step = rows_of_step(r);
    e->flops_per_token = 4 * (double)lt_arch_block_weights(lt_model_arch(r->model));
    for (int i = 0; i < r->n_trials; i++) {
        const lt_trial *t = &r->trial[i];
        e->trials += lt_tuner_bytes(&t->tuner);
        e->sentences_per_step += t->cfg->train.batch;
        if (t->steps > e->steps) e->steps = t->steps;
    }
    e->total = e->process + e->weights + e->activations + e->trials + e->comm;
}

static void print_memory(const lt_run *r) {
    const lt_run_estimate *e = &r->estimate;
    char p[32], w[32], a[32], c[32], t[32], all[32];
    lt_info("memory per rank: process %s, weights %s, activations %s, trials %s, communication %s, together %s",
            lt_bytes_str(p, (double)e->process), lt_bytes_str(w, (double)e->weights), lt_bytes_str(a, (double)e->activations),
            lt_bytes_str(t, (double)e->trials), lt_bytes_str(c, (double)e->comm), lt_bytes_str(all, (double)e->total));
}

lt_status lt_run_impl_setup(lt_run *r) {
    lt_model_limits limits;
    lt_comm *world = r->grid.world;
    char text[512];
    LT_TRY(lt_agree(world, open_data(r)));
    LT_TRY(choose_dtype(r, world));
    LT_TRY(open_model(r));
    LT_TRY(lt_agree(world, make_trials(r)));
    LT_TRY(lt_agree(world, size_steps(r, &limits)));
    lt_arch_describe(lt_model_arch(r->model), text, sizeof text);
    lt_info("model %s: %s", r->cfg->model.path, text);
    LT_TRY(lt_agree(world, lt_model_measure(r->model, &limits)));
    estimate(r);
    if (r->purpose == LT_RUN_PLAN) return LT_OK;
    LT_TRY(lt_comm_describe(world, r->threads, &r->layout));
    lt_info("layout: tp %d x dp %d, kernels for %s\n%s", r->grid.tp_size, r->grid.dp_size, lt_cpu_level_name(lt_cpu_level_now()),
            r->layout);
    print_memory(r);
    LT_TRY(lt_model_plan(r->model, &limits));
    LT_TRY(make_message(r));
    double t0 = lt_time_s();
    LT_TRY(lt_model_load(r->model));
    double mb = 1e-6 * (double)lt_model_bytes_read(r->model);
    lt_sum_host(world, &mb, 1);
    lt_info("weights: %.1f MB read by %d rank%s in %.2f s", mb, r->grid.size, r->grid.size == 1 ? "" : "s together", lt_time_s() - t0);
    return LT_OK;
}

void lt_run_impl_teardown(lt_run *r) {
    for (int i = 0; r->trial && i < r->n_trials; i++) lt_trial_destroy(&r->trial[i]);
    for (int i = 0; r->labels && i < r->n_trials; i++) lt_labels_destroy(&r->labels[i]);
    lt_run_impl_bank_destroy(r);
    lt_batch_destroy(&r->batch);
    lt_pack_destroy(&r->pack);
    lt_samples_destroy(&r->train);
    lt_samples_destroy(&r->eval);
    lt_dataset_close(&r->data);
    lt_tok_close(&r->tok);
    lt_model_destroy(&r->model);
    lt_lock_release(&r->lock);
    void *const owned[] = {r->trial,      r->labels, r->tuner,  r->segment,     r->logits, r->d_logits, r->row_loss,  r->row_weight,
                           r->row_target, r->d_out,  r->ck_dir, r->resume_path, r->layout, r->settings, r->label_list};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}
