/* The error record: one per thread, filled at the origin, framed on the way out, printed once by the program. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local lt_err_record record = {.origin_rank = -1};

static const struct {
    const char *name, *text;
} status_table[LT_STATUS_COUNT] = {
#define X(name, num, text) [num] = {#name, text},
    LT_STATUS_LIST(X)
#undef X
};

lt_err_record *lt_err_last(void) { return &record; }

void lt_err_clear(void) {
    record.code = LT_OK;
    record.origin_rank = -1;
    record.msg[0] = 0;
    record.n_frames = 0;
}

const char *lt_status_name(lt_status st) { return (unsigned)st < LT_STATUS_COUNT ? status_table[st].name : "?"; }

const char *lt_status_text(lt_status st) { return (unsigned)st < LT_STATUS_COUNT ? status_table[st].text : "unknown status"; }

int lt_status_exit_code(lt_status st) {
    if (st == LT_OK) return 0;
    return st == LT_ERR_STOPPED ? 75 : 10 + (int)st;
}

lt_status lt_err_trace(lt_status st, const char *file, int line, const char *func) {
    if (st != LT_OK && record.n_frames < LT_ERR_MAX_FRAMES) record.frame[record.n_frames++] = (lt_err_frame){file, func, line};
    return st;
}

lt_status lt_err_raise(lt_status code, const char *file, int line, const char *func, const char *fmt, ...) {
    va_list ap;
    char msg[sizeof record.msg] = ""; /* the last message may be an argument */
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    lt_err_clear();
    record.code = code;
    memcpy(record.msg, msg, sizeof msg);
    return lt_err_trace(code, file, line, func);
}

void lt_err_print(const char *program, int rank, int size, const char *host) {
    const lt_err_record *r = &record;
    fprintf(stderr, "%s: %s: %s\n", program, lt_status_name(r->code), r->msg[0] ? r->msg : lt_status_text(r->code));
    if (size > 1 || r->n_frames > 0) {
        fprintf(stderr, "  rank %d/%d on %s:", r->origin_rank >= 0 ? r->origin_rank : rank, size, host);
        for (int i = 0; i < r->n_frames; i++) {
            const char *slash = strrchr(r->frame[i].file, '/');
            fprintf(stderr, "%s%s:%d %s", i ? " <- " : " ", slash ? slash + 1 : r->frame[i].file, r->frame[i].line, r->frame[i].func);
        }
        fputc('\n', stderr);
    }
    fflush(stderr);
}
