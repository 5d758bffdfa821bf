/* A decoder as assistant: all ranks hold it together in a grid of its own, or it is the student's model; see assistant.h.
 *
 * A question is a prompt of lt_generate and its answers are samples of it, so the question is read once a group.  Data-parallel groups share the answers out,
 * and every rank gets all of them.  Questions that are asked together fill the seats of those that have ended.
 *
 * An answer is one line: it ends with an end-of-text token, with the line that has its first word, or after assistant.max_tokens.  What a token does to a
 * line is looked up in a table that is made when the assistant opens, one entry a word of the vocabulary: so the loop that writes has nothing to decode and
 * nothing that can fail.  Half a character, of which a byte-level vocabulary has many, is taken for a letter. */
#include "assistant/assistant_impl.h"
#include "assistant/dialogue_impl.h"

#include "base/fault.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Rows of a pack that questions may fill; answers that are written together: of one question, and of several (more rows are little more work to a step: see
 * "few rows" in ARCHITECTURE.md). */
enum { ROWS = 512, AT_ONCE = 64, TOGETHER = 32 };

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

/* The questions that can be asked, of those at hand. */
typedef struct asking {
    const writer *w;
    lt_ids ids;       /* their tokens */
    int64_t *offset;  /* [count + 1] */
    uint64_t *seed;   /* [count] */
    int *which;       /* [count] number among those at hand */
    int count, n;     /* questions; answers to each */
    lt_written *text; /* [count * n] */
    bool *word;       /* [count * n] the answer has a word already */
} asking;

/* ---- sizes ---- */

static lt_generate_args args_of(const lt_assistant_cfg *c, int questions, int most, int groups) {
    int64_t one = (most + groups - 1) / groups, all = ((int64_t)questions * most + groups - 1) / groups,
            batch = one < AT_ONCE ? one : AT_ONCE;
    if (batch < TOGETHER) batch = all < TOGETHER ? all : TOGETHER;
    return (lt_generate_args){.n = questions,
                              .samples = most,
                              .front = lt_front_none,
                              .max_tokens = c->max_tokens,
                              .sampling = {.temperature = c->temperature, .top_p = c->top_p},
                              .batch = batch,
                              .rows = ROWS};
}

/* Tokens of a question, at most: an answer shall have room behind it, or half of the positions where there are few. */
static int64_t question_of(const lt_assistant_args *a, const lt_arch *arch) {
    int64_t room = arch->max_pos + 1 - a->cfg->max_tokens, half = (arch->max_pos + 1) / 2;
    if (room < half) room = half;
    return a->longest < room ? a->longest : room;
}

lt_status lt_assistant_limits(const lt_assistant_args *a, const lt_arch *arch, lt_model_limits *limits) {
    lt_generate_args g = args_of(a->cfg, a->questions, a->most, 1);
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
    lt_generate_args g = args_of(a->cfg, a->questions, a->most, grid->dp_size);
    *limits = (lt_model_limits){0};
    lt_generate_limits(lt_model_arch(*m), &g, question_of(a, lt_model_arch(*m)), limits);
    return lt_agree(grid->world, lt_model_measure(*m, limits));
}

lt_status lt_assistant_impl_measure_model(const lt_assistant_args *a, lt_comm *world, int ranks, size_t *bytes, int *tp) {
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
        *bytes = weights + activations + comm;
        *tp = grid.tp_size;
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
    lt_written_free(q->text, (int64_t)q->count * q->n);
    free(q->offset);
    free(q->seed);
    free(q->which);
    free(q->word);
}

/* Local, the same on all ranks.  Tokens of a question behind those of the others, without their middle where they are too many.  *problem: why there is
 * nothing to ask. */
static lt_status read_question(asking *q, const char *prompt, char **problem) {
    const writer *w = q->w;
    lt_ids ids = {0};
    int64_t V = lt_model_arch(w->model)->V, head = w->question / 2;
    lt_status st = lt_tok_encode(w->tok, prompt, strlen(prompt), true, &ids, NULL);
    if (st == LT_ERR_FORMAT || st == LT_ERR_ARG) {
        st = lt_strdup(problem, lt_err_last()->msg);
        lt_err_clear();
    } else if (st == LT_OK && ids.n == 0) {
        st = lt_strdup(problem, "the question has no tokens");
    }
    for (int64_t i = 0; st == LT_OK && !*problem && i < ids.n; i++) {
        if (ids.id[i] >= V)
            st = lt_strdup(problem, "its tokenizer gives tokens that the model does not know: they do not belong together");
        else if (i < head || i >= ids.n - (w->question - head))
            st = lt_ids_push(&q->ids, ids.id[i]);
    }
    lt_ids_free(&ids);
    return st;
}

/* Local, the same on all ranks.  The questions that can be asked; problems of the others are told. */
static lt_status read_questions(asking *q, const lt_question *question, int count, int n, lt_answers *out) {
    LT_TRY(LT_FAULT_POINT("assistant.ask"));
    LT_TRY(lt_calloc(&q->offset, count + 1, sizeof *q->offset, "questions"));
    LT_TRY(lt_calloc(&q->seed, count, sizeof *q->seed, "questions"));
    LT_TRY(lt_calloc(&q->which, count, sizeof *q->which, "questions"));
    for (int i = 0; i < count; i++) {
        LT_TRY(read_question(q, question[i].prompt, &out[i].problem));
        if (out[i].problem) {
            q->ids.n = q->offset[q->count]; /* what was taken of it */
            continue;
        }
        q->seed[q->count] = question[i].seed;
        q->which[q->count] = i;
        q->offset[++q->count] = q->ids.n;
    }
    if (q->count == 0) return LT_OK;
    LT_TRY(lt_calloc(&q->text, (int64_t)q->count * n, sizeof *q->text, "answers"));
    q->n = n;
    return lt_calloc(&q->word, (int64_t)q->count * n, sizeof *q->word, "answers");
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
    for (int i = 0; i < q->count; i++) {
        lt_answers *to = &out[q->which[i]];
        const lt_written *text = &q->text[(int64_t)i * q->n];
        LT_TRY(lt_calloc(&to->text, q->n, sizeof *to->text, "answers"));
        to->read = q->offset[i + 1] - q->offset[i];
        for (; to->n < q->n; to->n++) {
            to->written += text[to->n].token.n;
            LT_TRY(say(q->w, &text[to->n], &to->text[to->n]));
        }
    }
    return LT_OK;
}

static lt_status tell_all(const asking *q, lt_answers *out, const char *problem) {
    for (int i = 0; i < q->count; i++) LT_TRY(lt_strdup(&out[q->which[i]].problem, problem));
    return LT_OK;
}

/* Collective(world).  Writes into q; with fewer answers at once where memory is short for their keys and values.  *damaged: there is nothing to read. */
static lt_status write_answers(asking *q, bool *damaged) {
    const writer *w = q->w;
    lt_generate_args g = args_of(w->base.cfg, q->count, q->n, w->grid->dp_size);
    lt_generate_counts counts;
    lt_status st;
    g.tokens = q->ids.id;
    g.offset = q->offset;
    g.seeds = q->seed;
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
    *damaged = st == LT_ERR_NUMERIC; /* what it did wrong */
    if (*damaged) lt_err_clear();
    return *damaged ? LT_OK : st;
}

static lt_status ask_model(lt_assistant *a, const lt_question *question, int count, int n, lt_answers *out) {
    asking q = {.w = (const writer *)a};
    bool damaged = false;
    lt_status st = lt_agree(a->world, read_questions(&q, question, count, n, out));
    if (st != LT_OK || q.count == 0) goto done;
    LT_TRY_GOTO(write_answers(&q, &damaged), st, done);
    if (damaged) {
        st = lt_agree(a->world, tell_all(&q, out, "no score of a next token is a number: are its weights damaged?"));
        goto done;
    }
    LT_TRY_GOTO(lt_generate_gather(q.w->grid, q.text, (int64_t)q.count * n), st, done);
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
    w->base = (lt_assistant){.kind = &model_kind, .cfg = a->cfg, .world = world, .most = a->most, .questions = a->questions};
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
