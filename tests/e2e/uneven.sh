#!/usr/bin/env bash
# TEST labels: e2e timeout: 200
# A model that no number of ranks divides (5 query heads on one key/value head, 250 feed-forward columns, 131 words): the losses and gradient norms of all
# four methods agree with one rank's on 2, 3, 4 and 5 ranks; a run goes on under another cut; what plan and errors say of a cut.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
odd=$tmp/odd
"$bin/make_model" llama "$odd" layers=2 width=320 heads=5 kv_heads=1 ffn=250 vocab=131 tokenizer=0 >"$tmp/out"
cp "$bert"/vocab.txt "$bert"/tokenizer_config.json "$odd"
config "$tmp/odd.yaml" "$odd" "$tmp/unset"
# a learning rate at which the label prefixes of this random model do not turn rounding into other numbers within 30 steps (1e-2 does)
layout() { must_run "$2" train "$tmp/odd.yaml" train.lr=1e-3 run.dir="$tmp/$1" parallel.tp="$3" "${@:4}"; }
norms() { for t in lt_prefix lt_prompt prefix prompt lora; do series "$tmp/$1/run.h5" "/trials/$t/train/grad_norm"; done; }
layout one 1 1
layout seed 1 1 run.seed=2
for tp in 2 3 4 5; do layout "tp$tp" "$tp" "$tp"; done
layout tp3dp2 6 3
for l in tp2 tp3 tp4 tp5 tp3dp2; do
    within "$l against one rank: losses" "$(losses "$tmp/$l")" "$(losses "$tmp/one")" 1e-4
    within "$l against one rank: gradient norms" "$(norms "$l")" "$(norms one)" 1e-3
done
beyond "control: another seed, losses" "$(losses "$tmp/seed")" "$(losses "$tmp/one")" 1e-4
beyond "control: another seed, gradient norms" "$(norms seed)" "$(norms one)" 1e-3

# ---- from one cut to another ----
LT_FAULT=step.local:1:16:term run 3 train "$tmp/odd.yaml" train.lr=1e-3 run.dir="$tmp/moved" parallel.tp=3
expect "a signal in step 16 ends with" "$rc" 75
must_run 4 train "$tmp/odd.yaml" train.lr=1e-3 run.dir="$tmp/moved" parallel.tp=4
within "15 steps on three ranks, the rest on four: losses" "$(losses "$tmp/moved")" "$(losses "$tmp/one")" 1e-4

# ---- words ----
plan() { "$bin/ltune" plan "$tmp/odd.yaml" run.dir="$tmp/unused" "$@" 2>"$tmp/err"; }
plan --ranks 4 parallel.tp=4 >"$tmp/plan"
expect "plan of an uneven cut" "$(sed -n 's/^cut  *\(.*\): the rank with most has .*/\1/p' "$tmp/plan")" \
    "5 heads over 4 ranks: 1, 1, 1, 2; 250 feed-forward columns over 4 ranks: 62, 63, 62, 63"
plan --ranks 5 parallel.tp=5 >"$tmp/plan"
expect "control: plan of an even cut" "$(grep -c '^cut' "$tmp/plan")" 0
run 6 train "$tmp/odd.yaml" run.dir="$tmp/unused" parallel.tp=6
expect "more ranks than heads" "$rc" 13
expect "what is said of it" "$(grep -c '5 attention heads.*tp that work: 1 to 5' "$tmp/out")" 1
"$bin/ltune-prep" model "$odd" >"$tmp/model"
expect "ltune-prep model" "$(grep -c 'even parts: 1, 5; others up to 5 work too' "$tmp/model")" 1
verdict
