#!/usr/bin/env bash
# TEST labels: lint timeout: 60
# Code of a step names no family: in src/model only families.c and family_*.c (rows of the table) and comments may. A new family is a row, a new shape a
# switch of lt_arch.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

family_words='bert|roberta|llama|mistral|mixtral|qwen|gpt_?2|gpt_?neox|bloom|falcon|gemma|olmo|deberta'

# Comments are taken out, then words of identifiers and strings are looked at.
scan() {
    local file
    while read -r file; do
        case $file in src/model/famil*.c | src/model/family_impl.h | '') continue ;; esac
        awk -v file="$file" -v names="$family_words" '
            {
                line = $0
                if (inside) { if (match(line, /\*\//)) { line = substr(line, RSTART + 2); inside = 0 } else line = "" }
                while (match(line, /\/\*/)) {
                    head = substr(line, 1, RSTART - 1); rest = substr(line, RSTART + 2)
                    if (match(rest, /\*\//)) line = head substr(rest, RSTART + 2)
                    else { line = head; inside = 1 }
                }
                sub(/\/\/.*/, "", line)
                if (match(tolower(line), "(^|[^a-z])(" names ")([^a-z]|$)"))
                    print file ":" FNR ": names a family: " $0 ": only src/model/famil*.c may; say it as a switch of lt_arch"
            }' "$1/$file"
    done < <(sources "$1" src/model src/kernels src/tuner src/train -- '*.c' '*.h' '*.cu' '*.cuh')
}

caught "a branch on a family" src/model/block.c <<<'if (a->family == LT_FAMILY_BERT) x = 1;'
caught "a model type in a string" src/model/forward.c <<<'if (!strcmp(a->model_type, "gpt2")) return;'
caught "code behind a comment" src/model/plan.c <<<'/* BERT */ int is_llama;'
accepted "a comment" src/model/block.c <<<'/* A block as in LLaMA
 * and BERT. */ int x; // as GPT-2'
accepted "the table of families" src/model/families.c <<<'{.model_type = "bert"},'
accepted "a family in a file of its own" src/model/family_deberta.c <<<'void read_deberta(void);'
accepted "other words" src/model/block.c <<<'int albertine, options, adapt_opts;'
verdict
