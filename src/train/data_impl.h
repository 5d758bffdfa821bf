#pragma once
/* Private to the train room: what a run learns from and is judged by: tokenizer, data set, its two splits as samples, their fingerprint. */

#include "base/config.h"
#include "train/metrics.h"
#include "train/samples.h"

typedef struct lt_run_data {
    lt_tok *tok;
    lt_dataset *file;
    char tok_sha[LT_SHA_HEX_BYTES], sha[LT_SHA_HEX_BYTES]; /* sha: of both splits as cut and the labels */
    char *label_list;                                      /* names, one a line, as a checkpoint says them (lt_ckpt_head) */
    int K;
    lt_judge judge;
    lt_samples train, eval;
} lt_run_data;

/* Local.  Opens tokenizer and data set, which must fit each other.  Errors: CONFIG, IO, FORMAT, NOMEM. */
lt_status lt_run_impl_data_open(lt_run_data *d, const lt_config *cfg);
/* Local.  Reads both splits for a model of vocab tokens; fingerprint: also d->sha.  Errors: CONFIG, IO, FORMAT, NOMEM. */
lt_status lt_run_impl_data_read(lt_run_data *d, const lt_config *cfg, int64_t vocab, bool fingerprint);
/* Local.  One split as samples (limit 0 = all), caller-owned.  labels: it must have some.  Errors: CONFIG, IO, FORMAT, NOMEM. */
lt_status lt_run_impl_data_split(lt_run_data *d, const lt_config *cfg, int64_t vocab, const char *name, int64_t limit, bool labels,
                                 lt_samples *s);
/* Local.  Accepts a zeroed struct. */
void lt_run_impl_data_close(lt_run_data *d);
