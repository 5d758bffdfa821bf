#!/usr/bin/env bash
# TEST labels: e2e timeout: 200
# `ltune-prep model`: memory for the weights and cut are what `ltune plan` prints for the same parallel.tp and type, for every small model; what tensors are
# that are not used; a padded vocabulary.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
model() { rc=0; "$bin/ltune-prep" model "$1" >"$tmp/model" 2>&1 || rc=$?; }
says() { grep -cFx -- "$1" "$tmp/model" || true; }
plan() { # plan KEY=VALUE...: one JSON object
    "$bin/ltune" plan "$tmp/a.yaml" run.dir="$tmp/unused" --json "$@" 2>"$tmp/err" || { cat "$tmp/err"; exit 1; }
}
words() { awk -v n="$1" 'BEGIN { split("B KiB MiB GiB", u); for (i = 1; n >= 1024; i++) n /= 1024; printf (i > 1 ? "%.2f %s" : "%.0f %s"), n, u[i] }'; }

# ---- the same numbers as the plan ----
compared=0 uneven=0 refused=0 same_as_other=0
for name in "$golden"/tiny-*; do
    name=${name##*/} folder=$tmp/folder other=
    rm -rf "$folder" && cp -r "$golden/$name" "$folder"
    head -n 96 "$bert/vocab.txt" >"$folder/vocab.txt"
    cp "$bert/tokenizer_config.json" "$folder/"
    "$bin/write_tokens" "$tmp/data.h5" "$folder" 0
    config "$tmp/a.yaml" "$folder" "$tmp/unset" $'\n  - {name: a, method: {name: head}}'
    model "$folder"
    expect "$name" "$rc" 0
    for tp in 1 2 4 8; do
        row=$(sed -n "s/^  $tp   *\(.*\)/\1/p" "$tmp/model")
        read -r f32 f32_unit bf16 bf16_unit rest <<<"$row"
        if [ "$f32" = - ]; then
            expect "$name, tp $tp: why not" "$row" "-            -            more ranks than attention heads"
            "$bin/ltune" plan "$tmp/a.yaml" run.dir="$tmp/unused" --ranks $tp parallel.tp=$tp >"$tmp/out" 2>&1 || rc=$?
            expect "$name, tp $tp: the plan refuses too" "$rc" 13
            refused=$((refused + 1))
            continue
        fi
        dtype=f32 shown="$f32 $f32_unit"
        case $tp in 2 | 8) dtype=bf16 shown="$bf16 $bf16_unit" ;; esac
        json=$(plan --ranks $tp parallel.tp=$tp model.dtype=$dtype)
        [[ $json =~ \"cut\":\ \"([^\"]*)\" ]] && cut=${BASH_REMATCH[1]}
        [[ $json =~ \"weights_bytes\":\ ([0-9]+) ]] && expect "$name, tp $tp, $dtype: bytes" "$shown" "$(words "${BASH_REMATCH[1]}")"
        expect "$name, tp $tp: cut" "$rest" "${cut:+uneven: $cut}"
        [ "$shown" != "$other" ] || same_as_other=$((same_as_other + 1))
        other=$shown compared=$((compared + 1)) uneven=$((uneven + (${#cut} > 0)))
    done
done
echo "  $compared sizes compared, $uneven of uneven cuts; $refused refused"
count "$([ $compared -ge 50 ] && [ $uneven -ge 5 ] && [ $refused -ge 10 ] && echo ok)" "too few cases"
expect "control: rows of a table differ" "$same_as_other" 0

# ---- tensors that are not used ----
add() { # add FILE NAME...: further tensors of one number in a safetensors file
    local file=$1 n header data name
    n=$(od -An -tu8 -N8 "$file" | tr -d ' ')
    header=$(head -c $((8 + n)) "$file" | tail -c "$n" | sed 's/ *$//')
    data=$(($(stat -c %s "$file") - 8 - n))
    tail -c "$data" "$file" >"$tmp/data.bin"
    header=${header%\}}
    for name in "${@:2}"; do
        header+=",\"$name\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[$data,$((data + 4))]}"
        data=$((data + 4))
        printf '\0\0\0\0' >>"$tmp/data.bin"
    done
    header+='}'
    n=${#header}
    {
        for i in 0 8 16 24 32 40 48 56; do printf '%b' "\\x$(printf %02x $((n >> i & 255)))"; done
        printf '%s' "$header"
        cat "$tmp/data.bin"
    } >"$file.new"
    mv "$file.new" "$file"
}
odd() { # odd MODEL NAME...: what is said of a small model with these tensors more
    rm -rf "$tmp/folder" && cp -r "$golden/$1" "$tmp/folder"
    add "$tmp/folder/model.safetensors" "${@:2}"
    model "$tmp/folder"
    expect "$1 with further tensors" "$rc" 0
}
computed="constants, which are computed here" unknown="not known; if the model needs it, config.json is of another model"
off="config.json says that this model has none"
odd tiny-gqa score.weight model.layers.0.self_attn.rotary_emb.inv_freq model.layers.1.self_attn.rotary_emb.inv_freq \
    model.layers.0.self_attn.q_proj.bias model.layers.1.self_attn.q_proj.bias model.layers.0.self_attn.sinks vision.blocks.3.w
expect "a head" "$(says "ignored: score.weight: a head of another task")" 1
expect "output embedding" "$(says "ignored: lm_head.weight: the output embedding, read by \`ltune generate\` only")" 1
expect "constants" "$(says "ignored: layers.*.self_attn.rotary_emb.inv_freq (2): $computed")" 1
expect "biases that config.json denies" "$(says "ignored: layers.*.self_attn.q_proj.bias (2): $off")" 1
expect "unknown in a layer" "$(says "ignored: model.layers.0.self_attn.sinks: $unknown")" 1
expect "unknown" "$(says "ignored: vision.blocks.3.w: $unknown")" 1
expect "nothing else" "$(grep -c '^ignored' "$tmp/model")" 6
odd tiny-gpt2 transformer.h.0.attn.bias transformer.h.1.attn.bias transformer.h.0.attn.masked_bias
expect "masks of GPT-2" "$(says "ignored: h.*.attn.bias (2): $computed") $(says "ignored: transformer.h.0.attn.masked_bias: $computed")" "1 1"
odd tiny-bert cls.predictions.bias cls.seq_relationship.bias bert.embeddings.position_ids classifier.weight
expect "heads of BERT" "$(says "ignored: cls.* (2): a head of pre-training") $(says "ignored: classifier.weight: a head of another task")" "1 1"
odd tiny-deberta-v2 deberta.embeddings.position_embeddings.weight
expect "positions that config.json denies" "$(says "ignored: deberta.embeddings.position_embeddings.weight: $off")" 1
odd tiny-distilbert $(seq -f 'odd%g.a' 30)
expect "many kinds" "$(grep -c '^ignored: odd' "$tmp/model") $(says "ignored: and 11 more kinds of names")" "19 1"

# ---- poolers, tied weights, vocabularies ----
model "$golden/tiny-roberta"
expect "a pooler" "$(says "pooler: classifier.dense, frozen, between the row that is read out and the heads")" 1
expect "not said of an encoder" "$(grep -c '^tied' "$tmp/model")" 0
model "$golden/tiny-bert-old"
expect "no pooler" "$(says "pooler: none (no pooler.dense): the row that is read out goes to the heads as it is")" 1
expect "element types" "$(grep -c 'pytorch_model.bin, 45 tensors in 1 file, .*: F32 [0-9.]* KiB, I64 512 B$' "$tmp/model")" 1
model "$golden/tiny-falcon-40b"
expect "shards" "$(grep -c 'model.safetensors.index.json, 19 tensors in 4 files, ' "$tmp/model")" 1
expect "tied" "$(says "tied: the output embedding is the token embedding")" 1
sed 's/"tie_word_embeddings": true/"tie_word_embeddings": false/' "$golden/tiny-llama/config.json" >"$llama/config.json"
model "$llama"
expect "no output embedding" "$(says "output embedding: none (no lm_head): the model can be tuned, but not write texts")" 1
expect "a padded vocabulary" "$(says "padded vocabulary: the last 8 of 128 embeddings belong to no token")" 1
model "$bert"
expect "control: one that is full" "$(grep -c '^padded' "$tmp/model")" 0
verdict
