# shellcheck shell=bash
# Common part of the end-to-end tests: whole runs of the programs on the small models of tests/golden, judged by their files.
#   text N                  N lines "id TAB rating TAB sentence" of words that the small BERT knows, the same at every call
#   prepare                 $tmp/data.h5, $bert and $llama (a LLaMA folder with the same tokenizer)
#   config FILE MODEL DIR [YAML of trials]
#   run RANKS ARGS...       ltune under mpirun; output in $tmp/out, exit code in $rc
#   series FILE PATH        the numbers of an HDF5 dataset, one a line
#   worst A B               largest relative difference of two such lists ("differ in length" if they do, "not a number" if one is none)
#   state FILE, losses DIR, record DIR: numbers of a checkpoint as one hash; losses of a run; every recorded number of a run
#   within WHAT A B LIMIT, beyond WHAT A B LIMIT, same WHAT A B, expect WHAT FOUND WANTED, verdict
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
bin=${LT_BIN:-$source_dir/build/release/bin}
golden=$source_dir/tests/golden
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OMP_NUM_THREADS=1 LC_ALL=C
passed=0 failed=0 rc=0

text() {
    awk -v n="$1" 'BEGIN {
        srand(7)
        split("good great best fine funny smart warm joy fun love", up); split("bad dull worst weak slow cold sad hate awful never", down)
        split("the film movie story acting plot of and is was it in to this that very really time a bit", any)
        for (i = 1; i <= n; i++) {
            s = ""; sign = rand() < 0.5 ? -1 : 1; words = 3 + int(rand() * 12)
            for (w = 0; w < words; w++) {
                if (rand() < 0.4) s = s " " (sign > 0 ? up[1 + int(rand() * 10)] : down[1 + int(rand() * 10)])
                else s = s " " any[1 + int(rand() * 19)]
            }
            printf "%d\t%.1f\t%s %d\n", i, sign * (1 + int(rand() * 3)), substr(s, 2), i
        }
    }'
}
prepare() {
    bert=$golden/tiny-bert llama=$tmp/llama
    mkdir -p "$llama"
    cp "$golden"/tiny-llama/* "$bert"/vocab.txt "$bert"/tokenizer_config.json "$llama"
    text 400 >"$tmp/text.tsv"
    "$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign --hash-split 70,20,10 -t "$bert" -o "$tmp/data.h5" "$tmp/text.tsv" \
        >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }
}
trials='
  - {name: lt_prefix, method: {name: lt_prefix}}
  - {name: lt_prompt, method: {name: lt_prompt}}
  - {name: prefix, method: {name: prefix, length: 4}}
  - {name: prompt, method: {name: prompt, length: 4}}
  - {name: lora, method: {name: lora, rank: 4, alpha: 8, targets: [q, v, o, down], head_dropout: 0.1}}'
config() {
    cat >"$1" <<YAML
run:   {dir: $3}
model: {path: $2, dtype: f32}
data:  {path: $tmp/data.h5, max_length: 32}
train: {steps: 30, batch: 8, lr: 1e-2, eval_every: 10}
trials:${4:-$trials}
YAML
}
run() {
    local n=$1
    shift
    rc=0
    "$source_dir/tests/mpirun.sh" "$n" "$bin/ltune" "$@" </dev/null >"$tmp/out" 2>&1 || rc=$?
}
must_run() {
    run "$@"
    [ $rc -eq 0 ] || { cat "$tmp/out"; echo "FAILED: ltune ${*:2} on $1 ranks: exit code $rc"; exit 1; }
}
# (awk reads on to the end: h5dump must not die of SIGPIPE)
series() {
    h5dump -y -w 1 -m %.17g -d "$2" "$1" |
        awk 'inside && /}/ { inside = 0; done = 1 } inside { gsub(/[ ,]/, ""); print } /DATA \{/ && !done { inside = 1 }'
}
worst() {
    paste <(printf '%s\n' "$1") <(printf '%s\n' "$2") | awk -v number='^[-+]?[0-9.]+(e[-+]?[0-9]+)?$' 'bad { next }
        NF != 2 { print "differ in length"; bad = 1; next }
        $1 !~ number || $2 !~ number { print "not a number: " $1 " and " $2; bad = 1; next }
        { d = $1 - $2; if (d < 0) d = -d; s = $2 < 0 ? -$2 : $2; if (d > w * s) w = d / (s + 1e-300) }
        END { if (!bad) printf "%.3g\n", w }'
}
count() {
    if [ "$1" = ok ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        printf 'FAILED: %s\n' "$2"
    fi
}
less() { awk -v a="$1" -v b="$2" 'BEGIN { print (a ~ /^[0-9.e+-]+$/ && a + 0 <= b + 0) ? "ok" : "no" }'; }
within() {
    local w
    w=$(worst "$2" "$3")
    echo "  $1: largest relative difference $w, limit $4"
    count "$(less "$w" "$4")" "$1"
}
# The same limit must not accept what is different.
beyond() {
    local w
    w=$(worst "$2" "$3")
    count "$([ "$(less "$w" "$4")" = no ] && echo ok)" "$1: expected a difference above $4, found $w"
}
same() { count "$([ -n "$2" ] && [ "$2" = "$3" ] && echo ok)" "$1: not identical"; }
expect() { count "$([ "$2" = "$3" ] && echo ok)" "$1: found '$2', expected '$3'"; }
# Every number of the trials in a checkpoint, as one hash.
state() { h5dump -g /trials "$1" | tail -n +2 | sha256sum; }
losses() { # losses RUN_DIR: of all trials, one list
    local t
    for t in $(h5ls "$1/run.h5/trials" | awk '{ print $1 }'); do series "$1/run.h5" "/trials/$t/train/loss"; done
}
record() { # every recorded number of a run but the clock's
    local t q
    for t in $(h5ls "$1/run.h5/trials" | awk '{ print $1 }'); do
        for q in train/step train/loss train/lr train/grad_norm eval/step eval/accuracy eval/mcc eval/f1 eval/loss eval/precision \
            eval/macro_f1; do
            echo "$t/$q"
            series "$1/run.h5" "/trials/$t/$q"
        done
    done
}
verdict() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
}
