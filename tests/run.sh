#!/usr/bin/env bash
# Builds everything and runs every test: installs packages, builds release with warnings as errors and the emulated GPU and runs all ctest entries,
# then builds the emulator that watches every access and runs what is planted for it and some kernels, then builds with Address- and
# UndefinedBehaviorSanitizer and runs the unit, mpi and io entries again, then fuzzes every reader of files for a while.  Ends with one line 'N
# passed, N failed' over all entries, and exit code 0 only if none failed.
# usage: tests/run.sh [--quick] [--no-install] [--fuzz-seconds N]
#        --quick: the release part only; --fuzz-seconds: for each harness (default 20)
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=jobs/packages.sh
. "$source_dir/jobs/packages.sh"
quick=0 install=1 fuzz_seconds=20
usage() { sed -n 's/^# usage: /usage: /p; s/^#        --/       --/p' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --no-install) install=0 ;;
    --fuzz-seconds)
        fuzz_seconds=${2-}
        [[ $fuzz_seconds =~ ^[1-9][0-9]*$ ]] || usage
        shift
        ;;
    *) usage ;;
    esac
    shift
done

cd "$source_dir"
logs=$source_dir/build/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

finish() {
    [ $skipped -eq 0 ] || say "$skipped skipped (each says why in its log)"
    say "logs in $logs"
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
}

# A step before any test can run; its failure counts as one.
step() {
    local log=$logs/$1.log
    shift
    if ! "$@" >"$log" 2>&1; then
        grep -nE 'error|warning|FAILED|CMake Error' "$log" | awk 'NR <= 20' || true
        tail -n 20 "$log"
        say "failed: $*  (whole output: $log)"
        failed=$((failed + 1))
        finish
    fi
}

# run_ctest PRESET [ctest option...]: adds its entries to the counts.  What is neither passed nor skipped has failed, whatever the reason.
run_ctest() {
    local preset=$1 log=$logs/ctest-$1.log total ok skip
    shift
    local ctest=(ctest --test-dir "$source_dir/build/$preset" "$@")
    total=$("${ctest[@]}" -N | sed -n 's/^Total Tests: //p')
    "${ctest[@]}" --output-on-failure -j "$jobs" >"$log" 2>&1 || true
    ok=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed +[0-9.]+ sec' "$log" || true)
    skip=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*\*\*\*Skipped' "$log" || true)
    total=${total:-0}
    if [ "$total" -eq 0 ]; then
        say "$preset: ctest found no tests"
        failed=$((failed + 1))
        return
    fi
    local bad=$((total - ok - skip))
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ $bad -gt 0 ]; then
        grep -E '^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*\*\*\*(Failed|Timeout|Not Run|Exception)' "$log" || tail -n 5 "$log"
        # (awk reads on: head would end sed by SIGPIPE, and pipefail this script)
        sed -n '/FAILED: /p;/runtime error:/p;/ERROR: .*Sanitizer/p' "$log" | awk 'NR <= 40'
    fi
    say "$preset: $ok passed, $bad failed, $skip skipped  ($log)"
}

jobs=$(nproc)
if [ $install -eq 1 ]; then
    say "packages"
    step packages lt_install "$logs/apt.log" "${LT_PACKAGES_BUILD[@]}" "${LT_PACKAGES_RUN[@]}" "${LT_PACKAGES_TEST[@]}"
fi

! command -v ninja >/dev/null || export CMAKE_GENERATOR=${CMAKE_GENERATOR-Ninja} # a folder configured before keeps its generator
say "release: building"
# One kind of GPU is enough to see that the kernels compile, where there is a toolkit; the emulator executes them.
step release-configure cmake --preset release -DLT_WERROR=ON -DLT_EMULATE=ON -DCMAKE_CUDA_ARCHITECTURES=90a-real
step release-build cmake --build --preset release -j "$jobs"
say "release: testing"
run_ctest release

if [ $quick -eq 0 ]; then
    say "emulate-race: building"
    step race-configure cmake --preset emulate-race -DLT_WERROR=ON
    race=(test_emulator_planted test_emulator_work test_kernels_norm test_kernels_embed test_kernels_small test_kernels_attn)
    step race-build cmake --build --preset emulate-race -j "$jobs" --target "${race[@]}"
    say "emulate-race: testing"
    run_ctest emulate-race -R '^test_(emulator_(planted|work)|kernels_(norm|embed|small|attn)\.cuda-emulated)$'

    say "asan: building"
    step asan-configure cmake --preset asan -DLT_CUDA=OFF
    step asan-build cmake --build --preset asan -j "$jobs"
    say "asan: testing unit, mpi and io"
    # Libraries without frame pointers hide whose leak it is from the fast unwinder.
    export ASAN_OPTIONS=detect_leaks=1:fast_unwind_on_malloc=0 UBSAN_OPTIONS=print_stacktrace=1
    export LSAN_OPTIONS=suppressions=$source_dir/tests/lsan.supp:print_suppressions=0
    # What ran above and walks no other memory here is left out: the guard back end, whose fences repeat what is checked anyway; the whole model on ref,
    # whose ops the unit entries call; four ranks, where two and three cut evenly and unevenly.
    run_ctest asan -L '^(unit|mpi|io)$' -LE '^valgrind$' -E '\.(guard|ref)$|\.np4$'

    # libFuzzer where clang has it; else gcc and an engine of our own, which does not see coverage.
    harness=fuzz-gcc
    if echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n ? 0 : 0; }' |
        clang -x c - -fsanitize=fuzzer,address,undefined -o "$logs/fuzz-probe" 2>"$logs/fuzz-probe.log"; then
        harness=fuzz
    fi
    say "$harness: building"
    step "$harness-configure" cmake --preset "$harness"
    step "$harness-build" cmake --build --preset "$harness" -j "$jobs"
    say "$harness: every harness for $fuzz_seconds s"
    export LT_FUZZ_SECONDS=$fuzz_seconds
    run_ctest "$harness"
    sed -n 's/^\(fuzz_[a-z0-9]*: [0-9]* inputs.*\)/         \1/p' "$source_dir/build/$harness/Testing/Temporary/LastTest.log"
fi
finish
