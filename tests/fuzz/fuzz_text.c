/* The promises of text/tokenizer.h, demanded of any tokenizer that opens:
 *
 *   ids      in range; the same with and without spans, by a second call (the cache of words) and by a twin; nothing is appended on failure
 *   spans    inside the text, between characters, one for each id
 *   pairs    as long as they may be, their parts where the frame says, cut only if asked to
 *   decoding UTF-8; the pieces of a stream together are the text
 *   errors   have a message; no call takes more than FUZZ_TEXT_SECONDS
 *
 * Expressions have a limit of time: what takes long may be refused at one call and not at the next. */
#include "fuzz_text.h"

#include <time.h>

static double seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The status of a call that has taken its time since `begin`. */
static lt_status settle(lt_status st, double begin, const char *what) {
    double took = seconds() - begin;
    if (took > FUZZ_TEXT_SECONDS) {
        fprintf(stderr, "FAILED: %s took %.1f s\n", what, took);
        abort();
    }
    FUZZ_REQUIRE(st == LT_OK || lt_err_last()->msg[0]);
    return st;
}
static const double LONG = 0.1; /* seconds */
static double since;            /* when the call began */
#define TIMED(call) (since = seconds(), settle((call), since, #call))

/* --- texts ------------------------------------------------------------------------------------------------------------------------------- */

/* The bytes of the character at s, 0 if it is none. */
static size_t character(const char *s, size_t bytes) {
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80 ? 1 : u[0] < 0xC2 ? 0 : u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : u[0] < 0xF5 ? 4 : 0;
    if (n == 0 || n > bytes) return 0;
    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xC0) != 0x80) return 0;
    bool wrong = n > 2 && ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] > 0x9F) || (u[0] == 0xF0 && u[1] < 0x90) ||
                           (u[0] == 0xF4 && u[1] > 0x8F));
    return wrong ? 0 : n;
}

static bool is_text(const char *s, size_t bytes) {
    for (size_t at = 0, n; at < bytes; at += n)
        if ((n = character(s + at, bytes - at)) == 0) return false;
    return true;
}

static bool is_edge(const char *s, size_t bytes, int32_t at) {
    return at >= 0 && (size_t)at <= bytes && ((size_t)at == bytes || ((unsigned char)s[at] & 0xC0) != 0x80);
}

/* --- encoding ---------------------------------------------------------------------------------------------------------------------------- */

static void check_ids(const lt_tok *t, const lt_ids *ids) {
    for (int64_t i = 0; i < ids->n; i++) FUZZ_REQUIRE(ids->id[i] >= 0 && ids->id[i] < lt_tok_vocab_size(t));
}

static bool same_ids(const lt_ids *a, int64_t from, const lt_ids *b) {
    return a->n - from == b->n && (b->n == 0 || !memcmp(a->id + from, b->id, (size_t)b->n * sizeof *b->id));
}

static void check_spans(const lt_span *s, int64_t n, const char *text, size_t bytes) {
    for (int64_t i = 0; i < n; i++) {
        FUZZ_REQUIRE(s[i].begin <= s[i].end);
        FUZZ_REQUIRE(is_edge(text, bytes, s[i].begin) && is_edge(text, bytes, s[i].end));
    }
}

/* One text in every way to encode it.  *ids gets what it is; false: it cannot be encoded. */
static bool encode(const lt_tok *t, const lt_tok *twin, const char *a, size_t n, bool special, lt_ids *ids) {
    lt_ids again = {0};
    lt_spans spans = {0};
    ids->n = 0;
    double begin = seconds();
    lt_status st = TIMED(lt_tok_encode(t, a, n, special, ids, NULL));
    bool slow = seconds() - begin > LONG;
    FUZZ_REQUIRE(st == LT_OK || (st == LT_ERR_FORMAT && ids->n == 0));
    FUZZ_REQUIRE(is_text(a, n) || st != LT_OK);
    check_ids(t, ids);
    for (int way = 0; way < (slow ? 1 : 3); way++) {
        again.n = spans.n = 0;
        FUZZ_OK(lt_ids_push(&again, 7));
        lt_status other = TIMED(lt_tok_encode(way == 2 ? twin : t, a, n, special, &again, way == 0 ? &spans : NULL));
        FUZZ_REQUIRE(again.id[0] == 7 && (other == LT_OK || again.n == 1));
        if (slow && other != st) continue;
        FUZZ_REQUIRE(other == st && same_ids(&again, 1, ids));
        FUZZ_REQUIRE(spans.n == (way == 0 ? ids->n : 0));
        check_spans(spans.at, spans.n, a, n);
    }
    lt_ids_free(&again);
    lt_spans_free(&spans);
    return st == LT_OK;
}

static int64_t frame_size(lt_tok_frame f) { return f.before + f.between + f.after; }

/* Two texts, or one alone (m < 0), of n and m tokens, under a limit. */
static void pair(const lt_tok *t, const char *a, size_t a_bytes, const char *b, size_t b_bytes, int64_t n, int64_t m, int64_t max,
                 lt_truncation how) {
    lt_ids ids = {0}, again = {0};
    lt_spans spans = {0};
    int64_t segment = -1, again_segment = -1;
    bool truncated = false, again_truncated = false;
    lt_tok_frame f = lt_tok_frame_of(t, m >= 0);
    int64_t whole = frame_size(f) + n + (m >= 0 ? m : 0);
    if (m < 0) b = NULL;
    lt_status st = TIMED(lt_tok_encode_pair(t, a, a_bytes, b, b_bytes, max, how, &ids, NULL, &segment, &truncated));
    lt_status other = TIMED(lt_tok_encode_pair(t, a, a_bytes, b, b_bytes, max, how, &again, &spans, &again_segment, &again_truncated));
    FUZZ_REQUIRE(st == other && (st == LT_OK || (st == LT_ERR_ARG && max > 0 && ids.n == 0 && again.n == 0 && spans.n == 0)));
    if (st == LT_OK) {
        FUZZ_REQUIRE(same_ids(&again, 0, &ids) && spans.n == ids.n && segment == again_segment && truncated == again_truncated);
        FUZZ_REQUIRE(ids.n == (max > 0 && max < whole ? max : whole) && truncated == (max > 0 && max < whole));
        FUZZ_REQUIRE(segment >= f.before && segment <= ids.n && (m >= 0 || segment == ids.n));
        check_spans(spans.at, segment, a, a_bytes);
        if (segment < ids.n) check_spans(spans.at + segment, ids.n - segment, b, b_bytes);
        check_ids(t, &ids);
    }
    lt_ids_free(&ids);
    lt_ids_free(&again);
    lt_spans_free(&spans);
}

static void pairs(const lt_tok *t, const char *a, size_t a_bytes, const char *b, size_t b_bytes, int64_t n, int64_t m) {
    static const lt_truncation how[] = {LT_LONGEST_FIRST, LT_ONLY_FIRST, LT_ONLY_SECOND};
    int64_t whole = frame_size(lt_tok_frame_of(t, m >= 0)) + n + (m >= 0 ? m : 0), limit[] = {0, 1, whole / 2, whole - 1, whole, whole + 1};
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++)
        if (limit[i] >= 0) pair(t, a, a_bytes, b, b_bytes, n, m, limit[i], how[i % 3]);
}

/* --- decoding ---------------------------------------------------------------------------------------------------------------------------- */

/* All ids at once, and one after the other. */
static void decode(const lt_tok *t, const lt_ids *ids, bool skip) {
    lt_tok_stream s = {0};
    char *text = NULL, *all = NULL;
    size_t bytes = 0, n = 0;
    FILE *f = open_memstream(&all, &n);
    FUZZ_REQUIRE(f);
    lt_status st = TIMED(lt_tok_decode(t, ids->id, ids->n, skip, &text, &bytes)), streamed = LT_OK;
    FUZZ_REQUIRE(st == LT_OK || (st == LT_ERR_FORMAT && !text));
    FUZZ_REQUIRE(st != LT_OK || (is_text(text, bytes) && text[bytes] == 0));
    double begin = seconds();
    for (int64_t i = 0; i <= ids->n && streamed == LT_OK; i++) {
        streamed = i < ids->n ? lt_tok_stream_add(t, &s, ids->id[i], skip) : lt_tok_stream_end(t, &s);
        if (streamed != LT_OK) break;
        FUZZ_REQUIRE(is_text(s.text, s.bytes) && s.text[s.bytes] == 0);
        fwrite(s.text, 1, s.bytes, f);
    }
    (void)settle(streamed, begin, "a stream");
    (void)fclose(f);
    FUZZ_REQUIRE(streamed == LT_OK || streamed == LT_ERR_FORMAT);
    bool slow = seconds() - begin > LONG;
    FUZZ_REQUIRE(st != LT_OK || streamed == LT_OK || slow);
    FUZZ_REQUIRE(st != LT_OK || streamed != LT_OK || (n == bytes && (n == 0 || !memcmp(all, text, n))));
    lt_tok_stream_free(&s);
    free(text);
    free(all);
}

/* Ids that no text has, or hardly: every byte of a text is one. */
static void decode_any(const lt_tok *t, const char *a, size_t bytes) {
    lt_ids ids = {0};
    lt_tok_stream s = {0};
    int64_t vocab = lt_tok_vocab_size(t);
    for (size_t i = 0; i < bytes && i < 64; i++) {
        int32_t id = (int32_t)((unsigned char)a[i] * (vocab > 256 ? vocab / 256 : 1) % vocab);
        lt_status st = lt_tok_stream_add(t, &s, id, false);
        FUZZ_REQUIRE(st == LT_OK || st == LT_ERR_FORMAT || st == LT_ERR_ARG);
        if (st == LT_OK) FUZZ_OK(lt_ids_push(&ids, id));
    }
    const int32_t outside[] = {-1, (int32_t)vocab, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        FUZZ_REQUIRE(lt_tok_stream_add(t, &s, outside[i], false) == LT_ERR_ARG && lt_err_last()->msg[0]);
    lt_tok_stream_free(&s);
    decode(t, &ids, false);
    lt_ids_free(&ids);
}

/* --- the whole --------------------------------------------------------------------------------------------------------------------------- */

static void check(const lt_tok *t, const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    const int32_t named[] = {lt_tok_cls(t), lt_tok_sep(t), lt_tok_pad(t), lt_tok_unk(t), lt_tok_mask(t), lt_tok_bos(t), lt_tok_eos(t)};
    char hex[LT_SHA_HEX_BYTES];
    lt_tok *twin = NULL;
    lt_ids one = {0}, two = {0}, framed = {0};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) FUZZ_REQUIRE(named[i] >= -1 && named[i] < lt_tok_vocab_size(t));
    FUZZ_REQUIRE(lt_tok_token_id(t, "film") < lt_tok_vocab_size(t) && lt_tok_kind_name(t)[0]);
    FUZZ_OK(lt_tok_sha256(t, hex));
    FUZZ_OK(lt_tok_twin(t, &twin));
    double begin = seconds();
    bool first = encode(t, twin, a, a_bytes, false, &one), whole = encode(t, twin, a, a_bytes, true, &framed);
    FUZZ_REQUIRE((first == whole || seconds() - begin > LONG) &&
                 (!first || !whole || framed.n == one.n + frame_size(lt_tok_frame_of(t, false))));
    bool quick = whole && seconds() - begin < LONG, second = quick && encode(t, twin, b, b_bytes, false, &two);
    if (whole) decode(twin, &framed, false);
    if (first && quick) decode(t, &one, true);
    if (first && quick) pairs(t, a, a_bytes, NULL, 0, one.n, -1);
    if (first && second && quick) pairs(t, a, a_bytes, b, b_bytes, one.n, two.n);
    decode_any(t, a, a_bytes);
    lt_tok_close(&twin);
    lt_ids_free(&one);
    lt_ids_free(&two);
    lt_ids_free(&framed);
}

void fuzz_text_write(const char *name, fuzz_input part) {
    fuzz_remove(name);
    if (part.bytes) fuzz_write(name, part.data, part.bytes);
}

void fuzz_text_check(const char *name, fuzz_input one, fuzz_input two) {
    lt_tok *t = NULL;
    lt_status st = TIMED(lt_tok_open(fuzz_path(name), &t));
    FUZZ_REQUIRE((st == LT_OK) == (t != NULL));
    if (st != LT_OK) return;
    char *a = fuzz_string(one), *b = fuzz_string(two);
    check(t, a, one.bytes, b, two.bytes);
    free(a);
    free(b);
    lt_tok_close(&t);
}
