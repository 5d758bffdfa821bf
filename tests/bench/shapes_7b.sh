#!/usr/bin/env bash
# Two blocks of true width (Llama-2-7B, Falcon-7B, BLOOM-7b1), bf16, forward and backward to the input of packed tokens: against oneDNN's best for the same
# products alone, and two tensor-parallel ranks of one thread against one rank of one thread.  tp 1 and tp 2 take turns; medians.  Folders of random weights
# (1.1 to 1.4 GB each) are made in FOLDER, one at a time, and deleted.
#
# usage: shapes_7b.sh FOLDER [--families "llama falcon bloom"] [--rounds 3] [--reps 7] [--tokens 512] [--bin build/release/bin]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 1 ] || usage
folder=$1 families="llama falcon bloom" rounds=3 reps=7 tokens=512 bin=$here/../../build/release/bin
options "families rounds reps tokens bin" "${@:2}"
mkdir -p "$folder"
model=$folder/shapes_7b
trap 'rm -rf "$tmp" "$model"' EXIT
field() { awk -v n="$1" '{ for (i = 1; i < NF; i++) if ($i == n) print $(i + 1) }' "$2" | median; } # field NAME FILE
printf '%-7s %3s %10s %10s %7s %10s %10s %8s %9s %6s\n' family tp 'step, ms' 'products' ratio linear attention comm GFLOP/s gain
for family in $families; do
    rm -rf "$model"
    "$bin/make_model" "$family" "$model" layers=2 vocab=32000 >"$tmp/made"
    rm -f "$tmp"/tp?
    for ((r = 1; r <= rounds; r++)); do
        for tp in 1 2; do
            OMP_NUM_THREADS=1 mpirun -n $tp --bind-to core "$bin/bench_blocks" "$model" "$reps" "$tokens" >>"$tmp/tp$tp" 2>"$tmp/log" ||
                { cat "$tmp/log" >&2; exit 1; }
        done
    done
    one=$(field whole_ms "$tmp/tp1")
    for tp in 1 2; do
        f=$tmp/tp$tp
        whole=$(field whole_ms "$f")
        printf '%-7s %3s %10.1f %10.1f %7.2f %10.1f %10.1f %8.1f %9.1f %5.2fx\n' "$family" $tp "$whole" "$(field products_ms "$f")" "$(field ratio "$f")" \
            "$(field linear_ms "$f")" "$(field attention_ms "$f")" "$(field comm_ms "$f")" "$(field gflops "$f")" "$(awk "BEGIN { print $one / $whole }")"
    done
done
