/* The loop that writes texts; see generate.h.
 *
 * A place of the cache is a seat.  What its sequence holds there and what comes next are numbers on the host, the same on all ranks of a tensor-parallel group.
 *
 *     while seats are taken or prompts wait
 *         seat waiting prompts; pack: the last token of each sequence that is written, then rows of prompts as far as there is room
 *         forward with the cache, scores of the sequences whose prompt has been read
 *         one message of the group: who cannot go on, and words or scores
 *         every rank decides, tells take(), frees seats
 *
 * Data-parallel groups take every dp_size-th text and meet again at the end.
 *
 * Several texts of one prompt.  The first of a group reads it.  When its first token is due, those of the others are drawn from the same scores; they wait
 * for a seat, and get the prompt's rows of one that has them: a copy, or none where such a seat has become free.  No other prompt is begun before all have
 * one. */
#include "model/replay_impl.h"

#include "base/fault.h"
#include "base/signal.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

typedef struct seat {
    int64_t text; /* -1 = free */
    int64_t held; /* prompt whose rows it begins with, read whole or under way; -1 = none */
    int64_t read; /* of the prompt's tokens */
    int32_t rows; /* in the cache */
    int64_t written;
    int32_t last; /* token, not in the cache yet */
} seat;

/* What a rank tells its group in a step: its status, OK unless it cannot go on; then a row for each sequence whose next token is due, its best word or its
 * scores; of a group of one there are no scores to tell. */
enum { STATUS_BYTES = sizeof(int64_t) };
typedef struct best_word {
    float score;
    int32_t id; /* -1: no score is a number */
} best_word;

typedef struct loop {
    lt_model *m;
    const lt_generate_args *a;
    lt_cache *cache;
    lt_replay replay;
    lt_pack pack;
    int64_t texts, samples;    /* of all prompts; of one */
    int64_t seats, room, next; /* rows that a sequence may take; first text that waits */
    int64_t opened;            /* prompt whose texts are being seated; -1 = none yet */
    bool reading;              /* it has not been read whole */
    int32_t *first;            /* [samples] first tokens of its texts; -1 = it was the text's last too */
    seat *seat;                /* [seats] */
    int64_t *speaker;          /* [seats] of the pack at hand: seats whose next token is due, */
    int64_t *row, n_speakers;  /* and their rows of the read-out */
    float *score;              /* [seats, v1 - v0] host, for scores that lie elsewhere */
    const float *scores;       /* of the pack at hand: host */
    int64_t widest;            /* words of the rank that has most */
    size_t row_bytes;          /* of a message */
    unsigned char *mine, *all; /* messages: this rank's, [tp] */
    float *whole;              /* [threads][2][V] scores of all words, scratch; NULL where the best is taken */
    int32_t *token;            /* [seats] what was decided, by speaker */
    lt_generate_counts *counts;
    lt_status status; /* of this rank, for the next message */
} loop;

/* ---- sizes ---- */

static int64_t samples_of(const lt_generate_args *a) { return a->samples > 1 ? a->samples : 1; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t lt_generate_room(const lt_arch *arch, const lt_generate_args *a, int64_t longest) {
    return least(a->front.prompt_rows + longest + a->max_tokens - 1, arch->max_pos - a->front.prefix_len); /* the last token is not read */
}

/* Rows of a pack: of the sequences that are written, and of a prompt the prompt rows and a token at least. */
static int64_t pack_rows(const lt_generate_args *a, int64_t longest) {
    int64_t B = least(a->batch, a->n * samples_of(a)), prompt = a->front.prompt_rows + longest;
    return most(least(a->rows, least(B, a->n) * prompt), B + a->front.prompt_rows);
}

void lt_generate_limits(const lt_arch *arch, const lt_generate_args *a, int64_t longest, lt_model_limits *lim) {
    int64_t B = least(a->batch, a->n * samples_of(a)), room = lt_generate_room(arch, a, longest);
    lim->tokens = most(lim->tokens, pack_rows(a, longest));
    lim->seqs = most(lim->seqs, B);
    lim->max_len = most(lim->max_len, room);
    lim->P_max = most(lim->P_max, a->front.prefix_len);
    if (a->front.bank) {
        lim->P_max = most(lim->P_max, a->front.bank->P_max);
        lim->slots = most(lim->slots, a->front.bank->S);
    }
    lim->positions = most(lim->positions, room + a->front.prefix_len);
    lim->scored = most(lim->scored, B);
}

/* ---- life ---- */

static lt_status check(const loop *k) {
    const lt_generate_args *a = k->a;
    const lt_arch *arch = &k->m->arch;
    LT_ASSERT(a->n > 0 && a->batch > 0 && a->max_tokens > 0 && k->m->with_head && k->seats <= k->m->limits.scored);
    for (int64_t i = 0; i < a->n; i++) {
        int64_t len = a->offset[i + 1] - a->offset[i], rows = len + a->front.prompt_rows;
        LT_CHECK(len > 0, LT_ERR_FORMAT, "text %lld gives no tokens", (long long)i + 1);
        LT_CHECK(rows + a->front.prefix_len <= arch->max_pos, LT_ERR_SHAPE,
                 "text %lld has %lld tokens, but this model has %lld positions%s: shorten it", (long long)i + 1, (long long)len,
                 (long long)arch->max_pos, rows > len || a->front.prefix_len ? ", of which the trial's prompt or prefix takes some" : "");
    }
    return LT_OK;
}

static size_t message_bytes(const loop *k, int64_t rows) { return STATUS_BYTES + (size_t)rows * k->row_bytes; }

static lt_status prepare(loop *k) {
    const lt_generate_args *a = k->a;
    lt_model *m = k->m;
    int64_t longest = 0, V = m->arch.V;
    bool draws = a->sampling.temperature > 0;
    k->samples = samples_of(a);
    k->texts = a->n * k->samples;
    k->seats = least(a->batch, (k->texts + m->grid->dp_size - 1) / m->grid->dp_size);
    LT_TRY(LT_FAULT_POINT("generate.local"));
    for (int64_t i = 0; i < a->n; i++) longest = most(longest, a->offset[i + 1] - a->offset[i]);
    LT_TRY(check(k));
    for (int r = 0; r < m->grid->tp_size; r++) {
        lt_cut cut = lt_arch_cut(&m->arch, m->grid->tp_size, r);
        k->widest = most(k->widest, cut.v1 - cut.v0);
    }
    k->room = least(lt_generate_room(&m->arch, a, longest), m->limits.max_len); /* planned with another front there may be less */
    k->next = m->grid->dp_rank;
    k->opened = -1;
    bool alone = m->grid->tp_size == 1;
    k->row_bytes = !draws ? sizeof(best_word) : alone ? 0 : (size_t)k->widest * sizeof(float);
    LT_TRY(lt_replay_init(m, a->graphs, &k->replay));
    LT_TRY(lt_pack_create(pack_rows(a, longest), k->seats, &k->pack));
    LT_TRY(lt_calloc(&k->seat, k->seats, sizeof *k->seat, "sequences"));
    LT_TRY(lt_calloc(&k->speaker, k->seats, sizeof *k->speaker, "sequences"));
    LT_TRY(lt_calloc(&k->row, k->seats, sizeof *k->row, "sequences"));
    LT_TRY(lt_calloc(&k->token, k->seats, sizeof *k->token, "sequences"));
    LT_TRY(lt_calloc(&k->first, k->samples, sizeof *k->first, "sequences"));
    LT_TRY(lt_calloc(&k->score, k->seats * (m->v1 - m->v0), sizeof *k->score, "scores"));
    LT_TRY(lt_calloc(&k->mine, 1, message_bytes(k, k->seats), "scores"));
    LT_TRY(lt_calloc(&k->all, m->grid->tp_size, message_bytes(k, k->seats), "scores"));
    if (draws) LT_TRY(lt_calloc(&k->whole, m->ctx.threads * 2 * V, sizeof *k->whole, "scores"));
    for (int64_t i = 0; i < k->seats; i++) k->seat[i] = (seat){.text = -1, .held = -1};
    return LT_OK;
}

static void finish(loop *k) {
    void *const owned[] = {k->seat, k->speaker, k->row, k->token, k->first, k->score, k->mine, k->all, k->whole};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    k->counts->replayed = k->replay.replayed;
    lt_replay_fini(&k->replay);
    lt_pack_destroy(&k->pack);
    lt_cache_destroy(&k->cache);
}

/* ---- a step ---- */

static int64_t prompt_of(const loop *k, int64_t text) { return text / k->samples; }
static int64_t length(const loop *k, const seat *s) {
    int64_t p = prompt_of(k, s->text);
    return k->a->offset[p + 1] - k->a->offset[p];
}

/* Adds rows of a seat's sequence. */
static lt_status add(loop *k, int64_t i, lt_pack_seq seq) {
    seat *s = &k->seat[i];
    seq.segment = seq.n;
    seq.slot = k->a->front.slot;
    seq.prefix_len = k->a->front.prefix_len;
    seq.trial = k->a->front.trial;
    seq.start = s->rows;
    seq.home = (int32_t)i;
    s->rows += (int32_t)(seq.prompt_rows + seq.n);
    if (s->read == length(k, s)) {
        k->row[k->n_speakers] = k->pack.n_seq;
        k->speaker[k->n_speakers++] = i;
    }
    return lt_pack_add(&k->pack, &seq);
}

/* The next rows of a prompt, as many as have room. */
static lt_status add_prompt(loop *k, int64_t i) {
    const lt_generate_args *a = k->a;
    seat *s = &k->seat[i];
    int64_t prompt_rows = s->read == 0 ? a->front.prompt_rows : 0, room = k->pack.max_tok - k->pack.n_tok - prompt_rows;
    if (room < 1) return LT_OK;
    const int32_t *tokens = a->tokens + a->offset[prompt_of(k, s->text)] + s->read;
    int64_t n = least(room, length(k, s) - s->read);
    s->read += n;
    k->counts->read += prompt_rows + n;
    return add(k, i, (lt_pack_seq){.tokens = tokens, .n = n, .prompt = a->front.prompt, .prompt_rows = prompt_rows});
}

/* A text that waits gets seat i, whose prompt has been read: its rows are there, or come from a seat that has them. */
static lt_status seat_sample(loop *k, int64_t i, int64_t text) {
    seat *s = &k->seat[i], now = {.text = text, .held = prompt_of(k, text), .written = 1, .last = k->first[text % k->samples]};
    now.read = length(k, &now);
    now.rows = (int32_t)(k->a->front.prompt_rows + now.read);
    if (s->held != now.held) {
        int64_t from = 0;
        while (from < k->seats && k->seat[from].held != now.held) from++;
        LT_ASSERT(from < k->seats); /* seats that had it get nothing else while its texts wait */
        LT_TRY(lt_cache_copy(k->cache, from, i, now.rows));
    }
    *s = now;
    return LT_OK;
}

/* The text that waits at the head, if it can begin now; those that ended with their first token need no seat. */
static bool next_text(loop *k) {
    while (k->next < k->texts && prompt_of(k, k->next) == k->opened) {
        if (k->reading) return false;
        if (k->first[k->next % k->samples] >= 0) return true;
        k->next += k->m->grid->dp_size;
    }
    return k->next < k->texts;
}

/* Seats texts; of free seats those that have the prompt's rows go first. */
static lt_status seat_texts(loop *k) {
    for (int round = 0; round < 2; round++)
        for (int64_t i = 0; i < k->seats && next_text(k); i++) {
            int64_t prompt = prompt_of(k, k->next);
            bool begins = prompt != k->opened;
            if (k->seat[i].text >= 0 || (round == 0 && !begins && k->seat[i].held != prompt)) continue;
            if (begins) {
                k->seat[i] = (seat){.text = k->next, .held = prompt};
                k->opened = prompt;
                k->reading = true;
            } else {
                LT_TRY(seat_sample(k, i, k->next));
            }
            k->next += k->m->grid->dp_size;
        }
    return LT_OK;
}

/* The next pack; empty when all is written. */
static lt_status fill(loop *k) {
    lt_pack_clear(&k->pack);
    k->n_speakers = 0;
    LT_TRY(seat_texts(k));
    for (int64_t i = 0; i < k->seats; i++)
        if (k->seat[i].text >= 0 && k->seat[i].written) LT_TRY(add(k, i, (lt_pack_seq){.tokens = &k->seat[i].last, .n = 1}));
    for (int64_t i = 0; i < k->seats; i++)
        if (k->seat[i].text >= 0 && !k->seat[i].written) LT_TRY(add_prompt(k, i));
    return LT_OK;
}

/* Scores of the rows that were read out, this rank's words, into its message. */
static lt_status write_message(loop *k, const float *scores, int64_t rows) {
    lt_model *m = k->m;
    int64_t V = m->v1 - m->v0;
    if (k->n_speakers == 0) return LT_OK;
    k->scores = m->ctx.ops->host_view(&m->ctx, (void *)(uintptr_t)scores, 1); /* of plain host memory its own address */
    if (k->scores == scores) {
        LT_TRY(m->ctx.ops->wait(&m->ctx, NULL));
    } else {
        LT_TRY(lt_ctx_download(&m->ctx, k->score, scores, (size_t)(rows * V) * sizeof *k->score));
        k->scores = k->score;
    }
    if (k->row_bytes == 0) return LT_OK; /* all scores are here */
#pragma omp parallel for schedule(static) num_threads(m->ctx.threads)
    for (int64_t i = 0; i < k->n_speakers; i++) {
        const float *score = k->scores + k->row[i] * V;
        unsigned char *to = k->mine + message_bytes(k, i);
        if (k->whole) {
            memcpy(to, score, (size_t)V * sizeof *score);
            continue;
        }
        int64_t best = lt_sample_best(score, V);
        best_word word = {best < 0 ? 0 : score[best], best < 0 ? -1 : (int32_t)(m->v0 + best)};
        memcpy(to, &word, sizeof word);
    }
    return LT_OK;
}

/* What a rank said; its row of speaker i. */
static const unsigned char *message_of(const loop *k, int rank) { return k->all + (size_t)rank * message_bytes(k, k->n_speakers); }
static const unsigned char *row_of(const loop *k, int rank, int64_t i) { return message_of(k, rank) + message_bytes(k, i); }

/* The best word of all ranks for speaker i; of equals the lowest, which is on the first rank. */
static int32_t best_of(const loop *k, int64_t i) {
    best_word best = {0, -1}, word;
    for (int r = 0; r < k->m->grid->tp_size; r++) {
        memcpy(&word, row_of(k, r, i), sizeof word);
        if (word.id >= 0 && (best.id < 0 || word.score > best.score)) best = word;
    }
    return best.id;
}

/* Token `place` of a text, drawn from the scores of speaker i. */
static int32_t drawn_of(const loop *k, int64_t i, int64_t text, int64_t place) {
    const lt_model *m = k->m;
    float *work = k->whole + omp_get_thread_num() * 2 * m->arch.V, *gathered = work + m->arch.V;
    const float *score = k->row_bytes ? gathered : k->scores + k->row[i] * m->arch.V;
    for (int r = 0; k->row_bytes && r < m->grid->tp_size; r++) {
        lt_cut cut = lt_arch_cut(&m->arch, m->grid->tp_size, r);
        memcpy(gathered + cut.v0, row_of(k, r, i), (size_t)(cut.v1 - cut.v0) * sizeof *gathered);
    }
    lt_sampling s = k->a->sampling;
    if (k->a->seeds) {
        s.seed = k->a->seeds[prompt_of(k, text)];
        text %= k->samples;
    }
    return (int32_t)lt_sample(&s, score, m->arch.V, (uint64_t)text, (uint32_t)place, work);
}

/* Texts of a prompt that this group writes, behind the one that read it. */
static int64_t others_of(const loop *k, const seat *s) { return (k->samples - 1 - s->text % k->samples) / k->m->grid->dp_size; }

/* Where speaker i has read a prompt: the first tokens of its other texts. */
static void decide_first(loop *k, int64_t i) {
    const seat *s = &k->seat[k->speaker[i]];
    int64_t n = s->written ? 0 : others_of(k, s), step = k->m->grid->dp_size;
#pragma omp parallel for schedule(dynamic, 1) num_threads(k->whole ? k->m->ctx.threads : 1)
    for (int64_t o = 1; o <= n; o++) {
        int64_t text = s->text + o * step;
        k->first[text % k->samples] = k->whole ? drawn_of(k, i, text, 0) : k->token[i];
    }
}

/* Collective(tp).  The one message of a step, and what it says: the token of every speaker, or that some rank cannot go on. */
static lt_status exchange(loop *k) {
    lt_grid *g = k->m->grid;
    int64_t status = k->status;
    memcpy(k->mine, &status, STATUS_BYTES);
    lt_allgather_host(g->tp, k->mine, message_bytes(k, k->n_speakers), k->all);
    for (int r = 0; r < g->tp_size; r++) {
        memcpy(&status, message_of(k, r), STATUS_BYTES);
        if (status != LT_OK) return lt_agree(g->tp, k->status);
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(k->whole ? k->m->ctx.threads : 1)
    for (int64_t i = 0; i < k->n_speakers; i++) {
        const seat *s = &k->seat[k->speaker[i]];
        k->token[i] = k->whole ? drawn_of(k, i, s->text, s->written) : best_of(k, i);
    }
    for (int64_t i = 0; i < k->n_speakers; i++) decide_first(k, i);
    return LT_OK;
}

/* How a sequence stands behind its newest token. */
static lt_end end_of(const loop *k, const seat *s) {
    bool stops = k->a->stop && k->a->stop(k->a->arg, s->text, s->last);
    for (int e = 0; e < k->a->n_eos; e++)
        if (k->a->eos[e] == s->last) return LT_END_EOS;
    if (stops) return LT_END_STOP;
    return s->written == k->a->max_tokens || s->rows == k->room ? LT_END_LENGTH : LT_END_NOT;
}

/* A sequence gets a token (negative: there is none, on all ranks); how it stands. */
static lt_end take_token(loop *k, seat *s, int32_t token, lt_status *st) {
    bool found = token >= 0;
    if (!found && *st == LT_OK)
        *st = LT_FAIL(LT_ERR_NUMERIC, "no score of the next token of text %lld is a number: are the weights damaged?",
                      (long long)s->text + 1);
    s->last = found ? token : 0;
    s->written++;
    k->counts->written++;
    lt_end end = end_of(k, s);
    k->counts->finished += end != LT_END_NOT;
    if (*st == LT_OK) *st = k->a->take(k->a->arg, s->text, s->last, end);
    return end;
}

/* All seats go on, whatever take() says: a rank that fails makes the packs of its group until the next message tells them. */
static lt_status take_tokens(loop *k) {
    lt_status st = LT_OK;
    for (int64_t i = 0; i < k->n_speakers; i++) {
        seat *s = &k->seat[k->speaker[i]];
        const seat read = *s;
        if (take_token(k, s, k->token[i], &st) != LT_END_NOT) s->text = -1;
        if (read.written) continue;
        for (int64_t o = 1, n = others_of(k, &read); o <= n; o++) { /* its prompt has been read: so begin its other texts */
            seat other = read;
            other.text = read.text + o * k->m->grid->dp_size;
            int32_t *first = &k->first[other.text % k->samples];
            if (take_token(k, &other, *first, &st) != LT_END_NOT) *first = -1;
        }
        if (prompt_of(k, read.text) == k->opened)
            k->reading = false; /* else it had one text here, and the next prompt was begun beside it */
    }
    return st;
}

static lt_status check_stop(const loop *k) {
    LT_TRY(LT_FAULT_POINT("generate.step"));
    LT_CHECK(
        !lt_signal_pending(), LT_ERR_STOPPED,
        "stopped by a signal while texts were written: %lld are finished (%lld tokens written); run the same command again to start anew",
        (long long)k->counts->finished, (long long)k->counts->written);
    return LT_OK;
}

/* Collective(tp).  One pack; *more false when there was none. */
static lt_status step(loop *k, bool *more) {
    lt_model *m = k->m;
    lt_readout_rows rows;
    lt_status st = fill(k);
    if (st != LT_OK) lt_fatal(m->grid->world, st);
    *more = k->pack.n_seq > 0;
    if (!*more) return lt_agree(m->grid->tp, k->status);
    const lt_forward_args args = {.pack = &k->pack, .bank = k->a->front.bank, .cache = k->cache, .readout = LT_READ_LAST};
    const float *scores = lt_replay_step(&k->replay, &args, k->n_speakers > 0, &rows);
    LT_KEEP(k->status, write_message(k, scores, rows.n));
    LT_KEEP(k->status, check_stop(k));
    LT_TRY(exchange(k));
    k->counts->steps++;
    k->status = take_tokens(k);
    lt_comm_progress(m->grid->world);
    return LT_OK;
}

lt_status lt_generate(lt_model *m, const lt_generate_args *a, lt_generate_counts *counts) {
    loop k = {.m = m, .a = a, .counts = counts};
    bool more = true;
    double since = lt_time_s();
    *counts = (lt_generate_counts){0};
    lt_status st = lt_agree(m->grid->world, prepare(&k));
    if (st == LT_OK) st = lt_cache_create(m, k.seats, k.room, &k.cache);
    if (st == LT_OK) {
        while (more && st == LT_OK) st = step(&k, &more);
        st = lt_agree(m->grid->world, st);
    }
    counts->seconds = lt_time_s() - since;
    finish(&k);
    return st;
}
