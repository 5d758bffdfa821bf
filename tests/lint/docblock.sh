#!/usr/bin/env bash
# TEST labels: lint timeout: 60
# Every public prototype (src/**/*.h, module-private NAME_impl.h left out) stands in a paragraph whose comment, above it, says who calls it:
# Local, Collective(comm) or Logically collective.  Neighbours without a blank line between them may share the comment of the first.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

scan() {
    local file
    while read -r file; do
        case $file in '' | *_impl.h) continue ;; esac
        awk -v file="$file" '
            function code(s) { # one line without comments: counts braces, ends statements
                while (match(s, /[{};]/)) {
                    c = substr(s, RSTART, 1)
                    if (depth == 0) stmt = stmt " " substr(s, 1, RSTART - 1)
                    s = substr(s, RSTART + 1)
                    if (c == "{") { depth++; if (depth == 1) body = stmt }
                    if (c == "}" && --depth == 0) stmt = body ~ /\)[^)]*$/ ? "" : "x"
                    if (c == ";" && depth == 0) {
                        if (stmt ~ /(^|[ *])lt_[a-z0-9_]+\(/ && stmt !~ /typedef/ && !says) {
                            name = stmt; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
                            print file ":" FNR ": " name ": no comment above says Local, Collective or Logically collective"
                        }
                        stmt = ""
                    }
                }
                if (depth == 0) stmt = stmt " " s
            }
            /^[ \t]*$/ && !open { says = 0; next }
            macro || /^[ \t]*#/ { macro = /\\$/; next }
            /^extern "C"/ || (/^}$/ && depth == 0) { next }
            {
                rest = $0
                while (rest != "") {
                    if (open) {
                        close_at = index(rest, "*/")
                        text = text " " (close_at ? substr(rest, 1, close_at - 1) : rest)
                        rest = close_at ? substr(rest, close_at + 2) : ""
                        if (close_at) { open = 0; if (text ~ /Local|Collective|Logically collective/) says = 1 }
                    } else {
                        open_at = index(rest, "/*")
                        code(open_at ? substr(rest, 1, open_at - 1) : rest)
                        rest = open_at ? substr(rest, open_at + 2) : ""
                        if (open_at) { open = 1; text = "" }
                    }
                }
            }' "$1/$file"
    done < <(sources "$1" src -- '*.h')
}

caught "no comment" src/base/x.h <<<'int lt_x(int a);'
caught "a comment that does not say" src/base/x.h <<<'/* Makes x. */
lt_status lt_x_make(int a,
                    int b);'
caught "a comment above the paragraph" src/base/x.h <<<'/* Local.  One. */
int lt_one(void);

int lt_two(void);'
caught "a pointer result after a struct" src/base/x.h <<<'/* Local. */
typedef struct x { int n; } x;

const char *lt_x_name(void) __attribute__((noreturn));'
accepted "a block each, and neighbours" src/base/x.h <<<'/* Collective(c).
 * Second line. */
lt_status lt_x(int a,
               int b) __attribute__((format(printf, 1, 2)));
int lt_y(void); /* the same */

/* Logically collective. */
void lt_z(void);'
accepted "types, members, macros and inline bodies" src/base/x.h <<<'typedef struct lt_x { int (*f)(int lt_a(int)); } lt_x;
#define LT_X(a) \
    lt_x(a);
static inline int lt_get(void) { return lt_x(1); }
extern const int lt_table;'
verdict
