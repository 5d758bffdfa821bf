#!/usr/bin/env bash
# usage: mpirun.sh NP PROGRAM [ARGS...]: the launcher of the tests; as root and with more ranks than cores where needed.
set -eu -o pipefail
n=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1 OMPI_MCA_hwloc_base_binding_policy=none
if [ "${LT_OPS-}" = cuda ] && ! "${LT_BIN:?}/ltune" version | grep -qE '^ *cuda: [1-9]'; then
    echo "skipped: no GPU: $("$LT_BIN/ltune" version | sed -n 's/^ *cuda: //p')"
    exit 77
fi
exec mpirun --oversubscribe -np "$n" "$@"
