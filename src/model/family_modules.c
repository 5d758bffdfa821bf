/* Names and classes of Hugging Face's models; see modules.h. */
#include "model/modules.h"

#include "model/family_impl.h"

#include <stdio.h>
#include <string.h>

static const lt_part own_part[LT_TARGET_COUNT] = {LT_PART_Q, LT_PART_K, LT_PART_V, LT_PART_O, LT_PART_UP, LT_PART_GATE, LT_PART_DOWN};

static bool in_qkv(lt_target t) { return t == LT_TARGET_Q || t == LT_TARGET_K || t == LT_TARGET_V; }
static bool in_gate_up(lt_target t) { return t == LT_TARGET_UP || t == LT_TARGET_GATE; }

/* The row that holds a target. */
static const lt_row *row_of(const lt_arch *a, lt_target t) {
    const lt_row *row = a->family->rows;
    for (; row->part != LT_PART_END; row++)
        if (row->part == own_part[t] || (row->part == LT_PART_QKV && in_qkv(t)) || (row->part == LT_PART_GATE_UP && in_gate_up(t))) return row;
    return NULL;
}

bool lt_module_of(const lt_arch *a, lt_target t, lt_module *module) {
    int64_t N, K;
    const lt_row *row = lt_arch_target(a, t, &N, &K) ? row_of(a, t) : NULL;
    if (!row) return false;
    *module = (lt_module){.K = K, .turned = row->transposed};
    (void)snprintf(module->name, sizeof module->name, "%s", row->name);
    for (int k = 0; k < LT_TARGET_COUNT; k++)
        if (lt_arch_target(a, (lt_target)k, &N, &K) && row_of(a, (lt_target)k) == row) {
            module->parts |= 1u << k;
            module->N += N;
        }
    return true;
}

/* Where the rows of head `head` of q, k or v begin. */
int64_t lt_row_of_head(const lt_arch *a, lt_layout layout, lt_part part, int64_t head) {
    int64_t group = a->H / a->Hkv, D = a->D, per_group = (group + 2) * D;
    if (layout == LT_LAYOUT_PLAIN) return D * (part == LT_PART_Q ? head : part == LT_PART_K ? a->H + head : a->H + a->Hkv + head);
    if (layout == LT_LAYOUT_HEADS) return D * (3 * head + (part == LT_PART_Q ? 0 : part == LT_PART_K ? 1 : 2));
    if (part == LT_PART_Q) return head / group * per_group + head % group * D;
    return head * per_group + (group + (part == LT_PART_V)) * D;
}

int64_t lt_module_row(const lt_arch *a, lt_target t, int64_t row) {
    const lt_row *r = row_of(a, t);
    if (r->part == LT_PART_QKV) return lt_row_of_head(a, r->layout, own_part[t], row / a->D) + row % a->D;
    return r->part == LT_PART_GATE_UP && t == LT_TARGET_UP ? a->F + row : row;
}

void lt_module_name(const lt_module *module, int layer, char name[LT_NAME_BYTES]) {
    const char *at = strstr(module->name, "%d");
    (void)snprintf(name, LT_NAME_BYTES, "%.*s%d%s", (int)(at - module->name), module->name, layer, at + 2);
}

/* Do whole words at the end of a name say `end`? */
static bool ends_in(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n >= k && !strcmp(name + n - k, end) && (n == k || name[n - k - 1] == '.');
}

const char *lt_module_short(const lt_arch *a, const lt_module *module) {
    const char *first = strstr(module->name, "%d.") + 3;
    for (const char *end = module->name + strlen(module->name); end > first;) {
        int others = 0;
        do end--;
        while (end > first && end[-1] != '.');
        for (const lt_row *row = a->family->rows; row->part != LT_PART_END; row++)
            others += strcmp(row->name, module->name) != 0 && ends_in(row->name, end);
        if (others == 0) return end;
    }
    return NULL;
}

const char *lt_module_prefix(const lt_arch *a) { return a->family->prefix; }

const char *lt_module_pooler(const lt_arch *a) {
    const lt_row *row = a->family->rows;
    while (row->part != LT_PART_END && row->part != LT_PART_POOLER) row++;
    return row->part == LT_PART_POOLER ? row->name : NULL;
}

/* ---- classes ---- */

/* Classifiers of texts read the last row and have no bias, or (pooled) the first through the pooler and have one; `text` NULL: theirs is of another form.  Those
 * of tokens have one matrix with a bias. */
static const struct classes {
    const char *model_type, *text, *text_head;
    bool pooled;
    const char *token, *token_head;
} classes[] = {
    {"bert", "BertForSequenceClassification", "classifier", true, "BertForTokenClassification", "classifier"},
    {"roberta", NULL, NULL, true, "RobertaForTokenClassification", "classifier"},
    {"xlm-roberta", NULL, NULL, true, "XLMRobertaForTokenClassification", "classifier"},
    {"distilbert", "DistilBertForSequenceClassification", "classifier", true, "DistilBertForTokenClassification", "classifier"},
    {"deberta", "DebertaForSequenceClassification", "classifier", true, "DebertaForTokenClassification", "classifier"},
    {"deberta-v2", "DebertaV2ForSequenceClassification", "classifier", true, "DebertaV2ForTokenClassification", "classifier"},
    {"llama", "LlamaForSequenceClassification", "score", false, "LlamaForTokenClassification", "score"},
    {"mistral", "MistralForSequenceClassification", "score", false, "MistralForTokenClassification", "score"},
    {"qwen2", "Qwen2ForSequenceClassification", "score", false, "Qwen2ForTokenClassification", "score"},
    {"qwen3", "Qwen3ForSequenceClassification", "score", false, "Qwen3ForTokenClassification", "score"},
    {"gemma3_text", "Gemma3TextForSequenceClassification", "score", false, NULL, NULL},
    {"gpt2", "GPT2ForSequenceClassification", "score", false, "GPT2ForTokenClassification", "classifier"},
    {"gpt_neox", "GPTNeoXForSequenceClassification", "score", false, "GPTNeoXForTokenClassification", "classifier"},
    {"bloom", "BloomForSequenceClassification", "score", false, "BloomForTokenClassification", "classifier"},
    {"falcon", "FalconForSequenceClassification", "score", false, "FalconForTokenClassification", "classifier"},
};

bool lt_hf_class_of(const lt_arch *a, const lt_head_form *f, lt_hf_class *c) {
    size_t i = 0, n = sizeof classes / sizeof *classes;
    while (i < n && strcmp(classes[i].model_type, a->model_type) != 0) i++;
    if (i == n || !f->own_masks) return false;
    const struct classes *k = &classes[i];
    if (f->readout == LT_READ_TOKENS) {
        *c = (lt_hf_class){.name = k->token, .head = k->token_head, .bias = true, .tokens = true};
        return k->token != NULL;
    }
    *c = (lt_hf_class){.name = k->text, .head = k->text_head, .bias = k->pooled};
    if (!k->text) return false;
    if (!k->pooled) return f->readout == LT_READ_LAST && !f->bias;
    return f->pooler && (f->readout == LT_READ_FIRST || (f->readout == LT_READ_CLS && !f->prompt));
}
