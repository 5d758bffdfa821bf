#pragma once
/* Text generation: a cache of keys and values, and the loop that keeps it busy.
 *
 * The cache holds `seqs` sequences with room for `room` rows each, per layer [seqs * room, 2 * Hkvl * D] in the compute type: the form in which a block makes
 * them.  A forward with a cache (lt_forward_args) puts the keys and values of its rows behind those that are there and lets its queries see both; nobody
 * else knows of it, for a mask says which keys a query sees by their place in the sequence.  What a sequence holds is the caller's to know (pack.h:
 * start, home); a place in the cache is free for another sequence as soon as its own has ended.
 *
 * lt_generate continues any number of prompts, each by as many texts as are asked for.  Every step is one pack: a row of each sequence that is being written,
 * and as many rows of waiting prompts as have room, so that reading prompts fills what writing leaves.  A sequence that ends gives its place to the next text
 * at once.
 *
 * Which token comes next is decided by every rank, from the same numbers: where the best is taken (temperature 0) the ranks exchange their best words, else
 * their scores.  In the same message goes the wish to end: a signal, or a caller that cannot go on. */

#include "model/model.h"
#include "model/sample.h"
#include "text/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Collective(world).  Places for seqs sequences of at most room rows, prompt rows included; the model must be planned.  m must outlive it.  Errors: CONFIG
 * (layers that see both ways), NOMEM (agreed; the size is told). */
lt_status lt_cache_create(lt_model *m, int64_t seqs, int64_t room, lt_cache **cache);
/* Local.  Accepts NULL inside; sets NULL. */
void lt_cache_destroy(lt_cache **cache);
/* Local.  Rows [0, rows) of place `from` are those of place `to` too, in all layers.  Enqueues, does not wait.  Errors: CUDA. */
lt_status lt_cache_copy(lt_cache *cache, int64_t from, int64_t to, int64_t rows);
/* Local.  Bytes that such a cache takes on this rank. */
size_t lt_cache_bytes(const lt_model *m, int64_t seqs, int64_t room);

typedef enum lt_end {
    LT_END_NOT,
    LT_END_EOS,
    LT_END_LENGTH,
    LT_END_STOP
} lt_end; /* goes on; ended by an end-of-text token; by max_tokens, or positions ran out; by stop() */

/* What a trained trial gives to every text: rows or keys in front of it, an adapter inside the layers. */
typedef struct lt_front {
    const lt_bank *bank;         /* NULL = nothing */
    int32_t slot, prefix_len;    /* bank slot, -1 = none; its keys: positions of the text begin behind them */
    int64_t prompt, prompt_rows; /* first prompt row and their number */
    int32_t trial;               /* whose adapter of the bank rides along */
} lt_front;
static const lt_front lt_front_none = {.slot = -1};

/* Are steps in which every sequence brings one row recorded and replayed?  auto: where device and collectives can. */
typedef enum lt_graphs { LT_GRAPHS_AUTO, LT_GRAPHS_ON, LT_GRAPHS_OFF } lt_graphs;

/* Text s of prompt p is number p * samples + s, of which its draws are a function: they are those of as many equal prompts. */
typedef struct lt_generate_args {
    int64_t n;       /* prompts */
    int64_t samples; /* texts of each, drawn apart; 0 = 1.  A group reads a prompt once for all of them, and copies its rows in the cache */
    const int32_t *tokens;
    const int64_t *offset; /* [n + 1] prompt i: tokens[offset[i]] .. tokens[offset[i + 1] - 1], at least one */
    lt_front front;
    int64_t max_tokens; /* most new tokens of a text, at least 1 */
    lt_sampling sampling;
    const uint64_t
        *seeds;         /* [n], or NULL: sampling.seed for all.  With them the texts of each prompt are drawn as if it were the only one */
    const int32_t *eos; /* [n_eos] tokens that end a text */
    int n_eos;
    int64_t batch; /* sequences at once */
    int64_t rows;  /* of a pack that prompts may fill; more where a step needs more */
    lt_graphs graphs;
    /* NULL, or called before take(): true = the text ends with this token.  A function of the text's tokens alone: all ranks of a group say the same. */
    bool (*stop)(void *arg, int64_t text, int32_t token);
    /* Called on every rank as a token of a text is known, texts mixed, tokens of one in order; a failure ends all.  end: as the last one sees it. */
    lt_status (*take)(void *arg, int64_t text, int32_t token, lt_end end);
    void *arg;
} lt_generate_args;

enum { LT_MAX_EOS = 64 };
/* Local.  The tokens that end a text, as generation_config.json of a model folder says, else its config.json (eos_token_id, one or a list); there may be none.
 * Errors: FORMAT. */
lt_status lt_generate_eos(const char *dir, int32_t eos[LT_MAX_EOS], int *n);

typedef struct lt_generate_counts {
    int64_t read, written, finished, steps; /* tokens of prompts and prompt rows; new tokens; texts; forwards */
    int64_t replayed;                       /* of the forwards: recorded work */
    double seconds;                         /* of the whole */
} lt_generate_counts;

/* Local.  Sizes that lt_generate needs: widens limits (zeroed, or of other work of the same model) for prompts of at most `longest` tokens.  The model's
 * positions limit what is written. */
void lt_generate_limits(const lt_arch *arch, const lt_generate_args *a, int64_t longest, lt_model_limits *limits);
/* Local.  Rows that the longest sequence takes in a cache. */
int64_t lt_generate_room(const lt_arch *arch, const lt_generate_args *a, int64_t longest);
/* Collective(world); one data-parallel group.  Continues the prompts; the model was planned with lt_generate_limits and loaded with its head.
 * Errors: NOMEM, SHAPE (a prompt that leaves no position to write), CONFIG (graphs on where nothing can be recorded), those of take, STOPPED (a
 * signal came; what take was told stands) (agreed). */
lt_status lt_generate(lt_model *m, const lt_generate_args *a, lt_generate_counts *counts);

/* ---- on several ranks ---- */

/* Local, the same on all ranks.  Of so many ranks, those that should hold a model together to write: as many as model and nodes allow.  world: what is known
 * of nodes; NULL = all ranks are on one. */
int lt_generate_tp(const lt_comm *world, int ranks, const lt_arch *arch);
/* Local, the same on all ranks, which compute at one level.  The type to write in where none is asked for: bf16 on a GPU, and where the CPU multiplies it,
 * because reading the weights is what a step costs; else fp32. */
lt_dtype lt_generate_dtype(const lt_ops *ops);

/* A text as take() told it; start from {0}. */
typedef struct lt_written {
    lt_ids token;
    lt_end end; /* LT_END_NOT: another group writes it */
} lt_written;
/* Local.  Frees n texts and the array; accepts NULL. */
void lt_written_free(lt_written *text, int64_t n);
/* Collective(world).  text [n], each whole on one data-parallel group and {0} on the others: whole on all ranks.  Errors: NOMEM (agreed). */
lt_status lt_generate_gather(const lt_grid *grid, lt_written *text, int64_t n);

#ifdef __cplusplus
}
#endif
