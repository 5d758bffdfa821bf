/* Regular expressions: Oniguruma's syntax, PCRE2's engine, our own characters.
 *
 * An expression sees characters only through its classes.  So the characters are sorted into kinds, two being of one kind if every class of the expression
 * holds both or neither, and a text is given to PCRE2 as one byte a character, its kind; the classes become classes of bytes.  What a class holds is thus
 * decided by our tables alone, whatever version of Unicode the machine's PCRE2 has; sets of sets and intersections cost nothing; and matching in bytes is
 * faster than in UTF-8.
 *
 * A plain text needs none of this: it is searched for as it is. */
#include "text/regex_impl.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_KINDS = 256,
    STACK_FIRST = 1 << 16, /* bytes of the compiled code's own stack, and how far it may grow */
    STACK_MOST = 1 << 26,
    HEAP_KIB = 1 << 20,      /* of the interpreter, which needs more memory than compiled code */
    STEPS = 256,             /* of backtracking that a place of a text may take at first */
    STEPS_AT_ONCE = 1 << 20, /* if places cannot be tried one by one */
    WINDOW = 256,            /* places that are tried in one go */
    CALLS = 64,              /* after so many the clock is asked */
};

/* Half the time of the processor that all expressions together may take for one text.  A sensible one takes some nanoseconds a byte, but one that looks
 * ahead to the end of a number at each of its digits takes the square of their number: a limit of time serves both. */
static const double SECONDS = 0.15, SECONDS_PER_BYTE = 1e-5;

struct lt_regex {
    uint64_t serial; /* no two expressions of a process have the same */
    char *about;     /* for messages */
    char *literal;   /* a plain text; else NULL and what follows is set */
    int64_t literal_bytes;
    unsigned char *kind; /* [LT_CODES] */
    pcre2_code *code;
    bool compiled; /* to machine code */
    bool relative; /* asks where a search began */
};

/* What matching needs, and the text that it was last asked about as kinds. */
typedef struct room {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    unsigned char *kind; /* [cap] */
    int64_t cap;
    uint64_t serial; /* of the expression and its text; 0 = none */
    const char *text;
    int64_t bytes, chars;
    int64_t at_byte, at_char; /* one place in the text, by both counts */
} room;

/* --- kinds of characters ---------------------------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* A row of bits a kind: the sets that hold it.  The places where any set begins or ends cut the code points into stretches of one kind each. */
typedef struct kinds {
    uint64_t *bits; /* [MAX_KINDS][words] */
    int64_t words;
    int n;
} kinds;

/* The kind with these bits, made if new; -1 if there are too many. */
static int kind_of(kinds *k, const uint64_t *bits) {
    size_t bytes = (size_t)k->words * sizeof *bits;
    for (int i = 0; i < k->n; i++)
        if (!memcmp(k->bits + i * k->words, bits, bytes)) return i;
    if (k->n == MAX_KINDS) return -1;
    memcpy(k->bits + k->n * k->words, bits, bytes);
    return k->n++;
}

static lt_status sort_characters(lt_regex *re, const lt_regex_parts *p, kinds *k) {
    int64_t n = 0, most = 1;
    int32_t *cut = NULL;
    int64_t *at = NULL; /* [n_sets] range of each set that the stretch is in or before */
    uint64_t *bits = NULL;
    lt_status st = LT_OK;
    for (int64_t i = 0; i < p->n_sets; i++) most += 2 * p->set[i].n;
    k->words = p->n_sets / 64 + 1;
    LT_TRY_GOTO(lt_calloc(&cut, most, sizeof *cut, "an expression"), st, done);
    LT_TRY_GOTO(lt_calloc(&at, p->n_sets + 1, sizeof *at, "an expression"), st, done);
    LT_TRY_GOTO(lt_calloc(&bits, k->words, sizeof *bits, "an expression"), st, done);
    LT_TRY_GOTO(lt_calloc(&k->bits, MAX_KINDS * k->words, sizeof *k->bits, "an expression"), st, done);
    LT_TRY_GOTO(lt_calloc(&re->kind, LT_CODES, 1, "an expression"), st, done);
    cut[n++] = 0;
    for (int64_t i = 0; i < p->n_sets; i++)
        for (int64_t j = 0; j < p->set[i].n; j++) {
            cut[n++] = p->set[i].at[j].first;
            cut[n++] = p->set[i].at[j].last + 1;
        }
    qsort(cut, (size_t)n, sizeof *cut, by_number);
    for (int64_t i = 0; i < n; i++) {
        int32_t first = cut[i], next = i + 1 < n ? cut[i + 1] : LT_CODES;
        if (first >= next) continue;
        memset(bits, 0, (size_t)k->words * sizeof *bits);
        for (int64_t j = 0; j < p->n_sets; j++) {
            const lt_set *s = &p->set[j];
            while (at[j] < s->n && s->at[at[j]].last < first) at[j]++;
            if (at[j] < s->n && s->at[at[j]].first <= first) bits[j / 64] |= UINT64_C(1) << j % 64;
        }
        int kind = kind_of(k, bits);
        LT_CHECK_GOTO(kind >= 0, st, done, LT_ERR_FORMAT,
                      "%s: this expression is not supported: its classes and letters distinguish more than %d kinds of characters",
                      re->about, MAX_KINDS);
        memset(re->kind + first, kind, (size_t)(next - first));
    }
done:
    free(cut);
    free(at);
    free(bits);
    return st;
}

/* --- opening -------------------------------------------------------------------------------------------------------------------------- */

/* Writes a set as PCRE2 reads it: the kinds it holds.  Returns the bytes, 4 * MAX_KINDS + 4 at most. */
static int64_t write_set(const kinds *k, int64_t set, char *out) {
    static const char digit[] = "0123456789abcdef";
    int held = 0;
    int64_t n = 0;
    for (int i = 0; i < k->n; i++) held += (int)(k->bits[i * k->words + set / 64] >> set % 64 & 1);
    if (!held) { /* nothing is in it */
        memcpy(out, "(?!)", 4);
        return 4;
    }
    if (held > 1) out[n++] = '[';
    for (int i = 0; i < k->n; i++) {
        if (!(k->bits[i * k->words + set / 64] >> set % 64 & 1)) continue;
        memcpy(out + n, (char[]){'\\', 'x', digit[i >> 4], digit[i & 15]}, 4);
        n += 4;
    }
    if (held > 1) out[n++] = ']';
    return n;
}

static lt_status compile(lt_regex *re, const lt_regex_parts *p, const kinds *k) {
    char *text = NULL;
    int64_t n = 0, cap = 0;
    lt_status st = LT_OK;
    int error;
    size_t where;
    PCRE2_UCHAR8 words[256];
    for (int64_t i = 0; i < p->n; i++) {
        if (cap - n < 4 * MAX_KINDS + 4) {
            cap = 2 * cap + 8 * MAX_KINDS;
            char *grown = realloc(text, (size_t)cap);
            LT_CHECK_GOTO(grown, st, done, LT_ERR_NOMEM, "no memory for an expression");
            text = grown;
        }
        if (p->item[i] >= 0)
            text[n++] = (char)p->item[i];
        else
            n += write_set(k, -1 - (int64_t)p->item[i], text + n);
    }
    re->code = pcre2_compile_8((PCRE2_SPTR8)(text ? text : ""), (size_t)n, PCRE2_USE_OFFSET_LIMIT, &error, &where, NULL);
    if (!re->code) {
        (void)pcre2_get_error_message_8(error, words, sizeof words);
        LT_CHECK_GOTO(false, st, done, error == PCRE2_ERROR_NOMEMORY ? LT_ERR_NOMEM : LT_ERR_FORMAT,
                      "%s: this expression is not supported by PCRE2: %s (at byte %d of its translation)", re->about, (const char *)words,
                      (int)where);
    }
    re->compiled = pcre2_jit_compile_8(re->code, PCRE2_JIT_COMPLETE) == 0; /* where a system forbids it, the interpreter does the work */
done:
    free(text);
    return st;
}

static lt_status create(const char *pattern, const char *where, lt_regex **re) {
    static atomic_uint_fast64_t last;
    char about[512];
    LT_TRY(lt_calloc(re, 1, sizeof **re, "an expression"));
    (*re)->serial = atomic_fetch_add(&last, 1) + 1;
    (void)snprintf(about, sizeof about, "%s: \"%.300s\"", where, pattern);
    lt_status st = lt_strdup(&(*re)->about, about);
    if (st != LT_OK) lt_regex_close(re);
    return st;
}

lt_status lt_regex_open(const char *pattern, const char *where, lt_regex **re) {
    lt_regex_parts parts = {0};
    kinds k = {0};
    lt_status st;
    LT_TRY(create(pattern, where, re));
    LT_TRY_GOTO(lt_regex_impl_parse(pattern, where, &parts), st, done);
    (*re)->relative = parts.relative;
    LT_TRY_GOTO(sort_characters(*re, &parts, &k), st, done);
    LT_TRY_GOTO(compile(*re, &parts, &k), st, done);
done:
    if (st != LT_OK) lt_regex_close(re);
    free(k.bits);
    lt_regex_impl_parts_free(&parts);
    return st;
}

lt_status lt_regex_open_literal(const char *text, size_t bytes, const char *where, lt_regex **re) {
    LT_TRY(create(text, where, re));
    lt_status st = lt_calloc(&(*re)->literal, (int64_t)bytes + 1, 1, "an expression");
    if (st != LT_OK) {
        lt_regex_close(re);
        return st;
    }
    memcpy((*re)->literal, text, bytes);
    (*re)->literal_bytes = (int64_t)bytes;
    return LT_OK;
}

void lt_regex_close(lt_regex **re) {
    if (!*re) return;
    if ((*re)->code) pcre2_code_free_8((*re)->code);
    free((*re)->kind);
    free((*re)->literal);
    free((*re)->about);
    free(*re);
    *re = NULL;
}

/* --- matching ------------------------------------------------------------------------------------------------------------------------- */

void lt_regex_room_free(void *p) {
    room *r = p;
    if (!r) return;
    if (r->data) pcre2_match_data_free_8(r->data);
    if (r->stack) pcre2_jit_stack_free_8(r->stack);
    if (r->context) pcre2_match_context_free_8(r->context);
    free(r->kind);
    free(r);
}

static lt_status make_room(lt_tok_work *w) {
    room *r;
    LT_TRY(lt_calloc(&r, 1, sizeof *r, "an expression"));
    w->regex = r;
    r->data = pcre2_match_data_create_8(1, NULL);
    r->context = pcre2_match_context_create_8(NULL);
    r->stack = pcre2_jit_stack_create_8(STACK_FIRST, STACK_MOST, NULL); /* NULL where there is no compiler */
    if (!r->data || !r->context) {
        lt_regex_room_free(r);
        w->regex = NULL;
        return LT_FAIL(LT_ERR_NOMEM, "no memory for matching an expression");
    }
    if (r->stack) pcre2_jit_stack_assign_8(r->context, NULL, r->stack);
    (void)pcre2_set_heap_limit_8(r->context, HEAP_KIB);
    return LT_OK;
}

/* How many bytes of ASCII the text begins with: all of them, or a multiple of 8, or fewer than 8. */
static int64_t ascii_run(const char *text, int64_t bytes) {
    int64_t n = 0;
    for (uint64_t x; n + 8 <= bytes; n += 8) {
        memcpy(&x, text + n, 8);
        if (x & UINT64_C(0x8080808080808080)) break;
    }
    while (n < bytes && (unsigned char)text[n] < 0x80) n++;
    return n;
}

/* Sorts the text's characters. */
static lt_status read_text(const lt_regex *re, room *r, const char *text, int64_t bytes) {
    const unsigned char *kind = re->kind;
    int64_t n = 0;
    r->serial = 0;
    if (bytes > r->cap) {
        unsigned char *grown = realloc(r->kind, (size_t)(bytes + bytes / 2 + 64));
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a text of %lld bytes", (long long)bytes);
        r->kind = grown;
        r->cap = bytes + bytes / 2 + 64;
    }
    for (int64_t i = 0; i < bytes;) {
        int64_t ascii = ascii_run(text + i, bytes - i);
        for (const char *end = text + i + ascii, *p = text + i; p < end; p++) r->kind[n++] = kind[(unsigned char)*p];
        i += ascii;
        while (i < bytes && (unsigned char)text[i] >= 0x80) {
            int32_t c;
            i += lt_tok_impl_char(text + i, &c);
            r->kind[n++] = kind[c];
        }
    }
    r->serial = re->serial;
    r->text = text;
    r->bytes = bytes;
    r->chars = n;
    r->at_byte = r->at_char = 0;
    return LT_OK;
}

static inline int char_bytes(char first) {
    unsigned char c = (unsigned char)first;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* The bytes of the text before a character, and the characters before a byte. */
static int64_t byte_of(room *r, int64_t character) {
    if (r->bytes == r->chars) return character;
    if (character < r->at_char) r->at_byte = r->at_char = 0;
    for (; r->at_char < character; r->at_char++) r->at_byte += char_bytes(r->text[r->at_byte]);
    return r->at_byte;
}

static int64_t char_of(room *r, int64_t byte) {
    if (r->bytes == r->chars) return byte;
    if (byte < r->at_byte) r->at_byte = r->at_char = 0;
    for (; r->at_byte < byte; r->at_char++) r->at_byte += char_bytes(r->text[r->at_byte]);
    return r->at_char;
}

/* The first match that begins in [start, last], none of which may take more than `steps`.  By compiled code, or where there is none or its stack is too
 * small, by the interpreter, whose memory is then given back: it may be very much. */
static int match(const lt_regex *re, const room *r, size_t start, size_t last, int64_t steps, size_t place[2]) {
    pcre2_match_data *data = r->data;
    size_t n = (size_t)r->chars;
    (void)pcre2_set_match_limit_8(r->context, (uint32_t)steps);
    (void)pcre2_set_offset_limit_8(r->context, last);
    int rc = re->compiled ? pcre2_jit_match_8(re->code, r->kind, n, start, 0, data, r->context) : PCRE2_ERROR_JIT_STACKLIMIT;
    bool interpret = rc == PCRE2_ERROR_JIT_STACKLIMIT;
    if (interpret) {
        data = pcre2_match_data_create_8(1, NULL);
        if (!data) return PCRE2_ERROR_NOMEMORY;
        rc = pcre2_match_8(re->code, r->kind, n, start, PCRE2_NO_JIT, data, r->context);
    }
    if (rc >= 0) memcpy(place, pcre2_get_ovector_pointer_8(data), 2 * sizeof *place);
    if (interpret) pcre2_match_data_free_8(data);
    return rc;
}

static double clock_of(clockid_t which) {
    struct timespec t;
    (void)clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void lt_regex_allow(lt_tok_work *w, int64_t bytes, bool fresh) {
    if (fresh) w->regex_since = clock_of(CLOCK_MONOTONIC);
    if (fresh) w->regex_late_since = 0;
    w->regex_bytes = bytes + (fresh ? 0 : w->regex_bytes);
}

/* Whether the expressions of this text have taken too long.  The processor's clock, which does not count what others do, is dear to ask: the wall's comes
 * first. */
static bool is_late(lt_tok_work *w) {
    double limit = SECONDS + SECONDS_PER_BYTE * (double)w->regex_bytes;
    if (w->regex_since == 0 || clock_of(CLOCK_MONOTONIC) - w->regex_since < limit) return false;
    double now = clock_of(CLOCK_THREAD_CPUTIME_ID);
    if (w->regex_late_since == 0) w->regex_late_since = now;
    return now - w->regex_late_since > limit;
}

/* The first match at or after start.  PCRE2 limits steps for each place where a match may begin, does not say how many it took, and what a step costs
 * depends on the text: below any limit that serves one place, a text of some thousand characters could take hours.  So places are tried a few at a time
 * and with few steps; one that needs more is looked for and tried with more and more of them; and the clock is asked in between. */
static int search(const lt_regex *re, const room *r, lt_tok_work *w, size_t start, size_t place[2]) {
    if (re->relative) return match(re, r, start, PCRE2_UNSET, STEPS_AT_ONCE, place);
    if (++w->regex_calls % CALLS == 0 && is_late(w)) return PCRE2_ERROR_MATCHLIMIT;
    for (size_t at = start, end = (size_t)r->chars; at <= end;) {
        size_t last = at + WINDOW - 1;
        int rc = match(re, r, at, last, STEPS, place);
        if (rc != PCRE2_ERROR_NOMATCH && rc != PCRE2_ERROR_MATCHLIMIT) return rc;
        if (is_late(w)) return PCRE2_ERROR_MATCHLIMIT;
        if (rc == PCRE2_ERROR_NOMATCH) at = last + 1;
        for (bool found = false; !found && at <= last; at++) {
            for (int64_t steps = STEPS; (rc = match(re, r, at, at, steps, place)) == PCRE2_ERROR_MATCHLIMIT; steps *= 2) {
                found = true;
                if (is_late(w) || steps > INT32_MAX / 2) return rc;
            }
            if (rc != PCRE2_ERROR_NOMATCH) return rc;
        }
    }
    return PCRE2_ERROR_NOMATCH;
}

lt_status lt_regex_next(const lt_regex *re, lt_tok_work *w, const char *text, int64_t bytes, int64_t at, bool *found, int64_t *begin,
                        int64_t *end) {
    *found = false;
    if (at > bytes) return LT_OK;
    if (re->literal) {
        const char *p = re->literal_bytes ? memmem(text + at, (size_t)(bytes - at), re->literal, (size_t)re->literal_bytes) : text + at;
        *found = p != NULL;
        if (p) *begin = p - text;
        if (p) *end = *begin + re->literal_bytes;
        return LT_OK;
    }
    if (!w->regex) LT_TRY(make_room(w));
    room *r = w->regex;
    if (at == 0 || r->serial != re->serial || r->text != text || r->bytes != bytes) LT_TRY(read_text(re, r, text, bytes));
    size_t start = (size_t)char_of(r, at), place[2];
    int rc = search(re, r, w, start, place);
    if (rc == PCRE2_ERROR_NOMATCH) return LT_OK;
    if (rc < 0) {
        PCRE2_UCHAR8 words[256];
        (void)pcre2_get_error_message_8(rc, words, sizeof words);
        return LT_FAIL(rc == PCRE2_ERROR_NOMEMORY ? LT_ERR_NOMEM : LT_ERR_FORMAT,
                       "%s: this expression asks too much of PCRE2 on a text of %lld bytes: %s", re->about, (long long)bytes,
                       (const char *)words);
    }
    *found = true;
    *begin = byte_of(r, (int64_t)place[0]);
    *end = byte_of(r, (int64_t)place[1]);
    return LT_OK;
}
