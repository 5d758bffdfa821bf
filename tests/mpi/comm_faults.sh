#!/usr/bin/env bash
# TEST labels: mpi timeout: 90
# A rank that is late, stopped or killed inside an all-reduce: the others wait for the deadline and no longer (unless it reports
# progress), the missing rank is named,
# the job ends, and nothing of comm's windows is left in /dev/shm, neither then nor after a normal end.
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
bin=${LT_BIN:-$source_dir/build/release/bin}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

say() {
    echo "FAILED: $*"
    sed 's/^/    /' "$tmp/out"
    failed=1
}

# job RANKS DEADLINE MODE [SECONDS]: exit status in rc, output in $tmp/out, seconds in took
job() {
    local ranks=$1 deadline=$2 begin=$SECONDS
    shift 2
    rc=0
    LT_DEADLINE_S=$deadline OMP_NUM_THREADS=1 timeout -k 5 40 "$source_dir/tests/mpirun.sh" "$ranks" "$bin/test_comm_buffer" "$@" \
        >"$tmp/out" 2>&1 </dev/null || rc=$?
    took=$((SECONDS - begin))
    [ "$took" -lt 30 ] || say "$ranks ranks, $*: took $took s"
    # Open MPI's windows are files of this name, or the check below looks in vain
    grep -q '^window /dev/shm/' "$tmp/out" || echo "note: no window in /dev/shm, so none can stay there"
    grep '^map ' "$tmp/out" | sort -u | cut -d' ' -f2 >"$tmp/mapped" || true
    while read -r file; do
        [ ! -e "$file" ] || say "$ranks ranks, $*: left $file behind"
    done <"$tmp/mapped"
}

for n in 2 4; do
    job "$n" 1 late 8
    [ "$rc" -eq 23 ] || say "$n ranks, one 8 s late, deadline 1 s: exit status $rc, expected 23 (10 + TIMEOUT)"
    grep -q "rank $((n - 1)) on .* did not arrive within 1 s" "$tmp/out" || say "$n ranks: the late rank is not named"
    job "$n" 10 late 1 # negative control of the deadline: in time
    [ "$rc" -eq 0 ] || say "$n ranks, one 1 s late, deadline 10 s: exit status $rc, expected 0"
    ! grep -q "did not arrive" "$tmp/out" || say "$n ranks: a rank in time was reported"
    job "$n" 1 busy 4 # as late as to be given up, but it reports progress
    [ "$rc" -eq 0 ] || say "$n ranks, one 4 s late with progress, deadline 1 s: exit status $rc, expected 0"
    LT_FAKE_NODES=1 job "$n" 2 busy 5 # across nodes, where progress travels once a second
    [ "$rc" -eq 0 ] || say "$n ranks, each a node, one 5 s late with progress, deadline 2 s: exit status $rc, expected 0"
    job "$n" 5 kill
    [ "$rc" -ne 0 ] || say "$n ranks, one killed: exit status 0"
    [ "$took" -lt 10 ] || say "$n ranks, one killed: the job lived on for $took s"
done
job 2 1 stop
[ "$rc" -eq 23 ] || say "one of 2 ranks stopped, deadline 1 s: exit status $rc, expected 23"
# negative control of the search in /dev/shm: a file that stays is seen
touch "$tmp/stays"
printf '%s\n' "$tmp/stays" >"$tmp/mapped"
seen=$(while read -r file; do [ ! -e "$file" ] || echo "$file"; done <"$tmp/mapped")
[ "$seen" = "$tmp/stays" ] || say "a file that stays is not seen"
[ "$failed" -eq 0 ] && echo "passed"
exit "$failed"
