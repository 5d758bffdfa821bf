#!/usr/bin/env bash
# Tokens a second and seconds to load, against Hugging Face's tokenizers on the same machine, texts and files; one thread each.
# The programs take turns, round by round, so that a neighbour's load hits both; medians over the rounds.  Texts are in memory before a clock starts.
#
# usage: tokenizers.sh SHARED_DIR [--rounds 5] [--megabytes 100] [--only "NAME ..."] [--texts "sst2 agnews synthetic"]
#                            [--python python3] [--bin build/release/bin]
#   SHARED_DIR  holds tokenizers/NAME and data/{sst2/train.tsv,agnews/test.csv}
# Prints for each tokenizer and text: tokens/s of the peer, ours, the ratio, ours on two threads and what they gain; then seconds to load.
# Exit 1 if the numbers of tokens differ.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/bench/bench.bash
. "$here/bench.bash"
[ $# -ge 1 ] || usage
shared=$1 rounds=5 megabytes=100 only="bert-base-uncased gpt2 roberta llama2 deberta-v3" texts="sst2 agnews synthetic"
python=python3 bin=$here/../../build/release/bin
options "rounds megabytes only texts python bin" "${@:2}"
peer() { "$python" "$here/tokenizers_peer.py" "$@" 2>"$tmp/log" || { cat "$tmp/log" >&2; exit 1; }; }
word() { awk -v n="$1" '{ print $n }'; } # word N: of the line on stdin

peer texts "$shared" "$tmp" "$megabytes"
for name in $only; do peer save "$shared/tokenizers/$name" "$tmp/$name.json"; done
for ((r = 1; r <= rounds; r++)); do
    for name in $only; do
        peer load "$tmp/$name.json" 3 | word 3 >>"$tmp/load.peer.$name"
        "$bin/bench_tok" load "$tmp/$name.json" 3 | word 3 >>"$tmp/load.same.$name"
        "$bin/bench_tok" load "$shared/tokenizers/$name" 3 | word 3 >>"$tmp/load.folder.$name"
        for text in $texts; do
            peer encode "$tmp/$name.json" "$tmp/$text.txt" >>"$tmp/peer.$name.$text"
            for threads in 1 2; do "$bin/bench_tok" encode "$shared/tokenizers/$name" "$tmp/$text.txt" $threads >>"$tmp/ours$threads.$name.$text"; done
        done
    done
    echo "round $r of $rounds done" >&2
done

same=0
seconds() { word 3 <"$tmp/$1.$name.$text" | median; }
printf '%-18s %-10s %10s %12s %12s %7s %14s %7s\n' tokenizer text tokens 'peer tok/s' 'our tok/s' ratio 'two threads' gain
for name in $only; do
    for text in $texts; do
        tokens=$(word 1 <"$tmp/peer.$name.$text" | sed -n 1p)
        [ "$(cat "$tmp"/{peer,ours1,ours2}."$name.$text" | word 1 | sort -u)" = "$tokens" ] ||
            { echo "$name, $text: the numbers of tokens differ" >&2; same=1; }
        awk -v name="$name" -v text="$text" -v n="$tokens" -v p="$(seconds peer)" -v a="$(seconds ours1)" -v b="$(seconds ours2)" \
            'BEGIN { printf "%-18s %-10s %10d %12.0f %12.0f %6.2fx %14.0f %6.2fx\n", name, text, n, n / p, n / a, p / a, n / b, a / b }'
    done
done
printf '\n%-18s %14s %14s %7s %16s\n' 'seconds to load' 'peer, json' 'ours, json' ratio 'ours, its folder'
for name in $only; do
    awk -v name="$name" -v p="$(median <"$tmp/load.peer.$name")" -v a="$(median <"$tmp/load.same.$name")" -v b="$(median <"$tmp/load.folder.$name")" \
        'BEGIN { printf "%-18s %14.4f %14.4f %6.2fx %16.4f\n", name, p, a, p / a, b }'
done
exit $same
