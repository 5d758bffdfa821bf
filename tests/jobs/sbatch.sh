#!/usr/bin/env bash
# TEST labels: jobs timeout: 60
# jobs/train.sbatch and its forms for GPUs without a Slurm: stand-ins for srun, mpirun, scontrol and ltune record what they were asked and end as each case
# says.
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

mkdir "$tmp/bin"
# The launcher logs its options, fails the first $STUB_LAUNCH_FAILS times without starting anything, else becomes the program.
cat >"$tmp/bin/srun" <<'STUB'
#!/usr/bin/env bash
echo "$(basename "$0") $*" >>"$STUB_DIR/launches"
[ "$(wc -l <"$STUB_DIR/launches")" -gt "${STUB_LAUNCH_FAILS:-0}" ] || exit 1
while [ "$1" != "$LT_PROGRAM" ]; do shift; done
exec "$@"
STUB
cp "$tmp/bin/srun" "$tmp/bin/mpirun"
# The program exits with $STUB_EXIT; with STUB_WAIT it first waits for a signal, names it, and "saves its state" for a moment.
cat >"$tmp/bin/ltune" <<'STUB'
#!/usr/bin/env bash
echo "ltune $* omp=$OMP_NUM_THREADS${SLURM_GPU_BIND:+ gpu-bind=$SLURM_GPU_BIND}" >>"$STUB_DIR/runs"
if [ -n "${STUB_WAIT:-}" ]; then
    for s in USR1 TERM; do trap "echo $s >>'$STUB_DIR/signals'; sleep 0.3; exit $STUB_EXIT" $s; done
    : >"$STUB_DIR/waiting"
    for _ in $(seq $((STUB_WAIT * 10))); do sleep 0.1; done
    exit 99
fi
exit "$STUB_EXIT"
STUB
cat >"$tmp/bin/scontrol" <<'STUB'
#!/usr/bin/env bash
[ "$1" != requeue ] || echo "$*" >>"$STUB_DIR/requeues"
[ "$1" != show ] || echo "   Command=$STUB_JOBS/${STUB_SCRIPT:-train.sbatch} run.yaml a=b"
if [ "$1" = show ] && [ -n "${STUB_SLOW:-}" ]; then
    : >"$STUB_DIR/waiting"
    sleep 1
fi
STUB
chmod +x "$tmp"/bin/*

# job NAME [VAR=VALUE...]: runs $script as slurmd does, from a spool copy; exit code in rc, records in $dir.
script=$source_dir/jobs/train.sbatch
job() {
    dir=$tmp/$1
    shift
    mkdir -p "$dir/spool"
    cp "$script" "$dir/spool/slurm_script"
    echo 'run: {}' >"$dir/run.yaml"
    rc=0
    (cd "$dir" && echo $BASHPID >pid && exec env PATH="$tmp/bin:$PATH" STUB_DIR="$dir" STUB_JOBS="$source_dir/jobs" LT_PROGRAM=ltune \
        SLURM_JOB_ID=42 SLURM_CPUS_PER_TASK=3 LT_LAUNCH_PAUSE=0 "$@" \
        bash spool/slurm_script run.yaml train.steps=5) >"$dir/out" 2>&1 || rc=$?
}
# signalled NAME SIGNAL [VAR=VALUE...]: a job that gets the signal once its program runs.
signalled() {
    local name=$1 signal=$2 pid
    shift 2
    job "$name" STUB_WAIT=2 "$@" &
    pid=$!
    for _ in $(seq 100); do
        [ ! -e "$tmp/$name/waiting" ] || break
        sleep 0.05
    done
    kill -s "$signal" "$(cat "$tmp/$name/pid")"
    wait "$pid" || true
}
expect() { # expect WHAT FOUND WANTED
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED: $1: found '$2', expected '$3'"
        sed 's/^/  | /' "$dir/out"
    fi
}
lines() { if [ -e "$dir/$1" ]; then wc -l <"$dir/$1"; else echo 0; fi; }

job success STUB_EXIT=0
expect "success: exit code" $rc 0
expect "success: requeues" "$(lines requeues)" 0
expect "success: launch" "$(cat "$dir/launches")" "srun --mpi=pmix --kill-on-bad-exit=1 ltune train run.yaml train.steps=5"
expect "success: program" "$(cat "$dir/runs")" "ltune train run.yaml train.steps=5 omp=3"

job mpirun STUB_EXIT=0 LT_LAUNCHER=mpirun
expect "mpirun: launch" "$(cat "$dir/launches")" "mpirun --map-by slot:PE=3 --bind-to core ltune train run.yaml train.steps=5"

job again STUB_EXIT=75
expect "75: exit code" $rc 75
expect "75: requeue" "$(cat "$dir/requeues")" "requeue 42"

expect "first start: told what the user says" "$(cat "$dir/runs")" "ltune train run.yaml train.steps=5 omp=3"

job restarted STUB_EXIT=0 SLURM_RESTART_COUNT=1
expect "a restart goes on: program" "$(cat "$dir/runs")" "ltune train run.yaml train.steps=5 run.resume=auto omp=3"

job last STUB_EXIT=75 SLURM_RESTART_COUNT=4 LT_MAX_RESTARTS=4
expect "at most: exit code" $rc 75
expect "at most: requeues" "$(lines requeues)" 0
job before_last STUB_EXIT=75 SLURM_RESTART_COUNT=3 LT_MAX_RESTARTS=4
expect "one before: requeues" "$(lines requeues)" 1

for code in 2 12 16 25; do
    job "error$code" STUB_EXIT=$code
    expect "error $code: exit code" $rc $code
    expect "error $code: launches" "$(lines launches)" 1
    expect "error $code: requeues" "$(lines requeues)" 0
done

job launch STUB_EXIT=0 STUB_LAUNCH_FAILS=2
expect "launch failed twice: exit code" $rc 0
expect "launch failed twice: launches" "$(lines launches)" 3
job nolaunch STUB_EXIT=0 STUB_LAUNCH_FAILS=9
expect "launch always fails: exit code" $rc 1
expect "launch always fails: launches" "$(lines launches)" 3
expect "launch always fails: requeues" "$(lines requeues)" 0
job late STUB_EXIT=137 LT_LAUNCH_SECONDS=0
expect "a rank killed later on: exit code" $rc 137
expect "a rank killed later on: launches" "$(lines launches)" 1

expect_signalled() { # expect_signalled NAME FORWARDED REQUEUES
    dir=$tmp/$1
    expect "$1: forwarded" "$(cat "$dir/signals")" "$2"
    expect "$1: launches" "$(lines launches)" 1
    expect "$1: requeues" "$(lines requeues)" "$3"
}
signalled usr1 USR1 STUB_EXIT=75
expect_signalled usr1 USR1 1
signalled usr1_done USR1 STUB_EXIT=0 # finished while the signal was on its way
expect_signalled usr1_done USR1 0
signalled usr1_launcher USR1 STUB_EXIT=244 # a launcher hit while it was starting
expect_signalled usr1_launcher USR1 1
# before the program runs: module load is slow
# shellcheck disable=SC2016 # text of a script
printf 'module() { echo "module $*" >>"$STUB_DIR/modules"; : "$not_set"; : >"$STUB_DIR/waiting"; sleep 1; }\n' >"$tmp/module.sh"
signalled usr1_early USR1 STUB_EXIT=75 LT_MODULES='gcc/13 openmpi' BASH_ENV="$tmp/module.sh"
dir=$tmp/usr1_early
expect "USR1 before the program: exit code, launches, requeues" "$(lines launches) $(lines requeues)" "0 1"
expect "modules" "$(cat "$dir/modules")" "module load gcc/13 openmpi"
signalled usr1_error USR1 STUB_EXIT=16
expect_signalled usr1_error USR1 0
signalled term TERM STUB_EXIT=75 # scancel: the job is not to come back
expect_signalled term TERM 0

# The module command: its own code breaks under set -u and set -e, and a batch shell may lack it.
mkdir -p "$tmp/modules/init"
cat >"$tmp/modules/init/bash" <<'INIT'
false
module() { [ -z "$NEVER_SET" ]; false; echo "$*" >>"$STUB_DIR/modules"; }
INIT
job modules STUB_EXIT=0 LT_MODULES="gcc/13 openmpi" MODULESHOME="$tmp/modules"
expect "modules: exit code" $rc 0
expect "modules: loaded before the launch" "$(cat "$dir/modules") $(lines launches)" "load gcc/13 openmpi 1"
job module_init STUB_EXIT=0 LT_MODULES=gcc LT_MODULE_INIT="$tmp/modules/init/bash"
expect "modules: LT_MODULE_INIT" "$rc $(cat "$dir/modules")" "0 load gcc"
echo 'module() { return 1; }' >"$tmp/modules/bad"
job bad_module STUB_EXIT=0 LT_MODULES=gcc LT_MODULE_INIT="$tmp/modules/bad"
expect "modules: load fails" "$rc $(lines launches) $(grep -c 'module load gcc failed' "$dir/out")" "2 0 1"
if ! bash -c 'command -v module || ls /etc/profile.d/*mod*.sh /usr/share/*mod*/init/bash' >/dev/null 2>&1; then
    job no_module STUB_EXIT=0 LT_MODULES=gcc
    expect "modules: no such command" "$rc $(lines launches) $(grep -c 'set LT_MODULE_INIT' "$dir/out")" "2 0 1"
fi

# The forms for GPUs: beside the device, the same lines as train.sbatch, and what they add.
gpu_jobs=(train_gpu.sbatch train_gpu_nodes.sbatch)
directive() { sed -n "s/^#SBATCH --$2=//p" "$source_dir/jobs/$1"; }
own() { grep '^#SBATCH' "$source_dir/jobs/$1" | grep -vE -- '--(nodes|ntasks-per-node|cpus-per-task|gpu)'; }
expect "one node" "$(directive train_gpu.sbatch nodes)" 1
for form in "${gpu_jobs[@]}"; do
    script=$source_dir/jobs/$form
    gpus=(STUB_SCRIPT="$form" SLURM_GPUS_ON_NODE=4 SLURM_NTASKS_PER_NODE=4)
    expect "$form: signal, requeue, output" "$(own "$form")" "$(own train.sbatch)"
    expect "$form: ranks are GPUs, unbound" "$(directive "$form" ntasks-per-node) $(directive "$form" gpu-bind)" "$(directive "$form" gpus-per-node) none"
    job "$form" STUB_EXIT=0 "${gpus[@]}"
    expect "$form: exit code" $rc 0
    expect "$form: launch" "$(cat "$dir/launches")" "srun --mpi=pmix --kill-on-bad-exit=1 ltune train run.yaml run.device=cuda train.steps=5"
    expect "$form: program" "$(cat "$dir/runs")" "ltune train run.yaml run.device=cuda train.steps=5 omp=3 gpu-bind=none"
    expect "$form: nothing to remark" "$(grep -c 'gpu.sh' "$dir/out")" 0
    job "$form-mpirun" STUB_EXIT=0 LT_LAUNCHER=mpirun "${gpus[@]}"
    expect "$form: mpirun" "$(cat "$dir/launches")" \
        "mpirun --map-by slot:PE=3 --bind-to core ltune train run.yaml run.device=cuda train.steps=5"
    job "$form-again" STUB_EXIT=75 "${gpus[@]}"
    expect "$form: 75" "$rc $(cat "$dir/requeues")" "75 requeue 42"
    job "$form-restarted" STUB_EXIT=0 SLURM_RESTART_COUNT=1 "${gpus[@]}"
    expect "$form: a restart goes on" "$(cat "$dir/runs")" "ltune train run.yaml run.device=cuda train.steps=5 run.resume=auto omp=3 gpu-bind=none"
    job "$form-error" STUB_EXIT=18 "${gpus[@]}"
    expect "$form: no GPU is final" "$rc $(lines launches) $(lines requeues)" "18 1 0"
    job "$form-shared" STUB_EXIT=0 "${gpus[@]}" SLURM_NTASKS_PER_NODE=8
    expect "$form: more ranks than GPUs is said" "$rc $(grep -c '8 ranks on 4 GPU' "$dir/out")" "0 1"
    signalled "$form-usr1" USR1 STUB_EXIT=75 "${gpus[@]}"
    expect_signalled "$form-usr1" USR1 1
    signalled "$form-early" USR1 STUB_EXIT=75 STUB_SLOW=1 "${gpus[@]}" # while Slurm is asked where the script lies
    dir=$tmp/$form-early
    expect "$form: USR1 before the program: launches, requeues" "$(lines launches) $(lines requeues)" "0 1"
    job "$form-lost" STUB_EXIT=0 "${gpus[@]}" STUB_JOBS="$tmp/nowhere"
    expect "$form: its folder is not found" "$rc $(lines launches) $(grep -c 'set LT_JOBS' "$dir/out")" "1 0 1"
done
script=$tmp/untrapped.sbatch # negative control: without its traps the early signal ends the job
sed '/^trap /d' "$source_dir/jobs/train_gpu.sbatch" >"$script"
{ signalled untrapped USR1 STUB_EXIT=75 STUB_SLOW=1 STUB_SCRIPT=train_gpu.sbatch; } 2>/dev/null
dir=$tmp/untrapped
expect "negative control, a form without traps" "$(lines launches) $(lines requeues)" "0 0"
script=$source_dir/jobs/train.sbatch

dir=$tmp/missing && mkdir "$dir" && rc=0
(cd "$dir" && PATH="$tmp/bin:$PATH" SLURM_JOB_ID=42 bash "$source_dir/jobs/train.sbatch" nothere.yaml) >"$dir/out" 2>&1 || rc=$?
expect "missing file: exit code" $rc 2
expect "missing file: message" "$(grep -c 'cannot read nothere.yaml' "$dir/out")" 1

# Negative controls: scripts that do not forward, or do not requeue, must be seen by the same records.
script=$tmp/deaf.sbatch
sed '/^forward()/,/^}/s/kill -s.*/true/' "$source_dir/jobs/train.sbatch" >"$script"
signalled deaf USR1 STUB_EXIT=75
dir=$tmp/deaf
expect "negative control, deaf script" "$(lines signals)" 0
script=$tmp/forgetful.sbatch
sed 's/^ *scontrol requeue.*/    true/' "$source_dir/jobs/train.sbatch" >"$script"
job forgetful_job STUB_EXIT=75
expect "negative control, forgetful script" "$(lines requeues)" 0

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
