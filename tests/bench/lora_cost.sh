#!/usr/bin/env bash
# What LoRA costs, in two comparisons whose programs take turns, round by round; medians over the rounds.
#   1. A step of LoRA against a step of the same batch through the frozen model forward and backward to its input with a head on it (prefix of length 1).
#   2. N LoRA trials in one job on one frozen model against N jobs one after the other, whole commands, batch 8.
#
# usage: lora_cost.sh MODEL_DIR TSV [--rounds 3] [--trials 8] [--steps 60] [--dtype bf16] [--ranks 2] [--bin build/release/bin]
#   MODEL_DIR  Hugging Face folder of a model      TSV  "label TAB sentence" with a header line (SST-2's train.tsv)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 2 ] || usage
model=$1 tsv=$2 rounds=3 trials=8 steps=60 dtype=bf16 ranks=2 bin=$here/../../build/release/bin
options "rounds trials steps dtype ranks bin" "${@:3}"
head -n 4001 "$tsv" >"$tmp/train.tsv"
head -n 33 "$tsv" >"$tmp/dev.tsv"
"$bin/ltune-prep" data --task sst2 -t "$model" -o "$tmp/data.h5" "$tmp/train.tsv" "$tmp/dev.tsv" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
cat >"$tmp/run.yaml" <<YAML
model: {path: $model, dtype: $dtype}
data:  {path: $tmp/data.h5}
train: {steps: $steps}
YAML
seeds=$(seq -s , 1 "$trials")
seconds() { # seconds COMMAND...: of the whole command
    local start end
    start=$(date +%s.%N)
    "$@" >/dev/null
    end=$(date +%s.%N)
    awk -v a="$start" -v b="$end" 'BEGIN { print b - a }'
}
one_job() { result seconds "$ranks" 1 "$tmp/run.yaml" method.name=lora train.batch=8 "sweep={run.seed: [$seeds]}"; }
many_jobs() { for ((i = 1; i <= trials; i++)); do result seconds "$ranks" 1 "$tmp/run.yaml" method.name=lora train.batch=8 run.seed=$i; done; }
for ((r = 1; r <= rounds; r++)); do
    result sentences_per_s "$ranks" 1 "$tmp/run.yaml" train.batch=32 method.name=prefix method.length=1 >>"$tmp/base"
    result sentences_per_s "$ranks" 1 "$tmp/run.yaml" train.batch=32 method.name=lora >>"$tmp/lora"
    seconds one_job >>"$tmp/one"
    seconds many_jobs >>"$tmp/many"
    echo "round $r of $rounds done" >&2
done
printf '%s\n' "$(median <"$tmp/base") $(median <"$tmp/lora")" |
    awk '{ printf "batch 32: backward to the input %.1f sentences/s, LoRA %.1f: a step costs %.2fx\n", $1, $2, $1 / $2 }'
printf '%s\n' "$(median <"$tmp/many") $(median <"$tmp/one")" |
    awk -v n="$trials" '{ printf "%d trials at batch 8: %.1f s as jobs one after the other, %.1f s as one: %.2fx\n", n, $1, $2, $1 / $2 }'
