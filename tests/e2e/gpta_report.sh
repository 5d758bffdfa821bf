#!/usr/bin/env bash
# TEST labels: e2e timeout: 60
# ltune-report on logs of gpta made for the purpose: its groups and their differences to the control without a prefix, the table and the figure over training
# sentences for each label, and a trial's dialogue.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
report() {
    rc=0
    "$bin/ltune-report" "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
}
write() { # write NAME < LINES of write_runlog: $tmp/NAME.h5
    rm -f "$tmp/$1.h5"
    "$bin/write_runlog" "$tmp/$1.h5"
}
refused() { # refused WHAT CODE WORD
    expect "$1" "$rc $(grep -cF -e "$3" "$tmp/err" | sed 's/^[1-9].*/yes/')" "$2 yes"
}
# run SAMPLES SHIFT [CONTROL]: two labels, three seeds with and without a prefix, two with random tokens, one of another method; accuracies are SHIFT higher
run() {
    printf 'run %s\n' "metric accuracy" "model_sha256 aa" "data_sha256 d$1" "train_samples $1" "labels 2"
    local seed
    for seed in 1 2 3; do
        facts "p$seed" gpta $seed; printf 'trial %s student head\n' "p$seed"
        facts "n$seed" gpta $seed; printf 'trial %s student head\n' "n$seed"
        printf 'trial n%s control %s\n' $seed "${3:-no_prefix}"
    done
    for seed in 8 9; do
        facts "r$seed" gpta $seed; printf 'trial %s student head\n' "r$seed"; printf 'trial r%s control random\n' $seed
    done
    facts h head 1
    # best accuracies; of each pair of seeds 1, 2, 3 the difference is 0.02, 0.04, 0.09
    evals p1 0.72 "$2"; evals n1 0.70 "$2"; evals p2 0.69 "$2"; evals n2 0.65 "$2"; evals p3 0.84 "$2"; evals n3 0.75 "$2"
    evals r8 0.60 "$2"; evals r9 0.64 "$2"; evals h 0.71 "$2"
    cat <<'TEXT'
dialogue p1 0 0 1 0.05 0.1 0.6 256 taken Is the review good or bad?
dialogue p1 0 0 0 0.01 0.0 0.64 256 taken Judge:
dialogue p1 0 0 0 nan nan nan 0 garbage @@\e[31m@@
dialogue p1 0 0 0 nan nan nan 0 repeated Judge:
dialogue p1 40 1 0 -0.02 -0.1 0.55 128 taken Tell me.
dialogue p1 40 1 1 0.003 0.0 0.527 256 taken grün, 五?
dialogue p1 80 2 0 0 0 0.527 256 taken Once more.
TEXT
}
facts() { printf 'trial %s %s\n' "$1" "method $2" "$1" "lr 0.01" "$1" "seed $3" "$1" "trainable 100"; }
evals() { # evals TRIAL BEST SHIFT
    printf 'eval %s 10 %s 0.1 0.7\n' "$1" "$(awk "BEGIN { print $2 + $3 - 0.1 }")"
    printf 'eval %s 20 %s 0.1 0.6\n' "$1" "$(awk "BEGIN { print $2 + $3 }")"
}
run 32 0 | write few
run 128 0.1 | write some
run 512 0.12 | write more

# ---- groups and the difference to the control
row() { # row TABLE NAME: what a table says behind a name
    sed -n "/^$1 /,/^\$/p" "$tmp/out" | awk -v name="$2" 'index($0, name " ") == 1 { print substr($0, length(name) + 1) }' |
        sed 's/^ *//; s/  */ /g; s/ $//'
}
report "$tmp/few.h5"
expect "exit code" "$rc" 0
expect "groups have names" "$(awk '/^method/ { on = 1; next } /^$/ { exit } on' "$tmp/out" | cut -c1-21 | sed 's/ *$//' | tr '\n' ';')" \
    "gpta/head;gpta/head (no_prefix);gpta/head (random);head;"
sd() { awk 'BEGIN { for (i = 1; i < ARGC; i++) { s += ARGV[i]; q[i] = ARGV[i] } m = s / (ARGC - 1)
    for (i in q) v += (q[i] - m) ^ 2; printf "%.4f +- %.4f", m, sqrt(v / (ARGC - 2)) }' "$@"; }
expect "gpta: mean, difference seed by seed" "$(row gpta gpta/head | head -n 1)" "3 $(sd 0.72 0.69 0.84) +$(sd 0.02 0.04 0.09) 3"
expect "gpta: the control itself" "$(row gpta 'gpta/head (no_prefix)')" "3 $(sd 0.70 0.65 0.75) - -"
spread=$(awk 'BEGIN { printf "%.4f", sqrt((0.04 ^ 2 / 2) + 0.05 ^ 2) }')
expect "gpta: no seed in common" "$(row gpta 'gpta/head (random)')" "2 $(sd 0.60 0.64) -0.0800 +- $spread 0"
expect "gpta: other methods are not in its table" "$(row gpta head)" ""
expect "one number of sentences: no table of them" "$(grep -c 'sentences for each' "$tmp/out" || true)" 0
# negative controls: without a control, and with another one, there is no difference
run 32 0 shuffled | write other
report "$tmp/other.h5"
expect "no control: no difference" "$(row gpta gpta/head | head -n 1)" "3 $(sd 0.72 0.69 0.84) - -"
run 32 0 | sed 's/^trial n2 seed 2/trial n2 seed 7/' | write seeds
report "$tmp/seeds.h5"
expect "the seeds that both have" "$(row gpta gpta/head | head -n 1)" "3 $(sd 0.72 0.69 0.84) +$(sd 0.02 0.09) 2"
run 32 0 | sed 's/^trial \(n.\) lr 0.01/trial \1 lr 0.02/' | write rates
report "$tmp/rates.h5"
expect "a control of another learning rate is none" "$(row gpta gpta/head | head -n 1 | cut -d' ' -f1-6)" "3 $(sd 0.72 0.69 0.84) - -"
report "$golden/run_before_details.h5"
expect "a run without gpta has no such table" "$rc $(grep -c '^gpta' "$tmp/out" || true)" "0 0"
report "$tmp/few.h5" --csv "$tmp/few.csv"
expect "CSV: methods" "$(cut -d, -f3 "$tmp/few.csv" | sort -u | tr '\n' ';')" "gpta/head;gpta/head (no_prefix);gpta/head (random);head;method;"

# ---- settings of a configuration: those of the dialogue do not part a trial from its control, the student's do
settings() { # settings LENGTH OF THE CONTROL'S PROMPT
    printf 'run %s\n' "metric accuracy" "model_sha256 aa" "data_sha256 d"
    for t in p n; do facts $t gpta 1; printf 'trial %s student prompt\n' $t; done
    printf 'trial n control no_prefix\neval p 20 0.80 0.1 0.6\neval n 20 0.70 0.1 0.6\nconfig\ntrain: {steps: 20}\nassistant: {command: "cat"}\ntrials:\n'
    printf '  - {name: p, method: {name: gpta, student: prompt, length: 4, candidates: 4, description: x}}\n'
    printf '  - {name: n, method: {name: gpta, student: prompt, length: %d, control: no_prefix, description: y}}\n' "$1"
}
settings 4 | write same
report "$tmp/same.h5"
expect "the student's settings are the same" "$(row gpta gpta/prompt | head -n 1 | cut -d' ' -f1-4)" "1 0.8000 +0.1000 1"
settings 5 | write length
report "$tmp/length.h5"
expect "they are not" "$(row gpta gpta/prompt | head -n 1 | cut -d' ' -f1-4)" "1 0.8000 - -"

# ---- over training sentences
report "$tmp/few.h5" "$tmp/some.h5" "$tmp/more.h5"
cells() { sed -n '/sentences for each label/,$p' "$tmp/out" | awk -v name="$1" 'index($0, name "  ") == 1 { print substr($0, length(name) + 1) }' |
    sed 's/^ *//; s/   */;/g; s/ *$//'; }
expect "columns" "$(sed -n '/sentences for each label/,$p' "$tmp/out" | awk 'NR == 2 { print $2, $3, $4 }')" "16 64 256"
expect "a row of three" "$(cells 'gpta/head (random)')" "$(sd 0.60 0.64) (2);$(sd 0.70 0.74) (2);$(sd 0.72 0.76) (2)"
expect "a row of one seed" "$(cells 'head [linear probe, control]')" "0.7100 (1);0.8100 (1);0.8300 (1)"
expect "four rows" "$(sed -n '/sentences for each label/,$p' "$tmp/out" | grep -c '([123])')" 4
report "$tmp/few.h5" "$tmp/some.h5" --x sentences --curves
expect "in characters" "$rc $(grep -c 'training sentences for each label (logarithmic)' "$tmp/out") $(grep -c 'training loss' "$tmp/out" || true)" "0 1 0"
expect "its axis" "$(awk '/logarithmic/ { print before } { before = $0 }' "$tmp/out" | xargs)" "16 64"
mkdir "$tmp/fake"
printf '#!/bin/sh\ncat >"%s/script"\nexit 1\n' "$tmp" >"$tmp/fake/gnuplot"
chmod +x "$tmp/fake/gnuplot"
PATH=$tmp/fake:$PATH report "$tmp/few.h5" "$tmp/some.h5" "$tmp/more.h5" --x sentences --png "$tmp/none.png"
points=$(awk '/^EOD/ { on = 0 } on { print $1, $2 } $1 == "$a3" { on = 1 }' "$tmp/script")
expect "as numbers: method head" "$points" "$(printf '%s\n' "4 0.71" "6 0.81" "8 0.83")"
expect "as numbers: one panel, ticks that say the numbers" "$(grep -c '^plot' "$tmp/script") $(grep -o "xtics (.*)" "$tmp/script")" \
    "1 xtics ('16' 4, '64' 6, '256' 8)"
report "$tmp/few.h5" "$tmp/some.h5" --html "$tmp/a.html"
expect "HTML: tables" "$rc $(grep -c 'sentences for each label$' "$tmp/a.html") $(grep -c -- '- no_prefix' "$tmp/a.html")" "0 1 1"
expect "HTML: over sentences" "$(grep -c '<h2>Training sentences' "$tmp/a.html")" 1
if command -v gnuplot >/dev/null; then
    expect "HTML: both figures" "$(grep -c '^<svg' "$tmp/a.html")" 2
    report "$tmp/few.h5" "$tmp/some.h5" "$tmp/more.h5" --x sentences --png "$tmp/a.png"
    expect "PNG" "$rc $(head -c 4 "$tmp/a.png" | tail -c 3)" "0 PNG"
fi
report "$tmp/few.h5" --x sentences --curves
refused "one number of sentences is no axis" 2 "found 1"
run 128 0.1 | grep -v 'run labels' | write unknown
report "$tmp/few.h5" "$tmp/unknown.h5"
expect "a run that does not say its labels has no column" "$rc $(grep -c 'sentences for each label' "$tmp/out" || true)" "0 0"

# ---- the dialogue
report "$tmp/few.h5" --dialogue p1
expect "dialogue: rounds" "$rc $(grep -c '^round ' "$tmp/out") $(head -n 1 "$tmp/out" | sed 's/^.*: //')" "0 3 3 rounds, 7 answers, 5 taken, 5 measured"
expect "dialogue: what came into use" "$(grep '^\*' "$tmp/out" | sed 's/  */ /g')" \
    "$(printf '%s\n' '* +0.0500 +0.1000 0.6000 256 Is the review good or bad?' '* +0.0030 +0.0000 0.5270 256 grün, 五?')"
expect "dialogue: the last in use" "$(tail -n 1 "$tmp/out")" "in use at the end, since round 1: grün, 五?"
expect "dialogue: an answer that was not taken, harmless" "$(grep -F '[garbage]' "$tmp/out" | sed 's/  */ /g')" ' - - - - [garbage] "@@\x1B[31m@@"'
expect "dialogue: instead of tables" "$(grep -c '^method' "$tmp/out" || true) $(grep -c 'asked' "$tmp/out" || true)" "0 0"
report "$tmp/few.h5" --dialogue p1 --details
expect "dialogue: prompts" "$(grep -c '^  asked:' "$tmp/out") $(grep -c '^  | Write for round 1.' "$tmp/out") $(grep -c '^  | One a line.' "$tmp/out")" "3 1 3"
report "$tmp/few.h5" "$tmp/some.h5" --dialogue p1
expect "dialogue: of two runs" "$rc $(grep -c ', trial p1, gpta/head: ' "$tmp/out")" "0 2"
report "$tmp/few.h5" --dialogue p2
refused "a trial without a dialogue" 2 "p2 has no dialogue"
report "$tmp/few.h5" --dialogue nobody
refused "no such trial" 2 'no trial "nobody"'
report --help
expect "help" "$(grep -c -e '--dialogue' -e 'sentences' "$tmp/out" | sed 's/^[4-9].*/enough/')" enough
verdict
