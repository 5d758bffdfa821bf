/* `ltune features`: hidden states of the frozen model, as HDF5.
 *
 * Sequences are packed to the token budget; the data-parallel groups take packs in turn, and rank 0 writes what each computed.  One pack a group is held
 * at a time, so the output may be larger than memory. */
#include "app/app.h"

#include "base/fault.h"
#include "base/log.h"
#include "model/device.h"
#include "model/model.h"
#include "store/h5.h"
#include "text/tokenizer.h"
#include "train/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sequences {
    lt_ids ids;      /* all tokens */
    int64_t *offset; /* [n + 1] */
    int64_t n, cap, longest;
} sequences;

/* Sequences [first, end) that share a pack. */
typedef struct range {
    int64_t first, end;
} range;

typedef struct job {
    const lt_app_args *args;
    lt_config *cfg;
    lt_grid grid;
    lt_tok *tok;
    lt_model *model;
    sequences seq;
    lt_pack pack;
    int layer; /* -1 = all */
    lt_readout readout;
    bool pooled;
    lt_h5_writer *out; /* rank 0 */
    float *hidden;     /* [m + 1, tokens, C] of this group's pack */
    float *rows;       /* what goes to the file: [layers, rows, C] of one pack */
} job;

static lt_status push(sequences *s) {
    if (s->n + 1 >= s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        int64_t *grown = realloc(s->offset, (size_t)(s->cap + 1) * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld sequences", (long long)s->cap);
        s->offset = grown;
    }
    if (s->n == 0) s->offset[0] = 0;
    s->offset[++s->n] = s->ids.n;
    int64_t length = s->offset[s->n] - s->offset[s->n - 1];
    if (length > s->longest) s->longest = length;
    return LT_OK;
}

static lt_status read_ids_line(const char *path, int64_t line_no, char *line, int64_t vocab, sequences *s) {
    for (char *at = line, *end;; at = end) {
        long id = strtol(at, &end, 10);
        if (end == at) {
            LT_CHECK(at[strspn(at, " \t\r\n")] == 0, LT_ERR_FORMAT, "%s:%lld: \"%.20s\" is not a token id", path, (long long)line_no, at);
            return push(s);
        }
        LT_CHECK(id >= 0 && id < vocab, LT_ERR_FORMAT, "%s:%lld: token id %ld is outside the vocabulary of %lld", path, (long long)line_no,
                 id, (long long)vocab);
        LT_TRY(lt_ids_push(&s->ids, (int32_t)id));
    }
}

static lt_status read_input(job *j) {
    const char *text = lt_cli_value(&j->args->cli, "text"), *ids = lt_cli_value(&j->args->cli, "ids"), *path = text ? text : ids;
    char *line = NULL;
    size_t cap = 0;
    lt_status st = LT_OK;
    LT_TRY(LT_FAULT_POINT("features.input"));
    LT_CHECK((text != NULL) != (ids != NULL), LT_ERR_ARG, "give either --text FILE (a sentence a line) or --ids FILE (token ids a line)");
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m", path);
    int64_t line_no = 0;
    for (ssize_t n; st == LT_OK && (n = getline(&line, &cap, f)) >= 0;) {
        line_no++;
        if (memchr(line, 0, (size_t)n)) st = LT_FAIL(LT_ERR_FORMAT, "a NUL byte; expected text");
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
        if (st != LT_OK) {
            st = lt_app_at(st, path, line_no);
        } else if (ids) {
            st = read_ids_line(path, line_no, line, lt_model_arch(j->model)->V, &j->seq);
        } else {
            st = lt_tok_encode(j->tok, line, (size_t)n, true, &j->seq.ids, NULL);
            st = st == LT_OK ? push(&j->seq) : lt_app_at(st, path, line_no);
        }
        if (st == LT_OK && j->seq.offset[j->seq.n] == j->seq.offset[j->seq.n - 1])
            st = LT_FAIL(LT_ERR_FORMAT, "%s:%lld: no tokens on this line", path, (long long)line_no);
        int64_t n_tok = st == LT_OK ? j->seq.ids.n - j->seq.offset[j->seq.n - 1] : 0, most = lt_model_arch(j->model)->max_pos;
        if (n_tok > most)
            st = LT_FAIL(LT_ERR_SHAPE, "%s:%lld: %lld tokens, but this model has %lld positions: cut the line", path, (long long)line_no,
                         (long long)n_tok, (long long)most);
    }
    if (st == LT_OK && ferror(f)) st = LT_FAIL(LT_ERR_IO, "cannot read %s: %m", path);
    free(line);
    fclose(f);
    if (st == LT_OK && j->seq.n == 0) st = LT_FAIL(LT_ERR_FORMAT, "%s holds no lines", path);
    return st;
}

static lt_status parse_options(job *j) {
    static const struct {
        const char *name;
        lt_readout readout;
    } pools[] = {{"none", LT_READ_TOKENS}, {"cls", LT_READ_CLS}, {"last", LT_READ_LAST}, {"mean", LT_READ_MEAN}, {"max", LT_READ_MAX}};
    const char *layer = lt_cli_value(&j->args->cli, "layer"), *pool = lt_cli_value(&j->args->cli, "pool");
    int m = lt_model_arch(j->model)->m;
    j->layer = m;
    if (layer && !strcmp(layer, "all")) {
        j->layer = -1;
    } else if (layer) {
        char *end;
        long l = strtol(layer, &end, 10);
        LT_CHECK(*layer && !*end && l >= 0 && l <= m, LT_ERR_ARG, "--layer %s: expected all or 0 (embeddings) to %d (last block)", layer,
                 m);
        j->layer = (int)l;
    }
    j->readout = LT_READ_TOKENS;
    bool known = !pool;
    for (size_t i = 0; pool && i < sizeof pools / sizeof *pools; i++)
        if (!strcmp(pool, pools[i].name)) {
            j->readout = pools[i].readout;
            known = true;
        }
    LT_CHECK(known, LT_ERR_ARG, "--pool %s: expected none, cls, last, mean or max", pool);
    j->pooled = j->readout != LT_READ_TOKENS;
    LT_CHECK(lt_cli_value(&j->args->cli, "output"), LT_ERR_ARG, "say where to write: --output OUT.h5");
    return LT_OK;
}

static lt_status open_output(job *j, const char *model_dir) {
    const lt_arch *a = lt_model_arch(j->model);
    int64_t T = j->seq.offset[j->seq.n], n = j->seq.n, layers = a->m + 1, n1 = n + 1;
    int64_t dims[3] = {layers, j->pooled ? n : T, a->C};
    bool all = j->layer < 0;
    LT_TRY(lt_h5_write_begin(lt_cli_value(&j->args->cli, "output"), "ltune-features", 1, &j->out));
    hid_t f = lt_h5_writer_file(j->out);
    LT_TRY(lt_h5_put_str(f, "model", model_dir));
    LT_TRY(lt_h5_put_str(f, "model_sha256", lt_model_fingerprint(j->model)));
    LT_TRY(lt_h5_put_str(f, "layer", lt_cli_value(&j->args->cli, "layer") ? lt_cli_value(&j->args->cli, "layer") : "last"));
    LT_TRY(lt_h5_put_str(f, "pool", lt_cli_value(&j->args->cli, "pool") ? lt_cli_value(&j->args->cli, "pool") : "none"));
    LT_TRY(lt_h5_create(f, "hidden", LT_F32, all ? 3 : 2, all ? dims : dims + 1));
    return lt_h5_write(f, "offsets", LT_I64, 1, &n1, j->seq.offset, false);
}

/* Pools rows of one layer as asked; out [n_seq, C]. */
static void pool_rows(const job *j, const float *rows, int64_t C, float *out) {
    for (int64_t i = 0; i < j->pack.n_seq; i++) {
        int64_t r0 = j->pack.cu[i], r1 = j->pack.cu[i + 1];
        for (int64_t c = 0; c < C; c++) {
            double v = (double)rows[(j->readout == LT_READ_LAST ? r1 - 1 : r0) * C + c];
            for (int64_t r = r0 + 1; r < r1; r++) {
                double x = (double)rows[r * C + c];
                if (j->readout == LT_READ_MEAN) v += x;
                if (j->readout == LT_READ_MAX && x > v) v = x;
            }
            out[i * C + c] = (float)(j->readout == LT_READ_MEAN ? v / (double)(r1 - r0) : v);
        }
    }
}

static int64_t layers_out(const job *j) { return j->layer < 0 ? lt_model_arch(j->model)->m + 1 : 1; }
static int64_t rows_out(const job *j, range r) { return j->pooled ? r.end - r.first : j->seq.offset[r.end] - j->seq.offset[r.first]; }

/* The next pack's sequences, from `first` on. */
static range next_range(const job *j, int64_t first) {
    range r = {first, first};
    while (r.end < j->seq.n && j->seq.offset[r.end + 1] - j->seq.offset[first] <= j->pack.max_tok) r.end++;
    return r;
}

/* Collective(tp).  Runs one pack; the wanted rows into j->rows. */
static void compute(job *j, range r) {
    int64_t C = lt_model_arch(j->model)->C, layer_elems = rows_out(j, r) * C;
    lt_status st = LT_OK;
    lt_pack_clear(&j->pack);
    for (int64_t i = r.first; i < r.end && st == LT_OK; i++) {
        int64_t n = j->seq.offset[i + 1] - j->seq.offset[i];
        st = lt_pack_add(&j->pack, &(lt_pack_seq){.tokens = j->seq.ids.id + j->seq.offset[i], .n = n, .segment = n, .slot = -1});
    }
    if (st != LT_OK) lt_fatal(j->args->world, st);
    lt_readout_rows unused;
    lt_model_forward(j->model, &(lt_forward_args){.pack = &j->pack, .readout = LT_READ_TOKENS, .hidden = j->hidden}, &unused);
    for (int64_t l = 0; l < layers_out(j); l++) {
        const float *from = j->hidden + (j->layer < 0 ? l : j->layer) * j->pack.n_tok * C;
        if (j->pooled)
            pool_rows(j, from, C, j->rows + l * layer_elems);
        else
            memcpy(j->rows + l * layer_elems, from, (size_t)layer_elems * sizeof *from);
    }
}

/* j->rows of one pack to the file; rank 0. */
static lt_status write_pack(job *j, range r) {
    int64_t C = lt_model_arch(j->model)->C, row = j->pooled ? r.first : j->seq.offset[r.first];
    int64_t start[3] = {0, row, 0}, count[3] = {layers_out(j), rows_out(j, r), C};
    bool all = j->layer < 0;
    return lt_h5_write_part(lt_h5_writer_file(j->out), "hidden", all ? start : start + 1, all ? count : count + 1, j->rows);
}

/* Rounds of one pack a group.  A group's rows reach rank 0 by a broadcast from its first rank; a later group still holds its own while the earlier
 * ones are sent, so those go through `spare`. */
static lt_status run_all(job *j) {
    lt_comm *world = j->args->world;
    const lt_arch *a = lt_model_arch(j->model);
    int64_t most = layers_out(j) * (j->pooled ? j->pack.max_seq : j->pack.max_tok) * a->C, next = 0;
    float *mine = NULL, *spare = NULL;
    range *r = NULL;
    lt_status st = lt_calloc(&mine, most, sizeof *mine, "rows of a pack");
    LT_KEEP(st, lt_calloc(&spare, j->grid.dp_size > 1 ? most : 0, sizeof *spare, "rows of a pack"));
    LT_KEEP(st, lt_calloc(&r, j->grid.dp_size, sizeof *r, "packs of a round"));
    LT_KEEP(st, lt_calloc(&j->hidden, (a->m + 1) * j->pack.max_tok * a->C, sizeof *j->hidden, "hidden states"));
    st = lt_agree(world, st);
    while (st == LT_OK && next < j->seq.n) {
        for (int d = 0; d < j->grid.dp_size; d++) {
            r[d] = next_range(j, next);
            next = r[d].end;
        }
        j->rows = mine;
        if (r[j->grid.dp_rank].end > r[j->grid.dp_rank].first) compute(j, r[j->grid.dp_rank]);
        for (int d = 0; d < j->grid.dp_size && st == LT_OK && r[d].end > r[d].first; d++) {
            j->rows = d == j->grid.dp_rank ? mine : spare;
            if (d > 0)
                lt_bcast_host(world, j->rows, (size_t)(layers_out(j) * rows_out(j, r[d]) * a->C) * sizeof(float), d * j->grid.tp_size);
            st = lt_agree(world, j->grid.rank == 0 ? write_pack(j, r[d]) : LT_OK);
        }
    }
    free(r);
    free(spare);
    free(mine);
    return st;
}

static lt_status prepare(job *j, const char *dir) {
    lt_status st = parse_options(j);
    if (st == LT_OK && lt_cli_value(&j->args->cli, "text")) st = lt_tok_open(dir, &j->tok);
    return st == LT_OK ? read_input(j) : st;
}

static lt_status run(const lt_app_args *args) {
    job j = {.args = args};
    lt_device device;
    const char *dir = lt_cli_value(&args->cli, "model");
    lt_status st = lt_config_load(NULL, args->cli.n_settings, args->cli.setting, &j.cfg);
    if (st == LT_OK && !dir) st = LT_FAIL(LT_ERR_ARG, "say which model: --model DIR");
    if (st == LT_OK && args->cli.n_words) st = LT_FAIL(LT_ERR_ARG, "unexpected word \"%s\"", args->cli.word[0]);
    LT_TRY_GOTO(lt_agree(args->world, st), st, done);
    LT_TRY_GOTO(lt_device_open(args->world, (lt_device_kind)j.cfg->run.device, true, &device), st, done);
    lt_comm_set_transport(args->world, (lt_transport)j.cfg->parallel.collectives);
    LT_TRY_GOTO(lt_grid_create(args->world, j.cfg->parallel.tp, &j.grid), st, done);
    lt_model_options opt = {.ops = device.ops,
                            .compute = lt_dtype_of_cfg(j.cfg->model.dtype),
                            .keep_blocks = j.cfg->model.fp8_keep,
                            .threads = lt_comm_default_threads(args->world, j.cfg->parallel.threads)};
    LT_TRY_GOTO(lt_model_create(dir, &j.grid, &opt, &j.model), st, done);
    st = prepare(&j, dir);
    LT_TRY_GOTO(lt_agree_same(args->world, st, j.seq.ids.id, (size_t)j.seq.ids.n * sizeof *j.seq.ids.id, "the input"), st, done);
    LT_TRY_GOTO(lt_agree_same(args->world, LT_OK, j.seq.offset, (size_t)(j.seq.n + 1) * sizeof *j.seq.offset, "the input"), st, done);
    int64_t most = j.cfg->parallel.tokens ? j.cfg->parallel.tokens : LT_TOKENS_CPU,
            budget = most < j.seq.offset[j.seq.n] ? most : j.seq.offset[j.seq.n];
    if (budget < j.seq.longest) budget = j.seq.longest;
    st = lt_agree(args->world, lt_pack_create(budget, budget, &j.pack));
    if (st != LT_OK) goto done;
    lt_model_limits limits = {.tokens = budget, .seqs = budget, .max_len = j.seq.longest};
    LT_TRY_GOTO(lt_model_plan(j.model, &limits), st, done);
    LT_TRY_GOTO(lt_model_load(j.model), st, done);
    LT_TRY_GOTO(lt_agree(args->world, lt_comm_rank(args->world) == 0 ? open_output(&j, dir) : LT_OK), st, done);
    LT_TRY_GOTO(run_all(&j), st, done);
    if (lt_comm_rank(args->world) == 0) st = lt_h5_seal(lt_h5_writer_file(j.out), "hidden");
    if (lt_comm_rank(args->world) == 0 && st == LT_OK) st = lt_h5_write_commit(&j.out);
    st = lt_agree(args->world, st);
    if (st == LT_OK && lt_comm_rank(args->world) == 0)
        lt_info("%lld sequences, %lld tokens -> %s", (long long)j.seq.n, (long long)j.seq.offset[j.seq.n],
                lt_cli_value(&args->cli, "output"));
done:
    lt_h5_write_cancel(&j.out);
    lt_pack_destroy(&j.pack);
    lt_model_destroy(&j.model);
    lt_grid_destroy(&j.grid);
    lt_tok_close(&j.tok);
    lt_ids_free(&j.seq.ids);
    free(j.seq.offset);
    free(j.hidden);
    lt_config_free(&j.cfg);
    return st;
}

static const lt_cli_option options[] = {{"model", "DIR", "Hugging Face folder", 0},
                                        {"text", "FILE", "one sentence a line, tokenised with the model's tokenizer, specials added", 0},
                                        {"ids", "FILE", "one sequence a line, token ids separated by spaces, taken as they are", 0},
                                        {"output", "OUT.h5", "the HDF5 file to write", 'o'},
                                        {"layer", "L|all", "0 = embedding output ... m = last block after the final norm (default: m)", 0},
                                        {"pool", "P", "none | cls | last | mean | max over the tokens of each sequence (default: none)", 0},
                                        {0}};

const lt_app_command lt_app_features = {
    .cli = {.program = "ltune",
            .name = "features",
            .summary = "hidden states of the frozen model into HDF5",
            .usage = "--model DIR (--text FILE | --ids FILE) --output OUT.h5 [options] [key=value ...]",
            .about =
                "Writes /hidden [tokens, C] f32 (with --layer all: [layers, tokens, C]; with a pool [n, C]) and /offsets int64 [n + 1].\n"
                "key=value: run.device, parallel.tp, parallel.threads, parallel.tokens, model.dtype.\n",
            .option = options,
            .examples = "ltune features --model all-MiniLM-L6-v2 --text sentences.txt --pool mean -o features.h5\n"
                        "mpirun -n 2 ltune features --model llama --ids ids.txt --layer all -o hidden.h5 parallel.tp=2\n",
            .settings = true,
            .mpi = true},
    .run = run};
