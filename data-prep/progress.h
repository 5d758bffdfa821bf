#pragma once
/* How far a long job is: one line on a terminal, renewed twice a second, with the time that is left; in a log a line a minute.  Silent for the first
 * seconds. */

#include <stdbool.h>
#include <stdint.h>

typedef struct prep_progress {
    int64_t total, done; /* bytes of all files, 0: not known; of files that are done */
    double start, next;
    bool terminal, shown;
} prep_progress;

struct prep_data;
void prep_progress_start(prep_progress *p, const struct prep_data *d);
/* bytes: read so far of the file at hand. */
void prep_progress_show(prep_progress *p, int64_t bytes);
void prep_progress_file(prep_progress *p, int64_t bytes);
void prep_progress_end(prep_progress *p);
