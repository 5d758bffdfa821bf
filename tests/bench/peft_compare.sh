#!/usr/bin/env bash
# Training speed against Hugging Face PEFT on the same machine, sentences, batch size and prefix length; both sides on all given cores.
# The programs take turns, round by round, so that a neighbour's load hits all of them; medians over the rounds.
#
# usage: peft_compare.sh MODEL_DIR TSV [--peer prefix] [--methods "prefix lt_prefix"] [--rounds 3] [--sentences 960] [--dtypes "f32 bf16"]
# usage:                 [--ranks 2] [--python python3] [--bin build/release/bin]
#   MODEL_DIR  Hugging Face folder of a model      TSV  "label TAB sentence" with a header line (SST-2's train.tsv)
#   --peer, --methods: the peer's method (prefix, prompt, lora) and ours that stand beside it
# Prints a table: dtype, order of the peer's batches, the peer's sentences/s, ours for each method with the ratio.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 2 ] || usage
model=$1 tsv=$2 peer=prefix methods="prefix lt_prefix" rounds=3 sentences=960 dtypes="f32 bf16" ranks=2 python=python3 bin=$here/../../build/release/bin
options "peer methods rounds sentences dtypes ranks python bin" "${@:3}"
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
theirs() { # theirs DTYPE ORDER
    "$python" "$here/peft_peer.py" "$model" "$tsv" "$peer" "$@" --sentences "$sentences" --threads "$ranks" 2>"$tmp/log" |
        grep -o '[0-9.]*' | tail -n 1 || cat "$tmp/log" >&2
}

for ((r = 1; r <= rounds; r++)); do
    for dtype in $dtypes; do
        for order in random sorted; do theirs "$dtype" $order >>"$tmp/peer.$dtype.$order"; done
        for method in $methods; do ours "$method" "$dtype" >>"$tmp/$method.$dtype"; done
    done
    echo "round $r of $rounds done" >&2
done
printf '%-6s %-8s %12s' dtype order "PEFT $peer"
for method in $methods; do printf ' %14s %7s' "our $method" ratio; done
echo
for dtype in $dtypes; do
    for order in random sorted; do
        p=$(median <"$tmp/peer.$dtype.$order")
        printf '%-6s %-8s %12.1f' "$dtype" $order "$p"
        for method in $methods; do median <"$tmp/$method.$dtype" | awk -v p="$p" '{ printf " %14.1f %6.2fx", $1, $1 / p }'; done
        echo
    done
done
