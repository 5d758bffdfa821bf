# shellcheck shell=bash
# Common part of the benchmark scripts.
#   usage                                        the "# usage:" lines of the script to stderr, and exit
#   options "NAME ..." ARGS...                   --NAME VALUE sets the variable of that name, which the script has given its default
#   rate RANKS THREADS RUN.yaml [key=value...]   training tokens per second of a fresh run; fails with the run's own words
#   median                                       of the numbers on stdin
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
usage() { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
options() {
    local names=" $1 "
    shift
    while [ $# -ge 2 ]; do
        [[ $1 == --* && $names == *" ${1#--} "* ]] || usage
        printf -v "${1#--}" %s "$2"
        shift 2
    done
}
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
