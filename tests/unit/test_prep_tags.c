// TEST np: 0  rooms: prep  labels: unit  timeout: 60
/* Tag schemes to IOB2: what is recognised, what comes out, and what a scheme refuses. */
#include "rows_impl.h"

#include "lt_test.h"

#include <stdlib.h>
#include <string.h>

enum { MAX = 16 };

/* A sample's tags, "B-A I-A O". */
static int take(const char *text, char *copy, size_t bytes, const char *tag[MAX]) {
    char *rest = NULL;
    int n = 0;
    (void)snprintf(copy, bytes, "%s", text);
    for (char *p = strtok_r(copy, " ", &rest); p && n < MAX; p = strtok_r(NULL, " ", &rest)) tag[n++] = p;
    return n;
}

/* The scheme of samples parted by '|'. */
static prep_scheme scheme_of(const char *samples) {
    prep_tags t = {0};
    char copy[256], *rest = NULL;
    (void)snprintf(copy, sizeof copy, "%s", samples);
    for (char *p = strtok_r(copy, "|", &rest); p; p = strtok_r(NULL, "|", &rest)) {
        char words[256];
        const char *tag[MAX];
        int n = take(p, words, sizeof words, tag);
        prep_tags_observe(&t, tag, n);
    }
    prep_scheme scheme = prep_tags_decide(&t);
    prep_tags_fini(&t);
    return scheme;
}

/* What becomes of a sample; "bad K" where the scheme has no such tag. */
static const char *converted(prep_scheme scheme, const char *sample, int64_t *stray) {
    static char out[256];
    prep_tags t = {.scheme = scheme};
    char words[256];
    const char *tag[MAX];
    int n = take(sample, words, sizeof words, tag), bad = -1;
    *stray = 0;
    out[0] = 0;
    if (prep_tags_convert(&t, tag, n, &bad, stray) != LT_OK) (void)snprintf(out, sizeof out, "error");
    if (bad >= 0) (void)snprintf(out, sizeof out, "bad %d", bad);
    for (int i = 0; i < n && bad < 0; i++) {
        size_t at = strlen(out);
        (void)snprintf(out + at, sizeof out - at, "%s%s", i ? " " : "", tag[i]);
    }
    prep_tags_fini(&t);
    return out;
}

static void check(prep_scheme scheme, const char *sample, const char *expected, int64_t expected_stray) {
    int64_t stray;
    const char *got = converted(scheme, sample, &stray);
    TEST_REPORT(!strcmp(got, expected) && stray == expected_stray, "%s: %s: got \"%s\" with %lld stray, expected \"%s\" with %lld",
                prep_scheme_name(scheme), sample, got, (long long)stray, expected, (long long)expected_stray);
}

int main(void) {
    /* what is recognised */
    CHECK_INT(scheme_of("O B-A I-A O|B-B B-B"), PREP_SCHEME_IOB2);
    CHECK_INT(scheme_of("O I-A I-A O|I-B B-B O"), PREP_SCHEME_IOB1);
    CHECK_INT(scheme_of("O I-A I-A O"), PREP_SCHEME_IOB1);
    CHECK_INT(scheme_of("O I-A O|B-A I-A"), PREP_SCHEME_IOB2);
    CHECK_INT(scheme_of("B-A E-A O|S-B"), PREP_SCHEME_BIOES);
    CHECK_INT(scheme_of("B-A L-A O|U-B"), PREP_SCHEME_BIOES);
    CHECK_INT(scheme_of("B-A M-A E-A O|S-B"), PREP_SCHEME_BIOES);
    CHECK_INT(scheme_of("O O A A O B"), PREP_SCHEME_IO);
    CHECK_INT(scheme_of("NN NN O VB DT -LRB-"), PREP_SCHEME_PLAIN);
    CHECK_INT(scheme_of("0 0 1 2"), PREP_SCHEME_PLAIN);
    CHECK_INT(scheme_of("O O O"), PREP_SCHEME_IOB2);

    /* what comes out */
    check(PREP_SCHEME_IOB2, "B-A I-A O B-A B-A I-B", "B-A I-A O B-A B-A B-B", 1);
    check(PREP_SCHEME_IOB2, "O I-A I-A", "O B-A I-A", 1);
    check(PREP_SCHEME_IOB1, "I-A I-A B-A I-B O I-B", "B-A I-A B-A B-B O B-B", 0);
    check(PREP_SCHEME_BIOES, "S-A B-A I-A E-A S-A S-A O", "B-A B-A I-A I-A B-A B-A O", 0);
    check(PREP_SCHEME_BIOES, "U-A B-A L-A U-A B-A I-A L-A", "B-A B-A I-A B-A B-A I-A I-A", 0);
    check(PREP_SCHEME_BIOES, "B-A E-A I-A E-A", "B-A I-A B-A I-A", 1);
    check(PREP_SCHEME_IO, "A A O B A", "B-A I-A O B-B B-A", 0);
    check(PREP_SCHEME_IO, "I-A I-A O I-B", "B-A I-A O B-B", 0);
    check(PREP_SCHEME_BEGIN, "A A O B", "B-A B-A O B-B", 0);
    check(PREP_SCHEME_BEGIN, "B-A O B-A B-A", "B-A O B-A B-A", 0);
    check(PREP_SCHEME_IOB2, "B-creative-work I-creative-work", "B-creative-work I-creative-work", 0);
    check(PREP_SCHEME_PLAIN, "I-A NN O", "I-A NN O", 0);

    /* what a scheme does not have */
    check(PREP_SCHEME_IOB2, "O S-A", "bad 1", 0);
    check(PREP_SCHEME_IOB2, "O A", "bad 1", 0);
    check(PREP_SCHEME_IOB1, "E-A", "bad 0", 0);
    check(PREP_SCHEME_IO, "I-A B-A", "bad 1", 0);
    check(PREP_SCHEME_BEGIN, "B-A I-A", "bad 1", 0);
    check(PREP_SCHEME_BIOES, "O A", "bad 1", 0);

    /* types without end are refused, not kept */
    prep_tags t = {.scheme = PREP_SCHEME_IOB2};
    lt_status st = LT_OK;
    int bad, made = 0;
    int64_t stray = 0;
    for (; made < 10000 && st == LT_OK; made++) {
        char name[32];
        (void)snprintf(name, sizeof name, "B-%d", made);
        const char *tag[1] = {name};
        st = prep_tags_convert(&t, tag, 1, &bad, &stray);
    }
    TEST_REPORT(st == LT_ERR_FORMAT && made > 1000, "%d types: %s", made, lt_status_name(st));
    prep_tags_fini(&t);
    return test_end();
}
