/* A decoder as assistant: all ranks hold it together in a grid of its own, or it is the student's model; see assistant.h.
 *
 * A question is one prompt of lt_generate and its answers are samples of it, so the question is read once a group.  Data-parallel groups share the answers out,
 * and every rank gets all of them.
 *
 * An answer is one line: it ends with an end-of-text token, with the line that has its first word, or after assistant.max_tokens.  What a token does to a
 * line is looked up in a table that is made when the assistant opens, one entry a word of the vocabulary: so the loop that writes has nothing to decode and
 * nothing that can fail.  Half a character, of which a byte-level vocabulary has many, is taken for a letter. */
#include "assistant/assistant_impl.h"
#include "assistant/dialogue_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 512, AT_ONCE = 64 }; /* of a pack that a question may fill; answers that are written together, at most */

/* What a token says: a word; a line's end; a line's end behind a word of its own.  KNOWN: the tokenizer has it. */
enum { SAYS_WORD = 1, SAYS_LINE = 2, SAYS_END = 4, SAYS_KNOWN = 8 };

typedef struct writer {
    lt_assistant base;
    lt_grid own_grid;
    lt_model *own;       /* NULL where it is the student's */
    lt_model *model;     /* borrowed */
    const lt_grid *grid; /* borrowed */
    lt_tok *tok;
    unsigned char *says; /* [V] */
    int64_t question;    /* its tokens, at most */
    int32_t eos[LT_MAX_EOS];
    int n_eos;
} writer;

/* One question. */
typedef struct asking {
    const writer *w;
    lt_ids ids;
    lt_written *text; /* [n] */
    bool *word;       /* [n] the answer has a word already */
    int n;
} asking;

/* ---- sizes ---- */

static lt_generate_args args_of(const lt_assistant_cfg *c, int most, int groups) {
    int64_t batch = (most + groups - 1) / groups;
    return (lt_generate_args){.n = 1,
                              .samples = most,
                              .front = lt_front_none,
                              .max_tokens = c->max_tokens,
                              .sampling = {.temperature = c->temperature, .top_p = c->top_p},
                              .batch = batch < AT_ONCE ? batch : AT_ONCE,
                              .rows = ROWS};
}

/* Tokens of a question, at most: an answer shall have room behind it, or half of the positions where there are few. */
static int64_t question_of(const lt_assistant_args *a, const lt_arch *arch) {
    int64_t room = arch->max_pos + 1 - a->cfg->max_tokens, half = (arch->max_pos + 1) / 2;
    if (room < half) room = half;
    return a->longest < room ? a->longest : room;
}

lt_status lt_assistant_limits(const lt_assistant_args *a, const lt_arch *arch, lt_model_limits *limits) {
    lt_generate_args g = args_of(a->cfg, a->most, 1);
    lt_generate_limits(arch, &g, question_of(a, arch), limits);
    return LT_OK;
}

/* ---- life ---- */

/* What s [n] says; *end: where the line with its first word ends, n if it does not. */
static unsigned char says_of(const char *s, size_t n, size_t *end) {
    unsigned char says = 0;
    *end = n;
    for (size_t i = 0; i < n;) {
        int bytes;
        int32_t c = lt_char_at(s + i, n - i, &bytes);
        lt_char_kind kind = c < 0 || c == 0xFFFD ? LT_CHAR_LETTER : lt_char_kind_of(c);
        if (kind == LT_CHAR_LETTER) says |= SAYS_WORD;
        if (kind == LT_CHAR_LINE) {
            if (says & SAYS_WORD && !(says & SAYS_END)) *end = i;
            says |= says & SAYS_WORD ? SAYS_LINE | SAYS_END : SAYS_LINE;
        }
        i += (size_t)bytes;
    }
    return says;
}

/* The table of what tokens say. */
static lt_status read_vocabulary(writer *w, int64_t V) {
    int64_t n = lt_tok_vocab_size(w->tok);
    LT_TRY(lt_calloc(&w->says, V, 1, "an assistant's vocabulary"));
    for (int32_t id = 0; id < V && id < n; id++) {
        char *text = NULL;
        size_t bytes = 0, end;
        lt_status st = lt_tok_decode(w->tok, &id, 1, true, &text, &bytes);
        if (st == LT_ERR_ARG) { /* a row that is no word: it says nothing */
            lt_err_clear();
            continue;
        }
        LT_TRY(st);
        w->says[id] = SAYS_KNOWN | says_of(text, bytes, &end);
        free(text);
    }
    return LT_OK;
}

static void close_model(lt_assistant *a) {
    writer *w = (writer *)a;
    lt_tok_close(&w->tok);
    lt_model_destroy(&w->own);
    if (w->own_grid.world) lt_grid_destroy(&w->own_grid);
    free(w->says);
    free(w);
}

/* Local.  Ranks that hold a model of its own together: as assistant.tp says, else as many as can. */
static lt_status choose_tp(const lt_assistant_args *a, const lt_comm *world, int ranks, const lt_arch *arch, int *tp) {
    *tp = a->cfg->tp ? a->cfg->tp : lt_generate_tp(ranks == lt_comm_size(world) ? world : NULL, ranks, arch);
    LT_CHECK(ranks % *tp == 0, LT_ERR_CONFIG, "assistant.tp: %d does not divide the %d ranks of this run", *tp, ranks);
    return lt_arch_check_tp(arch, *tp);
}

/* Local.  All but the model. */
static lt_status open_local(const lt_assistant_args *a, int ranks, writer *w, lt_arch *arch, int *tp) {
    LT_TRY(LT_FAULT_POINT("assistant.open"));
    LT_TRY(lt_arch_read(a->cfg->model, arch));
    if (!a->student) LT_TRY(choose_tp(a, w->base.world, ranks, arch, tp));
    LT_TRY(lt_tok_open(a->cfg->model, &w->tok));
    LT_TRY(read_vocabulary(w, arch->V));
    w->question = question_of(a, arch);
    return lt_generate_eos(a->cfg->model, w->eos, &w->n_eos);
}

/* Collective(world).  A model beside the student's, nothing of it in memory yet. */
static lt_status create(const lt_assistant_args *a, lt_grid *grid, bool sizes_only, lt_model_limits *limits, lt_model **m) {
    lt_model_options opt = {
        .ops = a->ops, .compute = lt_generate_dtype(a->ops), .threads = a->threads, .head = true, .sizes_only = sizes_only && a->ops->gpu};
    LT_TRY(lt_model_create(a->cfg->model, grid, &opt, m));
    lt_generate_args g = args_of(a->cfg, a->most, grid->dp_size);
    *limits = (lt_model_limits){0};
    lt_generate_limits(lt_model_arch(*m), &g, question_of(a, lt_model_arch(*m)), limits);
    return lt_agree(grid->world, lt_model_measure(*m, limits));
}

lt_status lt_assistant_impl_measure_model(const lt_assistant_args *a, lt_comm *world, int ranks, size_t *bytes) {
    lt_arch arch;
    lt_model *m = NULL;
    lt_model_limits limits;
    size_t weights, activations, comm;
    lt_grid grid = {.world = world, .size = ranks};
    lt_status st = lt_arch_read(a->cfg->model, &arch);
    if (st == LT_OK) st = choose_tp(a, world, ranks, &arch, &grid.tp_size);
    LT_TRY(lt_agree(world, st));
    grid.dp_size = ranks / grid.tp_size;
    (void)lt_arch_widest(&arch, grid.tp_size, &grid.tp_rank);
    st = create(a, &grid, true, &limits, &m);
    if (st == LT_OK) {
        lt_model_memory(m, &weights, &activations, &comm);
        *bytes = weights + activations + comm + (a->ops->gpu ? lt_grid_gpu_bytes(&grid, a->ops->gpu, true) : 0);
    }
    lt_model_destroy(&m);
    return st;
}

/* Collective(world). */
static lt_status load(const lt_assistant_args *a, writer *w, int tp) {
    lt_model_limits limits;
    LT_TRY(lt_grid_create(w->base.world, tp, &w->own_grid));
    w->grid = &w->own_grid;
    LT_TRY(create(a, &w->own_grid, false, &limits, &w->own));
    w->model = w->own;
    LT_TRY(lt_model_plan(w->own, &limits));
    return lt_model_load(w->own);
}

static void name(writer *w, const char *path) {
    size_t end = strlen(path), from;
    while (end > 1 && path[end - 1] == '/') end--;
    for (from = end; from > 0 && path[from - 1] != '/';) from--;
    int n = snprintf(w->base.name, sizeof w->base.name, "%.*s%s, ", (int)(end - from < 160 ? end - from : 160), path + from,
                     w->own ? "" : ", the student's own model");
    char groups[32] = "";
    if (w->grid->dp_size > 1) (void)snprintf(groups, sizeof groups, "%d groups of ", w->grid->dp_size);
    (void)snprintf(w->base.name + n, sizeof w->base.name - (size_t)n, "%s%d rank%s", groups, w->grid->tp_size,
                   w->grid->tp_size == 1 ? "" : "s");
}

/* ---- a question ---- */

static bool stops(void *arg, int64_t text, int32_t token) {
    asking *q = arg;
    unsigned char says = q->w->says[token];
    bool end = says & SAYS_END || (says & SAYS_LINE && q->word[text]);
    q->word[text] = q->word[text] || says & SAYS_WORD;
    return end;
}

static lt_status take(void *arg, int64_t text, int32_t token, lt_end end) {
    asking *q = arg;
    LT_TRY(LT_FAULT_POINT("assistant.take"));
    LT_TRY(lt_ids_push(&q->text[text].token, token));
    q->text[text].end = end;
    return LT_OK;
}

static void forget(asking *q) {
    lt_ids_free(&q->ids);
    lt_written_free(q->text, q->n);
    free(q->word);
}

/* Local, the same on all ranks.  Tokens of a question, without their middle where they are too many.  *problem: why there is nothing to ask. */
static lt_status read_question(asking *q, const char *prompt, int n, char **problem) {
    const writer *w = q->w;
    LT_TRY(LT_FAULT_POINT("assistant.ask"));
    LT_TRY(lt_calloc(&q->text, n, sizeof *q->text, "answers"));
    q->n = n;
    LT_TRY(lt_calloc(&q->word, n, sizeof *q->word, "answers"));
    lt_status st = lt_tok_encode(w->tok, prompt, strlen(prompt), true, &q->ids, NULL);
    if (st == LT_ERR_FORMAT || st == LT_ERR_ARG) {
        st = lt_strdup(problem, lt_err_last()->msg);
        lt_err_clear();
        return st;
    }
    LT_TRY(st);
    int64_t V = lt_model_arch(w->model)->V, more = q->ids.n - w->question, head = w->question / 2;
    if (q->ids.n == 0) return lt_strdup(problem, "the question has no tokens");
    for (int64_t i = 0; i < q->ids.n; i++)
        if (q->ids.id[i] >= V)
            return lt_strdup(problem, "its tokenizer gives tokens that the model does not know: they do not belong together");
    if (more > 0) {
        memmove(q->ids.id + head, q->ids.id + head + more, (size_t)(w->question - head) * sizeof *q->ids.id);
        q->ids.n = w->question;
    }
    return LT_OK;
}

/* Local.  The line of an answer that has its first word, and blank ones before it. */
static lt_status say(const writer *w, const lt_written *answer, char **text) {
    lt_ids known = {0};
    size_t bytes = 0, end;
    lt_status st = LT_OK;
    for (int64_t i = 0; st == LT_OK && i < answer->token.n; i++)
        if (w->says[answer->token.id[i]] & SAYS_KNOWN) st = lt_ids_push(&known, answer->token.id[i]);
    if (st == LT_OK) st = lt_tok_decode(w->tok, known.id, known.n, true, text, &bytes);
    lt_ids_free(&known);
    LT_TRY(st);
    (void)says_of(*text, bytes, &end);
    (*text)[end < LT_ANSWER_BYTES ? end : LT_ANSWER_BYTES] = 0;
    return LT_OK;
}

static lt_status say_all(const asking *q, lt_answers *out) {
    LT_TRY(LT_FAULT_POINT("assistant.answers"));
    LT_TRY(lt_calloc(&out->text, q->n, sizeof *out->text, "answers"));
    for (; out->n < q->n; out->n++) LT_TRY(say(q->w, &q->text[out->n], &out->text[out->n]));
    return LT_OK;
}

/* Collective(world).  Writes into q; with fewer answers at once where memory is short for their keys and values. */
static lt_status write_answers(asking *q, uint64_t seed, lt_answers *out) {
    const writer *w = q->w;
    const int64_t offset[2] = {0, q->ids.n};
    lt_generate_args g = args_of(w->base.cfg, q->n, w->grid->dp_size);
    lt_generate_counts counts;
    lt_status st;
    g.tokens = q->ids.id;
    g.offset = offset;
    g.sampling.seed = seed;
    g.eos = w->eos;
    g.n_eos = w->n_eos;
    g.stop = stops;
    g.take = take;
    g.arg = q;
    while ((st = lt_generate(w->model, &g, &counts)) == LT_ERR_NOMEM && g.batch > 1 &&
           lt_max_host(w->base.world, counts.steps) == 0) { /* agreed: so do all */
        lt_err_clear();
        g.batch /= 2;
    }
    if (st == LT_ERR_NUMERIC) { /* what it did wrong */
        lt_err_clear();
        return lt_agree(w->base.world, lt_strdup(&out->problem, "no score of a next token is a number: are its weights damaged?"));
    }
    LT_TRY(st);
    double sum[] = {(double)counts.read, (double)counts.written};
    lt_sum_host(w->grid->dp, sum, 2);
    out->read = (int64_t)sum[0];
    out->written = (int64_t)sum[1];
    return LT_OK;
}

static lt_status ask_model(lt_assistant *a, const char *prompt, int n, uint64_t seed, lt_answers *out) {
    asking q = {.w = (const writer *)a};
    lt_status st = lt_agree(a->world, read_question(&q, prompt, n, &out->problem));
    if (st != LT_OK || out->problem) goto done;
    LT_TRY_GOTO(write_answers(&q, seed, out), st, done);
    if (out->problem) goto done;
    LT_TRY_GOTO(lt_generate_gather(q.w->grid, q.text, n), st, done);
    st = lt_agree(a->world, say_all(&q, out));
done:
    forget(&q);
    return st;
}

static const lt_assistant_kind model_kind = {ask_model, close_model};

lt_status lt_assistant_impl_open_model(const lt_assistant_args *a, lt_comm *world, lt_assistant **out) {
    lt_arch arch;
    writer *w = NULL;
    int tp = 1;
    lt_status st = lt_agree(world, lt_calloc(&w, 1, sizeof *w, "an assistant"));
    if (st != LT_OK) goto done;
    w->base = (lt_assistant){.kind = &model_kind, .cfg = a->cfg, .world = world, .most = a->most};
    w->model = a->student;
    w->grid = a->grid;
    LT_TRY_GOTO(lt_agree(world, open_local(a, lt_comm_size(world), w, &arch, &tp)), st, done);
    if (!a->student) LT_TRY_GOTO(load(a, w, tp), st, done);
    name(w, a->cfg->model);
done:
    if (st != LT_OK && w) close_model(&w->base);
    if (st == LT_OK) *out = &w->base;
    return st;
}
