#!/usr/bin/env bash
# TEST labels: e2e timeout: 200
# One program for CPUs of different kinds.  No instruction of a level stands outside its own kernels; ranks of different levels train on the lowest, with the
# numbers of a run where all have that one; on a CPU without AVX-512 (valgrind's) the program takes AVX2.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"

built=$("$bin/ltune" version | sed -n 's/.*kernels for //p')
if [ "$built" != "x86-64, x86-64-v3, x86-64-v4" ]; then
    echo "skipped: this build has the kernels of one level only ($built)"
    exit 77
fi
registers() { objdump -d --no-show-raw-insn "$@" | grep -o '%[yz]mm' | sort -u | tr -d '\n'; }
files=$bin/..
if command -v objdump >/dev/null; then
    expect "registers of the kernels for x86-64" "$(registers "$files/lt_cpu_v1.o")" ""
    expect "registers of the kernels for x86-64-v3" "$(registers "$files/lt_cpu_v3.o")" "%ymm"
    expect "control: registers of the kernels for x86-64-v4" "$(registers "$files/lt_cpu_v4.o")" "%ymm%zmm"
    mapfile -t others < <(find "$files/CMakeFiles" \( -path '*/lt_*.dir/*' -o -path '*/ltune*.dir/*' \) -name '*.o' ! -path '*/lt_cpu_v*.dir/*')
    expect "rooms and programs found" "$(printf '%s\n' "${others[@]}" | grep -c '/main\.c\.o$\|/levels\.c\.o$\|/allreduce\.c\.o$')" 5
    expect "registers of everything else" "$(registers "${others[@]}")" ""
    for level in v1 v3 v4; do
        expect "what others see of the kernels of $level" "$(nm -g --defined-only "$files/lt_cpu_$level.o" | awk 'NF { print $3 }')" "lt_cpu_unit_$level"
    done
else
    echo "  no objdump: registers not looked at"
fi

prepare
config "$tmp/run.yaml" "$bert" "$tmp/unset"
# levels NAME LEVEL LEVEL: two ranks
levels() {
    rc=0
    "$source_dir/tests/mpirun.sh" 1 env LT_CPU="$2" "$bin/ltune" train "$tmp/run.yaml" run.dir="$tmp/$1" \
        : -np 1 env LT_CPU="$3" "$bin/ltune" train "$tmp/run.yaml" run.dir="$tmp/$1" </dev/null >"$tmp/$1.out" 2>&1 || rc=$?
    [ $rc -eq 0 ] || cat "$tmp/$1.out"
    expect "training of $1" $rc 0
}
fact() { h5dump -a "/run/$2" "$tmp/$1/run.h5" | sed -n 's/.*(0): "\(.*\)".*/\1/p'; }
levels mixed x86-64-v3 x86-64
levels low x86-64 x86-64
expect "level that the run log names" "$(fact mixed cpu)" x86-64
expect "ranks of different levels are told" "$(grep -c "CPUs differ: x86-64 on one, x86-64-v3 on another" "$tmp/mixed.out")" 1
expect "ranks of one level are not" "$(grep -c "CPUs differ" "$tmp/low.out")" 0
expect "trained values stay common" "$(grep -c "different trained values" "$tmp/mixed.out")" 0
same "trained values of different levels, and of the lowest" "$(state "$tmp/mixed/ck/last")" "$(state "$tmp/low/ck/last")"
if LT_CPU=x86-64-v3 "$bin/ltune" config --help >/dev/null && LT_CPU=x86-64-v3 "$bin/ltune" version | grep -q 'this CPU: x86-64-v3'; then
    levels high x86-64-v3 x86-64-v3
    within "another level" "$(losses "$tmp/high")" "$(losses "$tmp/low")" 1e-4
    expect "control: it rounds differently" "$([ "$(state "$tmp/high/ck/last")" = "$(state "$tmp/low/ck/last")" ] && echo same || echo other)" other
fi

rc=0
LT_CPU=pentium "$bin/ltune" config "$tmp/run.yaml" >"$tmp/out" 2>&1 || rc=$?
expect "exit code of an unknown level" $rc 2
expect "what an unknown level is told" "$(grep -c 'LT_CPU is "pentium": expected x86-64, x86-64-v3' "$tmp/out")" 1
if command -v valgrind >/dev/null && [[ $(valgrind --quiet --tool=none "$bin/ltune" version 2>&1) != *Sanitizer* ]]; then
    expect "level without AVX-512" "$(valgrind --quiet --tool=none "$bin/ltune" version | sed -n 's/^this CPU: //p')" x86-64-v3
fi
verdict
