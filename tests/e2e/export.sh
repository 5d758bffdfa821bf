#!/usr/bin/env bash
# TEST labels: e2e timeout: 400
# From a trained trial to files and back: an adapter that is exported and read again, and the model it is merged into, judge every text as the trial did, on one
# rank and on two; what cannot be exported or read is refused with a reason.  (What other programs make of the files: export_peft.sh.)
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
gpt=$tmp/gpt CONFIG=12 IO=15 FORMAT=16 ARG=2
mkdir "$gpt"
cp "$golden"/tiny-gpt2/* "$bert"/vocab.txt "$bert"/tokenizer_config.json "$gpt"
head -n 25 "$tmp/text.tsv" | cut -f 3 | cut -d ' ' -f 1-12 >"$tmp/lines"
words=$(awk 'FNR <= 90' "$bert/vocab.txt")
printf '%s\n' "$words" >"$gpt/vocab.txt" # as many words as that model has rows
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign --hash-split 70,20,10 -t "$gpt" -o "$tmp/gpt.h5" "$tmp/text.tsv" >"$tmp/out" 2>&1

yaml() { # yaml NAME MODEL DATA METHOD
    config "$tmp/$1.yaml" "$2" "$tmp/$1" $'\n'"  - {name: t, method: {$4}}"
    sed -i "s,$tmp/data.h5,$3," "$tmp/$1.yaml"
}
scores() { # scores FILE ARGS...: the probability of the first label, a text a line
    must_run 1 predict "$tmp/$1.yaml" --json "$tmp/lines" "${@:2}"
    sed -n 's/.*"probabilities": *{"[^"]*": *\([0-9.e-]*\).*/\1/p' "$tmp/out"
}
export_trial() { rm -rf "${@: -1}"; must_run 1 export "$tmp/$1.yaml" "${@:2:$#-2}" -o "${@: -1}"; }
again() { # again NAME FROM RANKS [ARGS]: values of a folder, which a step of length 0 leaves as they are
    rm -rf "$tmp/again"
    must_run "$3" train "$tmp/$1.yaml" run.dir="$tmp/again" method.from="$2" train.steps=1 train.eval_every=1 train.lr=0 "${@:4}"
    scores "$1" run.dir="$tmp/again" method.from="$2" "${@:4}"
}

# ---- there and back ----
yaml lora "$llama" "$tmp/data.h5" "name: lora, rank: 4, targets: [q, k, v, o, up, gate, down], head_bias: false"
yaml fused "$gpt" "$tmp/gpt.h5" "name: lora, rank: 3, targets: [q, v, o], scaling: rslora"
yaml one "$gpt" "$tmp/gpt.h5" "name: lora, rank: 3, targets: [v]"
yaml bert "$bert" "$tmp/data.h5" "name: lora, rank: 4, targets: [q, v, down]"
yaml prompt "$bert" "$tmp/data.h5" "name: prompt, length: 4"
yaml prefix "$llama" "$tmp/data.h5" "name: prefix, length: 4"
for name in lora fused one bert prompt prefix; do
    must_run 2 train "$tmp/$name.yaml"
    want=$(scores $name)
    export_trial $name "$tmp/adapter.$name"
    expect "$name: files" "$(cd "$tmp/adapter.$name" && echo adapter* ltune.json)" "adapter_config.json adapter_model.safetensors ltune.json"
    for ranks in 1 2; do within "$name: exported and read on $ranks ranks" "$(again $name "$tmp/adapter.$name" $ranks)" "$want" 1e-6; done
    must_run 1 train "$tmp/$name.yaml" run.dir="$tmp/new-$name" train.steps=1 train.eval_every=1 train.lr=0
    beyond "control: $name not read" "$(scores $name run.dir="$tmp/new-$name")" "$want" 1e-4
done

# ---- merged ----
merged() { # merged NAME METHOD LIMIT [ARGS of export]: the model with the update inside, and its head
    local want
    want=$(scores "$1")
    export_trial "$1" --format merged "${@:4}" "$tmp/merged"
    yaml merged "$tmp/merged" "$(sed -n 's/^data:  {path: \([^,]*\),.*/\1/p' "$tmp/$1.yaml")" "$2"
    within "$1 merged ${*:4}" "$(again merged "$tmp/merged" 1)" "$want" "$3"
}
merged lora "name: head, head_bias: false" 2e-2 # the base is bf16: an update in it is rounded
merged lora "name: head, head_bias: false" 1e-5 --dtype f32
expect "merged: the class" "$(grep -c '"LlamaForSequenceClassification"' "$tmp/merged/config.json")" 1
expect "merged: the labels" "$(tr -d ' \n' <"$tmp/merged/config.json" | grep -c '"id2label":{"0":"negative","1":"positive"}')" 1
expect "merged: the tokenizer" "$(cmp "$tmp/merged/vocab.txt" "$llama/vocab.txt" && echo same)" same
merged fused "name: head" 1e-5 --dtype f32
expect "merged without a class: the head apart" "$(ls "$tmp/merged/head.safetensors")" "$tmp/merged/head.safetensors"
merged bert "name: head" 2e-3 # f16
merged bert "name: head" 1e-5 --dtype f32
merged bert "name: head" 2e-2 --dtype bf16
other=$tmp/other
"$bin/make_model" llama "$other" layers=3 width=256 heads=4 kv_heads=2 ffn=256 vocab=131 tokenizer=0 >"$tmp/out"
cp "$bert"/vocab.txt "$bert"/tokenizer_config.json "$other"
yaml wide "$other" "$tmp/data.h5" "name: lora, rank: 4, targets: [q, down]"
must_run 2 train "$tmp/wide.yaml"
merged wide "name: head" 1e-5 --dtype f32 --file-mb 2
files=$(find "$tmp/merged" -name 'model-0*-of-0*.safetensors' | wc -l)
count "$([ "$files" -gt 2 ] && [ -f "$tmp/merged/model.safetensors.index.json" ] && echo ok)" "merged in files of 2 MB: $files files"
expect "no temporary folders are left" "$(find "$tmp" -maxdepth 1 -name '*.tmp.*' | wc -l)" 0

# ---- masks that the format cannot say ----
must_run 1 train "$tmp/lora.yaml" run.dir="$tmp/open" model.bidirectional=all
export_trial lora run.dir="$tmp/open" model.bidirectional=all "$tmp/adapter.open"
expect "open masks: said" "$(grep -c 'whoever loads .* must set these masks' "$tmp/out")" 1
expect "open masks: recorded" "$(tr -d ' \n' <"$tmp/adapter.open/ltune.json" | grep -c '"bidirectional_layers":\[0,1,2\]')" 1

# ---- refused ----
refused() { # refused WHAT CODE TEXT COMMAND ARGS...
    run 2 "${@:4}"
    expect "$1: exit code" "$rc" "$2"
    count "$(grep -qF -e "$3" "$tmp/out" && echo ok)" "$1: no word of '$3': $(grep -m 1 '^ltune' "$tmp/out")"
}
yaml pairs "$bert" "$tmp/data.h5" "name: lt_prefix"
must_run 1 train "$tmp/pairs.yaml" train.steps=2
refused "a method without a form" $CONFIG "PEFT has no form for lt_prefix" export "$tmp/pairs.yaml" -o "$tmp/x"
refused "a prompt merged" $CONFIG "cannot be merged" export "$tmp/prompt.yaml" --format merged -o "$tmp/x"
refused "a folder that is there" $ARG "is there already and not empty" export "$tmp/lora.yaml" -o "$tmp/adapter.lora"
refused "no folder" $ARG "name the folder" export "$tmp/lora.yaml"
refused "no such format" $ARG "known are peft and merged" export "$tmp/lora.yaml" --format gguf -o "$tmp/x"
refused "no checkpoint" $IO "has \`ltune train\` run with run.dir" export "$tmp/lora.yaml" run.dir="$tmp/none" -o "$tmp/x"
refused "an unknown option" $ARG "" export "$tmp/lora.yaml" --onnx
expect "refusals leave nothing" "$(find "$tmp" -maxdepth 1 -name "x*" | wc -l)" 0
from() { refused "$1" "$2" "$3" train "$tmp/$4.yaml" run.dir="$tmp/y" "${@:5}"; }
from "an adapter of another base" 13 "has shape [4, 64], expected [4, 256] of the model (llama): the adapter belongs to another base" lora \
    model.path="$other" method.from="$tmp/adapter.lora"
from "another rank" $CONFIG "set method.rank: 4" lora trials.0.method.rank=5 method.from="$tmp/adapter.lora"
from "another scale" $CONFIG "set method.alpha: 32" lora trials.0.method.alpha=16 method.from="$tmp/adapter.lora"
from "another model's" 16 "the adapter is of another model" bert method.from="$tmp/adapter.lora"
from "a target too many" $CONFIG "leave it out of method.targets" bert "trials.0.method.targets=[q, v, o, down]" method.from="$tmp/adapter.bert"
from "a target too few" $CONFIG "updates what this trial does not train" bert "trials.0.method.targets=[q, v]" method.from="$tmp/adapter.bert"
from "another kind" $CONFIG "has peft_type LORA" prefix method.from="$tmp/adapter.lora"
from "another length" $CONFIG "set method.length: 4" prefix trials.0.method.length=5 method.from="$tmp/adapter.prefix"
from "no folder there" $IO "cannot open" lora method.from="$tmp/nowhere"
from "a target that the family lacks" $CONFIG "have no gate" bert "trials.0.method.targets=[gate]"
cp -r "$tmp/adapter.lora" "$tmp/cut"
truncate -s -100 "$tmp/cut/adapter_model.safetensors"
from "a file that was cut" $FORMAT "is truncated" lora method.from="$tmp/cut"
echo '{' >"$tmp/cut/adapter_config.json"
from "a configuration that is no JSON" $FORMAT "not a JSON object" lora method.from="$tmp/cut"

# ---- labels that differ from the checkpoint's ----
sed 's/\t-[0-9.]*\t/\tbad\t/; s/\t[0-9.]*\t/\tgood\t/' "$tmp/text.tsv" >"$tmp/other.tsv"
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --hash-split 70,20,10 -t "$bert" -o "$tmp/other.h5" "$tmp/other.tsv" >"$tmp/out" 2>&1 || cat "$tmp/out"
refused "other labels: export" $CONFIG "was trained with other labels" export "$tmp/lora.yaml" data.path="$tmp/other.h5" -o "$tmp/x"
refused "other labels: predict" $CONFIG "was trained with other labels" predict "$tmp/lora.yaml" data.path="$tmp/other.h5" --text good
refused "other labels: eval" $CONFIG "was trained with other labels" eval "$tmp/lora.yaml" data.path="$tmp/other.h5"
refused "other labels: resume" $CONFIG "was trained with other labels" train "$tmp/lora.yaml" data.path="$tmp/other.h5"
verdict
