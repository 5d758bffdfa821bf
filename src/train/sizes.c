/* How large a step can be: packs, and everything that is sized by them; memory and work as they are foretold. */
#include "train/run_impl.h"

#include "base/log.h"
#include "base/mem.h"

lt_status lt_run_impl_check_samples(const lt_run *r, const lt_samples *s) {
    LT_CHECK(s->max_len <= r->work.longest, LT_ERR_SHAPE,
             "a sample of %lld tokens is longer than the %lld this run was planned for: set data.max_length", (long long)s->max_len,
             (long long)r->work.longest);
    for (int64_t i = 0; i < s->n && lt_model_arch(r->model)->types == 1; i++)
        LT_CHECK(s->segment[i] == s->offset[i + 1] - s->offset[i], LT_ERR_SHAPE,
                 "sample %lld is a pair of texts, but this model has one token type only (type_vocab_size 1): join the texts when the data "
                 "set is made",
                 (long long)i + 1);
    return LT_OK;
}

enum { LEAST_PACK_ROWS = 1024 }; /* evaluation fills packs too, and matrix products want this much */

/* Rows that a step has on average, all ranks and trials together. */
static double rows_of_step(const lt_run *r) {
    const lt_samples *s = &r->data.train;
    double rows = 0, text = (double)s->total_tokens / (double)s->n, padded = 0;
    for (int64_t i = 0; i < s->n; i++) padded += (double)lt_samples_padded(s, i) / (double)s->n;
    for (int i = 0; i < r->n_trials; i++) {
        double one = lt_tuner_pads(r->tuner[i]) ? padded : text;
        rows += r->trial[i].cfg->train.batch * lt_tuner_candidates(r->tuner[i]) * (one + (double)lt_tuner_rows_most(r->tuner[i]));
    }
    return rows;
}

/* Rows of the longest text with each of its labels, where those are scored against each other; else 0. */
static int64_t rows_of_rivals(const lt_run *r) {
    int64_t most = 0;
    for (int i = 0; i < r->n_trials && !lt_run_impl_only_forward(r); i++) {
        int64_t n = lt_tuner_candidates(r->tuner[i]), rows = n * (r->data.train.max_len + lt_tuner_rows_most(r->tuner[i]));
        if (n > 1 && rows > most) most = rows;
    }
    return most;
}

/* Rows of a pack: what a rank's share of a step takes, with a quarter to spare, up to parallel.tokens; memory that no step fills is not planned.
 * largest: what must lie in one pack. */
static int64_t rows_of_pack(const lt_run *r, int64_t largest) {
    int64_t most = r->most_rows, rows = (int64_t)(1.25 * rows_of_step(r) / r->grid.dp_size) + largest;
    if (rows < LEAST_PACK_ROWS) rows = LEAST_PACK_ROWS;
    return rows < most ? rows : most;
}

/* Features of `head` trials are kept where both splits have room in LT_FEATURES_BYTES of this rank: docs/ARCHITECTURE.md. */
static lt_status keep_features(lt_run *r) {
    const lt_ctx *ctx = lt_model_ctx(r->model);
    int64_t C = lt_model_arch(r->model)->C, dp = r->grid.dp_size;
    int64_t train = (r->data.train.n + dp - 1) / dp, eval = (r->data.eval.n + dp - 1) / dp;
    bool any = false;
    for (int i = 0; i < r->n_trials; i++) any = any || lt_tuner_reads_constants(r->tuner[i]);
    r->work.keep_features = any && r->readout != LT_READ_TOKENS;
    if (!r->work.keep_features || lt_run_impl_only_forward(r)) return LT_OK; /* there, for the samples that are asked for: lt_run_eval */
    if (!lt_run_impl_features_fit(C, train + eval)) return LT_OK;
    LT_TRY(lt_run_impl_features_init(&r->work.train, ctx, C, r->data.train.n, train));
    return lt_run_impl_features_init(&r->work.eval, ctx, C, r->data.eval.n, eval);
}

/* Largest pack. */
static lt_status find_limits(lt_run *r, lt_model_limits *lim) {
    int64_t prompt = 0, ahead = 0, other = 0, max_pos = lt_model_arch(r->model)->max_pos, tokens = r->most_rows;
    int64_t text = r->data.train.max_len > r->data.eval.max_len ? r->data.train.max_len : r->data.eval.max_len;
    int64_t shortest = r->data.train.min_len < r->data.eval.min_len ? r->data.train.min_len : r->data.eval.min_len;
    int max_rank = 0;
    bool backward = false, relative = lt_arch_is_relative(lt_model_arch(r->model));
    for (int i = 0; i < r->n_trials; i++) {
        int rows = lt_tuner_rows_most(r->tuner[i]), slot = lt_tuner_slot_most(r->tuner[i]);
        if (rows > prompt) prompt = rows;
        if (rows + (relative ? 0 : slot) > ahead)
            ahead = rows + (relative ? 0 : slot);           /* a prefix takes no places where scores know distances */
        if (r->labels[i].P > other) other = r->labels[i].P; /* label states run through the same buffers */
        if (r->tuner[i]->P > other) other = r->tuner[i]->P; /* and texts that initialise prefixes, or stand before every input */
        if (r->tuner[i]->lead_most > other) other = r->tuner[i]->lead_most;
        backward = backward || lt_tuner_trains_input(r->tuner[i]) || r->tuner[i]->lead_most; /* whose keys come from there */
        if (r->tuner[i]->adapter_rank > max_rank) max_rank = r->tuner[i]->adapter_rank;
    }
    LT_CHECK(text + ahead <= max_pos, LT_ERR_SHAPE,
             "the longest text of %lld tokens and %lld rows of a prefix or prompt before it pass the %lld positions of this model: lower "
             "data.max_length (now %d) or method.length (of gpta also method.max_prefix_tokens)",
             (long long)text, (long long)ahead, (long long)max_pos, r->cfg->data.max_length);
    /* other splits and predict may bring longer texts: up to data.max_length, as far as model and packs have room */
    int64_t room = max_pos - ahead < tokens - prompt ? max_pos - ahead : tokens - prompt;
    r->work.longest = r->cfg->data.max_length < room ? r->cfg->data.max_length : room;
    if (r->work.longest < text) r->work.longest = text;
    LT_TRY(lt_run_impl_check_samples(r, &r->data.train));
    int64_t max_len = r->work.longest + prompt > other ? r->work.longest + prompt : other;
    int64_t rivals = rows_of_rivals(r);
    *lim = (lt_model_limits){.tokens = r->work.pack_rows = rows_of_pack(r, max_len > rivals ? max_len : rivals),
                             .max_len = max_len,
                             .P_max = r->bank.model.P_max,
                             .slots = r->gpta.bank.model.S > r->bank.model.S ? r->gpta.bank.model.S : r->bank.model.S,
                             .positions = r->work.longest + ahead > other ? r->work.longest + ahead : other,
                             .backward = backward && !lt_run_impl_only_forward(r),
                             .adapters = max_rank > 0,
                             .max_rank = max_rank};
    LT_CHECK(lim->max_len <= lim->tokens, LT_ERR_CONFIG, "parallel.tokens = %lld is less than the longest sequence of %lld rows: raise it",
             (long long)lim->tokens, (long long)lim->max_len);
    LT_CHECK(
        rivals <= lim->tokens, LT_ERR_CONFIG,
        "parallel.tokens = %lld is less than the %lld rows of the longest text with each of the %d labels, which method.objective: all "
        "reads together: raise it or lower data.max_length",
        (long long)tokens, (long long)rivals, r->data.K);
    lim->seqs = lim->tokens / (shortest > 0 ? shortest : 1) + 1;
    if (r->gpta.shares_model) LT_TRY(lt_run_impl_gpta_limits(r, lim));
    if (r->purpose == LT_RUN_GENERATE) {
        lt_generate_args a = lt_run_generate_args(r->cfg);
        a.front = (lt_front){.prefix_len = (int32_t)r->bank.model.P_max, .prompt_rows = prompt};
        lt_generate_limits(lt_model_arch(r->model), &a, r->longest_prompt, lim);
    }
    return LT_OK;
}

/* Rows with which products of C columns fill all multiprocessors of a GPU so many times, with tiles of TILE x 256 numbers; a tile that is begun counts
 * whole, so rounding up would begin another wave. */
static int64_t rows_of_waves(const lt_run *r, int waves) {
    enum { TILE = 128 };
    int64_t C = lt_model_arch(r->model)->C, rows = (int64_t)waves * r->device.info.sms * TILE * 256 / C / TILE * TILE;
    return rows < 256 ? 256 : rows;
}

/* Device memory that collectives take beside their buffers; a plan without the device takes each rank to have a GPU of its own. */
static size_t beside_buffers(const lt_run *r) {
    return r->device.ops->gpu ? lt_grid_gpu_bytes(&r->grid, r->device.ops->gpu, r->most_sharing <= 1, r->gpta.assistant_tp > 1) : 0;
}

/* Whether activations and messages of packs of r->most_rows fit beside weights and trials into so many bytes.  False with a failure: not even the longest
 * sequence fits such a pack. */
static lt_status fits(lt_run *r, size_t free_bytes, bool *fit) {
    enum { SPARE_PERCENT = 6 };
    size_t weights, acts, comm;
    lt_model_limits lim;
    *fit = false;
    LT_TRY(find_limits(r, &lim));
    LT_TRY(lt_model_measure(r->model, &lim));
    lt_model_memory(r->model, &weights, &acts, &comm);
    *fit = weights + acts + comm + r->gpta.assistant_bytes + beside_buffers(r) <= free_bytes / 100 * (100 - SPARE_PERCENT);
    return LT_OK;
}

/* The most whole waves that fit. */
static lt_status fill_memory(lt_run *r, size_t free_bytes) {
    enum { MOST_WAVES = 16 };
    char have[32];
    bool fit;
    for (int waves = MOST_WAVES; waves > 0; waves--) {
        r->most_rows = rows_of_waves(r, waves);
        lt_status st = fits(r, free_bytes, &fit);
        if (fit) return LT_OK;
        if (st != LT_OK && waves < MOST_WAVES) break; /* the last size that could */
        LT_TRY(st);
    }
    return LT_FAIL(LT_ERR_NOMEM, "parallel.tokens auto: the GPU has %s free%s, too little for weights and the smallest packs",
                   lt_bytes_str(have, (double)free_bytes), r->sharing > 1 ? " for each of its ranks" : "");
}

/* Collective(world).  Packs as the checkpoint had them, where each rank's memory has room: other packs are other bits. */
static bool same_as_before(lt_run *r, size_t free_bytes) {
    bool fit = false;
    r->most_rows = r->folder.resume_rows;
    if (fits(r, free_bytes, &fit) != LT_OK) {
        lt_err_clear();
        fit = false;
    }
    bool same = lt_max_host(r->grid.world, !fit) == 0;
    if (same) lt_info("parallel.tokens auto: packs of %lld rows, as before", (long long)r->most_rows);
    return same;
}

bool lt_run_impl_finds_tokens(const lt_run *r) { return !r->cfg->parallel.tokens && r->device.ops->gpu && r->device.index >= 0; }

lt_status lt_run_impl_find_tokens(lt_run *r) {
    size_t free_bytes = 0, total = 0;
    lt_comm *world = r->grid.world;
    bool before = r->purpose == LT_RUN_TRAIN && r->folder.resume_rows;
    r->sharing = r->most_sharing = 1;
    r->most_rows = r->cfg->parallel.tokens ? r->cfg->parallel.tokens : r->device.ops->gpu ? LT_TOKENS_GPU : LT_TOKENS_CPU;
    if (!r->device.ops->gpu || r->device.index < 0) return LT_OK; /* the CPU, or a plan without the device */
    LT_TRY(lt_device_ranks(world, &r->device, &r->sharing));
    r->most_sharing = (int)lt_max_host(world, r->sharing);
    if (r->cfg->parallel.tokens) return LT_OK;
    LT_TRY(lt_agree(world, r->device.ops->gpu->memory(&free_bytes, &total)));
    free_bytes /= (size_t)r->sharing;
    if (before && same_as_before(r, free_bytes)) return LT_OK;
    LT_TRY(lt_agree(world, fill_memory(r, free_bytes)));
    r->most_rows = -lt_max_host(world, -r->most_rows);
    if (before)
        lt_warn(
            "parallel.tokens auto: packs of %lld rows, as before, do not fit into the memory that is free now: %lld from here on, which "
            "changes bits (parallel.tokens: %lld would keep them)",
            (long long)r->folder.resume_rows, (long long)r->most_rows, (long long)r->folder.resume_rows);
    return LT_OK;
}

/* Everything sized by the largest pack. */
lt_status lt_run_impl_sizes(lt_run *r, lt_model_limits *lim) {
    LT_TRY(find_limits(r, lim));
    LT_TRY(keep_features(r));
    return lt_run_impl_step_init(r, lim->tokens, lim->seqs);
}

lt_status lt_run_impl_check_memory(const lt_run *r) {
    const lt_run_estimate *e = &r->estimate;
    size_t need = e->weights + e->activations + e->trials + e->assistant + e->comm, free_bytes = 0, total = 0;
    char want[32], have[32], w[32], a[32], t[32], c[32], helper[32];
    if (r->device.index < 0) return LT_OK;
    LT_TRY(r->device.ops->gpu->memory(&free_bytes, &total));
    free_bytes /= (size_t)r->sharing; /* the other ranks of this GPU take as much before long */
    free_bytes += r->bank.arena.used + r->gpta.bank.arena.used + r->gpta.kv_bytes + r->work.heads.arena.used; /* taken already */
    for (int i = 0; i < r->n_trials; i++) free_bytes += lt_tuner_bytes(r->tuner[i]);
    LT_CHECK(need <= free_bytes, LT_ERR_NOMEM,
             "rank %d on %s needs %s on its GPU (weights %s, activations %s, trials %s, assistant %s, messages %s), %s of %s are free%s\n"
             "  what to do: lower parallel.tokens (now %lld) or the number of trials, raise parallel.tp, or use a GPU with more memory",
             r->grid.rank, lt_comm_host(r->grid.world), lt_bytes_str(want, (double)need), lt_bytes_str(w, (double)e->weights),
             lt_bytes_str(a, (double)e->activations), lt_bytes_str(t, (double)e->trials), lt_bytes_str(helper, (double)e->assistant),
             lt_bytes_str(c, (double)e->comm), lt_bytes_str(have, (double)free_bytes), r->device.info.name,
             r->sharing > 1 ? " for each of the ranks that share it" : "", (long long)r->most_rows);
    return LT_OK;
}

void lt_run_impl_estimate(lt_run *r) {
    lt_run_estimate *e = &r->estimate;
    size_t peak, staging = (size_t)lt_run_impl_staging_elems(r) * sizeof(float); /* while a checkpoint is written or read, on rank 0 */
    lt_model_memory(r->model, &e->weights, &e->activations, &e->comm);
    e->comm += (size_t)(r->work.msg.n + r->bank.gather_elems) * sizeof(float) + beside_buffers(r);
    e->trials = r->gpta.bank.arena.used + r->gpta.kv_bytes + r->bank.arena.used + r->work.heads.arena.used + r->work.rows.arena.used;
    e->trials += (size_t)((r->work.train.cap + r->work.eval.cap) * lt_model_arch(r->model)->C) * sizeof(float);
    lt_mem_resident(&e->process, &peak);
    e->tokens_per_step = rows_of_step(r);
    e->uneven = lt_arch_widest(lt_model_arch(r->model), r->grid.tp_size, NULL);
    e->flops_per_token = 4 * (double)lt_arch_block_weights(lt_model_arch(r->model));
    for (int i = 0; i < r->n_trials; i++) {
        const lt_trial *t = &r->trial[i];
        e->trials += lt_tuner_bytes(&t->tuner);
        e->sentences_per_step += t->cfg->train.batch;
        if (t->steps > e->steps) e->steps = t->steps;
    }
    e->trials += staging;
    e->assistant = r->gpta.assistant_bytes;
    e->total = e->process + e->weights + e->activations + e->trials + e->assistant + e->comm;
    e->weights_shared = lt_model_may_share(r->model);
    e->node_shared = e->weights_shared ? (size_t)r->grid.tp_size * e->weights : 0;
    e->node = e->weights_shared ? (size_t)r->grid.size * (e->total - e->weights) + e->node_shared : (size_t)r->grid.size * e->total;
    e->node -= (size_t)(r->grid.size - 1) * staging;
}

void lt_run_impl_print_memory(const lt_run *r) {
    const lt_run_estimate *e = &r->estimate;
    char p[32], w[32], a[32], c[32], t[32], all[32], helper[32];
    lt_info("memory %s: process %s, weights %s%s, activations %s, trials %s%s%s, communication %s, together %s",
            e->uneven > 1 ? "of rank 0" : "per rank", lt_bytes_str(p, (double)e->process), lt_bytes_str(w, (double)e->weights),
            e->weights_shared ? " (once for the data-parallel ranks of a node)" : "", lt_bytes_str(a, (double)e->activations),
            lt_bytes_str(t, (double)e->trials), e->assistant ? ", assistant " : "",
            e->assistant ? lt_bytes_str(helper, (double)e->assistant) : "", lt_bytes_str(c, (double)e->comm),
            lt_bytes_str(all, (double)e->total));
}
