#!/usr/bin/env bash
# usage: mpirun.sh NP PROGRAM [ARGS...]: the launcher of the tests; as root and with more ranks than cores where needed.
set -eu
n=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1 OMPI_MCA_hwloc_base_binding_policy=none
exec mpirun --oversubscribe -np "$n" "$@"
