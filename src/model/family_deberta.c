/* DeBERTa (He et al. 2021a) and its second and third versions (He et al. 2021b), model types deberta and deberta-v2: how config.json is read, and what the
 * tensors are called.
 *
 * Both are encoders with norms behind the branches whose scores know the distance of query and key (lt_relative).  The first keeps q, k and v head by
 * head in one matrix, with biases of q and v that are tensors of their own, has an embedding for every distance, and makes relative keys without a bias.  The
 * second has three matrices, may bucket far distances, norm the embeddings of distances, make relative keys and queries with the matrices of keys and
 * queries, and put a convolution beside the first block.  All scores are divided by sqrt(D (1 + number of relative terms)), whether relative attention is
 * on or not.  What their code allows and no published model has (talking heads, embeddings of another width, grouped convolutions) is an error that
 * names it. */
#include "model/family_impl.h"

#include <math.h>
#include <string.h>

enum { MAX_KERNEL = 63 };

/* Fails unless the field is missing or has the value. */
static void must_be(lt_reader *r, const char *key, int64_t value, const char *why) {
    int64_t got = lt_reader_whole(r, key, value);
    if (r->st == LT_OK && got != value)
        r->st =
            LT_FAIL(LT_ERR_FORMAT, "%s: %s: %lld is not supported, only %lld (%s)", r->path, key, (long long)got, (long long)value, why);
}

/* One entry of pos_att_type, n bytes at name. */
static void relative_kind(lt_reader *r, lt_relative *rel, const char *name, size_t n) {
    if (n == 3 && !strncmp(name, "c2p", n))
        rel->c2p = true;
    else if (n == 3 && !strncmp(name, "p2c", n))
        rel->p2c = true;
    else if (r->st == LT_OK)
        r->st =
            LT_FAIL(LT_ERR_FORMAT, "%s: pos_att_type \"%.*s\" is not supported; known: c2p, p2c", r->path, (int)(n < 40 ? n : 40), name);
}

/* pos_att_type: a list, or names with bars between them.  Returns how many there are. */
static int relative_kinds(lt_reader *r, lt_relative *rel) {
    static const char blank[] = " |";
    json_t *v = json_object_get(r->root, "pos_att_type"), *item;
    size_t i;
    int n = 0;
    json_array_foreach(v, i, item) {
        const char *name = json_string_value(item);
        relative_kind(r, rel, name ? name : "?", name ? strlen(name) : 1);
        n++;
    }
    for (const char *at = json_string_value(v); at && *(at += strspn(at, blank)); at += strcspn(at, blank), n++)
        relative_kind(r, rel, at, strcspn(at, blank));
    return n;
}

/* What both have. */
static void read_common(lt_reader *r, lt_arch *a) {
    a->norm = LT_NORM_LAYER;
    a->norms = LT_NORM_AFTER;
    a->norm_bias = a->embed_norm = a->tied = true;
    a->eps = (float)lt_reader_num(r, r->root, "layer_norm_eps", 1e-7);
    a->types = lt_reader_whole(r, "type_vocab_size", 0);
    if (r->st == LT_OK && a->types < 0)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: type_vocab_size: %lld is below 0", r->path, (long long)a->types);
    lt_reader_act(r, "hidden_act", "gelu", &a->act);
    if (!strcmp(lt_reader_str(r, "pooler_hidden_act", "gelu"), "tanh"))
        a->pool_act = LT_ACT_TANH;
    else
        lt_reader_act(r, "pooler_hidden_act", "gelu", &a->pool_act);
    must_be(r, "embedding_size", a->C, "hidden_size");
    must_be(r, "pooler_hidden_size", a->C, "hidden_size");
}

/* The end: which positions there are, and the scale of the scores. */
static void settle_positions(lt_reader *r, lt_arch *a, int terms) {
    lt_relative *rel = &a->relative;
    rel->max_relative = lt_reader_whole(r, "max_relative_positions", -1);
    if (rel->max_relative < 1) rel->max_relative = a->max_pos;
    rel->span = rel->buckets ? rel->buckets : rel->max_relative;
    if (!lt_reader_bool(r, "relative_attention", false)) *rel = (lt_relative){0};
    a->positions = lt_reader_bool(r, "position_biased_input", true) ? LT_POS_TABLE : lt_arch_is_relative(a) ? LT_POS_RELATIVE : LT_POS_NONE;
    a->attn_scale = 1.0f / sqrtf((float)a->D * (float)(1 + terms));
    if (r->st == LT_OK && (rel->buckets == 1 || (rel->buckets && rel->max_relative - 1 <= rel->buckets / 2)))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: position_buckets: %lld leave no far distances below max_relative_positions: %lld", r->path,
                        (long long)rel->buckets, (long long)rel->max_relative);
}

static void read_deberta(lt_reader *r, lt_arch *a) {
    read_common(r, a);
    a->biases = (LT_BIAS_ALL & ~LT_BIAS_K) | LT_BIAS_POS_Q;
    lt_reader_expect(r, "talking_head", false);
    settle_positions(r, a, relative_kinds(r, &a->relative));
}

static void read_conv(lt_reader *r, lt_arch *a) {
    int64_t kernel = lt_reader_whole(r, "conv_kernel_size", 0);
    if (r->st != LT_OK || kernel <= 0) return;
    if (kernel % 2 == 0 || kernel > MAX_KERNEL || a->m < 2)
        r->st = LT_FAIL(LT_ERR_FORMAT,
                        "%s: conv_kernel_size: %lld with %d layers is not supported: an odd number up to %d, and two layers at least",
                        r->path, (long long)kernel, a->m, MAX_KERNEL);
    must_be(r, "conv_groups", 1, "a whole convolution");
    a->conv_kernel = (int)kernel;
    if (!strcmp(lt_reader_str(r, "conv_act", "tanh"), "tanh"))
        a->conv_act = LT_ACT_TANH;
    else
        lt_reader_act(r, "conv_act", "tanh", &a->conv_act);
}

static void read_deberta_v2(lt_reader *r, lt_arch *a) {
    lt_relative *rel = &a->relative;
    read_common(r, a);
    a->biases = LT_BIAS_ALL | LT_BIAS_POS_K | LT_BIAS_POS_Q;
    must_be(r, "attention_head_size", a->D, "hidden_size / num_attention_heads");
    relative_kinds(r, rel);
    rel->shared = lt_reader_bool(r, "share_att_key", false);
    rel->norm = strstr(lt_reader_str(r, "norm_rel_ebd", "none"), "layer_norm") != NULL;
    int64_t buckets = lt_reader_whole(r, "position_buckets", -1);
    if (buckets > 0) rel->buckets = buckets;
    settle_positions(r, a, rel->c2p + rel->p2c);
    read_conv(r, a);
}

#define AT "encoder.layer.%d."
/* Around attention. */
#define FRAME                                                                                                                              \
    LT_ROW_PLAIN("embeddings.word_embeddings", LT_PART_TOKENS), LT_ROW_PLAIN("embeddings.position_embeddings", LT_PART_POSITIONS),         \
        LT_ROW_PLAIN("embeddings.token_type_embeddings", LT_PART_TYPES), LT_ROW_PLAIN("embeddings.LayerNorm", LT_PART_EMBED_NORM),         \
        LT_ROW_PLAIN("encoder.rel_embeddings", LT_PART_REL_TABLE), LT_ROW_PLAIN("pooler.dense", LT_PART_POOLER),                           \
        LT_ROW_PLAIN(AT "attention.output.dense", LT_PART_O), LT_ROW_PLAIN(AT "intermediate.dense", LT_PART_UP),                           \
        LT_ROW_PLAIN(AT "output.dense", LT_PART_DOWN), LT_ROW_PLAIN(AT "attention.output.LayerNorm", LT_NORM_PART(0, 2)),                  \
        LT_ROW_PLAIN(AT "output.LayerNorm", LT_NORM_PART(1, 2))

static const lt_row deberta_rows[] = {FRAME,
                                      {.name = AT "attention.self.in_proj", .part = LT_PART_QKV, .layout = LT_LAYOUT_HEADS, .bare = true},
                                      LT_ROW_PLAIN(AT "attention.self.q_bias", LT_PART_Q_BIAS),
                                      LT_ROW_PLAIN(AT "attention.self.v_bias", LT_PART_V_BIAS),
                                      LT_ROW_PLAIN(AT "attention.self.pos_proj", LT_PART_POS_K),
                                      LT_ROW_PLAIN(AT "attention.self.pos_q_proj", LT_PART_POS_Q),
                                      LT_ROW_END};

static const lt_row deberta_v2_rows[] = {FRAME,
                                         LT_ROW_PLAIN("encoder.LayerNorm", LT_PART_REL_NORM),
                                         LT_ROW_PLAIN("encoder.conv.conv", LT_PART_CONV),
                                         LT_ROW_PLAIN("encoder.conv.LayerNorm", LT_PART_CONV_NORM),
                                         LT_ROW_PLAIN(AT "attention.self.query_proj", LT_PART_Q),
                                         LT_ROW_PLAIN(AT "attention.self.key_proj", LT_PART_K),
                                         LT_ROW_PLAIN(AT "attention.self.value_proj", LT_PART_V),
                                         LT_ROW_PLAIN(AT "attention.self.pos_key_proj", LT_PART_POS_K),
                                         LT_ROW_PLAIN(AT "attention.self.pos_query_proj", LT_PART_POS_Q),
                                         LT_ROW_END};

const lt_family lt_family_deberta = {
    .model_type = "deberta", .prefix = "deberta.", .max_pos = 512, .read = read_deberta, .rows = deberta_rows};
const lt_family lt_family_deberta_v2 = {
    .model_type = "deberta-v2", .prefix = "deberta.", .max_pos = 512, .read = read_deberta_v2, .rows = deberta_v2_rows};
