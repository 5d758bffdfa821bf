// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* Models, added tokens, templates and truncation against ids of Hugging Face (golden/model_cases.h): every tokenizer there has one switch of its own.  Ids and spans are
 * equal or the test fails. */
#include "golden/model_cases.h"
#include "text_util.h"

static const char *const files[] = {"tokenizer.json"};
enum { N_TOKENIZERS = sizeof model_tokenizers / sizeof *model_tokenizers };

static lt_tok *open_case(const model_tokenizer *m) {
    lt_tok *t = NULL;
    text_write("tokenizer.json", m->json, strlen(m->json));
    CHECK_OK(lt_tok_open(text_path("tokenizer.json"), &t));
    return t;
}

static bool same_spans(const lt_spans *got, const model_case *want) {
    if (got->n != want->n) return false;
    for (int i = 0; i < want->n; i++)
        if (got->at[i].begin != want->begin[i] || got->at[i].end != want->end[i]) return false;
    return true;
}

/* How many texts this tokenizer cuts otherwise than they say. */
static int compare(const lt_tok *t, const model_tokenizer *m, bool loud) {
    int wrong = 0;
    for (int i = 0; i < m->n; i++) {
        lt_ids ids = {0}, alone = {0};
        lt_spans spans = {0};
        CHECK_OK(lt_tok_encode(t, m->of[i].text, (size_t)m->of[i].bytes, true, &ids, &spans));
        CHECK_OK(lt_tok_encode(t, m->of[i].text, (size_t)m->of[i].bytes, true, &alone, NULL));
        bool same = text_same(&ids, m->of[i].id, m->of[i].n), placed = m->of[i].begin[0] < 0 || same_spans(&spans, &m->of[i]);
        if (loud && !same) {
            fprintf(stderr, "%s: ", m->name);
            text_show(m->of[i].text, &ids, m->of[i].id, m->of[i].n);
        }
        if (loud && same && !placed) {
            fprintf(stderr, "%s: %s\n  spans", m->name, m->of[i].text);
            for (int64_t k = 0; k < spans.n; k++) fprintf(stderr, " %d-%d", spans.at[k].begin, spans.at[k].end);
            fprintf(stderr, "\n  want ");
            for (int k = 0; k < m->of[i].n; k++) fprintf(stderr, " %d-%d", m->of[i].begin[k], m->of[i].end[k]);
            fputc('\n', stderr);
        }
        CHECK(text_same(&alone, ids.id, (int)ids.n)); /* spans asked for or not */
        wrong += !same || (loud && !placed);
        lt_ids_free(&ids);
        lt_ids_free(&alone);
        lt_spans_free(&spans);
    }
    return wrong;
}

static void pairs(const lt_tok *t, const model_tokenizer *m) {
    int longer = 0;
    for (int i = 0; i < m->n_pairs; i++) {
        const model_pair *p = &m->pair[i];
        lt_ids ids = {0};
        int64_t segment = -1;
        bool cut;
        size_t b = p->b ? strlen(p->b) : 0;
        CHECK_OK(lt_tok_encode_pair(t, p->a, strlen(p->a), p->b, b, p->max, (lt_truncation)p->how, &ids, NULL, &segment, &cut));
        bool same = text_same(&ids, p->id, p->n);
        CHECK(same);
        if (!same) text_show(p->a, &ids, p->id, p->n);
        CHECK_INT(segment, p->segment);
        ids.n = 0;
        if (p->max > 0 &&
            lt_tok_encode_pair(t, p->a, strlen(p->a), p->b, b, p->max + 1, (lt_truncation)p->how, &ids, NULL, &segment, &cut) == LT_OK)
            longer += !text_same(&ids, p->id, p->n);
        lt_ids_free(&ids);
    }
    CHECK(m->n_pairs == 0 || longer > 5); /* control: another length is seen */
}

int main(void) {
    int seen = 0;
    lt_tok *first = open_case(&model_tokenizers[0]);
    for (int k = 0; k < N_TOKENIZERS; k++) {
        lt_tok *t = open_case(&model_tokenizers[k]);
        if (!t) continue;
        CHECK_INT(compare(t, &model_tokenizers[k], true), 0);
        pairs(t, &model_tokenizers[k]);
        if (k > 0 && first) seen += compare(first, &model_tokenizers[k], false) > 0; /* control: another tokenizer's ids are seen */
        lt_tok_close(&t);
    }
    CHECK(seen >= N_TOKENIZERS - 2);
    lt_tok_close(&first);
    text_clean(files, 1);
    return test_end();
}
