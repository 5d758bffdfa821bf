# shellcheck shell=bash
# Site settings, in one place: what differs from cluster to cluster.  Sourced by the job scripts; every value may also come from the
# environment of sbatch.  The caller sets jobs_dir, this folder.
: "${jobs_dir:?}"

# Environment modules to load, as words, for example LT_MODULES="gcc/13 openmpi/4.1 hdf5/1.14-mpi".  Empty: none.
LT_MODULES=${LT_MODULES-}
# File that defines the module command, where the batch shell lacks it and train.sbatch does not find it in the usual places.
LT_MODULE_INIT=${LT_MODULE_INIT-}

# Launcher: srun (Slurm starts the ranks; needs Open MPI with PMIx) or mpirun (Open MPI starts them inside the allocation).
LT_LAUNCHER=${LT_LAUNCHER:-srun}
# Further launcher options as words.  Where Slurm binds tasks (TaskPlugin=task/affinity or cgroup), add --cpu-bind=cores.
LT_SRUN_FLAGS=${LT_SRUN_FLAGS-}
# mpirun binds each rank to as many cores as it has threads; nodes that hide their cores want --bind-to none.
LT_MPIRUN_FLAGS=${LT_MPIRUN_FLAGS---map-by slot:PE=${SLURM_CPUS_PER_TASK:-1} --bind-to core}

# The program: the build beside this folder, an installation around it, or whatever PATH has.
if [ -z "${LT_PROGRAM:-}" ]; then
    LT_PROGRAM=ltune
    for candidate in "$jobs_dir/../build/release/bin/ltune" "$jobs_dir/../../../bin/ltune"; do
        if [ -x "$candidate" ]; then
            LT_PROGRAM=$(cd "$(dirname "$candidate")" && pwd)/ltune
            break
        fi
    done
fi

# Open MPI notices a lost host after 10 s instead of 8 minutes (keepalive of the daemons' channel; for mpirun).
export OMPI_MCA_oob_tcp_keepalive_time=${OMPI_MCA_oob_tcp_keepalive_time:-5}
export OMPI_MCA_oob_tcp_keepalive_intvl=${OMPI_MCA_oob_tcp_keepalive_intvl:-2}
export OMPI_MCA_oob_tcp_keepalive_probes=${OMPI_MCA_oob_tcp_keepalive_probes:-3}

# GPU jobs over several nodes: NCCL looks for the network itself.  Where it takes a wrong one (NCCL_DEBUG=INFO shows which), name it here, for example
# export NCCL_SOCKET_IFNAME=ib0 NCCL_IB_HCA=mlx5

# Partition, account and the like belong on the command line (sbatch -p long -A myproject jobs/train.sbatch RUN.yaml) or into
# SBATCH_PARTITION and SBATCH_ACCOUNT: sbatch reads those before this file is.
