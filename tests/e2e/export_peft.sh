#!/usr/bin/env bash
# TEST labels: e2e timeout: 600
# What transformers and PEFT make of exported trials, of every family: the logits of each text as `ltune predict` has them.  Needs a Python with peft,
# transformers and torch (LT_PYTHON, else python3); without one it is skipped.  A family or more as arguments: these alone.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
python=${LT_PYTHON:-python3}
"$python" -c 'import peft, transformers, torch' 2>/dev/null || {
    echo "skipped: $python has no peft, transformers and torch (set LT_PYTHON to one that has)"
    exit 77
}
bert=$golden/tiny-bert limit=2e-5
text 200 >"$tmp/text.tsv"
cut -f 3 "$tmp/text.tsv" | cut -d ' ' -f 1-12 | sed -n 1,16p >"$tmp/lines"

base() { # base NAME: $tmp/NAME with a tokenizer of as many words as the smallest has rows, and the data set
    mkdir -p "$tmp/$1"
    cp "$golden/$1"/* "$tmp/$1"
    head -n 90 "$bert/vocab.txt" >"$tmp/$1/vocab.txt"
    cp "$bert/tokenizer_config.json" "$tmp/$1"
    [ -f "$tmp/data.h5" ] || "$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign --hash-split 70,20,10 -t "$tmp/$1" -o "$tmp/data.h5" \
        "$tmp/text.tsv" >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }
}
declare -a what=()
note() { # note WHAT KIND BASE: the export in $tmp/export, to be judged when all are made
    local n=${#what[@]}
    what[n]="$3: $2, $1"
    mv "$tmp/export" "$tmp/export.$n"
    cp "$tmp/want" "$tmp/want.$n"
    echo "$2 $tmp/export.$n $tmp/$3 $tmp/want.$n" >>"$tmp/jobs"
}
judge() { # all at once: starting Python is what takes time
    local i=0 worst
    "$python" "$source_dir/tests/e2e/export_peft.py" "$tmp/lines" <"$tmp/jobs" >"$tmp/judged" 2>"$tmp/err" || tail -n 4 "$tmp/err"
    while read -r worst; do
        printf '  %-9s %s\n' "$worst" "${what[i]}"
        if [[ ${what[i]} == *control* ]]; then count "$([ "$(less "$worst" $limit)" = no ] && echo ok)" "${what[i]}: $worst"; else
            count "$(less "$worst" $limit)" "${what[i]}: log-probabilities differ by '$worst', limit $limit"
        fi
        i=$((i + 1))
    done <"$tmp/judged"
    expect "exports that were judged" "$i" "${#what[@]}"
}
trial() { # trial BASE METHOD [SETTINGS of the run]: trained and judged as an adapter; lora also merged
    config "$tmp/t.yaml" "$tmp/$1" "$tmp/run" $'\n'"  - {name: t, method: {$2}}"
    rm -rf "$tmp/run" "$tmp/export"
    must_run 1 train "$tmp/t.yaml" train.steps=20 train.lr=5e-3 "${@:3}"
    must_run 1 predict "$tmp/t.yaml" --json "$tmp/lines" "${@:3}"
    grep '^{' "$tmp/out" >"$tmp/want"
    must_run 1 export "$tmp/t.yaml" -o "$tmp/export" "${@:3}"
    note "$2 ${*:3}" peft "$1"
    [[ $2 == *lora* ]] || return 0
    rm -rf "$tmp/export"
    must_run 1 export "$tmp/t.yaml" --format merged --dtype f32 -o "$tmp/export" "${@:3}"
    note "the same" merged "$1"
}
leads() { # leads BASE STUDENT: behind a prefix that an assistant wrote, whose tokens ltune.json has
    cat >"$tmp/writer" <<'SH'
#!/bin/sh
while read -r line; do echo '{"answers": ["is this film good", "not a word"]}'; done
SH
    chmod +x "$tmp/writer"
    local method="name: gpta, student: $2, description: films, rounds: 2, every: 5, max_prefix_tokens: 12, head_bias: false"
    config "$tmp/t.yaml" "$tmp/$1" "$tmp/run" $'\n'"  - {name: t, method: {$method}}"
    rm -rf "$tmp/run" "$tmp/export"
    must_run 1 train "$tmp/t.yaml" train.steps=20 train.lr=5e-3 "assistant.command=$tmp/writer"
    must_run 1 predict "$tmp/t.yaml" --json "$tmp/lines"
    grep '^{' "$tmp/out" >"$tmp/want"
    must_run 1 export "$tmp/t.yaml" --format merged --dtype f32 -o "$tmp/export"
    cp -r "$tmp/export" "$tmp/bare"
    note "gpta, student $2" merged "$1"
    if [ "$2" = lora ]; then
        must_run 1 export "$tmp/t.yaml" -o "$tmp/export"
        note "the same" peft "$1"
    fi
    sed -i 's/"prefix_tokens"/"none"/' "$tmp/bare/ltune.json"
    mv "$tmp/bare" "$tmp/export"
    note "control: without the prefix" merged "$1"
}
tokens() { # tokens BASE METHOD: the same with labels of tokens, judged by the loss
    base "$1"
    [ -f "$tmp/tokens.h5" ] || "$bin/write_tokens" "$tmp/tokens.h5" "$tmp/$1" 0
    config "$tmp/t.yaml" "$tmp/$1" "$tmp/run" $'\n'"  - {name: t, method: {$2}}"
    sed -i "s,$tmp/data.h5,$tmp/tokens.h5," "$tmp/t.yaml"
    rm -rf "$tmp/run" "$tmp/export"
    must_run 1 train "$tmp/t.yaml" train.lr=5e-3
    must_run 1 eval "$tmp/t.yaml" --json
    grep '^{' "$tmp/out" >"$tmp/want"
    must_run 1 export "$tmp/t.yaml" -o "$tmp/export"
    note "labels of tokens, $2" tokens "$1"
    sed -i '$s,$, '"$tmp/tokens.h5," "$tmp/jobs"
}
all="q, k, v, o, up, down"
decoders="tiny-llama tiny-mistral tiny-gqa tiny-qwen2 tiny-qwen3 tiny-gemma3 tiny-gpt2 tiny-gpt-neox tiny-bloom tiny-falcon-7b tiny-falcon-40b tiny-falcon-rw"
encoders="tiny-bert tiny-roberta tiny-xlm-roberta tiny-distilbert tiny-deberta tiny-deberta-v2-conv"
wanted() { [ $# -eq 1 ] || [[ " ${*:2} " == *" $1 "* ]]; }
for model in $decoders; do
    wanted "$model" "$@" || continue
    base "$model"
    gate=
    case $model in tiny-gpt* | tiny-bloom | tiny-falcon*) ;; *) gate=", gate" ;; esac
    trial "$model" "name: lora, rank: 3, targets: [$all$gate], head_bias: false"
    trial "$model" "name: lora, rank: 3, targets: [v, o], scaling: rslora"
done
for model in $encoders; do
    wanted "$model" "$@" || continue
    base "$model"
    trial "$model" "name: lora, rank: 3, targets: [$all]"
done
if wanted tiny-deberta-v2 "$@"; then
    base tiny-deberta-v2
    trial tiny-deberta-v2 "name: lora, rank: 3, targets: [v, o, up, down]"
    run 1 export "$tmp/t.yaml" "trials.0.method.targets=[q, v]" -o "$tmp/export-shared"
    expect "targets that relative positions share: exit code" $rc 12
fi
for model in tiny-llama tiny-gqa tiny-gpt2 tiny-bloom tiny-qwen3 tiny-falcon-7b; do
    wanted "$model" "$@" || continue
    trial "$model" "name: prompt, length: 4, head_bias: false"
    trial "$model" "name: prefix, length: 4, head_bias: false"
done
if wanted tiny-llama "$@"; then trial tiny-llama "name: prefix, length: 4, mlp: 6"; fi
if wanted tiny-bert "$@"; then
    trial tiny-bert "name: prompt, length: 4" model.pool=first
    trial tiny-bert "name: prompt, length: 4"
    trial tiny-bert "name: prefix, length: 4"
    # control: other values are seen
    must_run 1 train "$tmp/t.yaml" run.dir="$tmp/other" train.steps=1 run.seed=5
    must_run 1 export "$tmp/t.yaml" run.dir="$tmp/other" -o "$tmp/export"
    note "control: other values" peft tiny-bert
fi
for model in tiny-llama tiny-gpt2 tiny-bert; do
    wanted "$model" "$@" || continue
    leads "$model" lora
    [ "$model" = tiny-bert ] || leads "$model" head
done
for model in tiny-llama tiny-gpt2 tiny-bloom tiny-bert tiny-roberta tiny-distilbert tiny-deberta tiny-gemma3; do
    wanted "$model" "$@" || continue
    case $model in tiny-gemma3) targets=q ;; *) targets=v ;; esac
    tokens "$model" "name: lora, rank: 3, targets: [$targets, o]"
done
if wanted tiny-llama "$@"; then tokens tiny-llama "name: prompt, length: 4"; fi
judge
verdict
