/* What stands around one text and around two: the post-processor of a tokenizer.json as two templates, lists of special tokens and of the texts'
 * places.
 *
 *   none, ByteLevel      A               A B
 *   BertProcessing       cls A sep       cls A sep B sep           segments 0, and 1 from B on
 *   RobertaProcessing    cls A sep       cls A sep sep B sep       segments 0
 *   TemplateProcessing   what it says
 *   Sequence             its parts, of which one may place the texts
 *
 * Each text has its place exactly once, the first before the second: cutting a sequence to a length relies on it, and no tokenizer of a model does
 * otherwise.
 *
 * Reference: Hugging Face tokenizers 0.22.1, src/processors. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Tokens of a template, and sequences in sequences: files from outside must not make them grow without end. */
enum { MAX_ITEMS = 4096, MAX_DEPTH = 32 };

/* Where the object comes from, for messages, and the tokenizer that has to know the ids. */
typedef struct source {
    const lt_tok *tok;
    const char *path, *type;
    const char *placed; /* type of the part that has placed the texts; NULL: none */
} source;

static lt_status push(lt_template *t, int64_t item, int64_t type, const source *s) {
    LT_CHECK(type >= 0 && type <= INT32_MAX, LT_ERR_FORMAT, "%s: post-processor %s: segment %lld is out of range", s->path, s->type,
             (long long)type);
    LT_CHECK(t->n < MAX_ITEMS, LT_ERR_FORMAT, "%s: post-processor %s: more than %d tokens around a text", s->path, s->type, MAX_ITEMS);
    if ((t->n & (t->n - 1)) == 0) {
        size_t cap = t->n ? 2 * (size_t)t->n : 1;
        int32_t *items = realloc(t->item, cap * sizeof *items);
        if (items) t->item = items;
        int32_t *types = items ? realloc(t->type, cap * sizeof *types) : NULL;
        LT_CHECK(types, LT_ERR_NOMEM, "no memory for a template");
        t->type = types;
    }
    t->item[t->n] = (int32_t)item;
    t->type[t->n++] = (int32_t)type;
    return LT_OK;
}

static lt_status push_id(lt_template *t, const json_t *id, int64_t type, const source *s) {
    int64_t vocab = lt_tok_vocab_size(s->tok);
    LT_CHECK(json_is_integer(id), LT_ERR_FORMAT, "%s: post-processor %s: a token id must be a whole number", s->path, s->type);
    LT_CHECK(json_integer_value(id) >= 0 && json_integer_value(id) <= LT_TOK_MAX_ID, LT_ERR_FORMAT,
             "%s: post-processor %s: %lld is no token id", s->path, s->type, (long long)json_integer_value(id));
    const lt_tok_tables *known = s->tok->tables;
    LT_CHECK(lt_tok_impl_added_of(known, json_integer_value(id)) || lt_vocab_text(&known->model->vocab, json_integer_value(id), NULL),
             LT_ERR_FORMAT, "%s: post-processor %s: the tokenizer has %lld tokens, none of id %lld", s->path, s->type, (long long)vocab,
             (long long)json_integer_value(id));
    return push(t, json_integer_value(id), type, s);
}

/* Each text once, in order. */
static lt_status check(const lt_template *t, int texts, const char *name, const source *s) {
    int seen = 0;
    for (int i = 0; i < t->n; i++) {
        if (t->item[i] >= 0) continue;
        LT_CHECK(seen < texts && t->item[i] == (seen == 0 ? LT_TPL_FIRST : LT_TPL_SECOND), LT_ERR_FORMAT,
                 "%s: post-processor %s: \"%s\" repeats a text or has them in another order; %s is supported", s->path, s->type, name,
                 texts == 1 ? "one A" : "one A, then one B");
        seen++;
    }
    LT_CHECK(seen == texts, LT_ERR_FORMAT, "%s: post-processor %s: \"%s\" leaves a text out; it must have %s", s->path, s->type, name,
             texts == 1 ? "A" : "A and B");
    return LT_OK;
}

/* ["[CLS]", 101]: the id counts. */
static lt_status get_special(const json_t *o, const char *key, const source *s, const json_t **id) {
    const json_t *token = json_object_get(o, key);
    LT_CHECK(json_array_size(token) == 2 && json_is_string(json_array_get(token, 0)), LT_ERR_FORMAT,
             "%s: post-processor %s: \"%s\" must be a list of a token and its id", s->path, s->type, key);
    *id = json_array_get(token, 1);
    return LT_OK;
}

static lt_status open_framed(const json_t *o, source *s, bool roberta, lt_post *p) {
    const json_t *cls, *sep;
    int segment = roberta ? 0 : 1;
    LT_TRY(get_special(o, "cls", s, &cls));
    LT_TRY(get_special(o, "sep", s, &sep));
    for (int pair = 0; pair < 2; pair++) {
        lt_template *t = pair ? &p->pair : &p->single;
        LT_TRY(push_id(t, cls, 0, s));
        LT_TRY(push(t, LT_TPL_FIRST, 0, s));
        LT_TRY(push_id(t, sep, 0, s));
        if (!pair) continue;
        if (roberta) LT_TRY(push_id(t, sep, 0, s));
        LT_TRY(push(t, LT_TPL_SECOND, segment, s));
        LT_TRY(push_id(t, sep, segment, s));
    }
    return LT_OK;
}

static lt_status open_bert(const json_t *o, source *s, int depth, lt_post *p) {
    (void)depth;
    return open_framed(o, s, false, p);
}

static lt_status open_roberta(const json_t *o, source *s, int depth, lt_post *p) {
    (void)depth;
    return open_framed(o, s, true, p);
}

/* One piece of a template: {"Sequence": {"id": "A", "type_id": 0}} or {"SpecialToken": {"id": "[CLS]", "type_id": 0}}. */
static lt_status push_piece(lt_template *t, const json_t *piece, const json_t *specials, const source *s) {
    const json_t *sequence = json_object_get(piece, "Sequence"), *special = json_object_get(piece, "SpecialToken"),
                 *o = sequence ? sequence : special, *type = json_object_get(o, "type_id");
    const char *id = json_string_value(json_object_get(o, "id"));
    LT_CHECK(json_object_size(piece) == 1 && id && json_is_integer(type), LT_ERR_FORMAT,
             "%s: post-processor %s: a piece must be a \"Sequence\" or a \"SpecialToken\" with \"id\" and \"type_id\"", s->path, s->type);
    if (sequence) {
        LT_CHECK(!strcmp(id, "A") || !strcmp(id, "B"), LT_ERR_FORMAT, "%s: post-processor %s: sequence \"%s\" is neither A nor B", s->path,
                 s->type, id);
        return push(t, *id == 'A' ? LT_TPL_FIRST : LT_TPL_SECOND, json_integer_value(type), s);
    }
    const json_t *ids = json_object_get(json_object_get(specials, id), "ids");
    LT_CHECK(json_is_array(ids), LT_ERR_FORMAT, "%s: post-processor %s: token \"%s\" is not among its \"special_tokens\"", s->path, s->type,
             id);
    for (size_t i = 0; i < json_array_size(ids); i++) LT_TRY(push_id(t, json_array_get(ids, i), json_integer_value(type), s));
    return LT_OK;
}

static lt_status open_template(const json_t *o, source *s, int depth, lt_post *p) {
    static const char *const name[] = {"single", "pair"};
    (void)depth;
    for (int i = 0; i < 2; i++) {
        const json_t *pieces = json_object_get(o, name[i]);
        lt_template *t = i ? &p->pair : &p->single;
        LT_CHECK(json_is_array(pieces), LT_ERR_FORMAT, "%s: post-processor %s: \"%s\" must be a list of pieces", s->path, s->type, name[i]);
        for (size_t k = 0; k < json_array_size(pieces); k++)
            LT_TRY(push_piece(t, json_array_get(pieces, k), json_object_get(o, "special_tokens"), s));
        LT_TRY(check(t, i + 1, name[i], s));
    }
    return LT_OK;
}

static lt_status open_nothing(const json_t *o, source *s, int depth, lt_post *p) {
    (void)o, (void)s, (void)depth, (void)p;
    return LT_OK;
}

static lt_status open_sequence(const json_t *o, source *s, int depth, lt_post *p);

static lt_status open_any(const json_t *o, source *s, int depth, lt_post *p) {
    static const struct {
        const char *type;
        lt_status (*open)(const json_t *o, source *s, int depth, lt_post *p);
        bool places;
    } known[] = {{"BertProcessing", open_bert, true},
                 {"RobertaProcessing", open_roberta, true},
                 {"TemplateProcessing", open_template, true},
                 {"ByteLevel", open_nothing, false},
                 {"Sequence", open_sequence, false}};
    const char *type = json_string_value(json_object_get(o, "type"));
    LT_CHECK(type, LT_ERR_FORMAT, "%s: a post-processor must be an object with a \"type\"", s->path);
    LT_CHECK(depth < MAX_DEPTH, LT_ERR_FORMAT, "%s: post-processors in post-processors, more than %d deep", s->path, MAX_DEPTH);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(type, known[i].type) != 0) continue;
        LT_CHECK(!(known[i].places && s->placed), LT_ERR_FORMAT, "%s: post-processors %s and %s both place the texts; one may", s->path,
                 s->placed, type);
        s->type = type;
        if (known[i].places) s->placed = type;
        return known[i].open(o, s, depth, p);
    }
    return LT_FAIL(
        LT_ERR_FORMAT,
        "%s: post-processor \"%s\" is not supported (BertProcessing, RobertaProcessing, TemplateProcessing, ByteLevel, Sequence are)",
        s->path, type);
}

static lt_status open_sequence(const json_t *o, source *s, int depth, lt_post *p) {
    const json_t *list = json_object_get(o, "processors");
    LT_CHECK(json_is_array(list), LT_ERR_FORMAT, "%s: post-processor Sequence: \"processors\" must be a list", s->path);
    for (size_t i = 0; i < json_array_size(list); i++) LT_TRY(open_any(json_array_get(list, i), s, depth + 1, p));
    return LT_OK;
}

lt_status lt_tok_impl_open_post(const json_t *o, const lt_tok *tok, const char *path, lt_post *p) {
    source s = {.tok = tok, .path = path, .type = "none"};
    lt_status st = LT_OK;
    *p = (lt_post){0};
    if (o && !json_is_null(o)) LT_TRY_GOTO(open_any(o, &s, 0, p), st, done);
    if (!s.placed) {
        LT_TRY_GOTO(push(&p->single, LT_TPL_FIRST, 0, &s), st, done);
        LT_TRY_GOTO(push(&p->pair, LT_TPL_FIRST, 0, &s), st, done);
        LT_TRY_GOTO(push(&p->pair, LT_TPL_SECOND, 1, &s), st, done);
    }
done:
    if (st != LT_OK) lt_tok_impl_close_post(p);
    return st;
}

void lt_tok_impl_close_post(lt_post *p) {
    free(p->single.item);
    free(p->single.type);
    free(p->pair.item);
    free(p->pair.type);
    *p = (lt_post){0};
}
