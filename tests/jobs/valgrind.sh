#!/usr/bin/env bash
# TEST labels: valgrind timeout: 400
# One short training run under valgrind memcheck: no invalid access, no use of undefined values, nothing lost for good.
# Then the same check on a program that is wrong on purpose, to show that it can fail.
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
bin=${LT_BIN:-$source_dir/build/release/bin}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 77; }
model=$(find "$source_dir/tests/golden" -name config.json -path '*bert*' -exec dirname {} \; 2>/dev/null | sort | awk 'NR == 1')
[ -n "$model" ] || { echo "FAILED: no BERT folder under tests/golden"; exit 1; }

memcheck=(valgrind --quiet --keep-debuginfo=yes --num-callers=40 --error-exitcode=99 --leak-check=full
    --show-leak-kinds=definite --errors-for-leak-kinds=definite --suppressions="$source_dir/tests/valgrind.supp")
openmpi=/usr/share/openmpi/openmpi-valgrind.supp
[ ! -r "$openmpi" ] || memcheck+=(--suppressions="$openmpi")

# Negative control: 16 bytes lost and one read too far.
cat >"$tmp/wrong.c" <<'C'
#include <stdlib.h>
int main(void) {
    volatile char *p = malloc(16);
    int x = p[16];
    p = NULL;
    return x & 0;
}
C
gcc -g -O0 -w -o "$tmp/wrong" "$tmp/wrong.c"
rc=0
"${memcheck[@]}" "$tmp/wrong" 2>"$tmp/wrong.log" || rc=$?
if [ $rc -ne 99 ] || ! grep -q 'Invalid read' "$tmp/wrong.log" || ! grep -q 'definitely lost' "$tmp/wrong.log"; then
    echo "FAILED: negative control: a wrong program gave exit code $rc"
    exit 1
fi

# valgrind does not know AVX-512 instructions and says so to the program, which takes the kernels for AVX2, if it has them.
if ! valgrind --quiet --tool=none "$bin/ltune" version | grep -q 'this CPU: x86-64'; then
    echo "skipped: the build has the kernels of one level (LT_ARCH), and valgrind's CPU is not of that level"
    exit 77
fi

for i in $(seq 12); do
    printf '%d\t2.5\tthis film is a joy to watch, number %d\n%d\t-1.5\ta dull and tedious story, number %d\n' "$i" "$i" "$((i + 12))" "$i"
done >"$tmp/text.tsv"
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign --hash-split 50,25,25 -t "$model" -o "$tmp/data.h5" "$tmp/text.tsv"
cat >"$tmp/run.yaml" <<YAML
run:   {dir: $tmp/run}
model: {path: $model, dtype: f32}
data:  {path: $tmp/data.h5, max_length: 32}
train: {steps: 3, batch: 4, eval_every: 2, checkpoint_every: 2}
trials:
  - {name: lt_prefix, method: {name: lt_prefix}}
  - {name: lt_prompt, method: {name: lt_prompt}}
  - {name: prefix, method: {name: prefix, length: 2}}
  - {name: prompt, method: {name: prompt, length: 2}}
YAML
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1
rc=0
"${memcheck[@]}" --log-file="$tmp/valgrind.log" "$bin/ltune" train "$tmp/run.yaml" || rc=$?
if [ $rc -ne 0 ]; then
    head -n 120 "$tmp/valgrind.log"
    echo "FAILED: exit code $rc (99: memcheck found errors)"
    exit 1
fi
echo "memcheck clean"
