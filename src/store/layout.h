#pragma once
/* Names and versions of our three HDF5 files; docs/FORMATS.md draws them in full.
 *
 *   ltune-dataset      /labels/{name, words}   /splits/<split>/{tokens, offsets, segment_offsets, label | token_label, word_*}   /report
 *   ltune-checkpoint   /trials/<trial>/{params, adam_m, adam_v, label_states}/<tensor>
 *   ltune-run          /trials/<trial>/{train, eval}/<column>   /perf/<column>   /run   /run/start_0001 ...
 *
 * Every file carries `kind` and `format_version` on its root; every dataset carries `sha256`, the file ends with its digest.
 * A version goes up when a reader of the old version would misread the new file; added datasets and attributes do not raise it. */

#define LT_KIND_DATASET "ltune-dataset"
#define LT_KIND_CKPT    "ltune-checkpoint"
#define LT_KIND_RUN     "ltune-run"
enum { LT_DATASET_VERSION = 1, LT_CKPT_VERSION = 1, LT_RUN_VERSION = 1 };

#define LT_ATTR_KIND    "kind"
#define LT_ATTR_VERSION "format_version"
#define LT_ATTR_SHA     "sha256"
