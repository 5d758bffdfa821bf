#!/usr/bin/env bash
# TEST labels: e2e timeout: 60
# ltune-report on run logs made for the purpose: groups of seeds with mean and deviation, the curves as numbers (what gnuplot is given) and in
# characters.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
report() {
    rc=0
    "$bin/ltune-report" "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
    [ $rc -eq 0 ] || cat "$tmp/err"
}
write() { # write NAME < LINES of write_runlog: $tmp/NAME.h5
    rm -f "$tmp/$1.h5"
    "$bin/write_runlog" "$tmp/$1.h5"
}
# A gnuplot that keeps its script and fails: $tmp/script.
mkdir "$tmp/fake"
printf '#!/bin/sh\ncat >"%s/script"\nexit 1\n' "$tmp" >"$tmp/fake/gnuplot"
chmod +x "$tmp/fake/gnuplot"
plotted() {
    rc=0
    PATH=$tmp/fake:$PATH "$bin/ltune-report" "$@" --png "$tmp/none.png" >"$tmp/out" 2>"$tmp/err" || rc=$?
    expect "a gnuplot that fails is told" "$rc $(grep -c 'gnuplot failed' "$tmp/err")" "15 1"
}
# data NAME COLUMN: of the script: $a0 is the loss of the first group, $b0 its metric; columns: x, mean, low, high, raw
data() { awk -v name="\$$1" -v column="$2" '/^EOD/ { on = 0 } on { print $column } $1 == name { on = 1 }' "$tmp/script"; }

# ---- groups: settings decide, not names
facts() { # facts TRIAL METHOD LR SEED
    printf 'trial %s %s\n' "$1" "method $2" "$1" "lr $3" "$1" "seed $4" "$1" "trainable 100"
}
log() { # log SEED OF THE LAST PREFIX, ITS LENGTH, FIRST SEED OF LT_PREFIX
    printf 'run %s\n' "metric accuracy" "model_sha256 aa" "data_sha256 bb"
    facts p1 prefix 0.01 1; facts p2 prefix 0.01 2; facts p3 prefix 0.01 3; facts odd prefix 0.01 "$1"
    facts q prefix 0.1 1; facts l1 lt_prefix 0.01 "$3"; facts l2 lt_prefix 0.01 $(($3 + 1))
    cat <<'TEXT'
eval p1 10 0.70 0.40 0.6
eval p1 20 0.60 0.30 0.7
eval p2 10 0.64 0.10 0.6
eval p2 20 0.74 0.50 0.6
eval p3 10 0.50 0.10 0.6
eval p3 20 0.78 0.60 0.6
eval odd 20 0.90 0.80 0.2
eval q 20 0.55 0.10 0.7
eval l1 20 0.66 0.20 0.7
train l2 1 0.7
perf 10 1 1000
perf 20 3 2000
config
train: {steps: 20}
method: {length: 4}
trials:
TEXT
    printf '  - {name: %s, method: {name: %s}, train: {lr: %s}, run: {seed: %d}}\n' p1 prefix 0.01 1 p2 prefix 1e-2 2 p3 prefix 0.01 3 \
        q prefix 0.1 1 l1 lt_prefix 0.01 "$3" l2 lt_prefix 0.01 $(($3 + 1))
    printf '  - {name: odd, method: {name: prefix, length: %d}, train: {lr: 0.01}, run: {seed: %d}}\n' "$2" "$1"
}
row() { awk -v method="$1" -v n="$2" '$1 == method && $3 == n { $1 = $1; print }' "$tmp/out"; }
log 4 16 1 | write a
report "$tmp/a.h5"
expect "group: best .70 .74 .78, MCC there .4 .5 .6, last .60 .74 .78" "$(row prefix 3)" \
    "prefix 0.01 3 0.7400 +- 0.0400 0.5000 +- 0.1000 0.7067 +- 0.0945 10-20 100 750 length=4"
expect "group: another length, another learning rate" "$(row prefix 1)" \
    "prefix 0.01 1 0.9000 0.8000 0.9000 20 100 750 length=16
prefix 0.1 1 0.5500 0.1000 0.5500 20 100 750 length=4"
expect "group: one of two has an evaluation" "$(row lt_prefix 1/2)" "lt_prefix 0.01 1/2 0.6600 0.2000 0.6600 20 100 750"
log 4 4 1 | write joined
report "$tmp/joined.h5"
expect "control: with the same length it is a fourth seed" "$(row prefix 4 | cut -d' ' -f1-6)" "prefix 0.01 4 0.7800 +- 0.0864"
log 3 4 1 | write twice
report "$tmp/twice.h5"
expect "control: a seed that comes twice counts once" "$(row prefix 3 | cut -d' ' -f1-6)" "prefix 0.01 3 0.7400 +- 0.0400"

# ---- several runs: further seeds, or a comparison
log 4 16 3 | write b
report "$tmp/a.h5" "$tmp/b.h5"
expect "two runs: other seeds of lt_prefix join" "$(row lt_prefix 2/4 | cut -d' ' -f1-6)" "lt_prefix 0.01 2/4 0.6600 +- 0.0000"
expect "two runs: equal seeds of prefix are compared" "$(row prefix 3 | cut -d' ' -f3-6,14-)" \
    "3 0.7400 +- 0.0400 100 750 length=4 $tmp/a.h5
3 0.7400 +- 0.0400 100 750 length=4 $tmp/b.h5"
log 4 16 3 | sed 's/data_sha256 bb/data_sha256 cc/' | write c
report "$tmp/a.h5" "$tmp/c.h5"
expect "two runs: other data is another group" "$(row lt_prefix 1/2 | cut -d' ' -f4-)" "0.6600 0.2000 0.6600 20 100 750 data=bb
0.6600 0.2000 0.6600 20 100 750 data=cc"

# ---- what a table must say of a run: the control; positions computed as the authors' code does
marked() { # marked COMPAT
    printf 'run %s\n' "metric accuracy" "model_sha256 aa" "data_sha256 bb"
    facts h head 0.01 1; facts p lora 0.01 1; facts q prefix 0.01 1
    printf 'eval %s\n' "h 20 0.6 0.2 0.7" "p 20 0.7 0.3 0.6" "q 20 0.7 0.3 0.6"
    printf 'config\ntrain: {steps: 20}\nmethod: {compat: %s}\ntrials:\n' "$1"
    printf '  - {name: %s, method: {name: %s}, run: {seed: 1}}\n' h head p lora q prefix
}
marked authors | write authors
marked clean | write clean
for all in "" --all; do
    report "$tmp/authors.h5" ${all:+$all} --html "$tmp/m.html" --csv "$tmp/m.csv"
    expect "authors' padding: every line of tables $all" \
        "$(grep -cE "^(h|p|head|lora) .*\[(linear probe, control; )?authors' padding\]" "$tmp/out")" "$([ -n "$all" ] && echo 4 || echo 2)"
done
expect "authors' padding: not where the method knows none" "$(grep -E '^(q|prefix) ' "$tmp/out" | grep -c '\[')" 0
expect "authors' padding: HTML, CSV" "$(grep -c "<b>(.*authors' padding)</b></td>" "$tmp/m.html") $(grep -c "authors' padding\"*$" "$tmp/m.csv")" "4 2"
report "$tmp/clean.h5" --all --html "$tmp/m.html"
expect "control: a clean run has the mark of the head alone" "$(grep -c "authors' padding" "$tmp/out") $(grep -c '\[linear probe, control\]$' "$tmp/out")" "0 2"
expect "control: and so its page" "$(grep -c "authors' padding" "$tmp/m.html") $(grep -c '<td>head <b>(linear probe, control)</b>' "$tmp/m.html")" "0 2"

# ---- one colour a method, dashes within it
plotted "$tmp/a.h5"
styles=$(awk '/^set arrow/ { colour = dash = $0; sub(/.*rgb .#../, "", colour); sub(/.*dt /, "", dash); colour = substr(colour, 1, 6) }
    /^set label/ { split($0, name, "\047"); print name[2] ": " colour " " dash }' "$tmp/script")
expect "colours: of four groups" "$(wc -l <<<"$styles")" 4
expect "colours: one for prefix, one for lt_prefix" "$(awk -F'[ :].*: | ' '{ print $1, $2 }' <<<"$styles" | sort -u | wc -l)" 2
expect "colours: not the same" "$(awk -F': ' '{ print substr($2, 1, 6) }' <<<"$styles" | sort -u | wc -l)" 2
expect "colours: no two groups alike" "$(awk -F': ' '{ print $2 }' <<<"$styles" | sort -u | wc -l)" 4
expect "lines of both panels in these colours" "$(grep '^plot' "$tmp/script" | grep -o 'lw 2.5 lc rgb .#00[0-9A-F]*' | sort -u | wc -l)" 2

# ---- means and bands: losses of three seeds 1 2 3, 2 2 2, 6 2 1 (and a NaN), evaluations as above
curves() {
    printf 'run %s\n' "metric accuracy"
    facts s1 prefix 0.01 1; facts s2 prefix 0.01 2; facts s3 prefix 0.01 3
    printf 'train %s\n' "s1 1 1" "s1 2 2" "s1 3 3" "s2 1 2" "s2 2 2" "s2 3 2" "s3 1 6" "s3 2 nan" "s3 3 1"
    printf 'eval %s\n' "s1 3 0.70 0 1" "s2 3 0.74 0 1" "s3 3 0.78 0 1" "s1 6 0.6 0 nan" "s2 6 0.6 0 inf"
    printf 'perf %s\n' "2 4 100" "3 1 300"
}
curves | write m
plotted "$tmp/m.h5" --smooth 1
expect "loss: step and mean" "$(paste -d' ' <(data a0 1) <(data a0 2))" "1 3
2 2
3 2"
expect "loss: one deviation below and above" "$(paste -d' ' <(data a0 3) <(data a0 4))" "0.354249 5.64575
2 2
1 3"
expect "loss: no raw line where nothing is smoothed" "$(data a0 5 | sort -u)" "?"
expect "accuracy: mean and band" "$(paste -d' ' <(data b0 1) <(data b0 2) <(data b0 3) <(data b0 4))" "3 0.74 0.7 0.78
6 0.6 0.6 0.6"
plotted "$tmp/m.h5" --smooth 1 --x tokens
expect "x axis of tokens" "$(data a0 1)" "50
100
400"
plotted "$tmp/m.h5" --smooth 1 --x seconds
expect "x axis of seconds" "$(data a0 1)" "2
4
5"
# ---- over 1000 steps: means of bins, here of two steps; a NaN in a bin leaves the other
{ facts one prefix 0.01 1; awk 'BEGIN { for (i = 1; i <= 2000; i++) print "train one", i, i == 1000 ? "nan" : i }'; } | write long
plotted "$tmp/long.h5" --smooth 1
expect "bins: how many, x and mean of the first and last" \
    "$(data a0 1 | wc -l) $(paste -d' ' <(data a0 1) <(data a0 2) | sed -n '1p;$p' | paste -sd' ')" "1000 1.5 1.5 1999.5 1999.5"
expect "bins: half a NaN" "$(data a0 2 | sed -n '499,501p' | paste -sd' ')" "997.5 999 1001.5"
# ---- smoothing: a step from 1 to 3 under weights 1 2 3 2 1
stairs() { # stairs STEP OF A SPIKE
    facts one prefix 0.01 1
    awk -v spike="$1" 'BEGIN { for (i = 1; i <= 20; i++) print "train one", i, i == spike ? 900 : i <= 10 ? 1 : 3 }'
}
stairs 0 | write stairs
plotted "$tmp/stairs.h5" --smooth 4
smooth=$(data a0 2)
within "smoothed: around the step" "$(sed -n 8,13p <<<"$smooth")" "$(printf '%s\n' 1 1.222222 1.666667 2.333333 2.777778 3)" 1e-5
beyond "smoothed: not what it was" "$smooth" "$(data a0 5)" 1e-1
expect "raw: what it was" "$(data a0 5)" "$(yes 1 | head -n 10; yes 3 | head -n 10)"
plotted "$tmp/stairs.h5" --smooth 1
expect "a window of 1: what it was" "$(data a0 2)" "$(yes 1 | head -n 10; yes 3 | head -n 10)"
# ---- a spike: at the first step, and inside
range() { awk '/^set yrange/ { gsub(/.*\[|\].*/, ""); split($0, part, ":"); print part[2]; exit }' "$tmp/script"; }
for step in 1 5; do
    stairs $step | write spike
    plotted "$tmp/spike.h5" --smooth 4
    within "spike at $step: not in the smoothed line" "$(data a0 2)" "$smooth" 1e-9
    expect "spike at $step: the axis fits the rest" "$(less "$(range)" 4)" ok
    expect "spike at $step: the axis says so" "$(grep -c "^set ylabel 'training loss (up to 900)'" "$tmp/script")" 1
done
plotted "$tmp/spike.h5" --smooth 1
expect "control: unsmoothed the line has it" "$(data a0 2 | awk '$1 > 10' | wc -l) $(less "$(range)" 4)" "1 ok"
{ stairs 0; awk 'BEGIN { for (i = 21; i <= 40; i++) print "train one", i, 900 }'; } | write late
plotted "$tmp/late.h5"
expect "control: losses that stay high are shown" "$(less "$(range)" 899)" no
# ---- decades
plotted "$tmp/stairs.h5"
expect "linear axis" "$(grep -c '^set logscale y' "$tmp/script" || true)" 0
{ facts one prefix 0.01 1; awk 'BEGIN { for (i = 1; i <= 100; i++) print "train one", i, exp(-i / 10) }'; } | write decades
plotted "$tmp/decades.h5"
expect "logarithmic axis" "$(grep -c '^set logscale y' "$tmp/script")" 1

# ---- a trial that has stopped, rows that are no numbers: nothing of them is drawn, everything else is
nothing() {
    facts s1 prefix 0.01 1; facts s2 prefix 0.01 2; facts empty prompt 0.01 1; facts void prompt 0.1 1
    awk 'BEGIN { for (i = 1; i <= 50; i++) { print "train s1", i, 1 / i; print "train void", i, "inf" }
        for (i = 1; i <= 20; i++) print "train s2", i, i < 20 ? 2 / i : "nan" }'
    printf 'eval %s\n' "s1 50 0.7 0.1 0.5" "s2 20 nan nan nan" "void 50 nan nan nan"
    printf 'config\ntrials:\n'
    printf '  - {name: %s, method: {name: %s}, train: {lr: %s}, run: {seed: %d}}\n' s1 prefix 0.01 1 s2 prefix 0.01 2 empty prompt 0.01 1 \
        void prompt 0.1 1
}
nothing | write nothing
plotted "$tmp/nothing.h5"
expect "NaN: not in the script" "$(grep -ciE '(^| )-?(nan|inf)' "$tmp/script" || true) $(grep -c 'plot NaN notitle' "$tmp/script")" "2 2"
expect "NaN: the loss goes on with the other seed" "$(data a0 2 | grep -c '^[0-9.e-]*$')" 50
expect "NaN: a trial without a number has an empty curve" "$(data a2 2 | sort -u)" "?"
report "$tmp/nothing.h5" --curves
expect "NaN: drawn in characters" "$rc $(grep -ci 'nan\|inf' "$tmp/out" || true)" "0 0"
if command -v gnuplot >/dev/null; then
    report "$tmp/nothing.h5" --png "$tmp/n.png" --pdf "$tmp/n.pdf"
    expect "NaN: picture, and one for print" "$rc $(head -c 4 "$tmp/n.png" | tail -c 3) $(head -c 4 "$tmp/n.pdf")" "0 PNG %PDF"
fi
printf 'run metric accuracy\n' | write empty
report "$tmp/empty.h5" --curves --html "$tmp/empty.html"
expect "a log without trials" "$rc $(grep -c 'training loss' "$tmp/out")" "0 1"

# ---- characters
ramp() { # ramp: two straight lines that cross
    printf 'run metric mcc\n'
    facts up prefix 0.01 1; facts down prompt 0.01 1
    awk 'BEGIN { for (i = 0; i <= 100; i++) { print "train up", i, i / 100; print "train down", i, 1 - i / 100 } }'
    printf 'eval %s\n' "up 50 0 -0.5 1" "up 100 0 0.5 1"
}
ramp | write ramp
report "$tmp/ramp.h5" --curves
expect "characters: letters" "$(sed -n '/training loss/,$p' "$tmp/out")" "$(cat "$source_dir/tests/e2e/curves_letters.txt")"
ramp | grep -v down | write one
LC_ALL=C.UTF-8 report "$tmp/one.h5" --curves
expect "characters: braille" "$(sed -n '/training loss/,$p' "$tmp/out")" "$(cat "$source_dir/tests/e2e/curves_braille.txt")"
expect "characters: at most 80 columns" "$(less "$(sed -n '/training loss/,$p' "$tmp/out" | LC_ALL=C.UTF-8 wc -L)" 80)" ok
terminal() { # terminal VARIABLES...: on a terminal of 100 columns
    env LC_ALL=C.UTF-8 TERM=xterm-256color "$@" script -qec "stty cols 100; '$bin/ltune-report' '$tmp/ramp.h5'" /dev/null </dev/null >"$tmp/out"
}
escape=$(printf '\033')
if command -v script >/dev/null; then
    terminal COLUMNS=
    expect "terminal: curves in two colours" "$(grep -o "$escape\[38;5;[0-9]*m" "$tmp/out" | sort -u | wc -l) $(grep -c 'dev MCC' "$tmp/out")" "2 1"
    terminal NO_COLOR=1
    expect "terminal: NO_COLOR" "$(grep -c "$escape" "$tmp/out" || true) $(grep -c 'dev MCC' "$tmp/out")" "0 1"
fi
verdict
