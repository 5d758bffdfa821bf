#!/usr/bin/env bash
# Runs one fuzz harness from its seeds and from what earlier runs found, for LT_FUZZ_SECONDS (20) seconds.
# usage: tests/fuzz/fuzz.bash PROGRAM [engine option...]      e.g. fuzz.bash build/fuzz/bin/fuzz_tsv -seed=1
# Beside PROGRAM's folder: corpus/NAME (inputs that reach new code, kept between runs; delete it to start afresh), failed/NAME-* (inputs that failed).
# An input takes at most 5 s and 1 GiB.
set -euo pipefail
program=$1
shift
seconds=${LT_FUZZ_SECONDS:-20}
name=$(basename "$program")
build=$(cd "$(dirname "$program")/.." && pwd)
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
corpus=$build/corpus/$name seeds=$build/seeds/$name failed=$build/failed
mkdir -p "$corpus" "$failed" "$(dirname "$seeds")"

# Many small files are written: to memory where there is some.
base=/dev/shm
[ -w $base ] || base=${TMPDIR:-/tmp}
tmp=$(mktemp -d "$base/ltune-fuzz-run-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
export LT_FUZZ_TMP=$tmp

# A size that no memory has is refused as in a plain build; leaks of libraries are known.
export ASAN_OPTIONS=allocator_may_return_null=1:quarantine_size_mb=64:handle_abort=1:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=$source_dir/tests/lsan.supp:print_suppressions=0
export OMP_NUM_THREADS=1

rm -rf "$seeds"
"$program" --seeds "$seeds"
rc=0
timeout $((seconds + 300)) "$program" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 \
    -dict="$seeds.dict" -artifact_prefix="$failed/$name-" "$@" "$corpus" "$seeds" >"$tmp/log" 2>&1 || rc=$?
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/log")
edges=$(sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$tmp/log" | tail -n 1)
if [ $rc -ne 0 ]; then
    # what went wrong, and where: the first frames of each report
    awk '/FAILED|ERROR|runtime error|SUMMARY/ { print; frames = 0 } / #[0-9]+ 0x/ && frames++ < 12' "$tmp/log" | cut -c1-200
    [ $rc -ne 124 ] || echo "it did not end in $((seconds + 300)) s"
    input=$(sed -n 's/.*Test unit written to //p' "$tmp/log" | tail -n 1)
    echo "FAILED: $name, exit code $rc; again: $program ${input:-(no input was kept)}"
    exit 1
fi
echo "$name: ${runs:-0} inputs in $seconds s, ${edges:-unknown} edges covered, $(find "$corpus" -type f | wc -l) inputs in the corpus"
[ "${runs:-0}" -gt 0 ]
