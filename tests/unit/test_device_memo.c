// TEST rooms: device  labels: unit
/* Remembered answers: found for the very question alone, replaced by newer ones, never mixed up however many share a place. */
#include "lt_test.h"

#include "device/memo_impl.h"

typedef struct question {
    int64_t rows, which;
} question;

/* Keeps `asked` answers in `places`, asks for all of them and as many that were never given; the number that was found. */
static int64_t found_of(size_t places, int64_t asked, bool spoil) {
    lt_memo m = {calloc(places, sizeof *m.entry), places};
    int64_t found = 0, wrong = 0, last = 0;
    if (!m.entry) exit(1);
    for (int64_t i = 0; i < asked; i++) {
        question q = {i, 7};
        last = i * i + 1;
        lt_memo_keep(&m, &q, sizeof q, &last, sizeof last);
        if (spoil) m.entry[0].ask[0] ^= 1; /* what a table that mixes questions up would look like */
        int64_t got = -1;
        CHECK(spoil || (lt_memo_find(&m, &q, sizeof q, &got, sizeof got) && got == last));
    }
    for (int64_t i = 0; i < 2 * asked; i++) {
        question q = {i, i < asked ? 7 : 8};
        int64_t got = -1;
        bool is = lt_memo_find(&m, &q, sizeof q, &got, sizeof got);
        found += is;
        wrong += is ? got != i * i + 1 || i >= asked : got != -1;
    }
    free(m.entry);
    CHECK(spoil || wrong == 0);
    return spoil ? wrong : found;
}

int main(void) {
    CHECK_INT(found_of(1, 1, false), 1);
    CHECK_INT(found_of(1, 50, false), 1); /* the newest */
    int64_t few = found_of(1024, 200, false), many = found_of(64, 5000, false);
    CHECK(few > 160 && few <= 200); /* some share a place */
    CHECK(many >= 60 && many <= 64);
    CHECK(found_of(1, 2, true) > 0); /* this test sees an answer to another question */

    lt_memo_entry one = {0};
    lt_memo m = {&one, 1};
    unsigned char long_ask[LT_MEMO_ASK_BYTES + 1] = {1}, answer[LT_MEMO_ANSWER_BYTES + 1] = {2};
    lt_memo_keep(&m, long_ask, sizeof long_ask, answer, 1);
    lt_memo_keep(&m, long_ask, 4, answer, sizeof answer);
    CHECK(one.ask_bytes == 0 && !lt_memo_find(&m, long_ask, sizeof long_ask, answer, 1) && !lt_memo_find(&m, long_ask, 0, answer, 1));
    lt_memo_keep(&m, long_ask, 4, answer, 1);
    CHECK(lt_memo_find(&m, long_ask, 4, answer, 1) && !lt_memo_find(&m, long_ask, 5, answer, 1)); /* the length counts */
    return test_end();
}
