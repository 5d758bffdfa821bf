# shellcheck shell=bash
# What the GPU templates have in common.  Sourced by train_gpu.sbatch and train_gpu_nodes.sbatch with their arguments and LT_JOBS, this folder; goes on in
# train.sbatch.
: "${LT_JOBS:?}"

# A rank takes the GPU of its number among the ranks of its node, so each must see all of them: a binding of tasks to GPUs hides neighbours from one another,
# and with that the memory that NCCL would use between them.
export SLURM_GPU_BIND=${SLURM_GPU_BIND:-none}

# The device is named, so that a job that gets no GPU stops and says why (exit code 18) where `auto` would compute on CPUs.  The user's own keys stand behind.
[ $# -eq 0 ] || set -- "$1" run.device=cuda "${@:2}"

if [ -n "${SLURM_GPUS_ON_NODE:-}" ] && [ "${SLURM_NTASKS_PER_NODE:-$SLURM_GPUS_ON_NODE}" != "$SLURM_GPUS_ON_NODE" ]; then
    echo "gpu.sh: $SLURM_NTASKS_PER_NODE ranks on $SLURM_GPUS_ON_NODE GPU(s) a node; one rank a GPU is what is fast: give --ntasks-per-node and" \
        "--gpus-per-node the same number" >&2
fi

# shellcheck source=jobs/train.sbatch
. "$LT_JOBS/train.sbatch"
