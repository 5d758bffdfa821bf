#pragma once
/* Logging to stderr, one line a call, prefixed with seconds since start, rank and size.
 *
 * Results never go here: they belong to stdout.  Level by LT_LOG=error|warn|info|debug (default info).  Below warn only rank 0 speaks,
 * unless LT_LOG_ALL=1.  A line is written with one write so that ranks do not mix inside a line. */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lt_log_level { LT_LOG_ERROR, LT_LOG_WARN, LT_LOG_INFO, LT_LOG_DEBUG } lt_log_level;

/* Local.  Rank and size shown in the prefix; before it every process counts as rank 0 of 1. */
void lt_log_init(int rank, int size);
/* Local.  From now on nothing above this level, unless LT_LOG asks for one. */
void lt_log_limit(lt_log_level level);
/* Local.  True if a line of that level would be written by this rank. */
int lt_log_on(lt_log_level level);
/* Local.  Writes one line (no newline in fmt needed). */
void lt_log(lt_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Local.  Seconds since lt_log_init, monotonic. */
double lt_time_s(void);

#define lt_error(...) lt_log(LT_LOG_ERROR, __VA_ARGS__)
#define lt_warn(...)  lt_log(LT_LOG_WARN, __VA_ARGS__)
#define lt_info(...)  lt_log(LT_LOG_INFO, __VA_ARGS__)
#define lt_debug(...) lt_log(LT_LOG_DEBUG, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
