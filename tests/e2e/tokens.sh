#!/usr/bin/env bash
# TEST labels: e2e timeout: 120
# Labels on tokens, end to end: every row of the last layer is read out, rows without a label count for nothing, and what can be learned is learned; the same
# numbers over ranks, packs and back ends; what does not go together with such labels is refused by name.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
"$bin/write_tokens" "$tmp/data.h5" "$bert" 0
"$bin/write_tokens" "$tmp/coin.h5" "$bert" 1
config "$tmp/a.yaml" "$bert" "$tmp/unset" '
  - {name: head, method: {name: head}}
  - {name: prefix, method: {name: prefix, length: 4}}
  - {name: prompt, method: {name: prompt, length: 4}}'
sed -i 's/steps: 30/steps: 120/; s/eval_every: 10/eval_every: 60/; s/lr: 1e-2/lr: 3e-2/' "$tmp/a.yaml"
layout() { # layout NAME RANKS TP [key=value...]
    must_run "$2" train "$tmp/a.yaml" run.dir="$tmp/$1" parallel.tp="$3" "${@:4}"
}
best() { series "$tmp/$1/run.h5" "/trials/$2/eval/accuracy" | sort -g | tail -n 1; }
layout plain 1 1
layout tp2 2 2
layout dp2 2 1
layout packs 1 1 parallel.tokens=40
layout seed 1 1 run.seed=2
layout coin 1 1 data.path="$tmp/coin.h5"
LT_OPS=guard layout guard 2 2
plain=$(losses "$tmp/plain")
expect "losses of 3 trials and 120 steps" "$(wc -l <<<"$plain")" 360
for l in tp2 dp2 packs; do within "$l against one rank" "$(losses "$tmp/$l")" "$plain" 1e-4; done
beyond "another seed" "$(losses "$tmp/seed")" "$plain" 1e-4
same "guard: losses" "$(losses "$tmp/guard")" "$(losses "$tmp/tp2")"
same "guard: trained values" "$(state "$tmp/guard/ck/last")" "$(state "$tmp/tp2/ck/last")"
for t in head prefix prompt; do
    limit=0.9
    [ $t != head ] || limit=0.7 # features of a random model
    echo "  $t: accuracy on dev $(best plain $t), of coins $(best coin $t)"
    count "$(less $limit "$(best plain $t)")" "$t: learns which ids are odd"
    count "$(less "$(best coin $t)" 0.6)" "control: $t learns nothing from coins"
done

# ---- an evaluation by itself gives the recorded numbers
must_run 2 eval "$tmp/a.yaml" run.dir="$tmp/tp2" --checkpoint best --split dev --json
found=$(sed -n 's/.*"name": *"head".*"accuracy": *\([0-9.]*\).*/\1/p' "$tmp/out")
within "eval of the best head" "$found" "$(best tp2 head)" 1e-4

# ---- what does not go together
config "$tmp/pair.yaml" "$bert" "$tmp/no" $'\n  - {name: a, method: {name: lt_prefix}}'
run 1 train "$tmp/pair.yaml"
expect "pairs and labels of tokens: exit code" $rc 12
expect "pairs and labels of tokens: named" "$(grep -c 'this data set labels tokens, but lt_prefix judges (text, label) pairs' "$tmp/out")" 1
run 1 train "$tmp/a.yaml" run.dir="$tmp/no" model.pool=mean
expect "a pool and labels of tokens: named" "$(grep -c 'model.pool: this data set labels tokens' "$tmp/out")" 1
run 1 predict "$tmp/a.yaml" run.dir="$tmp/tp2" --trial head --text "good film"
expect "predict: exit code" $rc 12
expect "predict: named" "$(grep -c 'this run labels tokens; scores are of whole texts: use ltune eval' "$tmp/out")" 1
verdict
