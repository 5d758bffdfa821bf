#!/usr/bin/env bash
# TEST labels: e2e timeout: 120
# Ranks that were given different input, and ranks that do not know of each other: one message, the same exit code on all, no hang.  And lines of text
# as they are: a carriage return inside one is text.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
ARG=2 MPI=17
mkdir "$tmp/a" "$tmp/b"
two() { # two ARGS...: rank 0 in folder a, rank 1 in folder b; WORD stands for a word that is the rank's own
    rc=0
    # shellcheck disable=SC2016 # the variables are of the rank's shell
    timeout -k 1 30 "$source_dir/tests/mpirun.sh" 2 bash -c 'if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then cd "$1/a"; else cd "$1/b"; fi
        shift; exec "${@/WORD/run.seed=$OMPI_COMM_WORLD_RANK}"' - "$tmp" "$bin/ltune" "$@" </dev/null >"$tmp/out" 2>&1 || rc=$?
}
differs() { # differs NAME WORDS
    expect "$1: exit code" "$rc" $ARG
    expect "$1: messages" "$(grep -c '^ltune [a-z]*: ARG: ' "$tmp/out")" 1
    count "$(grep -qF "$2 is not the same on all ranks: rank 1" "$tmp/out" && echo ok)" "$1: $(tail -n 3 "$tmp/out")"
}

printf 'a good film\n' | tee "$tmp/a/t" >"$tmp/b/t"
features=(features --model "$bert" --text t -o "$tmp/out.h5" parallel.threads=1)
two "${features[@]}"; expect "control: the same texts" "$rc" 0
printf 'a bad film\n' >"$tmp/b/t"
two "${features[@]}"; differs "features, other texts" "the input"
printf 'a good film\n\na good film\n' >"$tmp/b/t"
two "${features[@]}"
expect "features, an empty line on one rank: an error or a difference, no hang" "$([ "$rc" -ne 0 ] && [ "$rc" -ne 124 ] && echo ok)" ok

config "$tmp/a/run.yaml" "$bert" "$tmp/run" '
  - {name: p, method: {name: prefix, length: 2}}'
sed -i 's/steps: 30/steps: 2/' "$tmp/a/run.yaml"
cp "$tmp/a/run.yaml" "$tmp/b/run.yaml"
two train run.yaml; expect "control: the same configuration" "$rc" 0
two predict run.yaml t; differs "predict, other texts" "the input"
sed -i 's/steps: 2/steps: 3/' "$tmp/b/run.yaml"
two train run.yaml; differs "train, other settings" "the configuration (run file and overrides)"
two eval run.yaml; differs "eval, other settings" "the configuration (run file and overrides)"
two train run.yaml WORD
differs "other words on the command line" "the command line"

# ---- a launcher that MPI does not know ----
alone() { # alone PROCID TASKS [VAR=VALUE...]
    rc=0
    env SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS="$2" SLURM_PROCID="$1" "${@:3}" timeout -k 1 30 \
        "$bin/ltune" eval "$tmp/a/run.yaml" >"$tmp/out" 2>&1 </dev/null || rc=$?
}
alone 0 4
expect "a task that sees itself alone: exit code" "$rc" $MPI
count "$(grep -qF 'srun started 4 tasks, but MPI sees each of them alone' "$tmp/out" && grep -qF -- '--mpi=pmix' "$tmp/out" && echo ok)" \
    "alone: $(cat "$tmp/out")"
alone 1 4
expect "the second such task: exit code" "$rc" $MPI
expect "the second such task says nothing" "$(wc -c <"$tmp/out")" 0
alone 0 1; expect "control: a step of one task" "$rc" 0
alone 0 4 OMPI_COMM_WORLD_SIZE=1; expect "control: mpirun -n 1 on four nodes" "$rc" 0

# ---- lines as they are ----
printf 'a good\rfilm\r\nbad\n' >"$tmp/lines"
run 1 predict "$tmp/a/run.yaml" --json "$tmp/lines"
grep -o '"text": *"[^"]*"' "$tmp/out" >"$tmp/texts" || true
expect "a carriage return inside a line" "$(sed -n 1p "$tmp/texts" | sed 's/.*: *//')" '"a good\rfilm"'
expect "the line after it" "$(sed -n 2p "$tmp/texts" | sed 's/.*: *//')" '"bad"'
verdict
