#!/usr/bin/env bash
# TEST labels: e2e timeout: 300
# Dropout of LoRA and of heads is a function of the trial's seed, the place in its stream, the layer, the row and the channel, and of nothing else: a run with
# dropout gives the same losses within 1e-5 in f32 on every layout, in every size of packs, and alone or beside other trials; the same bits twice in the
# same layout, and after it was stopped in the middle.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
lora='
  - {name: qv, method: {name: lora, rank: 4, dropout: 0.1, head_dropout: 0.1}}
  - {name: others, method: {name: lora, rank: 2, targets: [k, o, up, down], dropout: 0.3, head_dropout: 0.1, head_bias: false}}
  - {name: head, method: {name: head, head_dropout: 0.1}}'
# Words with tags: two columns, a blank line behind each sentence.
awk 'NR <= 120 { for (i = 3; i <= NF; i++) print $i, (i % 3 ? "O" : "B-ODD"); print "" }' "$tmp/text.tsv" >"$tmp/train.conll"
tail -n 20 "$tmp/text.tsv" | awk '{ for (i = 3; i <= NF; i++) print $i, (i % 3 ? "O" : "B-ODD"); print "" }' >"$tmp/dev.conll"
"$bin/ltune-prep" data --format conll -t "$bert" -o "$tmp/tags.h5" "$tmp/train.conll" "$tmp/dev.conll" >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }

check() { # check NAME MODEL [key=value...]: every layout of the run in $tmp/NAME.yaml
    local name=$1 l
    layout() { # layout LAYOUT RANKS TP [key=value...]
        must_run "$2" train "$tmp/$name.yaml" run.dir="$tmp/$name-$1" parallel.tp="$3" "${more[@]}" "${@:4}"
    }
    of() { losses "$tmp/$name-$1"; }
    more=("${@:3}")
    config "$tmp/$name.yaml" "$2" "$tmp/unset" "$lora"
    echo "$name"
    layout plain 1 1
    layout again 1 1
    layout tp2 2 2
    layout dp2 2 1
    layout tp2dp2 4 2
    layout packs 1 1 parallel.tokens=64
    layout seed 1 1 run.seed=2
    layout without 1 1 method.dropout=0 trials.0.method.dropout=0 trials.1.method.dropout=0
    plain=$(of plain)
    expect "$name: losses of 3 trials and 16 steps" "$(wc -l <<<"$plain")" 48
    same "$name: twice, losses" "$(of again)" "$plain"
    same "$name: twice, trained values" "$(state "$tmp/$name-again/ck/last")" "$(state "$tmp/$name-plain/ck/last")"
    for l in tp2 dp2 tp2dp2 packs; do within "$name: $l against one rank" "$(of $l)" "$plain" 1e-5; done
    beyond "$name: another seed" "$(of seed)" "$plain" 1e-5
    beyond "$name: adapters without dropout" "$(of without)" "$plain" 1e-5
    for l in qv others head; do
        config "$tmp/$name-$l.yaml" "$2" "$tmp/$name-alone-$l" $'\n'"$(grep "name: $l," <<<"$lora")"
        must_run 1 train "$tmp/$name-$l.yaml" "${more[@]}"
        within "$name: $l alone" "$(losses "$tmp/$name-alone-$l")" "$(series "$tmp/$name-plain/run.h5" "/trials/$l/train/loss")" 1e-5
    done
    # stopped in the middle, on two layouts
    for l in "1 plain" "2 tp2"; do
        read -r ranks which <<<"$l"
        LT_FAULT=step.local:0:9:term run "$ranks" train "$tmp/$name.yaml" run.dir="$tmp/$name-stopped-$which" parallel.tp="$ranks" "${more[@]}"
        expect "$name: $which, stopped in step 9: exit code" $rc 75
        must_run "$ranks" train "$tmp/$name.yaml" run.dir="$tmp/$name-stopped-$which" parallel.tp="$ranks" "${more[@]}"
        same "$name: $which, stopped and continued, losses" "$(of "stopped-$which")" "$(of "$which")"
        same "$name: $which, stopped and continued, trained values" "$(state "$tmp/$name-stopped-$which/ck/last")" "$(state "$tmp/$name-$which/ck/last")"
    done
    expect "$name: another seed gives other values" \
        "$([ "$(state "$tmp/$name-seed/ck/last")" = "$(state "$tmp/$name-plain/ck/last")" ] && echo same || echo other)" other
}
short=(train.steps=16 train.lr=1e-3 train.eval_every=8)
check bert "$bert" "${short[@]}"
check llama "$llama" "${short[@]}" model.bidirectional=all model.pool=mean
check tags "$llama" "${short[@]}" data.path="$tmp/tags.h5"
verdict
