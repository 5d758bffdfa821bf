#!/usr/bin/env bash
# TEST labels: e2e timeout: 60
# ltune-report on a finished run: the table, means over seeds, CSV, PNG and HTML say what run.h5 holds, and bad input is refused by name.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
report() {
    rc=0
    "$bin/ltune-report" "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
}
config "$tmp/a.yaml" "$bert" "$tmp/runs/a" '
  - {name: one, method: {name: prefix, length: 2}}
  - {name: two, method: {name: prefix, length: 2}, run: {seed: 2}}'
must_run 2 train "$tmp/a.yaml" train.steps=6 train.eval_every=2
run=$tmp/runs/a

# ---- the terminal table and the group of two seeds
report "$run" --all
expect "exit code" "$rc" 0
best() {
    paste <(series "$run/run.h5" "/trials/$1/eval/accuracy") <(series "$run/run.h5" "/trials/$1/eval/loss") |
        sort -k1,1gr -k2,2g | awk 'NR == 1 { printf "%.4f", $1 }'
}
one=$(best one) two=$(best two)
expect "table: best accuracy of trial one" "$(awk '$1 == "one" { print $8 }' "$tmp/out")" "$one"
expect "table: best accuracy of trial two" "$(awk '$1 == "two" { print $8 }' "$tmp/out")" "$two"
all() { for t in one two; do series "$run/run.h5" "/trials/$t/eval/accuracy" | sort -gr | awk 'NR == 1'; done; }
expect "group: mean and deviation" "$(awk '$3 == 2 && $1 == "prefix" { print $4, $6 }' "$tmp/out")" \
    "$(all | awk '{ s += $1; q[NR] = $1 } END { m = s / NR; for (i = 1; i <= NR; i++) v += (q[i] - m) ^ 2; printf "%.4f %.4f", m, sqrt(v / (NR - 1)) }')"

with_trials=$(cat "$tmp/out")
report "$run"
expect "without --all: the groups alone" "$(cat "$tmp/out")" "$(printf '%s\n' "$with_trials" | tail -n 2)"
expect "no curves where standard output is a file" "$(grep -c 'training loss' "$tmp/out" || true)" 0

# ---- CSV: every row of the log
report "$run/run.h5" --csv "$tmp/a.csv"
expect "CSV: columns" "$(head -n 1 "$tmp/a.csv" | cut -d, -f1-13)" run,trial,method,seed,kind,step,split,loss,lr,grad_norm,accuracy,mcc,f1
expect "CSV: more columns" "$(head -n 1 "$tmp/a.csv" | cut -d, -f14-)" \
    precision,recall,micro_f1,macro_f1,weighted_f1,precision_strict,recall_strict,f1_strict,token_f1,broken_truth,broken_predicted,mark
expect "CSV: rows of training and evaluation" "$(grep -c ,train, "$tmp/a.csv") $(grep -c ,eval, "$tmp/a.csv")" "12 6"
csv_losses=$(awk -F, '$2 == "two" && $5 == "train" { print $8 }' "$tmp/a.csv")
within "CSV: losses" "$csv_losses" "$(series "$run/run.h5" /trials/two/train/loss)" 1e-6
beyond "CSV: losses of the other trial" "$csv_losses" "$(series "$run/run.h5" /trials/one/train/loss)" 1e-6

# ---- HTML and PNG; two runs on one page name their folders
report "$run" "$run/run.h5" --html "$tmp/a.html"
expect "HTML: exit code, quiet" "$rc $(wc -c <"$tmp/err")" "0 0"
expect "HTML: a row for every trial of both" "$(grep -cE '<td>.*(one|two)</td><td>prefix</td>' "$tmp/a.html")" 4
expect "HTML: best accuracy" "$(grep -o "<td>$two</td>" "$tmp/a.html" | sort -u)" "<td>$two</td>"
expect "HTML: nothing beside it" "$(find "$tmp" -maxdepth 1 -name 'a.html?*' | wc -l) $(grep -ciE '(src|href)=.?(http|file|[./])' "$tmp/a.html")" "0 0"
expect "HTML: the configuration" "$(grep -c 'eval_every: 2' "$tmp/a.html")" 2
if command -v gnuplot >/dev/null; then
    expect "HTML: curves" "$(grep -c '^<svg' "$tmp/a.html")" 1
    report "$run" --png "$tmp/a.png"
    expect "PNG" "$rc $(head -c 4 "$tmp/a.png" | tail -c 3)" "0 PNG"
fi
(
    ln -s "$bin/ltune-report" "$tmp/alone"
    PATH=/nowhere "$tmp/alone" "$run" --html "$tmp/plain.html" >/dev/null
)
expect "HTML without gnuplot" "$(grep -c 'No curves' "$tmp/plain.html") $(grep -c '<td>one</td>' "$tmp/plain.html")" "1 1"

# ---- names of folders and trials are text to gnuplot, not commands
odd="x\`touch executed\`'y"
ln -s "$run" "$tmp/$odd"
cd "$tmp"
report "$odd" "$run" --png b.png --html b.html
expect "a folder with a command in its name" "$rc $(head -c 4 b.png | tail -c 3) $([ -e executed ] && echo executed || echo kept)" "0 PNG kept"
cd - >/dev/null

# ---- a log of an earlier version
report "$golden/run_before_details.h5" --all --details --csv "$tmp/before.csv" --html "$tmp/before.html"
expect "earlier log: the table, and nothing behind it" "$rc $(awk '$1 == "one" { print $7, $8, $10, NF }' "$tmp/out") $(tail -n 1 "$tmp/out" | cut -c1-6)" \
    "0 20 0.7400 0.5000 11 prefix"
expect "earlier log: empty columns" "$(grep ,eval, "$tmp/before.csv" | tail -n 1)" \
    "$golden/run_before_details.h5,one,prefix,1,eval,20,dev,0.6,,,0.74,0.5,0.5,,,,,,,,,,,,"

# ---- labels of sequences: averages in the table, the matrix of the best evaluation
report "$run" --all --details
expect "matrices of both trials" "$rc $(grep -c '^  truth' "$tmp/out")" "0 2"
matrix=$(series "$run/run.h5" /trials/two/best/confusion)
expect "matrix as the log has it" "$(sed -n '/^two,/,$p' "$tmp/out" | awk 'NR > 2 && NR < 5 { print $2; print $3 }')" "$matrix"
within "its diagonal is the accuracy" "$(awk '{ n += $1 } NR == 1 || NR == 4 { d += $1 } END { printf "%.4f", d / n }' <<<"$matrix")" "$two" 1e-4
macro() { paste <(series "$run/run.h5" "/trials/$1/eval/accuracy") <(series "$run/run.h5" "/trials/$1/eval/loss") \
    <(series "$run/run.h5" "/trials/$1/eval/macro_f1") | sort -k1,1gr -k2,2g | awk 'NR == 1 { printf "%.4f", $3 }'; }
column=$(awk '$1 == "trial" { for (i = 1; i <= NF; i++) if ($i == "macro_f1") print i; exit }' "$tmp/out")
expect "macro F1 of trial one" "$(awk -v c="$column" '$1 == "one" && NF > 10 { print $c }' "$tmp/out")" "$(macro one)"

# ---- refusals
refused() { # refused WHAT CODE WORD...
    expect "$1: exit code" "$rc" "$2"
    for word in "${@:3}"; do expect "$1: says $word" "$(grep -cF -e "$word" "$tmp/err" | sed 's/^[1-9].*/yes/')" yes; done
}
report
refused "nothing to report" 2 usage
report "$tmp/nothing"
refused "no such run" 15 "$tmp/nothing"
report "$tmp"
refused "a folder that is no run" 15 run.h5
report "$tmp/a.csv"
refused "not HDF5" 16 a.csv
report "$run" --html /nowhere/a.html
refused "page not writable" 15 /nowhere/a.html
report "$run" --colour
refused "unknown option" 2 --colour
report "$run" --x hours
refused "unknown axis" 2 --x hours
report "$run" --smooth 0
refused "no window" 2 --smooth 'found "0"'
report "$run" --smooth 5x
refused "a window that is no number" 2 --smooth 'found "5x"'
verdict
