#!/usr/bin/env bash
# TEST labels: e2e timeout: 300
# Memory of a GPU and packs (emulated): parallel.tokens: auto takes packs that fit; a run that goes on keeps them, and its bits, on a GPU with more memory free,
# and says so and goes on with smaller ones where they do not fit; ranks that share a GPU share its memory; what is measured and what collectives take beside
# their buffers fits too.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
"$bin/ltune" version | grep -q 'cuda-emulated: [0-9]' || { echo "skipped: this build has no emulated GPU (LT_EMULATE)"; exit 77; }

prepare
export LT_EMU_STILL=1 # runs of their own are compared bit by bit: they must find the same ways of products
# wide and flat: a wave is 1,024 rows
"$bin/make_model" llama "$tmp/wide" layers=1 width=128 heads=2 ffn=64 vocab=128 tokenizer=0 >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }
cp "$bert"/vocab.txt "$bert"/tokenizer_config.json "$tmp/wide"
config "$tmp/run.yaml" "$tmp/wide" "$tmp/unset" '
  - {name: prefix, method: {name: prefix, length: 4}}'
train() { must_run "$1" train "$tmp/run.yaml" run.dir="$tmp/$2" run.device=cuda-emulated train.steps=4 train.batch=192 train.eval_every=4 "${@:3}"; }
rows() { h5dump -a /pack_rows "$tmp/$1/ck/last" | sed -n 's/.*(0): //p'; }

# the same steps in packs of one wave and of two
small=59000000 large=90000000
LT_EMU_MEMORY=$small train 1 small
LT_EMU_MEMORY=$large train 1 large
expect "packs with little memory" "$(rows small)" 1024
count "$([ "$(rows large)" -ge 2048 ] && echo ok)" "packs with more memory: $(rows large) rows"
count "$([ "$(state "$tmp/small/ck/last")" != "$(state "$tmp/large/ck/last")" ] && echo ok)" "other packs are the same bits: nothing is shown here"
stopped() { # stopped DIR MEMORY: two steps of it
    LT_FAULT=step.local:0:3:term LT_EMU_MEMORY=$2 run 1 train "$tmp/run.yaml" run.dir="$tmp/$1" run.device=cuda-emulated train.steps=4 train.batch=192 \
        train.eval_every=4
    expect "$1: stopped" $rc 75
}
stopped on $small
LT_EMU_MEMORY=$large train 1 on
count "$(grep -q 'auto: packs of 1024 rows, as before' "$tmp/out" && echo ok)" "packs as before: not told"
same "gone on with more memory free" "$(state "$tmp/on/ck/last")" "$(state "$tmp/small/ck/last")"
expect "kept on" "$(rows on)" 1024
stopped less $large
LT_EMU_MEMORY=$small train 1 less
count "$(grep -q 'as before, do not fit into the memory that is free now: 1024 from here on' "$tmp/out" && echo ok)" "smaller packs: not told"
within "gone on with less memory free" "$(losses "$tmp/less")" "$(losses "$tmp/large")" 1e-3
expect "smaller packs are kept" "$(rows less)" 1024
LT_FAULT=step.local:0:3:term run 1 train "$tmp/run.yaml" run.dir="$tmp/given" run.device=cuda-emulated train.steps=4 train.batch=192 parallel.tokens=700
expect "packs that were given are not kept" "$(rows given)" 0

# two ranks: a GPU each, and one for both
two=(parallel.tokens=1024 parallel.collectives=mpi)
LT_EMU_DEVICES=2 LT_EMU_MEMORY=62000000 train 2 two "${two[@]}"
LT_EMU_DEVICES=1 LT_EMU_MEMORY=62000000 run 2 train "$tmp/run.yaml" run.dir="$tmp/both" run.device=cuda-emulated train.batch=192 "${two[@]}"
expect "two ranks on one small GPU" $rc 14
count "$(grep -q 'are free for each of the ranks that share it' "$tmp/out" && echo ok)" "a GPU for two: $(head -n 3 "$tmp/out")"
LT_EMU_DEVICES=1 LT_EMU_MEMORY=124000000 train 2 both "${two[@]}"
# packs of two waves would fit if collectives took nothing: 80 MiB for parts of ranks and a communicator
LT_EMU_DEVICES=2 LT_EMU_MEMORY=141000000 train 2 beside
expect "packs beside collectives" "$(rows beside)" 1024
verdict
