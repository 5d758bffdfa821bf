#!/usr/bin/env bash
# TEST labels: e2e timeout: 60
# Splits without labels: train and eval refuse them in words, predict --split says their labels, the same as for the texts by themselves.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
text 60 | cut -f3 >"$tmp/test.txt"
awk -F'\t' '{ print ($2 > 0 ? "pos" : "neg") "\t" $3 }' "$tmp/text.tsv" >"$tmp/train.tsv"
(head -n 40 "$tmp/train.tsv"; sed 's/^/\t/' "$tmp/test.txt") >"$tmp/dev.tsv"
"$bin/ltune-prep" data --format tsv --text 2 --label 1 --unlabelled -t "$bert" "$tmp/train.tsv" "$tmp/dev.tsv" -o "$tmp/some.h5" >"$tmp/out" 2>&1
config "$tmp/a.yaml" "$bert" "$tmp/run" '
  - {name: a, method: {name: lt_prefix}}'
set_data=(data.path="$tmp/some.h5")
must_run 1 train "$tmp/a.yaml" "${set_data[@]}"
run 1 train "$tmp/a.yaml" "${set_data[@]}" run.dir="$tmp/no" data.train=dev_unlabelled
expect "training: exit code" "$rc" 12
expect "training: named, and what to do" \
    "$(grep -c "split 'dev_unlabelled' has no labels.*data.train.*ltune predict RUN.yaml --split dev_unlabelled" "$tmp/out")" 1
run 2 eval "$tmp/a.yaml" "${set_data[@]}" --split dev_unlabelled
expect "evaluation" "$rc $(grep -c "split 'dev_unlabelled' has no labels" "$tmp/out")" "12 1"
run 2 eval "$tmp/a.yaml" "${set_data[@]}" --split dev
expect "control: a split with labels" "$rc" 0
run 2 predict "$tmp/a.yaml" "${set_data[@]}" --split dev_unlabelled
expect "predict --split" "$rc" 0
grep -E '^(pos|neg)' "$tmp/out" >"$tmp/split.tsv"
expect "predict --split: a row each" "$(wc -l <"$tmp/split.tsv")" 60
run 1 predict "$tmp/a.yaml" "${set_data[@]}" "$tmp/test.txt"
grep -E '^(pos|neg)' "$tmp/out" >"$tmp/text.out"
expect "the same labels and probabilities as for the texts" "$(cut -f1 "$tmp/split.tsv")" "$(cut -f1 "$tmp/text.out")"
within "probabilities" "$(cut -f2 "$tmp/split.tsv")" "$(cut -f2 "$tmp/text.out")" 1e-5
expect "control: not all the same" "$(($(cut -f2 "$tmp/split.tsv" | sort -u | wc -l) > 10))" 1
run 1 predict "$tmp/a.yaml" "${set_data[@]}" --split dev --json
expect "predict --split of one with labels" "$rc $(grep -c '"label"' "$tmp/out")" "0 40"
run 1 predict "$tmp/a.yaml" "${set_data[@]}" --split dev --text "good film"
expect "one of text and split" "$rc" 2
run 1 predict "$tmp/a.yaml" "${set_data[@]}" --split nothing
expect "no such split" "$rc $(grep -c "no split 'nothing'; it has: dev, dev_unlabelled, train" "$tmp/out")" "12 1"
verdict
