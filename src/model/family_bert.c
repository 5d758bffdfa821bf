/* Encoders with learned positions and norms behind the branches: BERT, RoBERTa and XLM-R, DistilBERT. */
#include "model/family_impl.h"

#include <string.h>

/* What they share. */
static void read_encoder(lt_reader *r, lt_arch *a, const char *act_key) {
    a->norm = LT_NORM_LAYER;
    a->norms = LT_NORM_AFTER;
    a->norm_bias = a->embed_norm = a->tied = true;
    a->biases = LT_BIAS_ALL;
    a->positions = LT_POS_TABLE;
    a->eps = (float)lt_reader_num(r, r->root, "layer_norm_eps", 1e-12);
    a->pool_act = LT_ACT_TANH;
    lt_reader_act(r, act_key, "gelu", &a->act);
    const char *pos = lt_reader_str(r, "position_embedding_type", "absolute");
    if (r->st == LT_OK && strcmp(pos, "absolute") != 0)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: position_embedding_type \"%s\" is not supported (only \"absolute\")", r->path, pos);
    if (r->st == LT_OK && lt_reader_bool(r, "is_decoder", false))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: an encoder used as a decoder (is_decoder: true) is not supported", r->path);
}

/* ---- BERT (Devlin et al. 2019) ---- */
static void read_bert(lt_reader *r, lt_arch *a) {
    read_encoder(r, a, "hidden_act");
    a->types = lt_reader_int(r, "type_vocab_size", 2);
}

#define BERT_ROWS                                                                                                                          \
    LT_ROW_PLAIN("embeddings.word_embeddings", LT_PART_TOKENS), LT_ROW_PLAIN("embeddings.position_embeddings", LT_PART_POSITIONS),         \
        LT_ROW_PLAIN("embeddings.token_type_embeddings", LT_PART_TYPES), LT_ROW_PLAIN("embeddings.LayerNorm", LT_PART_EMBED_NORM),         \
        LT_ROW_PLAIN("encoder.layer.%d.attention.self.query", LT_PART_Q), LT_ROW_PLAIN("encoder.layer.%d.attention.self.key", LT_PART_K),  \
        LT_ROW_PLAIN("encoder.layer.%d.attention.self.value", LT_PART_V),                                                                  \
        LT_ROW_PLAIN("encoder.layer.%d.attention.output.dense", LT_PART_O),                                                                \
        LT_ROW_PLAIN("encoder.layer.%d.intermediate.dense", LT_PART_UP), LT_ROW_PLAIN("encoder.layer.%d.output.dense", LT_PART_DOWN),      \
        LT_ROW_PLAIN("encoder.layer.%d.attention.output.LayerNorm", LT_NORM_PART(0, 2)),                                                   \
        LT_ROW_PLAIN("encoder.layer.%d.output.LayerNorm", LT_NORM_PART(1, 2))

static const lt_row bert_rows[] = {BERT_ROWS, LT_ROW_PLAIN("pooler.dense", LT_PART_POOLER), LT_ROW_END};

const lt_family lt_family_bert = {.model_type = "bert", .prefix = "bert.", .max_pos = 512, .read = read_bert, .rows = bert_rows};

/* ---- RoBERTa (Liu et al. 2019), XLM-R (Conneau et al. 2020): the first positions of the table belong to padding; the sequence classifier has a dense layer of
 * its own and no pooler ---- */
static void read_roberta(lt_reader *r, lt_arch *a) {
    read_encoder(r, a, "hidden_act");
    a->types = lt_reader_int(r, "type_vocab_size", 2);
    const json_t *pad = json_object_get(r->root, "pad_token_id");
    int64_t id = pad && !json_is_null(pad) ? json_integer_value(pad) : 1;
    if (r->st == LT_OK && ((pad && !json_is_null(pad) && !json_is_integer(pad)) || id < 0 || id + 2 > a->max_pos))
        r->st =
            LT_FAIL(LT_ERR_FORMAT,
                    "%s: pad_token_id must be a whole number from 0 to max_position_embeddings - 2: positions begin behind it", r->path);
    if (r->st != LT_OK) return;
    a->pos_offset = id + 1;
    a->max_pos -= a->pos_offset;
}

static const lt_row roberta_rows[] = {BERT_ROWS, LT_ROW_PLAIN("classifier.dense", LT_PART_POOLER), LT_ROW_END};

const lt_family lt_family_roberta = {
    .model_type = "roberta", .prefix = "roberta.", .max_pos = 512, .read = read_roberta, .rows = roberta_rows};
const lt_family lt_family_xlm_roberta = {
    .model_type = "xlm-roberta", .prefix = "roberta.", .max_pos = 512, .read = read_roberta, .rows = roberta_rows};

/* ---- DistilBERT (Sanh et al. 2019): no token types; a dense layer with ReLU before the classifier ---- */
static void read_distilbert(lt_reader *r, lt_arch *a) {
    read_encoder(r, a, "activation");
    a->eps = 1e-12f; /* whatever config.json says */
    a->pool_act = LT_ACT_RELU;
}

static const lt_row distilbert_rows[] = {LT_ROW_PLAIN("embeddings.word_embeddings", LT_PART_TOKENS),
                                         LT_ROW_PLAIN("embeddings.position_embeddings", LT_PART_POSITIONS),
                                         LT_ROW_PLAIN("embeddings.LayerNorm", LT_PART_EMBED_NORM),
                                         LT_ROW_PLAIN("pre_classifier", LT_PART_POOLER),
                                         LT_ROW_PLAIN("transformer.layer.%d.attention.q_lin", LT_PART_Q),
                                         LT_ROW_PLAIN("transformer.layer.%d.attention.k_lin", LT_PART_K),
                                         LT_ROW_PLAIN("transformer.layer.%d.attention.v_lin", LT_PART_V),
                                         LT_ROW_PLAIN("transformer.layer.%d.attention.out_lin", LT_PART_O),
                                         LT_ROW_PLAIN("transformer.layer.%d.ffn.lin1", LT_PART_UP),
                                         LT_ROW_PLAIN("transformer.layer.%d.ffn.lin2", LT_PART_DOWN),
                                         LT_ROW_PLAIN("transformer.layer.%d.sa_layer_norm", LT_NORM_PART(0, 2)),
                                         LT_ROW_PLAIN("transformer.layer.%d.output_layer_norm", LT_NORM_PART(1, 2)),
                                         LT_ROW_END};

const lt_family lt_family_distilbert = {.model_type = "distilbert",
                                        .prefix = "distilbert.",
                                        .max_pos = 512,
                                        .read = read_distilbert,
                                        .keys = {"dim|hidden_size", "hidden_dim", "vocab_size", "n_heads|num_attention_heads",
                                                 "n_layers|num_hidden_layers", "max_position_embeddings"},
                                        .rows = distilbert_rows};
