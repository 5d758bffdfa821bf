#pragma once
/* Results of evaluations, as commands print them: JSON and tables. */

#include "app/app.h"
#include "train/run.h"

/* Local.  Adds the numbers that a run is judged by to an object: accuracy, mcc, f1, loss, ...; broken tags where entities are judged. */
void lt_app_put_metrics(json_t *o, const lt_run *r, const lt_metrics *m);
/* Local.  Adds what they are made of: "types" and "averages" of entities, "labels" and "confusion". */
void lt_app_put_detail(json_t *o, const lt_run *r, const lt_detail *d);
/* Local.  The table of entities by type, where a run has them. */
void lt_app_print_entities(const lt_run *r, const lt_metrics *m, const lt_detail *d);
