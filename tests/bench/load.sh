#!/usr/bin/env bash
# Loading a large model over two tensor-parallel ranks: bytes read against the file's size, seconds against reading the file alone (warm cache),
# and resident memory against the plan.  Makes a LLaMA of random weights (about 1 GB) in the folder given, or takes the one that is there.
#
# usage: load.sh FOLDER [--layers 9] [--rounds 3] [--dtype bf16] [--bin build/release/bin]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 1 ] || usage
model=$1 layers=9 rounds=3 dtype=bf16 bin=$here/../../build/release/bin
options "layers rounds dtype bin" "${@:2}"
[ -f "$model/model.safetensors" ] || "$bin/make_model" llama "$model" layers="$layers" width=2048 ffn=5632 shard=100000 tokenizer=0 >&2
cp "$here/../golden/tiny-bert/vocab.txt" "$here/../golden/tiny-bert/tokenizer_config.json" "$model"
for i in $(seq 64); do printf '%d\t%d\tthe film is good and the plot is not\n' "$i" $((i % 2 ? 1 : -1)); done >"$tmp/text.tsv"
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign -t "$model" -o "$tmp/data.h5" \
    "train=$tmp/text.tsv" "dev=$tmp/text.tsv" >"$tmp/log" 2>&1 ||
    { cat "$tmp/log" >&2; exit 1; }
cat >"$tmp/run.yaml" <<YAML
model: {path: $model, dtype: $dtype}
data:  {path: $tmp/data.h5, max_length: 32}
train: {batch: 8, steps: 1, eval_every: 1000}
parallel: {tp: 2, tokens: 128}
trials: [{name: a, method: {name: prefix, length: 8}}]
YAML
size=$(stat -c %s "$model/model.safetensors")
for ((r = 1; r <= rounds; r++)); do
    start=$(date +%s.%N)
    cat "$model/model.safetensors" >/dev/null
    echo "$(date +%s.%N) $start" | awk '{ print $1 - $2 }' >>"$tmp/cat"
    result memory_peak 2 1 "$tmp/run.yaml" >>"$tmp/peak"
    number memory_planned <"$tmp/json" >>"$tmp/planned"
    sed -n 's/.*weights: \([0-9.]*\) MB read by 2 ranks together in \([0-9.]*\) s.*/\1/p' "$tmp/log" >>"$tmp/mb"
    sed -n 's/.*weights: \([0-9.]*\) MB read by 2 ranks together in \([0-9.]*\) s.*/\2/p' "$tmp/log" >>"$tmp/seconds"
done
awk -v size="$size" -v mb="$(median <"$tmp/mb")" -v cat="$(median <"$tmp/cat")" -v s="$(median <"$tmp/seconds")" \
    -v peak="$(median <"$tmp/peak")" -v plan="$(median <"$tmp/planned")" 'BEGIN {
    printf "file                         %9.1f MB\n", size / 1e6
    printf "read by both ranks           %9.1f MB   %.3f of the file\n", mb, mb * 1e6 / size
    printf "reading the file alone       %9.2f s\n", cat
    printf "reading and packing          %9.2f s    %.2fx\n", s, s / cat
    printf "resident at most, rank 0     %9.1f MB   %.3f of the plan (%.1f MB), %.2f of the file\n", peak / 1e6, peak / plan, plan / 1e6, peak / size
}'
