#!/usr/bin/env bash
# Training speed against Hugging Face PEFT on the same machine, sentences, batch size and prefix length; both sides on all given cores.
# The programs take turns, round by round, so that a neighbour's load hits all of them; medians over the rounds.
#
# usage: peft_compare.sh MODEL_DIR TSV [--rounds 3] [--sentences 960] [--dtypes "f32 bf16"] [--ranks 2] [--python python3] [--bin build/release/bin]
#   MODEL_DIR  Hugging Face folder of a model      TSV  "label TAB sentence" with a header line (SST-2's train.tsv)
# Prints a table: dtype, order of the peer's batches, the peer's sentences/s, ours for prefix and lt_prefix, and the ratios.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 2 ] || usage
model=$1 tsv=$2 rounds=3 sentences=960 dtypes="f32 bf16" ranks=2 python=python3 bin=$here/../../build/release/bin
options "rounds sentences dtypes ranks python bin" "${@:3}"
# ltune-prep wants at least a sentence to evaluate on; what is timed are the training steps.
head -n $((sentences + 1)) "$tsv" >"$tmp/train.tsv"
head -n 33 "$tsv" >"$tmp/dev.tsv"
"$bin/ltune-prep" data --task sst2 -t "$model" -o "$tmp/data.h5" "$tmp/train.tsv" "$tmp/dev.tsv" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
ours() { # ours METHOD DTYPE
    local length=", length: 8"
    [ "$1" = prefix ] || length='' # of the labels
    cat >"$tmp/run.yaml" <<YAML
run:   {dir: $tmp/run}
model: {path: $model, dtype: $2}
data:  {path: $tmp/data.h5}
train: {batch: 32, epochs: 3}
trials: [{name: a, method: {name: $1$length}}]
YAML
    rm -rf "$tmp/run"
    mpirun -n "$ranks" "$bin/ltune" train "$tmp/run.yaml" --json 2>"$tmp/log" |
        grep -o '"sentences_per_s": *[0-9.]*' | grep -o '[0-9.]*$' || cat "$tmp/log" >&2
}
peer() { # peer METHOD DTYPE ORDER
    "$python" "$here/peft_peer.py" "$model" "$tsv" "$@" --sentences "$sentences" --threads "$ranks" 2>"$tmp/log" |
        grep -o '[0-9.]*' | tail -n 1 || cat "$tmp/log" >&2
}

for ((r = 1; r <= rounds; r++)); do
    for dtype in $dtypes; do
        for order in random sorted; do peer prefix "$dtype" $order >>"$tmp/peer.$dtype.$order"; done
        for method in prefix lt_prefix; do ours $method "$dtype" >>"$tmp/$method.$dtype"; done
    done
    echo "round $r of $rounds done" >&2
done
printf '%-6s %-8s %12s %12s %7s %12s %7s\n' dtype order 'PEFT prefix' 'our prefix' ratio 'our lt_prefix' ratio
for dtype in $dtypes; do
    for order in random sorted; do
        awk -v d="$dtype" -v o=$order -v p="$(median <"$tmp/peer.$dtype.$order")" \
            -v a="$(median <"$tmp/prefix.$dtype")" -v b="$(median <"$tmp/lt_prefix.$dtype")" \
            'BEGIN { printf "%-6s %-8s %12.1f %12.1f %6.2fx %12.1f %6.2fx\n", d, o, p, a, a / p, b, b / p }'
    done
done
