# shellcheck shell=bash
# Common part of the benchmark scripts.
#   rate RANKS THREADS RUN.yaml [key=value...]   training tokens per second of a fresh run; fails with the run's own words
#   median                                       of the numbers on stdin
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
number() { grep -o "\"$1\": *[0-9.e+-]*" | awk 'NR == 1' | grep -o '[0-9.e+-]*$'; }
result() { # result FIELD RANKS THREADS RUN.yaml [key=value...]
    local field=$1 ranks=$2 threads=$3
    shift 3
    rm -rf "$tmp/run"
    if ! OMP_NUM_THREADS=$threads mpirun -n "$ranks" --bind-to core --map-by "slot:PE=$threads" "${bin:?}/ltune" train "$@" run.dir="$tmp/run" --json \
        >"$tmp/json" 2>"$tmp/log"; then
        cat "$tmp/log" >&2
        exit 1
    fi
    number "$field" <"$tmp/json"
}
rate() { result tokens_per_s "$@"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
