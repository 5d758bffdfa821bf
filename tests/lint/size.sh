#!/usr/bin/env bash
# TEST labels: lint timeout: 60
# No source file above 600 lines, no line of C or of a script above 160 characters.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

scan() {
    local file
    while read -r file; do
        [ -z "$file" ] || awk -v file="$file" '
            length($0) > 160 && file !~ /\.(txt|py)$/ { print file ":" FNR ": " length($0) " characters, at most 160" }
            END { if (FNR > 600) print file ": " FNR " lines, at most 600: split it" }' "$1/$file"
    done < <(sources "$1" src data-prep analysis jobs tests CMakeLists.txt -- \
        '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.bash' '*.sbatch' '*.py' CMakeLists.txt)
}

caught "601 lines" src/base/x.c < <(seq 601)
accepted "600 lines" src/base/x.c < <(seq 600)
caught "141 characters" tests/unit/x.c < <(printf '%0161d\n' 0)
accepted "160 characters" tests/unit/x.c < <(printf '%0160d\n' 0)
verdict
