#!/usr/bin/env bash
# TEST labels: jobs timeout: 120
# The run files of jobs/: each is a configuration without unknown keys, says how its data set is made and how it is submitted, and trains (two steps, on a
# small model); the settings of the label-supervised paper are the paper's.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/../e2e/e2e.bash"
prepare
# sentences of words with names of persons and places
awk 'BEGIN { srand(3); split("good bad film story the in", any)
    for (i = 0; i < 40; i++) {
        for (w = 0; w < 4 + i % 5; w++) {
            r = rand()
            if (r < 0.2) print "love B-PER\nfun I-PER"
            else if (r < 0.3) print "movie B-LOC"
            else print any[1 + int(rand() * 6)] " O"
        }
        print ""
    }
}' >"$tmp/words.txt"
"$bin/ltune-prep" data --task conll2003 train="$tmp/words.txt" dev="$tmp/words.txt" -t "$bert" -o "$tmp/words.h5" >"$tmp/out" 2>&1 ||
    { cat "$tmp/out"; exit 1; }

value() { awk -v key="$1:" '$1 == key { $1 = ""; sub(/ +#.*/, ""); sub(/^ /, ""); v = $0 } END { print v }' "$tmp/dump"; } # the trial's own stands last
holds() { expect "$file: $1" "$(value "$1")" "$2"; }
for file in "$source_dir"/jobs/*.yaml; do
    name=$(basename "$file" .yaml)
    rc=0
    "$bin/ltune" config "$file" >"$tmp/dump" 2>"$tmp/out" || rc=$?
    expect "$name: ltune config" "$rc $(wc -l <"$tmp/out")" "0 0"
    count "$(grep -q "^#   sbatch jobs/train.sbatch jobs/$name.yaml" "$file" && echo ok)" "$name does not say how it is submitted"
    count "$(grep -q "^#   ltune-prep data .* -o .*\.h5" "$file" && echo ok)" "$name does not say how its data set is made"
    case $name in *token) data=$tmp/words.h5 ;; *) data=$tmp/data.h5 ;; esac
    case $name in ls_*) model=$llama ;; *) model=$bert ;; esac
    more=()
    [ "$name" != gpta ] || more=("assistant.model=$llama" method.max_prefix_tokens=12)
    run 2 train "$file" run.dir="$tmp/$name" model.path="$model" data.path="$data" data.max_length=32 train.steps=2 train.batch=4 "${more[@]}"
    expect "$name: trains" "$rc $(grep -c ' done$' "$tmp/out")" "0 $(grep -c '^  - name: ' "$tmp/dump")"
    [ $rc -eq 0 ] || tail -n 5 "$tmp/out"
    [ "${name#ls_}" != "$name" ] || continue
    holds rank 12; holds alpha 32; holds dropout 0.1; holds targets "[q, v]"
    holds dtype bf16; holds weight_decay 0.01; holds batch 8; holds max_length 64
    case $name in
    *unllama*) holds bidirectional all ;;
    *) holds bidirectional none ;;
    esac
    case $name in
    ls_llama_sequence) holds epochs 10; holds lr 5e-05; holds head_bias false; holds pool last ;;
    ls_unllama_sequence) holds epochs 20; holds lr 0.0001; holds head_bias false; holds pool max ;;
    *) holds epochs 10; holds lr 0.0001; holds head_bias true; holds head_dropout 0.1 ;;
    esac
done
expect "four settings of the paper, GPTA, and a comparison" "$(cd "$source_dir/jobs" && echo ./*.yaml)" \
    "./compare_methods.yaml ./gpta.yaml ./ls_llama_sequence.yaml ./ls_llama_token.yaml ./ls_unllama_sequence.yaml ./ls_unllama_token.yaml"
expect "compared on one model" "$(grep -c '^  - name: ' <("$bin/ltune" config "$source_dir/jobs/compare_methods.yaml"))" 21
sed 's/rank: 12/rnak: 12/' "$source_dir/jobs/ls_llama_token.yaml" >"$tmp/wrong.yaml"
rc=0
"$bin/ltune" config "$tmp/wrong.yaml" >"$tmp/out" 2>&1 || rc=$?
expect "control: a key that is misspelt" $rc 12
verdict
