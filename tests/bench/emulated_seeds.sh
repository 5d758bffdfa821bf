#!/usr/bin/env bash
# Runs the emulated entries of a build under many orders of threads, blocks and streams: not a part of the tests, which run one.
# usage: tests/bench/emulated_seeds.sh [BUILD_DIR [SEEDS [REGEX]]]      (build/emulate, 20, the ops and the emulator's own)
set -euo pipefail
build=${1:-build/emulate} seeds=${2:-20} regex=${3:-'^test_kernels_.*\.cuda-emulated$'}
failed=0
for ((seed = 1; seed <= seeds; seed++)); do
    if LT_EMU_SEED=$seed ctest --test-dir "$build" -R "$regex" --output-on-failure >"$build/seed.log" 2>&1; then
        echo "seed $seed: $(grep -E 'tests passed' "$build/seed.log")"
    else
        failed=$((failed + 1))
        cp "$build/seed.log" "$build/seed-$seed.log"
        echo "seed $seed: FAILED, see $build/seed-$seed.log"
    fi
done
echo "$((seeds - failed)) of $seeds seeds passed"
[ $failed -eq 0 ]
