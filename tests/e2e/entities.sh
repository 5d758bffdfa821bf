#!/usr/bin/env bash
# TEST labels: e2e timeout: 240
# Named entities, end to end: tags that can be learned are, the best is chosen by F1 over entities, every rank layout judges alike, words that a cut took
# away are missed, and tables and matrix stand in the run log, in JSON, on the terminal and in the report.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
# tagged N SEED COIN: sentences in CoNLL's form.  An entity is a word of one list, then up to two of another; with COIN 1 tags have nothing to do with words.
tagged() {
    awk -v n="$1" -v seed="$2" -v coin="$3" 'BEGIN {
        srand(seed)
        split("good great best fine funny", b1); split("smart warm joy fun love", i1); split("bad dull worst weak slow", b2)
        split("cold sad hate awful never", i2); split("the film movie story acting plot of and is was it in to this that", any)
        split("B-UP I-UP B-DOWN I-DOWN O", tag)
        for (s = 0; s < n; s++) {
            for (w = 3 + int(rand() * 10); w > 0; w--) {
                k = rand() < 0.4 ? 1 + int(rand() * 2) : 0
                put(k == 0 ? any[1 + int(rand() * 15)] : k == 1 ? b1[1 + int(rand() * 5)] : b2[1 + int(rand() * 5)], k == 0 ? 5 : 2 * k - 1)
                for (m = k ? int(rand() * 3) : 0; m > 0; m--) put(k == 1 ? i1[1 + int(rand() * 5)] : i2[1 + int(rand() * 5)], 2 * k)
            }
            print ""
        }
    }
    function put(word, t) { print word, tag[coin ? 1 + int(rand() * 5) : t] }'
}
data() { # data NAME COIN
    tagged 300 1 "$2" >"$tmp/train.txt"
    tagged 100 2 "$2" >"$tmp/dev.txt"
    "$bin/ltune-prep" data --format conll -t "$bert" -o "$tmp/$1.h5" "train=$tmp/train.txt" "dev=$tmp/dev.txt" >"$tmp/out" 2>&1 ||
        { cat "$tmp/out"; exit 1; }
}
data coin 1
data tags 0
config "$tmp/a.yaml" "$bert" "$tmp/unset" '
  - {name: head, method: {name: head}}
  - {name: prefix, method: {name: prefix, length: 4}}'
sed -i 's/steps: 30/steps: 120/; s/eval_every: 10/eval_every: 40/; s/lr: 1e-2/lr: 3e-2/' "$tmp/a.yaml"
train() { # train NAME RANKS TP [key=value...]
    must_run "$2" train "$tmp/a.yaml" data.path="$tmp/${data:-tags}.h5" run.dir="$tmp/$1" parallel.tp="$3" "${@:4}"
}
judge() { # judge NAME RANKS TP [key=value...]: one line of JSON a trial in $tmp/out
    must_run "$2" eval "$tmp/a.yaml" --checkpoint best --json data.path="$tmp/tags.h5" run.dir="$tmp/$1" parallel.tp="$3" "${@:4}"
    grep '^{' "$tmp/out" >"$tmp/json"
}
number() { sed -n "/\"name\": *\"$1\"/s/.*[{ ,]\"$2\": *\\(-\\?[0-9.e+-]*\\).*/\\1/p" <<<"$(sed 's/"types".*//' "$tmp/json")"; } # number TRIAL KEY
tables() { sed -n "/\"name\": *\"$1\"/s/.*\"types\"/\"types\"/p" "$tmp/json"; }
of_type() { grep -o "{\"type\": *\"$2\"[^}]*}" <<<"$(tables "$1")" | sed "s/.*\"$3\": *\\([0-9.]*\\).*/\\1/"; } # of_type TRIAL TYPE KEY
f1() { series "$tmp/$1/run.h5" "/trials/$2/eval/f1"; }

# ---- learning, and by what the best is chosen
train plain 1 1 --json
expect "train: JSON has the tables" "$(grep -c '"best": *{.*"f1_strict".*"types".*"averages".*"confusion".*"last": *{.*"types"' "$tmp/out")" 1
data=coin train coin 1 1
for t in head prefix; do
    best=$(f1 plain $t | sort -g | tail -n 1) coin=$(f1 coin $t | sort -g | tail -n 1)
    echo "  $t: F1 over entities $best, of coins $coin"
    count "$(less "$coin" 0.4)" "control: $t learns nothing from coins" # an entity of one word is often right by chance
done
count "$(less 0.7 "$best")" "prefix: learns entities" # the head reads features of a random model
expect "metric" "$(h5dump -a /run/metric "$tmp/plain/run.h5" | grep -c '"f1"')" 1
by_f1=$(paste <(f1 plain prefix) <(series "$tmp/plain/run.h5" /trials/prefix/eval/loss) <(series "$tmp/plain/run.h5" /trials/prefix/eval/step) |
    sort -k1,1gr -k2,2g | awk 'NR == 1 { print $3 }')
step() { h5dump -a "/trials/$2/$3/step" "$tmp/$1/run.h5" | sed -n 's/.*(0): //p'; }
expect "best: the step of the highest F1" "$(step plain prefix best)" "$by_f1"
expect "last: the last step" "$(step plain prefix last)" 120

# ---- every layout judges alike
judge plain 1 1
one=$(tables prefix) head=$(tables head)
for layout in "2 1" "4 1" "2 2"; do
    # shellcheck disable=SC2086
    judge plain $layout
    same "tables on (ranks, tp) $layout" "$(tables prefix) $(tables head)" "$one $head"
done
count "$([ -n "$one" ] && [ "$one" != "$head" ] && echo ok)" "control: the tables of another trial"
judge plain 1 1

# ---- what they say
for t in UP DOWN; do expect "support of $t" "$(of_type prefix $t support)" "$(grep -c " B-$t\$" "$tmp/dev.txt")"; done
expect "rows: all words" "$(number prefix n)" "$(grep -c . "$tmp/dev.txt")"
micro=$(sed -n 's/.*"micro": *{[^}]*"f1": *\([0-9.e+-]*\),.*/\1/p' <<<"$one")
expect "f1: the micro average" "$micro" "$(number prefix f1)"
right=$(($(of_type prefix UP right) + $(of_type prefix DOWN right))) predicted=$(($(of_type prefix UP predicted) + $(of_type prefix DOWN predicted)))
within "precision: right of predicted" "$(number prefix precision)" "$(awk -v a=$right -v b=$predicted 'BEGIN { printf "%.9g", a / b }')" 1e-8
expect "no tag of the truth is broken" "$(number prefix broken_truth)" 0
within "JSON and run log: F1, strict F1, F1 of tokens" "$(for k in f1 f1_strict token_f1; do number prefix $k; done)" "$(for k in f1 f1_strict token_f1; do
    paste <(series "$tmp/plain/run.h5" /trials/prefix/eval/step) <(series "$tmp/plain/run.h5" /trials/prefix/eval/$k) | awk -v s="$by_f1" '$1 == s { print $2 }'
done)" 1e-8

# ---- the run log's tables
log() { series "$tmp/$1/run.h5" "/trials/$2"; }
matrix=$(log plain prefix/best/confusion)
expect "run log: the matrix is that of JSON" "$(paste -sd, <<<"$matrix")" "$(sed -n 's/.*"confusion": *\(.*\)}/\1/p' <<<"$one" | tr -d '[] ')"
within "run log: its diagonal is the accuracy" "$(awk '{ n += $1; if ((NR - 1) % 6 == 0) d += $1 } END { printf "%.9g", d / n }' <<<"$matrix")" \
    "$(number prefix accuracy)" 1e-8
expect "run log: support" "$(log plain prefix/best/types/support | paste -sd' ')" "$(of_type prefix DOWN support) $(of_type prefix UP support)"
within "run log: strict F1 of the types" "$(log plain prefix/best/types_strict/f1)" "$(for t in DOWN UP; do of_type prefix $t f1_strict; done)" 1e-8
expect "run log: names" "$(series "$tmp/plain/run.h5" /trials/prefix/best/types/name | paste -sd' ')" '"DOWN" "UP\000\000"'

# ---- back to a step and on again: the same tables
details() { for q in best last; do for d in types/right types_strict/predicted confusion; do log "$1" "prefix/$q/$d"; done; done; }
cp -r "$tmp/plain" "$tmp/back"
train back 1 1 run.resume="$tmp/back/ck/step_00000080.h5"
same "tables after going back to step 80" "$(details back)" "$(details plain)"

# ---- a cut takes words away: their entities are missed
judge plain 1 1 data.max_length=8
expect "cut: support stays" "$(of_type prefix UP support)" "$(grep -c ' B-UP$' "$tmp/dev.txt")"
expect "cut: fewer rows" "$(less "$(number prefix n)" 700)" ok
count "$(less "$(number prefix recall)" 0.8)" "cut: recall $(number prefix recall)"

# ---- for readers
must_run 2 eval "$tmp/a.yaml" --checkpoint best data.path="$tmp/tags.h5" run.dir="$tmp/plain"
expect "eval: a table for each trial" "$(grep -cE '^  (UP|DOWN|micro avg|macro avg|weighted avg) ' "$tmp/out")" 10
"$bin/ltune-report" "$tmp/plain" --all --details --csv "$tmp/a.csv" --html "$tmp/a.html" >"$tmp/report"
expect "report: tables" "$(grep -cE '^  (UP|DOWN|micro avg|macro avg|weighted avg) ' "$tmp/report")" 10
expect "report: matrices" "$(grep -c '^  truth' "$tmp/report")" 2
expect "report: the control is marked" "$(grep -c '^head .*\[linear probe, control\]$' "$tmp/report")" 2
expect "report: others are not" "$(grep '^prefix' "$tmp/report" | grep -c '\[')" 0
expect "report: chosen by F1" "$(awk '$1 == "prefix" && $2 == "prefix" { print $7, $10 }' "$tmp/report")" \
    "$by_f1 $(f1 plain prefix | sort -g | tail -n 1 | xargs printf %.4f)"
expect "report: HTML" "$(grep -c '<summary>.*classes at the best' "$tmp/a.html") $(grep -c '<td>head <b>(linear probe, control)</b></td>' "$tmp/a.html")" "2 2"
csv=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "f1_strict") c = i } $2 == "prefix" && $5 == "eval" { print $c }' "$tmp/a.csv")
within "report: strict F1 in CSV" "$csv" "$(series "$tmp/plain/run.h5" /trials/prefix/eval/f1_strict)" 1e-8
verdict
