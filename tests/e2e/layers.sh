#!/usr/bin/env bash
# TEST labels: e2e timeout: 120
# model.bidirectional by layers, as whole runs of a decoder with a prefix, prompt rows, LoRA and labels that are read with the text: a range is the
# layers it stands for, all layers are `all`, one layer is neither; ranks, tensor parallelism and small packs change nothing; layers that are not there.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
mixed='
  - {name: prefix, method: {name: prefix, length: 3}}
  - {name: prompt, method: {name: prompt, length: 3}}
  - {name: lora, method: {name: lora, rank: 4}}
  - {name: lt_prefix, method: {name: lt_prefix, objective: all}}'
config "$tmp/a.yaml" "$llama" "$tmp/unset" "$mixed"
layers=$(sed -n 's/.*"num_hidden_layers": \([0-9]*\).*/\1/p' "$llama/config.json")
last=$((layers - 1))
train() { # train NAME RANKS SETTINGS...
    must_run "$2" train "$tmp/a.yaml" run.dir="$tmp/$1" train.steps=12 "${@:3}"
}
train range 1 "model.bidirectional=[0-$last]"
train all 1 model.bidirectional=all
same "a range of all layers is all" "$(record "$tmp/range")" "$(record "$tmp/all")"
train one 1 "model.bidirectional=[0]" # (of the last layer the last row is read, which sees the whole text anyhow)
train none 1 model.bidirectional=none
beyond "control: one layer is not all" "$(losses "$tmp/one")" "$(losses "$tmp/all")" 1e-4
beyond "control: one layer is not none" "$(losses "$tmp/one")" "$(losses "$tmp/none")" 1e-4
for layout in "2 1" "2 2" "4 2"; do
    read -r ranks tp <<<"$layout"
    train "one.$ranks.$tp" "$ranks" "model.bidirectional=[0-0]" parallel.tp="$tp" parallel.tokens=80
    within "one layer, $ranks ranks, tp $tp, small packs" "$(losses "$tmp/one.$ranks.$tp")" "$(losses "$tmp/one")" 1e-4
done
for list in "[$layers]" "[0-$layers]" "[0, 90-91]"; do
    run 1 train "$tmp/a.yaml" run.dir="$tmp/unused" "model.bidirectional=$list"
    expect "$list: exit code" $rc 12
    count "$(grep -q "there is no layer .*: this model has $layers layers" "$tmp/out" && echo ok)" "$list: $(tail -n 1 "$tmp/out")"
done
run 1 train "$tmp/a.yaml" run.dir="$tmp/one" train.steps=12 model.bidirectional=none
expect "continued with another mask: exit code" $rc 12
verdict
