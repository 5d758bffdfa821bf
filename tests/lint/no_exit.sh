#!/usr/bin/env bash
# TEST labels: lint timeout: 60
# A library never ends the process: no exit, abort, assert or MPI_Abort outside src/app; _exit only in comm (lt_fatal) and in the child process
# of store/h5_foreign.c.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

scan() {
    local file
    while read -r file; do
        case $file in '' | src/app/*) continue ;; esac
        # The preprocessor takes the comments out and keeps the lines; strings go too, they may speak of exit codes.
        (cd "$1" && gcc -fpreprocessed -dD -E -x c -w "$file" 2>/dev/null) | sed 's/"\([^"\\]\|\\.\)*"/""/g' | awk -v file="$file" '
            /^# [0-9]+/ { line = $2 - 1; next }
            { line++ }
            /(^|[^A-Za-z0-9_])(exit|quick_exit|_Exit|abort|assert|MPI_Abort)[ \t]*\(/ { print file ":" line ": " $0 }
            /(^|[^A-Za-z0-9_])_exit[ \t]*\(/ && file !~ /^src\/(comm\/|store\/h5_foreign\.c$)/ { print file ":" line ": " $0 }
            /#[ \t]*include[ \t]*<assert\.h>/ { print file ":" line ": " $0 }'
    done < <(sources "$1" src -- '*.c' '*.h' '*.cu' '*.cuh')
}

caught "exit" src/base/x.c <<<'void f(void) { exit(1); }'
caught "_exit outside comm" src/train/x.c <<<'void f(void) { _exit(1); }'
caught "_exit elsewhere in store" src/store/h5.c <<<'void f(void) { _exit(1); }'
caught "assert" src/model/x.h <<<'static inline void f(int x) { assert (x); }'
caught "assert.h" src/model/x.c <<<'#include <assert.h>'
caught "MPI_Abort after a comment" src/comm/x.c <<<'/* leave */ void f(void) { MPI_Abort(c, 1); }'
accepted "exit in the app" src/app/x.c <<<'int main(void) { exit(0); }'
accepted "_exit in comm" src/comm/x.c <<<'void f(void) { _exit(1); }'
accepted "_exit of a child" src/store/h5_foreign.c <<<'void f(void) { _exit(1); }'
accepted "comments, strings, longer names" src/base/x.c <<<'/* exit(1) */ // abort()
int lt_status_exit_code(int x); const char *s = "calls exit(1) \" assert(0)"; _Static_assert(1, "");'
verdict
