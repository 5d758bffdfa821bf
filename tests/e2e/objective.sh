#!/usr/bin/env bash
# TEST labels: e2e timeout: 240
# Trials that learn from all labels of a sentence (method.objective: all) beside others, as whole runs: every layout of ranks has the same losses, small packs
# too; an interrupted run ends with the same bits; what has no room is refused; and such a trial learns.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
mixed='
  - {name: prompt_all, method: {name: lt_prompt, objective: all}}
  - {name: prefix_pairs, method: {name: lt_prefix}, train: {batch: 5}}
  - {name: head, method: {name: head}}
  - {name: prefix_all, method: {name: lt_prefix, objective: all}, train: {batch: 3}}
  - {name: prefix, method: {name: prefix, length: 3}}'
for model in bert llama; do
    config "$tmp/$model.yaml" "${!model}" "$tmp/unset" "$mixed"
    must_run 1 train "$tmp/$model.yaml" run.dir="$tmp/$model.one"
    for layout in "2 1" "2 2" "3 1" "4 2"; do
        read -r ranks tp <<<"$layout"
        must_run "$ranks" train "$tmp/$model.yaml" run.dir="$tmp/$model.$ranks.$tp" parallel.tp="$tp"
        within "$model: $ranks ranks, tp $tp" "$(losses "$tmp/$model.$ranks.$tp")" "$(losses "$tmp/$model.one")" 1e-4
    done
    # packs with room for the longest text twice, and little more
    must_run 2 train "$tmp/$model.yaml" run.dir="$tmp/$model.small" parallel.tokens=70
    within "$model: small packs" "$(losses "$tmp/$model.small")" "$(losses "$tmp/$model.one")" 1e-4
done
must_run 1 train "$tmp/bert.yaml" run.dir="$tmp/pairs" trials.0.method.objective=pairs
beyond "control: pairs instead of all labels" "$(series "$tmp/pairs/run.h5" /trials/prompt_all/train/loss)" \
    "$(series "$tmp/bert.one/run.h5" /trials/prompt_all/train/loss)" 1e-4
must_run 1 train "$tmp/bert.yaml" run.dir="$tmp/alone" 'trials=[{name: prefix_pairs, method: {name: lt_prefix}, train: {batch: 5}}]'
within "a trial of pairs beside others as alone" "$(series "$tmp/bert.one/run.h5" /trials/prefix_pairs/train/loss)" "$(losses "$tmp/alone")" 1e-4
# the first loss is that of a guess among two labels; a sentence counts once
first=$(series "$tmp/bert.one/run.h5" /trials/prompt_all/train/loss | sed -n 1p)
count "$(awk -v x="$first" 'BEGIN { print (x > 0.5 && x < 0.95) ? "ok" : "no" }')" "first loss $first is not near log 2"

# ---- interrupted and continued ----
dir=$tmp/stopped
LT_FAULT=step.local:1:13:term run 2 train "$tmp/bert.yaml" run.dir="$dir"
expect "SIGTERM in step 13: exit code" $rc 75
must_run 2 train "$tmp/bert.yaml" run.dir="$dir"
must_run 2 train "$tmp/bert.yaml" run.dir="$tmp/straight"
same "continued: trained values" "$(state "$dir/ck/last")" "$(state "$tmp/straight/ck/last")"
same "continued: metrics" "$(record "$dir")" "$(record "$tmp/straight")"
run 2 train "$tmp/bert.yaml" run.dir="$dir" trials.0.method.objective=pairs
expect "continued with another objective: exit code" $rc 12
count "$(grep -q 'method.objective: pairs' "$tmp/out" && echo ok)" "another objective: not named"

# ---- no room ----
longest=$(series "$tmp/data.h5" /splits/train/offsets | awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { print most }')
prompt='trials=[{name: a, method: {name: lt_prompt, objective: all}}]'
run 1 train "$tmp/bert.yaml" run.dir="$tmp/unused" "$prompt" parallel.tokens=$((2 * (longest + 3) - 1)) data.max_length="$longest"
expect "no room for both labels: exit code" $rc 12
count "$(grep -q "parallel.tokens = $((2 * (longest + 3) - 1)) is less than the $((2 * (longest + 3))) rows" "$tmp/out" && echo ok)" \
    "no room for both labels: $(tail -n 1 "$tmp/out")"
must_run 1 train "$tmp/bert.yaml" run.dir="$tmp/room" "$prompt" parallel.tokens=$((2 * (longest + 3))) data.max_length="$longest" train.steps=3
run 1 eval "$tmp/bert.yaml" run.dir="$tmp/room" "$prompt" parallel.tokens=$((longest + 3)) data.max_length="$longest"
expect "evaluation reads labels one by one: exit code" $rc 0

# ---- it learns ----
must_run 2 train "$tmp/bert.yaml" run.dir="$tmp/learn" 'trials=[{name: a, method: {name: lt_prefix, objective: all}}]' train.steps=150 train.eval_every=50
best=$(series "$tmp/learn/run.h5" /trials/a/eval/accuracy | sort -g | tail -n 1)
echo "  best accuracy of lt_prefix with all labels: $best"
count "$(awk -v x="$best" 'BEGIN { print (x >= 0.8) ? "ok" : "no" }')" "lt_prefix with all labels reached $best only"
verdict
