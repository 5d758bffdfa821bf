#!/usr/bin/env bash
# TEST labels: e2e timeout: 240
# `ltune generate`: the same tokens however they are asked for (one text or many, from options, file or standard input, on 1, 2 and 4 ranks, in data-parallel
# groups); an answer is printed as its tokens come; draws depend on the seed; what a trial has learned stands before the text; refusals; signals; a reader
# that goes away.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
export OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1
ARG=2 CONFIG=12 SHAPE=13 IO=15 FORMAT=16 STOPPED=75
generate() { # generate RANKS ARGS...: results in $tmp/results, the rest in $tmp/out, exit code in rc
    local n=$1
    shift
    rc=0
    if [ "$n" = 0 ]; then
        timeout -k 2 30 "$bin/ltune" generate "$@" >"$tmp/results" 2>"$tmp/out" || rc=$?
    else
        timeout -k 2 60 "$source_dir/tests/mpirun.sh" "$n" "$bin/ltune" generate "$@" >"$tmp/results" 2>"$tmp/out" || rc=$?
    fi
}
field() { sed -n "${2}s/.*\"$1\": \\(\\[[^]]*\\]\\|\"[^\"]*\"\\).*/\\1/p" "$tmp/results"; } # field NAME LINE
refused() { # refused WHAT CODE WORDS...
    local word bad=""
    [ "$rc" = "$2" ] || bad="exit code $rc, expected $2"
    [ "$(grep -c '^ltune generate: [A-Z]*: ' "$tmp/out")" = 1 ] || bad="not exactly one message"
    for word in "${@:3}"; do grep -qF -e "$word" "$tmp/out" || bad="the message lacks \"$word\""; done
    count "$([ -z "$bad" ] && echo ok)" "$1: $bad: $(head -n 3 "$tmp/out")"
}
model=(--model "$llama" model.dtype=f32)
texts=("a great film" "the story was slow and sad" "fun" "it is a very bad movie" "love and hate in time")
options=()
for t in "${texts[@]}"; do options+=(--text "$t"); done

# ---- one text: as JSON, as it comes ----
generate 0 "${model[@]}" --text "${texts[0]}" --json generate.max_tokens=20
expect "one text: exit code" $rc 0
expect "one text: lines" "$(wc -l <"$tmp/results")" 1
first=$(field tokens 1) answer=$(field text 1)
expect "one text: tokens" "$(tr -cd , <<<"$first" | wc -c)" 19
expect "one text: reason" "$(field reason 1)" '"length"'
expect "one text: the prompt" "$(field prompt 1)" '"a great film"'
count "$(grep -qE '5 tokens read and 20 written in .* tokens/s' "$tmp/out" && echo ok)" "one text: no summary"
generate 0 "${model[@]}" --text "${texts[0]}" generate.max_tokens=20
expect "as it comes: the same text" "\"$(cat "$tmp/results")\"" "$answer"
LT_FAULT=generate.step:0:12:stall "$bin/ltune" generate "${model[@]}" --text "${texts[0]}" generate.max_tokens=20 >"$tmp/results" 2>"$tmp/out" &
pid=$!
for ((i = 0; i < 100; i++)); do
    [ ! -s "$tmp/results" ] || break
    sleep 0.1
done
sleep 0.3
kill -9 $pid
wait $pid 2>/dev/null || true
part=$(cat "$tmp/results")
count "$([ -n "$part" ] && [[ "$answer" == "\"$part"* ]] && [ "$answer" != "\"$part\"" ] && echo ok)" "as it comes: found '$part' of $answer behind 11 tokens"

# ---- many: the order, the ways in, the ranks ----
generate 0 "${model[@]}" "${options[@]}" --json generate.max_tokens=20
expect "many: exit code" $rc 0
cp "$tmp/results" "$tmp/many"
expect "many: the first is the same" "$(field tokens 1)" "$first"
for i in 1 2 3 4 5; do expect "many: prompt $i" "$(field prompt $i)" "\"${texts[i - 1]}\""; done
count "$([ "$(field tokens 1)" != "$(field tokens 2)" ] && echo ok)" "control: other texts have other answers"
printf '%s\n' "${texts[@]}" >"$tmp/texts.txt"
printf '{"text": "%s"}\n' "${texts[@]}" >"$tmp/texts.jsonl"
for way in "0 $tmp/texts.txt generate.batch=1" "0 $tmp/texts.jsonl generate.batch=2" "1 $tmp/texts.txt parallel.tokens=16" "2 $tmp/texts.txt" \
    "3 $tmp/texts.txt" "4 $tmp/texts.txt generate.batch=3" "4 $tmp/texts.txt parallel.tp=2" "3 $tmp/texts.txt parallel.tp=1 generate.batch=1"; do
    read -r n file more <<<"$way"
    # shellcheck disable=SC2086 # settings are words
    generate "$n" "${model[@]}" --text-file "$file" --json generate.max_tokens=20 $more
    same "$n ranks, ${file##*.} $more" "$(cat "$tmp/results")" "$(cat "$tmp/many")"
done
generate 2 "${model[@]}" --text-file - --json generate.max_tokens=20 <"$tmp/texts.txt"
same "standard input" "$(cat "$tmp/results")" "$(cat "$tmp/many")"
generate 0 "${model[@]}" "${options[@]}" generate.max_tokens=20
expect "many, for people: headings" "$(grep -E '^==>' "$tmp/results" | tr '\n' ';')" "$(printf '==> %s <==;' "${texts[@]}")"
expect "many, for people: an answer" "\"$(sed -n 2p "$tmp/results")\"" "$answer"

# ---- an end of text: the fourth token of the first answer ----
cp -r "$llama" "$tmp/ends"
fourth=$(cut -d ' ' -f 4 <<<"$first" | tr -d '],')
echo "{\"eos_token_id\": [$fourth, 1]}" >"$tmp/ends/generation_config.json"
generate 0 --model "$tmp/ends" model.dtype=f32 --text "${texts[0]}" --json generate.max_tokens=20
expect "end of text: reason" "$(field reason 1)" '"eos"'
ended=$(field tokens 1)
count "$([[ "$first" == "${ended%]}"* && "$ended" == *"$fourth]" ]] && echo ok)" "end of text: tokens $ended of $first"

# ---- draws ----
draw=("${model[@]}" --text-file "$tmp/texts.txt" --json generate.max_tokens=20 generate.temperature=1.5 generate.top_p=0.9)
generate 0 "${draw[@]}"
cp "$tmp/results" "$tmp/drawn"
generate 2 "${draw[@]}" generate.batch=2
same "draws on 2 ranks" "$(cat "$tmp/results")" "$(cat "$tmp/drawn")"
count "$([ "$(cat "$tmp/drawn")" != "$(cat "$tmp/many")" ] && echo ok)" "draws are not the best tokens"
generate 0 "${draw[@]}" generate.seed=2
count "$([ "$(cat "$tmp/results")" != "$(cat "$tmp/drawn")" ] && echo ok)" "another seed draws others"

# ---- what a trial has learned ----
config "$tmp/a.yaml" "$llama" "$tmp/run"
must_run 1 train "$tmp/a.yaml" train.steps=6 train.eval_every=3
for t in prefix prompt lora; do
    generate 0 "$tmp/a.yaml" --trial $t "${options[@]}" --json generate.max_tokens=20
    expect "$t: exit code" $rc 0
    cp "$tmp/results" "$tmp/$t"
    count "$([ "$(cat "$tmp/$t")" != "$(cat "$tmp/many")" ] && echo ok)" "$t changes nothing"
    generate 2 "$tmp/a.yaml" --trial $t "${options[@]}" --json generate.max_tokens=20 --checkpoint last generate.batch=2
    expect "$t, 2 ranks, last: exit code" $rc 0
    cp "$tmp/results" "$tmp/last"
    generate 0 "$tmp/a.yaml" --trial $t "${options[@]}" --json generate.max_tokens=20 --checkpoint "$(readlink -f "$tmp/run/ck/last")"
    same "$t: last, and its path" "$(cat "$tmp/results")" "$(cat "$tmp/last")"
done
for t in lt_prefix lt_prompt; do
    for y in positive negative; do
        generate 0 "$tmp/a.yaml" --trial $t --label $y "${options[@]}" --json generate.max_tokens=20
        expect "$t $y: exit code" $rc 0
        cp "$tmp/results" "$tmp/$y"
    done
    count "$([ "$(cat "$tmp/positive")" != "$(cat "$tmp/negative")" ] && echo ok)" "$t: the label changes nothing"
done

# ---- refusals ----
generate 0 --model "$bert" --text x; refused "an encoder" $CONFIG "bert cannot generate" "llama, mistral"
generate 0 --model "$golden/tiny-llama" --text x; refused "no tokenizer" $IO "no tokenizer in"
generate 0 --model "$llama"; refused "no text" $ARG "say what to continue"
generate 0 "${model[@]}" --text x --text-file "$tmp/texts.txt"; refused "two kinds of texts" $ARG "say what to continue"
generate 0 --text x; refused "no model" $ARG "say what writes"
generate 0 "$tmp/a.yaml" "${model[@]}" --text x; refused "two models" $ARG "say what writes"
generate 0 "${model[@]}" --text x --trial prefix; refused "a trial without a run" $ARG "--trial belongs to a run"
generate 0 "${model[@]}" --text x generate.batsch=2; refused "a wrong key" $CONFIG "generate.batch"
generate 0 "${model[@]}" --text x generate.top_p=2; refused "a wrong value" $CONFIG "generate.top_p"
generate 0 "${model[@]}" --text-file "$tmp/nowhere"; refused "no file" $IO "$tmp/nowhere"
: >"$tmp/empty"
generate 0 "${model[@]}" --text-file "$tmp/empty"; refused "an empty file" $FORMAT "no text to continue"
generate 0 "${model[@]}" --text "$(yes film | head -n 100 | tr '\n' ' ')"; refused "too long" $SHAPE "102 tokens" "64 positions"
generate 0 "${model[@]}" --text "$(yes film | head -n 60 | tr '\n' ' ')"
expect "no room but for three tokens: exit code" $rc 0
count "$(grep -q '62 tokens read and 3 written' "$tmp/out" && echo ok)" "no room but for three tokens: $(cat "$tmp/out")"
generate 0 "$tmp/a.yaml" --text x; refused "which trial" $ARG "lt_prefix, lt_prompt, prefix, prompt, lora"
generate 0 "$tmp/a.yaml" --text x --trial lt_prefix; refused "which label" $CONFIG "--label NAME"
generate 0 "$tmp/a.yaml" --text x --trial prefix --label positive; refused "a label too many" $CONFIG "leave --label out"
generate 0 "$tmp/a.yaml" --text x --trial lt_prefix --label none; refused "no such label" $ARG "positive"
cp -r "$llama" "$tmp/untied" && sed -i 's/"tie_word_embeddings": true/"tie_word_embeddings": false/' "$tmp/untied/config.json"
generate 0 --model "$tmp/untied" --text x; refused "no output matrix" $FORMAT "lm_head.weight" "without its language-model head"
generate 3 "${model[@]}" --text x parallel.tp=2; refused "ranks and groups" $SHAPE "3 ranks"

# ---- ends: a signal, a reader that goes away, a full disk ----
for layout in "1 0" "2 1"; do
    read -r n rank <<<"$layout"
    LT_FAULT=generate.step:$rank:3:term generate "$n" "${model[@]}" "${options[@]}" generate.max_tokens=20 generate.batch=2
    refused "a signal on rank $rank of $n" $STOPPED "stopped by a signal" "0 are finished" "run the same command again"
done
"$bin/ltune" generate "${model[@]}" "${options[@]}" generate.max_tokens=50 2>/dev/null | head -c 1 >"$tmp/one" || true
expect "a reader that goes away" "$(cat "$tmp/one")" "="
rc=0
timeout 20 "$bin/ltune" generate "${model[@]}" "${options[@]}" >/dev/full 2>"$tmp/out" || rc=$?
refused "a full disk" $IO "cannot write the results"
verdict
