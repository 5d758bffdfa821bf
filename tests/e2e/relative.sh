#!/usr/bin/env bash
# TEST labels: e2e timeout: 120
# Models whose scores know distances, end to end: the same losses over ranks, packs and back ends, with prefixes, prompts and heads; a prefix takes no places
# of the text.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
for name in tiny-deberta tiny-deberta-v2-conv; do
    folder=$tmp/$name
    cp -r "$source_dir/tests/golden/$name" "$folder"
    head -n 96 "$bert/vocab.txt" >"$folder/vocab.txt"
    cp "$bert/tokenizer_config.json" "$folder/"
    "$bin/write_tokens" "$tmp/data.h5" "$folder" 0
    config "$tmp/a.yaml" "$folder" "$tmp/unset" '
  - {name: head, method: {name: head}}
  - {name: prefix, method: {name: prefix, length: 4}}
  - {name: prompt, method: {name: prompt, length: 4}}'
    sed -i 's/steps: 30/steps: 60/; s/eval_every: 10/eval_every: 60/; s/lr: 1e-2/lr: 3e-2/' "$tmp/a.yaml"
    for layout in "plain 1 1" "tp2 2 2" "dp2 2 1" "packs 1 1 parallel.tokens=40" "seed 1 1 run.seed=2"; do
        # shellcheck disable=SC2086
        set -- $layout
        must_run "$2" train "$tmp/a.yaml" run.dir="$tmp/$name-$1" parallel.tp="$3" "${@:4}"
    done
    LT_OPS=guard must_run 2 train "$tmp/a.yaml" run.dir="$tmp/$name-guard" parallel.tp=2
    plain=$(losses "$tmp/$name-plain")
    expect "$name: losses of 3 trials and 60 steps" "$(wc -l <<<"$plain")" 180
    for l in tp2 dp2 packs; do within "$name: $l against one rank" "$(losses "$tmp/$name-$l")" "$plain" 1e-4; done
    beyond "$name: another seed" "$(losses "$tmp/$name-seed")" "$plain" 1e-4
    same "$name: guard: losses" "$(losses "$tmp/$name-guard")" "$(losses "$tmp/$name-tp2")"
    for t in prefix prompt; do
        best=$(series "$tmp/$name-plain/run.h5" "/trials/$t/eval/accuracy" | sort -g | tail -n 1)
        echo "  $name, $t: accuracy on dev $best"
        count "$(less 0.65 "$best")" "$name: $t learns which ids are odd" # features of a random model
    done
done
# 64 positions: a prefix of 50 rows fits before texts of 15 tokens where it takes none, and not where it takes them
config "$tmp/long.yaml" "$tmp/tiny-deberta" "$tmp/long" $'\n  - {name: a, method: {name: prefix, length: 50}}'
must_run 1 train "$tmp/long.yaml" train.steps=2
sed "s|path: $tmp/tiny-deberta,|path: $bert,|" "$tmp/long.yaml" >"$tmp/bert.yaml"
"$bin/write_tokens" "$tmp/data.h5" "$bert" 0
run 1 train "$tmp/bert.yaml" run.dir="$tmp/no" train.steps=2
expect "a prefix that takes places: named" "$(grep -c 'rows of a prefix or prompt before it pass the 64 positions' "$tmp/out")" 1
verdict
