#pragma once
/* Checks of an installation where nobody can run the tests: `ltune selftest` and `ltune bench`.
 *
 * A check is a line: what, the number that was measured, the limit, ok or FAILED.  All ranks make the same checks in the same order; a line holds the worst
 * number of all ranks, and a failure says which rank it is of.  Speeds are lines without a verdict.  Nothing is read from the system but the devices, and
 * what is written lies in a temporary folder that goes again. */

#include "comm/comm.h"
#include "model/device.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_check_row {
    const char *section; /* "ops"; static */
    char what[80], why[240];
    double measured, limit; /* infinite: it did not get to a number */
    bool ok;
} lt_check_row;

typedef struct lt_check_speed {
    char what[80], note[120];
    double value;
    const char *unit; /* static */
} lt_check_speed;

typedef struct lt_check {
    lt_comm *world;
    const lt_device *device;
    bool quick;          /* fewer and smaller */
    const char *broken;  /* a check of the checks: an op, or a section, that is made to go wrong; NULL = none */
    FILE *out;           /* where lines appear as they come; NULL = nowhere */
    const char *scratch; /* where the temporary folder is made; NULL: TMPDIR or /tmp */
    int n, n_speeds, failed;
    lt_check_row *row;     /* [n] */
    lt_check_speed *speed; /* [n_speeds] */
} lt_check;

/* Collective(world).  Every entry of a step of the device's table against ref, shapes with tails, f32 and bf16; each twice: the same bits. */
void lt_check_ops(lt_check *k);
/* Collective(world).  Gradients on the device against differences of what it computes forward. */
void lt_check_gradients(lt_check *k);
/* Collective(world).  Sums of known integers over the world and over the groups of every layout. */
void lt_check_collectives(lt_check *k);
/* Collective(world).  Short training runs of a tiny model with a trial of each method, on the device and on the CPU: the losses beside each other. */
void lt_check_training(lt_check *k);
/* Collective(world).  Speeds of products, copies and sums over ranks. */
void lt_check_speeds(lt_check *k);
/* Local.  Frees the lines. */
void lt_check_fini(lt_check *k);
/* Local.  What lt_check.broken may be, "train, ..., linear_fwd, ...", into a string of static memory. */
bool lt_check_can_break(const char *word);

#ifdef __cplusplus
}
#endif
