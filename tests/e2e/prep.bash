# shellcheck shell=bash
# Common part of the tests of ltune-prep.
#   prep ARGS...            ltune-prep; output in out and err, exit code in $rc
#   expect WHAT FOUND WANTED, says WORDS, refuses WHAT CODE WORDS... -- ARGS...
#   id WORD                 its id in the vocabulary of tests/golden/tiny-bert, which is small enough to write ids by hand: [CLS] 2, [SEP] 3, [UNK] 1
#   values FILE DATASET     its numbers on one line
#   attribute FILE PATH     its number
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
prep=${LT_BIN:-$source_dir/build/release/bin}/ltune-prep
bert=$source_dir/tests/golden/tiny-bert
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
passed=0 failed=0

expect() { # expect WHAT FOUND WANTED
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        printf "FAILED: %s: found '%s', expected '%s'\n" "$1" "$2" "$3"
        sed 's/^/  | /' out err 2>/dev/null || true
    fi
}
prep() { # output in out and err, exit code in rc
    rc=0
    "$prep" "$@" >out 2>err </dev/null || rc=$?
}
says() { grep -qF -- "$1" out err && echo yes || echo no; }
refuses() { # refuses WHAT CODE WORDS... -- ARGS...: exit code and every word in the message, and no output file
    local what=$1 code=$2 words=()
    shift 2
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    rm -f bad.h5
    prep "$@"
    expect "$what: exit code" "$rc" "$code"
    for w in "${words[@]}"; do expect "$what: says '$w'" "$(says "$w")" yes; done
    expect "$what: no file left" "$(find . -name 'bad.h5*' | wc -l)" 0
}
id() { awk -v w="$1" '$0 == w { print NR - 1 }' "$bert/vocab.txt"; }
values() { # values FILE DATASET: its numbers on one line
    # (awk reads to the end: leaving early would end h5dump by SIGPIPE, and pipefail this script)
    h5dump -y -w 0 -d "$2" "$1" | awk '/DATA \{/ && !done { on = 1; next } /\}/ && on { on = 0; done = 1 } on' |
        sed 's/\\000//g' | tr -s ', "\n' ' ' | sed 's/^ //; s/ $//'
}
attribute() { h5dump -a "$2" "$1" | awk '/\(0\)/ { print $2 }'; }
verdict() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
}
