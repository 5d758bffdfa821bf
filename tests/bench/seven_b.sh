#!/usr/bin/env bash
# A true 7B on two tensor-parallel ranks of one thread each, bf16: loads it cold (where the page cache may be dropped) and trains three steps of 256 packed
# tokens, loads it warm and computes features.  Prints seconds of loading against `cat`, bytes read against the file, resident memory of both ranks against
# the plan, seconds a step.  Makes the folder of random weights (14 GB) inside FOLDER and deletes it afterwards; --keep 1 leaves it, and takes one that is
# there.
#
# usage: seven_b.sh llama|falcon|bloom FOLDER [--method lt_prefix] [--layers N] [--keep 0] [--bin build/release/bin]
#
# Where the maps of lt_prefix with their gradients and moments have no room (16 * width * 2 * layers * keys' width bytes), its form with pooled label states
# (pooling: scores), whose maps are small, is trained instead.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 2 ] || usage
family=$1 folder=$2 method=lt_prefix layers='' keep=0 bin=$here/../../build/release/bin
options "method layers keep bin" "${@:3}"
mkdir -p "$folder"
model=$folder/seven_b_$family
job=
clean() {
    [ -z "$job" ] || kill -TERM "$job" 2>/dev/null || true
    rm -rf "$tmp"
    [ "$keep" = 1 ] || rm -rf "$model"
}
trap clean EXIT
export OMP_NUM_THREADS=1
[ -f "$model/config.json" ] || "$bin/make_model" "$family" "$model" ${layers:+layers=$layers}
for i in $(seq 64); do printf '%d\t%d\tthe film is good and the plot is not\n' "$i" $((i % 2 ? 1 : -1)); done >"$tmp/train.tsv"
head -n 8 "$tmp/train.tsv" >"$tmp/dev.tsv"
cut -f 3 "$tmp/train.tsv" | sed -n 1,28p >"$tmp/text"
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign -t "$model" -o "$tmp/data.h5" "train=$tmp/train.tsv" "dev=$tmp/dev.tsv" \
    >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
cat >"$tmp/run.yaml" <<YAML
model: {path: $model, dtype: bf16}
data:  {path: $tmp/data.h5, max_length: 32}
train: {batch: 28, steps: 3, eval_every: 1000000}
parallel: {tp: 2, tokens: 256}
trials: [{name: a, method: {name: $method}}]
YAML
plan() { "$bin/ltune" plan "$tmp/run.yaml" --ranks 2 --json 2>/dev/null >"$tmp/plan"; }
plan
gb() { awk -v b="$1" 'BEGIN { printf "%.1f", b / 1e9 }'; }
have=$(awk '$1 == "MemAvailable:" { print $2 * 1024 }' /proc/meminfo)
want=$(number node_bytes <"$tmp/plan")
if [ "$method" = lt_prefix ] && awk -v w="$want" -v h="$have" 'BEGIN { exit w <= h }'; then
    echo "lt_prefix would take $(gb "$want") GB, $(gb "$have") are there: pooling scores instead"
    sed -i 's/name: lt_prefix/name: lt_prefix, pooling: scores/' "$tmp/run.yaml"
    plan
fi
size=$(cat "$model"/*.safetensors | wc -c)
drop() { sync; (echo 3 >/proc/sys/vm/drop_caches) 2>/dev/null; }
seconds() { # seconds COMMAND...: of its run
    local start
    start=$(date +%s.%N)
    "$@" >/dev/null
    echo "$(date +%s.%N) $start" | awk '{ printf "%.2f", $1 - $2 }'
}
loading() { sed -n "s/.*weights: \([0-9.]*\) MB read by 2 ranks together in \([0-9.]*\) s.*/\\$1/p" "$tmp/log"; }
# watched NAME COMMAND...: runs ltune on two ranks; the peaks of their memory to $tmp/NAME.peaks, kB a line
watched() {
    local name=$1 pids p
    shift
    rm -f "$tmp"/peak.*
    mpirun -n 2 --bind-to core "$bin/ltune" "$@" >"$tmp/json" 2>"$tmp/log" &
    job=$!
    while kill -0 $job 2>/dev/null; do
        pids=$(pgrep -P $job -x ltune || true)
        for p in $pids; do
            awk '$1 == "VmHWM:" { print $2 }' "/proc/$p/status" 2>/dev/null >"$tmp/now" || true
            [ ! -s "$tmp/now" ] || cp "$tmp/now" "$tmp/peak.$p"
        done
        sleep 0.3
    done
    wait $job || { cat "$tmp/log" >&2; exit 1; }
    job=
    cat "$tmp"/peak.* | sort -n >"$tmp/$name.peaks"
}
cold=no
if drop; then cold=yes; fi
cat_cold=$(seconds cat "$model"/*.safetensors)
! drop || cold=yes
watched train train "$tmp/run.yaml" run.dir="$tmp/run" --json
mb=$(loading 1) load_cold=$(loading 2)
tokens_per_s=$(number tokens_per_s <"$tmp/json") train_s=$(number seconds <"$tmp/json") comm_s=$(number t_comm <"$tmp/json")
cat "$model"/*.safetensors >"/dev/null"
cat_warm=$(seconds cat "$model"/*.safetensors)
start=$(date +%s.%N)
watched features features --model "$model" --text "$tmp/text" --pool mean -o "$tmp/f.h5" parallel.tp=2 parallel.tokens=256 model.dtype=bf16
features_s=$(echo "$(date +%s.%N) $start" | awk '{ print $1 - $2 }')
load_warm=$(loading 2)
awk -v family="$family" -v size="$size" -v mb="$mb" -v cc="$cat_cold" -v lc="$load_cold" -v cw="$cat_warm" -v lw="$load_warm" -v cold="$cold" \
    -v tps="$tokens_per_s" -v ts="$train_s" -v comm="$comm_s" -v fs="$features_s" -v plan="$(number total_bytes <"$tmp/plan")" \
    -v gstep="$(number gflop_per_step <"$tmp/plan")" -v tstep="$(number tokens_per_step <"$tmp/plan")" \
    -v p0="$(sed -n 1p "$tmp/train.peaks")" -v p1="$(sed -n 2p "$tmp/train.peaks")" \
    -v method="$(sed -n 's/.*method: {name: \([a-z_]*\).*/\1/p' "$tmp/run.yaml")" -v f1="$(tail -n 1 "$tmp/features.peaks")" '
    function line(what, value, unit, rest) { printf "%-22s %9.2f %-3s %s\n", what, value, unit, rest }
    BEGIN {
    printf "%s, %s, tp 2\n", family, method
    line("files", size / 1e6, "MB")
    line("read by both ranks", mb, "MB", sprintf("%.3f of the files", mb * 1e6 / size))
    line("load, " (cold == "yes" ? "cold" : "warm"), lc, "s", sprintf("%.2fx of cat (%.2f s)", lc / cc, cc))
    line("load, warm", lw, "s", sprintf("%.2fx of cat (%.2f s)", lw / cw, cw))
    line("resident, a rank", p0 * 1.024e-3, "MB", sprintf("%.3f of the plan (%.1f MB)", p0 * 1024 / plan, plan / 1e6))
    line("resident, the other", p1 * 1.024e-3, "MB", sprintf("%.3f of the plan", p1 * 1024 / plan))
    line("training step", ts / 3, "s", sprintf("%.1f tokens/s, %.1f GFLOP/s (4N)", tps, gstep / tstep * tps))
    line("of it communication", comm / 3, "s", "")
    line("features, whole run", fs, "s", sprintf("resident %.1f MB", f1 * 1.024e-3))
}'
