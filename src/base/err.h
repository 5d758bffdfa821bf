#pragma once
/* Status codes and the error record.
 *
 * Every function that can fail returns lt_status and writes its results through out-parameters, only on success.  The code says what
 * kind of failure it was (and so the exit code of the process); the thread-local record says what happened, where, what was expected and
 * found, and what the user can do.  The record is filled once, at the origin, by LT_FAIL / LT_CHECK; LT_TRY adds one frame a call level.
 *
 * Errors and collectives: a rank never leaves alone between two collectives.  A Collective function runs its local part, agrees on the
 * verdict (lt_agree in comm.h), then communicates; see comm.h for the three parts.
 *
 * Threads: the record is thread-local; parallel regions collect a status and raise it after the region. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, number, meaning shown by `ltune help exit-codes`).  Process exit code: 0 for OK, 75 for STOPPED, else 10 + number. */
#define LT_STATUS_LIST(X)                                                                                                                  \
    X(OK, 0, "done")                                                                                                                       \
    X(ARG, 1, "a value given to a command or function is not usable")                                                                      \
    X(CONFIG, 2, "the configuration is wrong (file, line and key are named)")                                                              \
    X(SHAPE, 3, "sizes do not fit each other (ranks, heads, tensors)")                                                                     \
    X(NOMEM, 4, "not enough memory")                                                                                                       \
    X(IO, 5, "a file could not be read or written")                                                                                        \
    X(FORMAT, 6, "a file is not what it should be (damaged, foreign, other version)")                                                      \
    X(MPI, 7, "MPI failed")                                                                                                                \
    X(CUDA, 8, "CUDA failed")                                                                                                              \
    X(NCCL, 9, "NCCL failed")                                                                                                              \
    X(HDF5, 10, "HDF5 failed")                                                                                                             \
    X(NUMERIC, 11, "numbers became NaN or infinite in every trial")                                                                        \
    X(PEER, 12, "another rank failed and its reason is not known here")                                                                    \
    X(TIMEOUT, 13, "a rank did not arrive in time")                                                                                        \
    X(STOPPED, 14, "stopped by a signal with the state saved: run again to continue (exit code 75)")                                       \
    X(INTERNAL, 15, "a bug in ltune")

typedef enum lt_status {
    LT_OK = 0,
#define X(name, num, text) LT_ERR_##name = num,
    LT_STATUS_LIST(X)
#undef X
        LT_STATUS_COUNT = 16
} lt_status;

enum { LT_ERR_MSG_BYTES = 1536, LT_ERR_MAX_FRAMES = 24 };

typedef struct lt_err_frame {
    const char *file, *func; /* static strings */
    int line;
} lt_err_frame;

/* What is known of the last failure of this thread. */
typedef struct lt_err_record {
    lt_status code;
    int origin_rank; /* world rank where it happened; -1 = here and not agreed yet */
    char msg[LT_ERR_MSG_BYTES];
    lt_err_frame frame[LT_ERR_MAX_FRAMES];
    int n_frames;
} lt_err_record;

/* Local.  The record of this thread, never NULL; valid until the next failure. */
lt_err_record *lt_err_last(void);
/* Local.  Forgets the record: for callers that handled the failure themselves. */
void lt_err_clear(void);
/* Local.  "OK", "FORMAT" ...; "?" for a number out of range. */
const char *lt_status_name(lt_status st);
/* Local.  One-line meaning from LT_STATUS_LIST. */
const char *lt_status_text(lt_status st);
/* Local.  Process exit code of a status: 0, 75, or 10 + status. */
int lt_status_exit_code(lt_status st);
/* Local.  Starts a record (message, first frame) and returns code.  Use the macros. */
lt_status lt_err_raise(lt_status code, const char *file, int line, const char *func, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Local.  Adds a frame to the record and returns st. */
lt_status lt_err_trace(lt_status st, const char *file, int line, const char *func);
/* Local.  Prints the record as the user shall see it: code, message, then rank, host and frames. */
void lt_err_print(const char *program, int rank, int size, const char *host);

/* Fails here with a message: "return LT_FAIL(LT_ERR_IO, "...", ...);" */
#define LT_FAIL(code, ...) lt_err_raise((code), __FILE__, __LINE__, __func__, __VA_ARGS__)
/* Returns a failure unless cond holds; in every build. */
#define LT_CHECK(cond, code, ...)                                                                                                          \
    do {                                                                                                                                   \
        if (!(cond)) return LT_FAIL((code), __VA_ARGS__);                                                                                  \
    } while (0)
/* The same for functions with a single exit. */
#define LT_CHECK_GOTO(cond, st, label, code, ...)                                                                                          \
    do {                                                                                                                                   \
        if (!(cond)) {                                                                                                                     \
            (st) = LT_FAIL((code), __VA_ARGS__);                                                                                           \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)
/* Calls, adds a frame and returns on failure. */
#define LT_TRY(call)                                                                                                                       \
    do {                                                                                                                                   \
        lt_status lt_st_ = (call);                                                                                                         \
        if (lt_st_ != LT_OK) return lt_err_trace(lt_st_, __FILE__, __LINE__, __func__);                                                    \
    } while (0)
#define LT_TRY_GOTO(call, st, label)                                                                                                       \
    do {                                                                                                                                   \
        (st) = (call);                                                                                                                     \
        if ((st) != LT_OK) {                                                                                                               \
            lt_err_trace((st), __FILE__, __LINE__, __func__);                                                                              \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)
/* For cleanup: runs call, keeps the first failure in st. */
#define LT_KEEP(st, call)                                                                                                                  \
    do {                                                                                                                                   \
        lt_status lt_st_ = (call);                                                                                                         \
        if ((st) == LT_OK) (st) = lt_st_;                                                                                                  \
    } while (0)
/* For our own bugs, in every build: a failed one is INTERNAL, not an abort. */
#define LT_ASSERT(cond) LT_CHECK((cond), LT_ERR_INTERNAL, "internal check failed: %s", #cond)

#ifdef __cplusplus
}
#endif
