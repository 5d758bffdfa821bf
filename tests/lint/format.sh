#!/usr/bin/env bash
# TEST labels: lint timeout: 120
# clang-format has nothing to change.  Other versions lay out some lines in other ways, so only version 14 (Debian 12) judges.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

version=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p' || true)
if [ "$version" != 14 ]; then
    echo "skipped: clang-format 14 judges, found ${version:-none}"
    exit 77
fi

scan() {
    local files
    mapfile -t files < <(sources "$1" src data-prep analysis tests -- '*.c' '*.h')
    [ ${#files[@]} -eq 0 ] || (cd "$1" && clang-format --style="file:$source_dir/.clang-format" --dry-run "${files[@]}" 2>&1 |
        sed -n 's/ warning: code should be clang-formatted.*/ not formatted: clang-format -i the file/p')
}

caught "an unformatted line" src/base/x.c <<<'int  main( void ){return 0;}'
accepted "a formatted line" src/base/x.c <<<'int main(void) { return 0; }'
verdict
