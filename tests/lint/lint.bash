# shellcheck shell=bash
# Common part of the lints.  A lint defines scan DIR, which prints one line for each offence it finds in a source tree, and then calls
#   caught WHAT PATH      (text on stdin)   a tree with only this file must give an offence: the lint can see
#   accepted WHAT PATH    (text on stdin)   a tree with only this file must give none: the lint does not cry wolf
#   verdict                                 scans the real tree and ends the script
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

sample() { # sample PATH: a tree that holds only this file, with the text of stdin
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/$(dirname "$1")"
    cat >"$tmp/tree/$1"
    scan "$tmp/tree"
}
count() { # count OK MESSAGE
    if [ "$1" = ok ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        printf 'FAILED: %s\n' "$2"
    fi
}
caught() {
    local found
    found=$(sample "$2")
    count "$([ -n "$found" ] && echo ok)" "self-test: not caught: $1"
}
accepted() {
    local found
    found=$(sample "$2")
    count "$([ -z "$found" ] && echo ok)" "self-test: wrongly caught: $1: $found"
}
verdict() {
    local found
    found=$(scan "$source_dir")
    [ -z "$found" ] || printf '%s\n' "$found"
    count "$([ -z "$found" ] && echo ok)" "the source tree has offences"
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
}
# sources DIR FOLDER... -- PATTERN...: files under the folders whose names match, relative to DIR, sorted.
sources() {
    local dir=$1 folders=() names=()
    shift
    while [ "$1" != -- ]; do
        [ ! -e "$dir/$1" ] || folders+=("$1")
        shift
    done
    shift
    for pattern in "$@"; do names+=(-o -name "$pattern"); done
    [ ${#folders[@]} -eq 0 ] || (cd "$dir" && find "${folders[@]}" -type f \( "${names[@]:1}" \) | LC_ALL=C sort)
}
