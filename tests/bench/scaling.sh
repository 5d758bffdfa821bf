#!/usr/bin/env bash
# How a training step scales over two ranks of one thread, and what it gains from many trials in one job.  All ways take turns, round by round;
# medians of tokens per second.
#
# usage: scaling.sh MODEL_DIR DATA.h5 [--rounds 5] [--dtype f32] [--bin build/release/bin]
#   tp 2      2,048 packed tokens in one step, one rank against two ranks that share every layer
#   dp 2      4,096 tokens in a step, one rank against two ranks with half of them each
#   trials    four prefix trials at batch 8 in one job, against the same four one after another
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 2 ] || usage
model=$1 data=$2 rounds=5 dtype=f32 bin=$here/../../build/release/bin
options "rounds dtype bin" "${@:3}"
cat >"$tmp/run.yaml" <<YAML
model: {path: $model, dtype: $dtype}
data:  {path: $data, limit: 1024, max_length: 64}
train: {batch: 8, eval_every: 1000000000}
trials: [{name: a, method: {name: prefix, length: 8}}]
YAML
sed 's/^trials.*/trials:/' "$tmp/run.yaml" >"$tmp/four.yaml"
for t in a b c d; do echo "  - {name: $t, method: {name: prefix, length: 8}}" >>"$tmp/four.yaml"; done
mean=$("$bin/ltune" plan "$tmp/run.yaml" --ranks 1 --json 2>/dev/null | number tokens_per_step | awk '{ print $1 / 8 }')
batch=$(awk -v m="$mean" 'BEGIN { printf "%d", 2000 / m }')
echo "$dtype, $(awk -v m="$mean" 'BEGIN { printf "%.1f", m }') tokens a sentence, $batch sentences in 2,048 tokens" >&2
for ((r = 1; r <= rounds; r++)); do
    rate 1 1 "$tmp/run.yaml" train.steps=12 train.batch="$batch" parallel.tokens=2048 >>"$tmp/one"
    rate 2 1 "$tmp/run.yaml" train.steps=12 train.batch="$batch" parallel.tokens=2048 parallel.tp=2 >>"$tmp/tp2"
    rate 1 1 "$tmp/run.yaml" train.steps=8 train.batch=$((2 * batch)) parallel.tokens=2048 >>"$tmp/one2"
    rate 2 1 "$tmp/run.yaml" train.steps=8 train.batch=$((2 * batch)) parallel.tokens=2048 >>"$tmp/dp2"
    rate 2 1 "$tmp/four.yaml" train.steps=40 >>"$tmp/four"
    rate 2 1 "$tmp/run.yaml" train.steps=40 >>"$tmp/single"
    echo "round $r of $rounds done" >&2
done
line() { # line WHAT BASE NEW
    awk -v w="$1" -v a="$(median <"$tmp/$2")" -v b="$(median <"$tmp/$3")" 'BEGIN { printf "%-42s %9.0f %9.0f %7.2fx\n", w, a, b, b / a }'
}
printf '%-42s %9s %9s %8s\n' 'tokens per second' before after ratio
line "tp 2 against one rank" one tp2
line "dp 2 against one rank" one2 dp2
line "four trials in one job, batch 8, dp 2" single four
