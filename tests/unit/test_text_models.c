// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* Models, added tokens, templates and truncation against ids of Hugging Face (golden/model_cases.json): every tokenizer there has one switch of its
 * own.  Ids and spans are equal or the test fails. */
#include "text_util.h"

#include <jansson.h>

static const char *const files[] = {"tokenizer.json"};

static lt_tok *open_case(const json_t *o) {
    lt_tok *t = NULL;
    CHECK(json_dump_file(json_object_get(o, "tokenizer"), text_path("tokenizer.json"), JSON_COMPACT) == 0);
    CHECK_OK(lt_tok_open(text_path("tokenizer.json"), &t));
    return t;
}

static int64_t number(const json_t *list, size_t i) { return json_integer_value(json_array_get(list, i)); }

static bool same_ids(const lt_ids *got, const json_t *want) {
    bool same = (size_t)got->n == json_array_size(want);
    for (size_t i = 0; same && i < json_array_size(want); i++) same = got->id[i] == number(want, i);
    return same;
}

static bool same_spans(const lt_spans *got, const json_t *want) {
    bool same = (size_t)got->n == json_array_size(want);
    for (size_t i = 0; same && i < json_array_size(want); i++)
        same = got->at[i].begin == number(json_array_get(want, i), 0) && got->at[i].end == number(json_array_get(want, i), 1);
    return same;
}

static void show(const json_t *o, const json_t *c, const lt_ids *ids, const lt_spans *spans) {
    char *want = json_dumps(c, JSON_COMPACT);
    fprintf(stderr, "%s: %s\n  got ", json_string_value(json_object_get(o, "name")), want);
    for (int64_t i = 0; i < ids->n; i++) fprintf(stderr, " %d", ids->id[i]);
    for (int64_t i = 0; spans && i < spans->n; i++) fprintf(stderr, " %d-%d", spans->at[i].begin, spans->at[i].end);
    fputc('\n', stderr);
    free(want);
}

/* How many texts this tokenizer cuts otherwise than they say. */
static int compare(const lt_tok *t, const json_t *o, bool loud) {
    const json_t *c;
    size_t i;
    int wrong = 0;
    json_array_foreach(json_object_get(o, "cases"), i, c) {
        const json_t *text = json_object_get(c, "text"), *places = json_object_get(c, "spans");
        lt_ids ids = {0}, alone = {0};
        lt_spans spans = {0};
        CHECK_OK(lt_tok_encode(t, json_string_value(text), json_string_length(text), true, &ids, &spans));
        CHECK_OK(lt_tok_encode(t, json_string_value(text), json_string_length(text), true, &alone, NULL));
        bool same = same_ids(&ids, json_object_get(c, "ids")), placed = json_is_null(places) || same_spans(&spans, places);
        if (loud && !(same && placed)) show(o, c, &ids, &spans);
        CHECK(text_same(&alone, ids.id, (int)ids.n)); /* spans asked for or not */
        wrong += !same || (loud && !placed);
        lt_ids_free(&ids);
        lt_ids_free(&alone);
        lt_spans_free(&spans);
    }
    return wrong;
}

/* One pair at a maximum length; its ids. */
static lt_status encode_pair(const lt_tok *t, const json_t *p, int64_t max, lt_ids *ids, int64_t *segment) {
    const json_t *a = json_object_get(p, "a"), *b = json_object_get(p, "b");
    bool cut;
    return lt_tok_encode_pair(t, json_string_value(a), json_string_length(a), json_string_value(b), json_string_length(b), max,
                              (lt_truncation)json_integer_value(json_object_get(p, "how")), ids, NULL, segment, &cut);
}

static void pairs(const lt_tok *t, const json_t *o) {
    const json_t *p;
    size_t i;
    int longer = 0;
    json_array_foreach(json_object_get(o, "pairs"), i, p) {
        lt_ids ids = {0};
        int64_t segment = -1, max = json_integer_value(json_object_get(p, "max"));
        CHECK_OK(encode_pair(t, p, max, &ids, &segment));
        bool same = same_ids(&ids, json_object_get(p, "ids"));
        CHECK(same);
        if (!same) show(o, p, &ids, NULL);
        CHECK_INT(segment, json_integer_value(json_object_get(p, "segment")));
        ids.n = 0;
        if (max > 0 && encode_pair(t, p, max + 1, &ids, &segment) == LT_OK) longer += !same_ids(&ids, json_object_get(p, "ids"));
        lt_err_clear();
        lt_ids_free(&ids);
    }
    CHECK(json_array_size(json_object_get(o, "pairs")) == 0 || longer > 5); /* control: another length is seen */
}

int main(void) {
    json_t *all = json_load_file(LT_SOURCE "/tests/golden/model_cases.json", JSON_ALLOW_NUL, NULL);
    const json_t *o;
    size_t i, seen = 0, n = json_array_size(all);
    CHECK(n > 10);
    lt_tok *first = open_case(json_array_get(all, 0));
    json_array_foreach(all, i, o) {
        lt_tok *t = open_case(o);
        if (!t) continue;
        CHECK_INT(compare(t, o, true), 0);
        pairs(t, o);
        if (i > 0 && first) seen += compare(first, o, false) > 0; /* control: another tokenizer's ids are seen */
        lt_tok_close(&t);
    }
    CHECK(seen + 2 >= n);
    lt_tok_close(&first);
    json_decref(all);
    text_clean(files, 1);
    return test_end();
}
