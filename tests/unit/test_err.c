// TEST rooms: base  labels: unit
/* The record of a failure: a message that holds the one before, frames on the way up, what a long message is cut to. */
#include "lt_test.h"

#include "base/err.h"

#include <string.h>

static lt_status inner(void) { return LT_FAIL(LT_ERR_IO, "disk %d is full", 3); }
static lt_status outer(void) {
    lt_status st = inner();
    return LT_FAIL(LT_ERR_CONFIG, "%s cannot be read: %s; use another", "a.yaml", st == LT_OK ? "?" : lt_err_last()->msg);
}
static lt_status further(void) {
    LT_TRY(outer());
    return LT_OK;
}

int main(void) {
    CHECK(further() == LT_ERR_CONFIG);
    const lt_err_record *r = lt_err_last();
    CHECK(strcmp(r->msg, "a.yaml cannot be read: disk 3 is full; use another") == 0);
    CHECK(strcmp(r->msg, "a.yaml cannot be read: disk 4 is full; use another") != 0);
    CHECK(r->code == LT_ERR_CONFIG && r->n_frames == 2 && strcmp(r->frame[0].func, "outer") == 0 &&
          strcmp(r->frame[1].func, "further") == 0);
    size_t before = 0;
    for (int i = 0; i < 1000; i++) { /* a message that wraps itself ends at the record's size */
        before = strlen(r->msg);
        CHECK(LT_FAIL(LT_ERR_IO, "again: %s", lt_err_last()->msg) == LT_ERR_IO && strncmp(r->msg, "again: ", 7) == 0);
    }
    CHECK(strlen(r->msg) == before && before == sizeof r->msg - 1);
    lt_err_clear();
    CHECK(r->code == LT_OK && r->msg[0] == 0 && r->n_frames == 0);
    return test_end();
}
