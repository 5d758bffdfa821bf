#!/usr/bin/env bash
# TEST labels: e2e timeout: 200
# The same run on other layouts: the losses of 30 steps of all methods agree within 1e-4 relative in f32 over threads, tensor and data
# parallelism; the same layout twice gives the same bits; a trial alone and the same trial among all agree within 1e-5.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
for pair in "nan 0.5" "0.5 nan" "nan nan" "inf inf"; do
    read -r a b <<<"$pair"
    expect "control: $pair" "$(worst "$a" "$b" | cut -d: -f1)" "not a number"
done
for family in bert llama; do
    config "$tmp/$family.yaml" "${!family}" "$tmp/unset"
    layout() { # layout NAME RANKS THREADS TP [key=value...]
        OMP_NUM_THREADS=$3 must_run "$2" train "$tmp/$family.yaml" run.dir="$tmp/$family-$1" parallel.threads="$3" parallel.tp="$4" "${@:5}"
    }
    echo "$family"
    layout plain 1 1 1
    layout again 1 1 1
    layout threads 1 2 1
    layout tp2 2 1 2
    layout tp2-again 2 1 2
    layout dp2 2 1 1
    layout dp2-again 2 1 1
    layout tp2dp2 4 1 2
    layout packs 1 1 1 parallel.tokens=160
    layout seed 1 1 1 run.seed=2
    LT_OPS=guard layout guard 1 1 1
    LT_OPS=guard layout guard-tp2dp2 4 1 2
    of() { losses "$tmp/$family-$1"; }
    plain=$(of plain)
    expect "$family: losses of 5 trials and 30 steps" "$(wc -l <<<"$plain")" 150
    for l in threads tp2 dp2 tp2dp2 packs; do within "$family: $l against one rank" "$(of $l)" "$plain" 1e-4; done
    # behind memory that host code cannot read
    same "$family: guard, losses" "$(of guard)" "$plain"
    same "$family: guard, trained values" "$(state "$tmp/$family-guard/ck/last")" "$(state "$tmp/$family-plain/ck/last")"
    same "$family: guard, tp 2 and dp 2, trained values" "$(state "$tmp/$family-guard-tp2dp2/ck/last")" "$(state "$tmp/$family-tp2dp2/ck/last")"
    beyond "$family: another seed" "$(of seed)" "$plain" 1e-4
    same "$family: one rank twice, losses" "$(of again)" "$plain"
    same "$family: one rank twice, trained values" "$(state "$tmp/$family-again/ck/last")" "$(state "$tmp/$family-plain/ck/last")"
    same "$family: tp 2 twice, trained values" "$(state "$tmp/$family-tp2-again/ck/last")" "$(state "$tmp/$family-tp2/ck/last")"
    same "$family: dp 2 twice, trained values" "$(state "$tmp/$family-dp2-again/ck/last")" "$(state "$tmp/$family-dp2/ck/last")"
    expect "$family: another seed gives other values" \
        "$([ "$(state "$tmp/$family-seed/ck/last")" = "$(state "$tmp/$family-plain/ck/last")" ] && echo same || echo other)" other
    while read -r line; do
        name=${line#*name: } name=${name%%,*}
        config "$tmp/alone.yaml" "${!family}" "$tmp/$family-alone-$name" $'\n'"  $line"
        must_run 1 train "$tmp/alone.yaml" parallel.threads=1
        within "$family: $name alone against among all" "$(losses "$tmp/$family-alone-$name")" \
            "$(series "$tmp/$family-plain/run.h5" "/trials/$name/train/loss")" 1e-5
    done < <(sed '/^$/d; s/^ *//' <<<"$trials")
done

# One key/value head: every rank of a tensor-parallel group holds it, and what the group holds in common must be counted once.  AdamW does not see
# the scale of a gradient, its norm does.  A norm that passes near zero magnifies what rounding has changed so far: at a learning rate of 1e-2 the label
# prefix of this model swings, and in f64 too (LT_OPS=ref) two layouts differ by 2e-3 in the steps whose norm is a tenth of their neighbours'; at 1e-3 by
# 3e-5, in f32 by 2e-4, in the first step by 3e-6.
mqa=$tmp/mqa
"$bin/make_model" llama "$mqa" layers=2 width=128 heads=2 kv_heads=1 ffn=352 vocab=128 tokenizer=0 >"$tmp/out"
cp "$bert"/vocab.txt "$bert"/tokenizer_config.json "$mqa"
config "$tmp/mqa.yaml" "$mqa" "$tmp/unset"
norms() { for t in lt_prefix lt_prompt prefix prompt lora; do series "$tmp/mqa-$1/run.h5" "/trials/$t/train/grad_norm"; done; }
must_run 1 train "$tmp/mqa.yaml" run.dir="$tmp/mqa-plain" train.lr=1e-3
must_run 2 train "$tmp/mqa.yaml" run.dir="$tmp/mqa-tp2" train.lr=1e-3 parallel.tp=2
must_run 1 train "$tmp/mqa.yaml" run.dir="$tmp/mqa-seed" train.lr=1e-3 run.seed=2
within "one key/value head: tp 2, losses" "$(losses "$tmp/mqa-tp2")" "$(losses "$tmp/mqa-plain")" 1e-4
within "one key/value head: tp 2, gradient norms" "$(norms tp2)" "$(norms plain)" 1e-3
# keys and values wider than everything else: the workspace of bf16 products must know
"$bin/make_model" llama "$tmp/narrow" layers=2 width=128 heads=2 ffn=32 vocab=128 tokenizer=0 >"$tmp/out"
cp "$bert"/vocab.txt "$bert"/tokenizer_config.json "$tmp/narrow"
for way in packed plain; do
    LT_CPU_LINEAR=$way must_run 1 train "$tmp/mqa.yaml" model.path="$tmp/narrow" run.dir="$tmp/narrow-$way" model.dtype=bf16 train.steps=3
done
within "a narrow feed-forward in bf16: packed against plain" "$(losses "$tmp/narrow-packed")" "$(losses "$tmp/narrow-plain")" 1e-2
beyond "one key/value head: another seed, gradient norms" "$(norms seed)" "$(norms plain)" 1e-3
verdict
