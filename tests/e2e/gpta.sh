#!/usr/bin/env bash
# TEST labels: e2e timeout: 300
# GPTA as whole runs: a command writes prefixes for students of every kind; the same bits over layouts of packs, over SIGTERM and kill -9 at any
# place of a round;
# candidates side by side measure what one by one do; no training text reaches the assistant; a failing assistant stops nobody; transfer; bad settings.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare

# ---- assistants ----
# Answers that follow from the seed alone; all that it was told goes to $tmp/told.
cat >"$tmp/writer" <<'SH'
#!/usr/bin/env bash
told=$1
while read -r line; do
    printf '%s\n' "$line" >>"$told"
    n=$(sed 's/.*"n": *\([0-9]*\).*/\1/' <<<"$line") seed=$(sed 's/.*"seed": *\([0-9]*\).*/\1/' <<<"$line")
    awk -v n="$n" -v seed="$seed" 'BEGIN {
        srand(seed % 1000003)
        w = split("is this film good or bad say if the story was fun smart dull weak in all time very really plot acting", word)
        printf "{\"answers\": ["
        for (i = 1; i <= n; i++) {
            printf "%s\"", (i > 1 ? ", " : "")
            for (k = 0; k < 3 + i % 4; k++) printf "%s%s", (k ? " " : ""), word[1 + int(rand() * w)]
            printf "\""
        }
        print "]}"
    }'
done
SH
# One text a question, those of its file in turn; behind the last nothing.
cat >"$tmp/reader" <<'SH'
#!/usr/bin/env bash
i=0
while read -r line; do
    i=$((i + 1))
    printf '{"answers": [%s]}\n' "$(sed -n "${i}p" "$1")"
done
SH
chmod +x "$tmp/writer" "$tmp/reader"

talk="name: gpta, description: Film reviews. Say whether the writer liked it., candidates: 4, rounds: 4, every: 6, probe: 64, max_prefix_tokens: 12"
students="
  - {name: head, method: {$talk, student: head}}
  - {name: prompt, method: {$talk, student: prompt, length: 3}}
  - {name: prefix, method: {$talk, student: prefix, length: 3}}
  - {name: lora, method: {$talk, student: lora, rank: 4, alpha: 8}}
  - {name: plain, method: {name: head}}"
with() { echo "assistant.command=$tmp/writer $tmp/told.$1"; } # with NAME: the writer with a file of its own
texts() { # texts FILE PATH: the strings of an HDF5 dataset, one a line
    h5dump -y -w 1 -d "$2" "$1" | awk 'inside && /}/ { inside = 0; done = 1 } inside { print } /DATA \{/ && !done { inside = 1 }' |
        sed -n 's/^ *"\(.*\)",\{0,1\}$/\1/p' | sed 's/\(\\000\)*$//'
}
dialogue() { # every number and text of a run's dialogues
    local t q
    for t in $(h5ls "$1/run.h5/trials" | awk '{ print $1 }'); do
        h5ls "$1/run.h5/trials/$t" | grep -q '^dialogue' || continue
        for q in round step probe_loss gain accuracy probed chosen; do
            echo "$t/$q"
            series "$1/run.h5" "/trials/$t/dialogue/$q"
        done
        texts "$1/run.h5" "/trials/$t/dialogue/prefix"
    done
}

for model in bert llama; do
    config "$tmp/$model.yaml" "${!model}" "$tmp/unset" "$students"
    must_run 1 train "$tmp/$model.yaml" run.dir="$tmp/$model.one" "$(with "$model.one")"
    for layout in "2 1" "2 2" "4 2"; do
        read -r ranks tp <<<"$layout"
        must_run "$ranks" train "$tmp/$model.yaml" run.dir="$tmp/$model.$ranks.$tp" parallel.tp="$tp" "$(with "$model.$ranks.$tp")"
        within "$model: $ranks ranks, tp $tp: losses" "$(losses "$tmp/$model.$ranks.$tp")" "$(losses "$tmp/$model.one")" 1e-4
    done
    rounds=$(series "$tmp/$model.one/run.h5" /trials/prefix/dialogue/round | sort -u | wc -l)
    expect "$model: rounds of a dialogue" "$rounds" 4
    # the text in front changes what is learned
    beyond "$model: control: no prefix" "$(series "$tmp/$model.one/run.h5" /trials/head/train/loss)" \
        "$(series "$tmp/$model.one/run.h5" /trials/plain/train/loss)" 1e-4
    # evaluation and prediction have the prefix and no assistant
    must_run 1 eval "$tmp/$model.yaml" run.dir="$tmp/$model.one" --json
    expect "$model: eval is what training found" \
        "$(grep -o '"name": "lora"[^}]*' "$tmp/out" | grep -o '"accuracy": [0-9.]*' | sed -n 1p | awk '{ printf "%.6f", $2 }')" \
        "$(series "$tmp/$model.one/run.h5" /trials/lora/eval/accuracy | sort -g | tail -n 1 | awk '{ printf "%.6f", $1 }')"
    must_run 1 predict "$tmp/$model.yaml" run.dir="$tmp/$model.one" --trial prefix --text "a great film"
done

# ---- the same bits over interruptions ----
for at in step.local:1:9:term gpta.round:1:2:term gpta.round:1:6:term score.leads:1:3:term assistant.wait:1:9:term assistant.wait:0:1:term; do
    dir=$tmp/stop.${at//:/.}
    LT_FAULT=$at run 2 train "$tmp/bert.yaml" run.dir="$dir" "$(with stop)"
    expect "SIGTERM at $at: exit code" $rc 75
    must_run 2 train "$tmp/bert.yaml" run.dir="$dir" "$(with stop)"
    same "SIGTERM at $at: trained values" "$(state "$dir/ck/last")" "$(state "$tmp/bert.2.1/ck/last")"
    same "SIGTERM at $at: metrics" "$(record "$dir")" "$(record "$tmp/bert.2.1")"
    same "SIGTERM at $at: dialogue" "$(dialogue "$dir")" "$(dialogue "$tmp/bert.2.1")"
done
for at in gpta.round:1:3:kill score.leads:1:5:kill gpta.lead:0:4:kill; do
    dir=$tmp/kill.${at//:/.}
    LT_FAULT=$at run 2 train "$tmp/bert.yaml" run.dir="$dir" train.checkpoint_every=4 "$(with kill)"
    count "$([ $rc -ne 0 ] && echo ok)" "kill -9 at $at: the run ended well"
    must_run 2 train "$tmp/bert.yaml" run.dir="$dir" train.checkpoint_every=4 "$(with kill)"
    same "kill -9 at $at: trained values" "$(state "$dir/ck/last")" "$(state "$tmp/bert.2.1/ck/last")"
    same "kill -9 at $at: dialogue" "$(dialogue "$dir")" "$(dialogue "$tmp/bert.2.1")"
done

# a model writes, for all trials at once
must_run 2 train "$tmp/bert.yaml" run.dir="$tmp/model" assistant.model="$llama" assistant.max_tokens=16
answers=0
for t in head prompt prefix lora; do answers=$((answers + $(series "$tmp/model/run.h5" /trials/$t/dialogue/round | wc -l))); done
count "$([ $answers -ge 8 ] && echo ok)" "a model as assistant: $answers answers"
for at in gpta.round:1:6:term score.leads:0:2:kill; do
    dir=$tmp/model.${at//:/.}
    LT_FAULT=$at run 2 train "$tmp/bert.yaml" run.dir="$dir" assistant.model="$llama" assistant.max_tokens=16
    count "$([ $rc -ne 0 ] && echo ok)" "a model, $at: the run ended well"
    must_run 2 train "$tmp/bert.yaml" run.dir="$dir" assistant.model="$llama" assistant.max_tokens=16
    same "a model, $at: trained values" "$(state "$dir/ck/last")" "$(state "$tmp/model/ck/last")"
    same "a model, $at: dialogue" "$(dialogue "$dir")" "$(dialogue "$tmp/model")"
done

for at in assistant.command:1:1 assistant.ask:0:1 assistant.ask:1:6; do
    LT_FAULT=$at run 2 train "$tmp/bert.yaml" run.dir="$tmp/fault.${at//:/.}" "$(with fault)"
    expect "$at: exit code" $rc 15
    expect "$at: told once" "$(grep -c 'fault injected' "$tmp/out")" 1
done

# ---- side by side and one by one ----
printf '"is this film good"\n"say if the story was fun", "dull or smart", "very bad plot in all this time"\n' >"$tmp/all"
for model in bert llama; do
    kinds=(prompt prefix)
    [ "$model" = bert ] && kinds=(head lora)
    for s in "${kinds[@]}"; do
        one="trials=[{name: a, method: {$talk, student: $s, scoring: full, rounds: 2, length: 3, rank: 4}}]"
        [ "$s" = head ] && one=${one/, length: 3, rank: 4/}
        [ "$s" = lora ] && one=${one/, length: 3/}
        { [ "$s" = prompt ] || [ "$s" = prefix ]; } && one=${one/, rank: 4/}
        must_run 1 train "$tmp/$model.yaml" run.dir="$tmp/all.$model.$s" train.steps=8 "$one" assistant.command="$tmp/reader $tmp/all"
        all=$(series "$tmp/all.$model.$s/run.h5" /trials/a/dialogue/probe_loss | tail -n 3)
        each=
        for k in 1 2 3; do
            { head -n 1 "$tmp/all" && tail -n 1 "$tmp/all" | awk -F', ' -v k=$k '{ print $k }'; } >"$tmp/one"
            must_run 1 train "$tmp/$model.yaml" run.dir="$tmp/one.$model.$s.$k" train.steps=8 "$one" assistant.command="$tmp/reader $tmp/one"
            each="$each$(series "$tmp/one.$model.$s.$k/run.h5" /trials/a/dialogue/probe_loss | tail -n 1)
"
        done
        within "$model, $s: side by side and one by one" "$all" "${each%?}" 1e-5
        beyond "$model, $s: control: two candidates" "$(head -n 1 <<<"$all")" "$(tail -n 1 <<<"$all")" 1e-5
    done
done

# ---- privacy: no three words of a training text in what the assistant was told ----
grams() { tr -cs "a-zA-Z" ' ' <"$1" | tr '[:upper:]' '[:lower:]' | awk '{ for (i = 3; i <= NF; i++) print $(i - 2), $(i - 1), $i }' | sort -u; }
cut -f 3 "$tmp/text.tsv" | awk '{ $NF = ""; print }' | while read -r s; do
    tr -cs "a-zA-Z" ' ' <<<"$s" | tr '[:upper:]' '[:lower:]' | awk '{ for (i = 3; i <= NF; i++) print $(i - 2), $(i - 1), $i }'
done | sort -u >"$tmp/grams"
leaks() { # leaks FILE: three words in a row that are some training text's and neither the assistant's nor a template's
    sed 's/\\n/ /g; s/\\"/ /g' "$1" >"$tmp/said"
    for d in "$tmp"/bert.*; do
        [ -f "$d/run.h5" ] || continue
        for t in head prompt prefix lora; do texts "$d/run.h5" "/trials/$t/dialogue/answer"; done
    done | cat - "$source_dir"/src/assistant/templates/*.txt | tr -cs "a-zA-Z\n" ' ' | tr '[:upper:]' '[:lower:]' |
        awk '{ for (i = 3; i <= NF; i++) print $(i - 2), $(i - 1), $i }' | sort -u >"$tmp/own"
    grams "$tmp/said" | comm -12 - "$tmp/grams" | comm -23 - "$tmp/own" >"$tmp/leaked"
    wc -l <"$tmp/leaked"
}
count "$([ -s "$tmp/told.bert.one" ] && echo ok)" "the assistant was told nothing"
expect "privacy: three words of a training text" "$(leaks "$tmp/told.bert.one")" 0
head -n 3 "$tmp/leaked"
must_run 1 train "$tmp/bert.yaml" run.dir="$tmp/shown" "trials=[{name: a, method: {$talk, exemplars: 3}}]" "$(with shown)"
count "$([ "$(leaks "$tmp/told.shown")" -gt 0 ] && echo ok)" "control: exemplars do not show in what the assistant is told"
count "$(grep -q 'TRAINING SENTENCES LEAVE' "$tmp/out" && echo ok)" "exemplars: the log does not say it loudly"
expect "exemplars in the run log" "$(h5dump -a /trials/a/exemplars "$tmp/shown/run.h5" | sed -n 's/.*(0): //p')" 3

# ---- failing assistants ----
fails() { # fails NAME COMMAND
    run 2 train "$tmp/bert.yaml" run.dir="$tmp/fails.$1" "trials=[{name: a, method: {$talk}}]" assistant.command="$2" assistant.timeout=1 assistant.retries=1
    expect "assistant that $1: exit code" $rc 0
    count "$(grep -q 'the run goes on with' "$tmp/out" && echo ok)" "assistant that $1: not told"
}
fails dies "exit 3"
fails "says nothing" "cat >/dev/null"
fails "is not there" "$tmp/nobody"
fails "writes garbage" "while read -r l; do echo garbage; done"
fails "has empty answers" "while read -r l; do echo '{\"answers\": [\"\", \"  \", \"12 34 ...\"]}'; done"

# ---- controls ----
controls="
  - {name: gpta, method: {$talk}}
  - {name: none, method: {name: gpta, student: head, control: no_prefix, description: x}}
  - {name: random, method: {$talk, control: random}}
  - {name: shuffled, method: {$talk, control: shuffled}}
  - {name: first, method: {$talk, control: first}}
  - {name: head, method: {name: head}}"
config "$tmp/controls.yaml" "$bert" "$tmp/controls" "$controls"
must_run 2 train "$tmp/controls.yaml" "$(with controls)"
same "no_prefix is the student alone" "$(series "$tmp/controls/run.h5" /trials/none/train/loss)" \
    "$(series "$tmp/controls/run.h5" /trials/head/train/loss)"
expect "random: rounds" "$(series "$tmp/controls/run.h5" /trials/random/dialogue/round | wc -l)" 1
expect "first: rounds" "$(series "$tmp/controls/run.h5" /trials/first/dialogue/round | wc -l)" 1
same "first: the first prefix" "$(texts "$tmp/controls/run.h5" /trials/first/dialogue/prefix)" \
    "$(texts "$tmp/controls/run.h5" /trials/gpta/dialogue/prefix | sed -n 1p)"

# ---- transfer ----
must_run 1 train "$tmp/controls.yaml" run.dir="$tmp/transfer" \
    "trials=[{name: gpta, method: {$talk, rounds: 1, init_dialogue: $tmp/controls/run.h5}}]"
same "transfer: the prefix" "$(texts "$tmp/transfer/run.h5" /trials/gpta/dialogue/prefix)" \
    "$(paste <(series "$tmp/controls/run.h5" /trials/gpta/dialogue/chosen) <(texts "$tmp/controls/run.h5" /trials/gpta/dialogue/prefix) |
        awk '$1 == 1' | tail -n 1 | cut -f 2)"

# ---- bad settings ----
refuse() { # refuse WHAT WORDS SETTINGS...
    local what=$1 words=$2
    shift 2
    run 2 train "$tmp/controls.yaml" run.dir="$tmp/refused" "$@"
    count "$([ $rc -ge 10 ] && grep -q "$words" "$tmp/out" && echo ok)" "$what: exit code $rc: $(tail -n 1 "$tmp/out")"
}
refuse "no description" "method.description is missing" 'trials=[{name: a, method: {name: gpta}}]' "$(with no)"
refuse "no assistant" "assistant" "trials=[{name: a, method: {$talk}}]"
refuse "two assistants" "assistant" "trials=[{name: a, method: {$talk}}]" "$(with no)" assistant.model="$llama"
refuse "an encoder as assistant" "assistant" "trials=[{name: a, method: {$talk}}]" assistant.model="$bert"
refuse "a key of another student" "does not read" "trials=[{name: a, method: {$talk, student: head, rank: 4}}]" "$(with no)"

# ---- plans ----
planned() { # planned KEY SETTINGS...: a number of the plan of a gpta head
    must_run 1 plan "$tmp/controls.yaml" --ranks 2 --json "${@:2}"
    sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$tmp/out"
}
head_of() { echo "trials=[{name: a, method: {$talk, student: head}}]"; }
own=$(planned assistant_bytes "$(head_of)" assistant.model="$llama")
count "$([ "$own" -gt 100000 ] && echo ok)" "plan: the assistant's own model takes $own bytes"
count "$([ "$(planned assistant_bytes "$(head_of)" assistant.model="$llama" assistant.tp=1)" -gt "$own" ] && echo ok)" "plan: of one rank more than of two"
expect "plan: a command takes nothing" "$(planned assistant_bytes "$(head_of)" "$(with no)")" 0
expect "plan: nor does the student's own model" "$(planned assistant_bytes "$(head_of)" assistant.model="$llama" model.path="$llama")" 0
run 1 plan "$tmp/controls.yaml" "$(head_of)" assistant.model="$bert" run.dir="$tmp/nowhere"
expect "plan: an encoder as assistant: $(tail -n 2 "$tmp/out")" "$(grep -c "cannot write texts: bert cannot generate" "$tmp/out")" 1
# a prefix that nobody trains has no gradient to send
expect "plan: messages of a gpta head are those of a head" "$(planned comm_bytes "$(head_of)" "$(with no)" parallel.tokens=2048)" \
    "$(planned comm_bytes "trials=[{name: a, method: {name: head}}]" parallel.tokens=2048)"
count "$([ "$(planned comm_bytes "trials=[{name: a, method: {name: prefix, length: 12}}]" parallel.tokens=2048)" -gt \
    "$(planned comm_bytes "$(head_of)" "$(with no)" parallel.tokens=2048)" ] && echo ok)" "control: those of a prefix are longer"
verdict
