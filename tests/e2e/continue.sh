#!/usr/bin/env bash
# TEST labels: e2e timeout: 90
# Where a run begins and what it may be continued with: run.resume as a path and never, another data set, a run log that cannot be read; and what eval
# and predict make of checkpoints (a trial without a best, standard input on several ranks, the compute type).
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
says() { count "$(grep -qE -- "$1" "$tmp/out" && echo ok)" "$2: the output lacks '$1': $(tail -n 3 "$tmp/out")"; }
config "$tmp/a.yaml" "$bert" "$tmp/a"
sed -i 's/steps: 30/steps: 12/; s/eval_every: 10/eval_every: 4/' "$tmp/a.yaml"
must_run 2 train "$tmp/a.yaml" train.checkpoint_every=4 train.keep=9
whole=$(state "$tmp/a/ck/last")
start=$tmp/a/ck/step_00000004.h5

# ---- a path: where a run begins, once
must_run 2 train "$tmp/a.yaml" run.dir="$tmp/b" run.resume="$start"
says 'continuing from .*step_00000004.h5 \(step 4\)' "path"
same "its losses" "$(series "$tmp/b/run.h5" /trials/prefix/train/loss)" "$(series "$tmp/a/run.h5" /trials/prefix/train/loss | tail -n 8)"
run 2 eval "$tmp/a.yaml" run.dir="$tmp/b"
expect "every trial of it has a best" "$rc $(grep -c ' n [0-9]' "$tmp/out")" "0 5"
LT_FAULT=step.local:0:3:term run 2 train "$tmp/a.yaml" run.dir="$tmp/c" run.resume="$start"
expect "stopped: exit code" $rc 75
says 'run the same command again to continue, with run.resume=auto' "stopped"
must_run 2 train "$tmp/a.yaml" run.dir="$tmp/c" run.resume="$start"
says 'has checkpoints of its own: it goes on from them' "the same command again"
says 'continuing from .*/c/ck/step_0000000[678].h5' "the same command again"
same "the same command again: losses" "$(losses "$tmp/c")" "$(losses "$tmp/b")"
# of the same folder: back to that step; what was later is kept
must_run 2 train "$tmp/a.yaml" run.resume="$start"
same "back to an earlier step: the same end" "$(state "$tmp/a/ck/last")" "$whole"
expect "back to an earlier step: later ones are kept" "$(find "$tmp/a/ck" -name 'step_*.bad' | wc -l)" 2
# and killed before it is at its best again: a best that the folder does not hold any more is no best, and eval finds one of every trial
must_run 2 train "$tmp/a.yaml" run.dir="$tmp/back" train.eval_every=2 train.checkpoint_every=2 train.keep=9
rm "$tmp"/back/ck/best_* # as the bests of later steps do
must_run 2 train "$tmp/a.yaml" run.dir="$tmp/back" train.eval_every=2 train.checkpoint_every=2 run.resume="$tmp/back/ck/step_00000006.h5"
says 'warning: the best values of trial .*, of step [24], are not in .*/back/ck any more: its next evaluation counts as its best' "a best that is gone"
run 2 eval "$tmp/a.yaml" run.dir="$tmp/back"
expect "a best that is gone: every trial has one again" "$rc $(grep -c ' n [0-9]' "$tmp/out")" "0 5"
run 2 train "$tmp/a.yaml" run.dir="$tmp/d" run.resume="$tmp/none.h5"
expect "no such checkpoint" "$rc" 15

# ---- other data
text 500 | sed 's/ film/ story/' >"$tmp/text.tsv"
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign --hash-split 70,20,10 -t "$bert" -o "$tmp/other.h5" "$tmp/text.tsv" >"$tmp/out" 2>&1
before=$(find "$tmp/a" -type f ! -name run.lock -exec sha256sum {} + | sort)
run 2 train "$tmp/a.yaml" data.path="$tmp/other.h5"
expect "other data: exit code" $rc 12
says 'CONFIG: .* was trained or judged on other data .*another run.dir' "other data"
expect "other data: nothing changed" "$(find "$tmp/a" -type f ! -name run.lock -exec sha256sum {} + | sort)" "$before"
cp "$tmp/data.h5" "$tmp/copy.h5"
must_run 2 train "$tmp/a.yaml" data.path="$tmp/copy.h5" # the same content under another name

# ---- a run log that cannot be read
head -c 100 "$tmp/a/run.h5" >"$tmp/cut"
cp "$tmp/cut" "$tmp/a/run.h5"
must_run 2 train "$tmp/a.yaml"
says 'the run log cannot be read, a new one begins at step 12: .*run.h5' "damaged run log"
expect "it is kept" "$(cmp "$tmp/cut" "$tmp/a/run.h5.bad" && h5ls "$tmp/a/run.h5" | wc -l)" 3

# ---- a file that a killed writer left, with the name that comes next
touch "$tmp/a/run.h5.tmp.$(hostname).$$.0"
must_run 2 train "$tmp/a.yaml"
expect "left-over temporary files" "$(find "$tmp/a" -name '*.tmp.*' | wc -l)" 0

# ---- trials without a best
LT_FAULT=step.loss:0:2:nan run 2 train "$tmp/a.yaml" run.dir="$tmp/nan"
expect "a trial lost before its first evaluation" "$(awk '$1 == "lt_prefix" { print $4, $5 }' "$tmp/out")" "- -"
expect "told on one rank" "$(grep -c 'are not finite' "$tmp/out")" 1
run 2 eval "$tmp/a.yaml" run.dir="$tmp/nan"
expect "eval: the others" "$rc $(grep -c ' n [0-9]' "$tmp/out")" "0 4"
says 'trial lt_prefix is left out' "eval"
run 2 predict "$tmp/a.yaml" run.dir="$tmp/nan" --trial prefix --text 'good film'
expect "predict with another trial" $rc 0
run 2 predict "$tmp/a.yaml" run.dir="$tmp/nan" --trial lt_prefix --text 'good film'
expect "predict with the lost trial" $rc 15

# ---- standard input on several ranks
printf 'good film\nbad film\n' >"$tmp/two.txt"
run 1 predict "$tmp/a.yaml" --trial prefix "$tmp/two.txt" --json
by_file=$(grep '"label"' "$tmp/out")
"$source_dir/tests/mpirun.sh" 2 "$bin/ltune" predict "$tmp/a.yaml" --trial prefix - --json <"$tmp/two.txt" >"$tmp/out" 2>"$tmp/err"
expect "standard input on two ranks: labels" "$(grep -o '"label": *"[a-z]*"' "$tmp/out")" "$(grep -o '"label": *"[a-z]*"' <<<"$by_file")"
expect "standard input on two ranks: lines" "$(wc -l <"$tmp/out")" 2

# ---- features: the same bits on one rank and on several data-parallel groups, the same numbers under tensor parallelism
head -n 60 "$tmp/text.tsv" | cut -f 3 >"$tmp/lines.txt"
features() { # features NAME RANKS ARGS...
    run "$2" features --model "$llama" --text "$tmp/lines.txt" -o "$tmp/$1.h5" parallel.tokens=100 "${@:3}"
    expect "features $1: exit code" $rc 0
}
hidden() { h5dump -d /hidden "$tmp/$1.h5" | tail -n +2 | sha256sum; }
for what in "--layer all" "--pool mean" "--layer 1 --pool last"; do
    read -ra options <<<"$what"
    features one 1 "${options[@]}"
    features two 2 "${options[@]}"
    features three 3 "${options[@]}"
    same "features $what: two groups" "$(hidden two)" "$(hidden one)"
    same "features $what: three groups" "$(hidden three)" "$(hidden one)"
done
features four 4 --pool mean parallel.tp=2
features one 1 --pool mean
within "features: tp 2 x dp 2" "$(series "$tmp/four.h5" /hidden)" "$(series "$tmp/one.h5" /hidden)" 1e-2
features last 1 --pool last
beyond "features: another pool" "$(series "$tmp/last.h5" /hidden)" "$(series "$tmp/one.h5" /hidden)" 1e-2

# ---- models and settings that cannot work together are refused
refused() { # refused WHAT CODE WORDS ARGS...
    run 1 train "${@:4}" run.dir="$tmp/no"
    expect "$1: exit code" $rc "$2"
    says "$3" "$1"
}
mkdir "$tmp/m"
cp "$llama"/* "$tmp/m"
config "$tmp/l.yaml" "$tmp/m" "$tmp/no"
refused "pool first, causal, prompt" 12 'model.pool: first .*sees no text' "$tmp/l.yaml" model.pool=first
refused "compat authors" 12 'compat: authors is the padding of the code' "$tmp/l.yaml" method.compat=authors
sed -i 's/"rope_theta": 10000.0/"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0}/' "$tmp/m/config.json"
refused "scaled rotary positions" 16 'rotary positions of type "yarn"' "$tmp/l.yaml"
sed -i 's/"yarn"/"default"/' "$tmp/m/config.json"
must_run 1 train "$tmp/l.yaml" train.steps=2 run.dir="$tmp/rope-new"
cp "$llama/config.json" "$tmp/m"
must_run 1 train "$tmp/l.yaml" train.steps=2 run.dir="$tmp/rope-old"
same "rope_parameters of transformers 5, losses" "$(losses "$tmp/rope-new")" "$(losses "$tmp/rope-old")"
sed -i 's/"rope_theta": 10000.0/"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}/' "$tmp/m/config.json"
must_run 1 train "$tmp/l.yaml" train.steps=2 run.dir="$tmp/rope-other"
beyond "another base" "$(losses "$tmp/rope-other")" "$(losses "$tmp/rope-old")" 1e-6

# ---- batches of one pair: as many wrong pairs as true ones, so the loss of a head that says "true" to all cannot go to 0
config "$tmp/one.yaml" "$bert" "$tmp/one" $'\n  - {name: lt_prompt, method: {name: lt_prompt}}'
must_run 1 train "$tmp/one.yaml" train.batch=1 train.steps=200 train.lr=3e-2 train.eval_every=200
expect "batch of 1: the pairs are of both kinds" \
    "$(series "$tmp/one/run.h5" /trials/lt_prompt/train/loss | tail -n 50 | awk '{ s += $1 } END { print (s / NR > 0.1 ? "both" : "one") }')" both
verdict
