#!/usr/bin/env bash
# TEST labels: e2e timeout: 300
# method.compat: authors, end to end: trials with and without it share a run; the same losses within 1e-5 on every layout and in every size of packs, the same
# bits after a stop in the middle; what evaluation and prediction say is what a padded batch gives; a causal model does not see padding; the plan
# counts it; the run log and the checkpoints say which mode it was; what has no such mode refuses it.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
pair='
  - {name: authors, method: {name: lora, rank: 4, head_bias: false, compat: authors}}
  - {name: clean, method: {name: lora, rank: 4, head_bias: false}}
  - {name: head, method: {name: head, compat: authors}}'
config "$tmp/a.yaml" "$llama" "$tmp/unset" "$pair"
more=(train.steps=16 train.lr=1e-3 train.eval_every=8)
layout() { # layout NAME RANKS TP [key=value...]
    must_run "$2" train "$tmp/a.yaml" run.dir="$tmp/$1" parallel.tp="$3" "${more[@]}" "${@:4}"
}
trial() { series "$tmp/$1/run.h5" "/trials/$2/train/loss"; }

for pool in max mean last; do
    way=(model.bidirectional=all model.pool="$pool")
    layout $pool 1 1 "${way[@]}"
    layout $pool-tp2 2 2 "${way[@]}"
    layout $pool-dp2 2 1 "${way[@]}"
    layout $pool-tp2dp2 4 2 "${way[@]}"
    layout $pool-packs 1 1 "${way[@]}" parallel.tokens=64
    plain=$(losses "$tmp/$pool")
    expect "$pool: losses of 3 trials and 16 steps" "$(wc -l <<<"$plain")" 48
    for l in tp2 dp2 tp2dp2 packs; do within "$pool: $l against one rank" "$(losses "$tmp/$pool-$l")" "$plain" 1e-5; done
    beyond "$pool: clean is something else" "$(trial $pool clean)" "$(trial $pool authors)" 1e-3
    LT_FAULT=step.local:0:9:term run 2 train "$tmp/a.yaml" run.dir="$tmp/$pool-stopped" parallel.tp=2 "${more[@]}" "${way[@]}"
    expect "$pool: stopped in step 9: exit code" $rc 75
    must_run 2 train "$tmp/a.yaml" run.dir="$tmp/$pool-stopped" parallel.tp=2 "${more[@]}" "${way[@]}"
    same "$pool: stopped and continued, trained values" "$(state "$tmp/$pool-stopped/ck/last")" "$(state "$tmp/$pool-tp2/ck/last")"
    # an evaluation by itself, on other ranks
    must_run 2 eval "$tmp/a.yaml" run.dir="$tmp/$pool" --checkpoint last --split dev --json "${more[@]}" "${way[@]}"
    for t in authors clean head; do
        within "$pool: eval of $t" "$(sed -n "s/.*\"name\": *\"$t\".*\"loss\": *\([0-9.]*\).*/\1/p" "$tmp/out")" \
            "$(series "$tmp/$pool/run.h5" "/trials/$t/eval/loss" | tail -n 1)" 1e-5
    done
done

LT_OPS=guard layout guard 2 2 model.bidirectional=all model.pool=max
same "guard, trained values" "$(state "$tmp/guard/ck/last")" "$(state "$tmp/max-tp2/ck/last")"

# ---- a text of a file is padded to the longest of it
printf 'a great film\n' >"$tmp/one.txt"
{ cat "$tmp/one.txt"; printf 'the movie is very bad and the plot of it is slow and sad and it is dull\n'; } >"$tmp/two.txt"
first() { # first TRIAL FILE RANKS: probabilities of its first line
    must_run "$3" predict "$tmp/a.yaml" run.dir="$tmp/max" "${more[@]}" model.bidirectional=all model.pool=max parallel.tp="$3" --json --trial "$1" "$2"
    grep -o '"probability": *[0-9.]*' "$tmp/out" | sed -n 1p | tr -dc '0-9.\n'
}
within "predict: clean, one text and two" "$(first clean "$tmp/one.txt" 1)" "$(first clean "$tmp/two.txt" 1)" 1e-5
beyond "predict: authors, one text and two" "$(first authors "$tmp/one.txt" 1)" "$(first authors "$tmp/two.txt" 1)" 1e-5
within "predict: authors, two ranks" "$(first authors "$tmp/two.txt" 2)" "$(first authors "$tmp/two.txt" 1)" 1e-5

# ---- a causal model does not see it
layout causal 1 1
within "causal: authors against clean" "$(trial causal authors)" "$(trial causal clean)" 1e-5
within "causal: evaluation of authors against clean" "$(series "$tmp/causal/run.h5" /trials/authors/eval/loss)" \
    "$(series "$tmp/causal/run.h5" /trials/clean/eval/loss)" 1e-5

# ---- labels on tokens: words that a cut took are not there
awk 'NR <= 120 { for (i = 3; i <= NF; i++) print $i, (i % 3 ? "O" : "B-ODD"); print "" }' "$tmp/text.tsv" >"$tmp/train.conll"
tail -n 40 "$tmp/text.tsv" | awk '{ for (i = 3; i <= NF; i++) print $i, (i % 3 ? "O" : "B-ODD"); print "" }' >"$tmp/dev.conll"
"$bin/ltune-prep" data --format conll -t "$bert" -o "$tmp/tags.h5" "train=$tmp/train.conll" "dev=$tmp/dev.conll" >"$tmp/out" 2>&1 ||
    { cat "$tmp/out"; exit 1; }
tags=(data.path="$tmp/tags.h5" data.max_length=8)
layout tags 1 1 "${tags[@]}"
within "tags, causal: authors against clean" "$(trial tags authors)" "$(trial tags clean)" 1e-5
recall() { series "$tmp/tags/run.h5" "/trials/$1/eval/recall" | tail -n 1; }
count "$(awk -v a="$(recall authors)" -v c="$(recall clean)" 'BEGIN { if (a > c) print "ok" }')" \
    "tags: recall $(recall authors) of authors is not above $(recall clean) of clean"
layout tags-both 1 1 "${tags[@]}" model.bidirectional=all
layout tags-tp2dp2 4 2 "${tags[@]}" model.bidirectional=all
within "tags: tp 2 and dp 2" "$(losses "$tmp/tags-tp2dp2")" "$(losses "$tmp/tags-both")" 1e-5
beyond "tags: clean is something else" "$(trial tags-both clean)" "$(trial tags-both authors)" 1e-3

# ---- the plan counts padding
planned() { # planned TRIAL: tokens of a step
    config "$tmp/p.yaml" "$llama" "$tmp/none" $'\n'"$(grep "name: $1," <<<"$pair")"
    "$bin/ltune" plan "$tmp/p.yaml" --ranks 1 --json 2>/dev/null | sed -n 's/.*"tokens_per_step": *\([0-9.e+]*\).*/\1/p'
}
count "$(awk -v a="$(planned authors)" -v c="$(planned clean)" 'BEGIN { if (a > 1.2 * c && c > 0) print "ok" }')" \
    "plan: $(planned authors) tokens a step with padding, $(planned clean) without"

# ---- it is on record
h5dump -a /run/config "$tmp/max/run.h5" >"$tmp/out"
expect "the run log says it, of two trials" "$(grep -o 'compat: authors' "$tmp/out" | wc -l)" 2

# ---- what has no such mode
refused() { # refused WHAT WORDS ARGS...
    run 1 train "${@:3}" run.dir="$tmp/no"
    expect "$1: exit code" $rc 12
    expect "$1: says why" "$(grep -c -e "$2" "$tmp/out")" 1
}
config "$tmp/b.yaml" "$bert" "$tmp/no" "$pair"
refused "an encoder" 'in the code of encoders no row sees padding' "$tmp/b.yaml"
config "$tmp/c.yaml" "$llama" "$tmp/no" $'\n  - {name: a, method: {name: lt_prefix, compat: authors}}'
refused "a label prefix" 'lt_prefix has no such mode: use clean' "$tmp/c.yaml"
config "$tmp/d.yaml" "$llama" "$tmp/no" $'\n  - {name: a, method: {name: prefix, compat: authors}}'
refused "a prefix" 'sets method.compat, which prefix does not read' "$tmp/d.yaml"
verdict
