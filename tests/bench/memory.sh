#!/usr/bin/env bash
# Memory of the frozen weights when several data-parallel ranks are on one node: proportional set size (a page that k processes map counts 1/k for each) summed
# over the ranks while they train, what the ranks read from the weights file, and tokens per second; for 1 rank and for R.  Weights are the difference to a run
# on the tiny model of tests/golden: program, libraries, trials and message buffers stay out.  Makes a LLaMA of random weights (about 270 MB) in the folder
# given, or takes the one that is there.
#
# usage: memory.sh FOLDER [--ranks 4] [--layers 10] [--dtype f32] [--bin build/release/bin]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 1 ] || usage
model=$1 ranks=4 layers=10 dtype=f32 bin=$here/../../build/release/bin
options "ranks layers dtype bin" "${@:2}"
job=
trap '[ -z "$job" ] || kill -TERM "$job" 2>/dev/null || true; rm -rf "$tmp"' EXIT
[ -f "$model/model.safetensors" ] || "$bin/make_model" llama "$model" layers="$layers" width=1024 heads=16 ffn=2816 vocab=16000 shard=100000 tokenizer=0 >&2
"$bin/make_model" llama "$tmp/small" layers=1 width=64 heads=1 ffn=176 vocab=512 tokenizer=0 >/dev/null
for folder in "$model" "$tmp/small"; do cp "$here/../golden/tiny-bert/vocab.txt" "$here/../golden/tiny-bert/tokenizer_config.json" "$folder"; done
for i in $(seq 64); do printf '%d\t%d\tthe film is good and the plot is not\n' "$i" $((i % 2 ? 1 : -1)); done >"$tmp/text.tsv"
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign -t "$model" -o "$tmp/data.h5" \
    "train=$tmp/text.tsv" "dev=$tmp/text.tsv" >"$tmp/log" 2>&1 ||
    { cat "$tmp/log" >&2; exit 1; }

# kb NAME: sum over the ranks of this benchmark of a line of smaps_rollup, in kB
kb() { for p in $pids; do awk -v n="$1:" '$1 == n { print $2 }' "/proc/$p/smaps_rollup"; done | awk '{ s += $1 } END { print s }'; }

# look MODEL RANKS: pss and shmem (kB, all ranks together, during training), read (MB of the weights file as the program counts), rchar (MB, all reads)
look() {
    local i before=0
    cat >"$tmp/run.yaml" <<YAML
model: {path: $1, dtype: $dtype}
data:  {path: $tmp/data.h5, max_length: 32}
train: {batch: 16, steps: 100000000, eval_every: 1000000000}
parallel: {tokens: 256}
trials: [{name: a, method: {name: prefix, length: 4}}]
YAML
    rm -rf "$tmp/run"
    OMP_NUM_THREADS=1 setsid mpirun --oversubscribe -n "$2" "$bin/ltune" train "$tmp/run.yaml" run.dir="$tmp/run" >"$tmp/log" 2>&1 &
    job=$!
    for ((i = 0; i < 1200; i++)); do
        ! grep -q 'weights: .* MB read' "$tmp/log" || break
        kill -0 $job 2>/dev/null || { cat "$tmp/log" >&2; exit 1; }
        sleep 0.1
    done
    pids=$(pgrep -P $job -x ltune || true)
    [ "$(wc -w <<<"$pids")" = "$2" ] || { echo "expected $2 ranks, found: $pids" >&2; cat "$tmp/log" >&2; exit 1; }
    sleep 3
    for ((i = 0; i < 30; i++)); do # the first steps touch every weight and buffer; then nothing grows
        pss=$(kb Pss) shmem=$(kb Pss_Shmem)
        [ "$pss" -gt $((before + before / 500)) ] || break
        before=$pss
        sleep 2
    done
    rchar=$(for p in $pids; do awk '$1 == "rchar:" { print $2 }' "/proc/$p/io"; done | awk '{ s += $1 } END { print s / 1e6 }')
    read=$(sed -n 's/.*weights: \([0-9.]*\) MB read by.*/\1/p' "$tmp/log")
    kill -TERM $job 2>/dev/null || true
    wait $job 2>/dev/null || true
    job=
}

size=$(stat -c %s "$model/model.safetensors")
for n in 1 "$ranks"; do
    look "$tmp/small" "$n"
    small_pss=$pss small_rchar=$rchar
    look "$model" "$n"
    echo "$n $pss $small_pss $shmem $read $rchar $small_rchar"
done >"$tmp/rows"
awk -v size="$size" -v dtype="$dtype" '
    BEGIN {
        printf "file %.1f MB, %s\n", size / 1e6, dtype
        print "ranks   PSS, MB   without the model   difference   in shared memory   weights read, MB   all reads, MB   without the model"
    }
    {
        w[NR] = ($2 - $3) * 1024 / 1e6; rd[NR] = $5
        printf "%5d %9.1f %19.1f %12.1f %18.1f %18.1f %15.1f %19.1f\n", $1, $2 * 1.024e-3, $3 * 1.024e-3, w[NR], $4 * 1.024e-3, $5, $6, $7
    }
    END { printf "weights and what grows with the model: %.2fx the memory of one rank; bytes read: %.3fx\n", w[2] / w[1], rd[2] / rd[1] }' "$tmp/rows"
