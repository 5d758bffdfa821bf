#!/usr/bin/env bash
# TEST labels: lint timeout: 120
# No script gives shellcheck anything to say, and each test script tells ctest on line 2 how to run it.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

if ! command -v shellcheck >/dev/null; then
    echo "skipped: shellcheck is not installed"
    exit 77
fi

scan() {
    local files
    mapfile -t files < <(sources "$1" jobs tests .ci -- '*.sh' '*.bash' '*.sbatch' run)
    [ ${#files[@]} -gt 0 ] || return 0
    (cd "$1" && shellcheck -x --format=gcc "${files[@]}") || true
    (cd "$1" && for file in "${files[@]}"; do
        case $file in
        tests/bench/*.sh) ;;
        tests/*/*.sh)
            sed -n 2p "$file" | grep -q '^# TEST ' || echo "$file:2: expected '# TEST labels: ... timeout: ...'"
            ;;
        esac
    done)
}

caught "an unquoted variable" jobs/x.sh <<'SH'
#!/bin/bash
rm -rf $1/x
SH
accepted "a quoted variable" jobs/x.sh <<'SH'
#!/bin/bash
rm -rf "$1/x"
SH
caught "a test script without its line" tests/jobs/x.sh <<'SH'
#!/bin/bash
true
SH
verdict
