// TEST np: 0  rooms: text  labels: unit  timeout: 120
/* Expressions: matches and classes as Hugging Face's have them (golden/make_pretokenize_cases.py), refusals by name, long texts. */
#include "golden/regex_cases.h"
#include "lt_test.h"
#include "text/tokenizer_impl.h"

#include <time.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* First and end of every match that is not empty, up to most of them.  An empty one is passed as its callers do. */
static int find(const lt_regex *re, lt_tok_work *w, const char *text, int64_t bytes, int64_t *place, int most) {
    int n = 0;
    for (int64_t at = 0, last = -1; at <= bytes;) {
        bool found;
        int64_t begin, end;
        lt_status st = lt_regex_next(re, w, text, bytes, at, &found, &begin, &end);
        CHECK_OK(st);
        if (st != LT_OK || !found) break;
        if (begin == end && end == last) {
            int32_t c;
            at += at < bytes ? lt_tok_impl_char(text + at, &c) : 1;
            continue;
        }
        if (begin < end && n < most) {
            place[2 * n] = begin;
            place[2 * n + 1] = end;
            n++;
        }
        at = last = end;
    }
    return n;
}

static bool is_as(const int64_t *place, int n, const regex_case *want) {
    for (int i = 0; n == want->n && i < 2 * n; i++)
        if (place[i] != want->place[i]) return false;
    return n == want->n;
}

static void test_matches(lt_tok_work *w) {
    for (size_t i = 0; i < COUNT(regex_cases); i++) {
        const regex_case *t = &regex_cases[i];
        lt_regex *re = NULL;
        int64_t place[64];
        lt_status st = lt_regex_open(t->pattern, "x.json", &re);
        CHECK_OK(st);
        if (st != LT_OK) continue;
        int n = find(re, w, t->text, t->bytes, place, 32);
        TEST_REPORT(is_as(place, n, t), "%s over \"%s\": %d matches, %d expected; the first at %d", t->pattern, t->text, n, t->n,
                    n ? (int)place[0] : -1);
        if (n) { /* negative controls: a match fewer, and one that ends elsewhere */
            CHECK(!is_as(place, n - 1, t));
            place[1]++;
            CHECK(!is_as(place, n, t));
        }
        lt_regex_close(&re);
        CHECK(!re);
    }
}

/* Every character, in order. */
static char *every_char(int64_t *bytes) {
    char *all = malloc(4 * 0x110000);
    *bytes = 0;
    for (int32_t c = 0; all && c < 0x110000; c++)
        if (c < 0xD800 || c > 0xDFFF) *bytes += lt_tok_impl_put_char(c, all + *bytes);
    return all;
}

static void test_classes(lt_tok_work *w) {
    int64_t bytes;
    char *all = every_char(&bytes);
    CHECK(all != NULL);
    for (size_t i = 0; all && i < COUNT(class_cases); i++) {
        const class_case *t = &class_cases[i];
        lt_regex *re = NULL;
        uint64_t h = UINT64_C(14695981039346656037);
        int n = 0;
        bool found = true;
        lt_status st = lt_regex_open(t->pattern, "x.json", &re);
        CHECK_OK(st);
        for (int64_t at = 0, end; st == LT_OK && found;) {
            st = lt_regex_next(re, w, all, bytes, at, &found, &at, &end);
            int32_t c;
            while (st == LT_OK && found && at < end) {
                at += lt_tok_impl_char(all + at, &c);
                h = (h ^ (uint64_t)c) * UINT64_C(1099511628211);
                n++;
            }
        }
        TEST_REPORT(st == LT_OK && n == t->n && h == t->hash, "%s holds %d characters, expected %d", t->pattern, n, t->n);
        lt_regex_close(&re);
    }
    CHECK(class_cases[0].hash != class_cases[1].hash);
    free(all);
}

static void test_refusals(void) {
    static const char *const t[][2] = {
        {"(a)\\1", "reference"},
        {"(?<n>a)\\k<n>", "reference"},
        {"\\X", "\\X"},
        {"\\K", "\\K"},
        {"\\y", "\\y"},
        {"\\g<1>", "\\g"},
        {"(?x: a)", "(?x"},
        {"(?(1)a|b)", "(?("},
        {"(?~a)", "(?~"},
        {"(*FAIL)", "(*"},
        {"(?{a})", "(?{"},
        {"(?|a)", "(?|"},
        {"\\p{IsHan}", "{IsHan}"},
        {"\\p{Script=Han}", "{Script=Han}"},
        {"\\pL", "\\p without {"},
        {"\\p{L", "without }"},
        {"[[:foo:]]", "[:foo:]"},
        {"[a-\\d]", "range"},
        {"[\\d-x]", "hyphen"},
        {"[a-c-e]", "hyphen"},
        {"[z-a]", "range"},
        {"[]a]", "without members"},
        {"[a&&]", "without members"},
        {"[a", "without ]"},
        {"[a[b]", "without ]"},
        {"(a", "without )"},
        {"a)", ") without ("},
        {"*a", "repeats nothing"},
        {"(?=a)*", "takes no character"},
        {"^*", "takes no character"},
        {"\\b+", "takes no character"},
        {"a\\", "backslash"},
        {"\\x80", "byte above 7F"},
        {"\\x4", "\\x"},
        {"\\x{110000}", "no character"},
        {"\\x{D800}", "no character"},
        {"\\u{41}", "\\u"},
        {"\\i", "\\i"},
        {"[\\R]", "\\R"},
        {"\\101", "reference"},
        {"\\0", "\\0"},
        {"(?i:\303\237)", "several"},
        {"(?i:ss)", "several"},
        {"(?i:[\303\237])", "several"},
        {"(?i)[\\p{L}]", "several"},
        {"(?<=a+)b", "PCRE2"},
        {"(?P<n>a)", "(?P"},
        {"(?s:a)", "(?s"},
    };
    lt_regex *re = NULL;
    for (size_t i = 0; i < COUNT(t); i++) {
        CHECK_FAILS(lt_regex_open(t[i][0], "x.json: pre_tokenizer", &re), LT_ERR_FORMAT, t[i][1]);
        CHECK(!re && strstr(lt_err_last()->msg, "x.json: pre_tokenizer"));
    }
    char *deep = calloc(1, 40000);
    CHECK(deep != NULL);
    if (!deep) return;
    memset(deep, '(', 20000);
    CHECK_FAILS(lt_regex_open(deep, "x.json", &re), LT_ERR_FORMAT, "groups in one another");
    memset(deep, '[', 20000);
    CHECK_FAILS(lt_regex_open(deep, "x.json", &re), LT_ERR_FORMAT, "brackets in one another");
    memset(deep, 'a', 39999);
    CHECK_FAILS(lt_regex_open(deep, "x.json", &re), LT_ERR_FORMAT, "more than 32768 bytes");
    int n = 0;
    for (int i = 0; i < 300; i++) n += lt_tok_impl_put_char(0x4E00 + i, deep + n);
    deep[n] = 0;
    CHECK_FAILS(lt_regex_open(deep, "x.json", &re), LT_ERR_FORMAT, "more than 256 kinds");
    CHECK_OK(lt_regex_open_literal(deep, strlen(deep), "x.json", &re)); /* as a plain text it may have as many */
    lt_regex_close(&re);
    deep[200 * 3] = 0;
    CHECK_OK(lt_regex_open(deep, "x.json", &re));
    lt_regex_close(&re);
    free(deep);
}

static void test_literal(lt_tok_work *w) {
    static const regex_case one = {"", "a.b\303\251.\303\251", 8, 2, {1, 2, 5, 6}};
    lt_regex *re;
    int64_t place[64];
    CHECK_OK(lt_regex_open_literal(".", 1, "x.json", &re));
    CHECK(is_as(place, find(re, w, one.text, one.bytes, place, 32), &one));
    lt_regex_close(&re);
    lt_regex_close(&re);
}

/* Two expressions by turns on texts that change in one place of memory: a text begins anew at byte 0. */
static void test_turns(lt_tok_work *w) {
    char text[] = "ab1";
    lt_regex *letters, *digits;
    bool found;
    int64_t begin, end;
    CHECK_OK(lt_regex_open("\\p{L}", "x.json", &letters));
    CHECK_OK(lt_regex_open("\\d", "x.json", &digits));
    CHECK_OK(lt_regex_next(letters, w, text, 3, 0, &found, &begin, &end));
    CHECK(found && begin == 0);
    CHECK_OK(lt_regex_next(digits, w, text, 3, 1, &found, &begin, &end));
    CHECK(found && begin == 2);
    CHECK_OK(lt_regex_next(letters, w, text, 3, 1, &found, &begin, &end));
    CHECK(found && begin == 1);
    text[0] = '7';
    CHECK_OK(lt_regex_next(letters, w, text, 3, 0, &found, &begin, &end));
    CHECK(found && begin == 1);
    CHECK_OK(lt_regex_next(letters, w, text, 3, 2, &found, &begin, &end));
    CHECK(!found);
    CHECK_OK(lt_regex_next(letters, w, text, 3, 4, &found, &begin, &end));
    CHECK(!found);
    lt_regex_close(&letters);
    lt_regex_close(&digits);
}

/* A megabyte of one character costs what its bytes cost; what would cost more is an error. */
static void test_long(lt_tok_work *w) {
    static const char words[] = "'s|'t| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    const int64_t n = 1 << 20;
    char *text = malloc((size_t)n + 1);
    lt_regex *re, *pairs;
    CHECK(text != NULL);
    if (!text) return;
    CHECK_OK(lt_regex_open(words, "x.json", &re));
    CHECK_OK(lt_regex_open("(?:ab|[ab])+", "x.json", &pairs));
    for (const char *c = " a'1\n\t"; *c; c++) {
        int64_t place[4];
        clock_t t = clock();
        memset(text, *c, (size_t)n);
        text[n] = 'x';
        int found = find(re, w, text, n + 1, place, 2);
        CHECK(found > 0 && place[0] == 0 && place[1] >= (*c == ' ' || *c == '\t' ? n - 1 : n));
        CHECK((double)(clock() - t) / CLOCKS_PER_SEC < 5);
    }
    memset(text, 'a', (size_t)n); /* a choice at each character: beyond the stack of compiled code */
    bool found;
    int64_t begin, end;
    CHECK_OK(lt_regex_next(pairs, w, text, n, 0, &found, &begin, &end));
    CHECK(found && begin == 0 && end == n);
    lt_regex_close(&re);
    lt_regex_close(&pairs);
    free(text);
}

int main(void) {
    lt_tok_work w = {0};
    test_matches(&w);
    test_classes(&w);
    test_refusals();
    test_literal(&w);
    test_turns(&w);
    test_long(&w);
    lt_regex_room_free(w.regex);
    return test_end();
}
