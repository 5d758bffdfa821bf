#!/usr/bin/env bash
# TEST labels: e2e timeout: 480
# What goes wrong with GPUs, on the emulator, which fails when it is told to: no device, a driver that is too old, an architecture without kernels,
# too little memory, a device that dies in a step (ECC, Xid, lost, on one rank of two), collectives that do not start or never end, weights that one rank
# cannot read or hand out.  Each time: one message that says what to do, the exit code, no hang, and the run goes on afterwards from its checkpoint to the
# same numbers.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
"$bin/ltune" version | grep -q 'cuda-emulated: [0-9]' || { echo "skipped: this build has no emulated GPU (LT_EMULATE)"; exit 77; }

export LT_EMU_STILL=1 # a run that goes on is compared with one of its own bit by bit: both must find the same ways of products
prepare
head -n 60 "$tmp/text.tsv" >"$tmp/few.tsv"
"$bin/ltune-prep" data --force --format tsv --text 3 --label 2 --label-rule sign --hash-split 70,20,10 -t "$bert" -o "$tmp/data.h5" "$tmp/few.tsv" \
    >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }
config "$tmp/run.yaml" "$bert" "$tmp/unset" '
  - {name: prefix, method: {name: prefix, length: 4}}
  - {name: lora, method: {name: lora, rank: 4}}'
short=(run.device=cuda-emulated train.steps=8 train.batch=4 train.eval_every=8 train.checkpoint_every=3)
CUDA=18 NCCL=19 CONFIG=12 NOMEM=14 IO=15 TIMEOUT=23

fails() { # fails WHAT EXIT_CODE RANKS "words|words" [key=value...]: exit code, one message with the words
    local what=$1 code=$2 ranks=$3 words=$4 w n since=$SECONDS
    run "$ranks" train "$tmp/run.yaml" run.dir="$tmp/failed" "${short[@]}" "${@:5}"
    expect "$what: exit code" $rc "$code"
    IFS='|' read -ra w <<<"$words"
    for word in "${w[@]}"; do count "$(grep -qF "$word" "$tmp/out" && echo ok)" "$what: no \"$word\" in: $(head -n 4 "$tmp/out")"; done
    n=$(grep -cE '^ltune( train)?: [A-Z]+: ' "$tmp/out")
    count "$([ "$n" -ge 1 ] && [ "$n" -le "$ranks" ] && echo ok)" "$what: $n messages"
    count "$([ $((SECONDS - since)) -lt 45 ] && echo ok)" "$what: took $((SECONDS - since)) s"
}

LT_EMU_DEVICES=0 fails "no device" $CUDA 2 "has no GPU|what to do"
CUDA_VISIBLE_DEVICES='' fails "no visible device" $CUDA 1 "CUDA_VISIBLE_DEVICES is empty|what to do"
LT_EMU_DRIVER=11040 fails "old driver" $CUDA 1 "serves CUDA 11.4|built with"
LT_EMU_ARCH=70 fails "old GPU" $CUDA 1 "compute capability 7.0|8.0"
LT_EMU_MEMORY=1000000 fails "no memory at all" $NOMEM 1 "are free|what to do"
LT_EMU_MEMORY=48000000 fails "too little memory" $NOMEM 1 "on its GPU|parallel.tokens" parallel.tokens=4096
if "$bin/ltune" version | grep -q ' cuda: not'; then
    fails "not in this build" $CONFIG 1 "run.device|what to do" run.device=cuda
else # a build with CUDA on a machine without a GPU (with one, there is nothing to refuse)
    "$bin/ltune" version | grep -qE ' cuda: [1-9]' || fails "CUDA without a device" $CUDA 1 "has no GPU|what to do" run.device=cuda
fi
LT_EMU_FAIL=coll_init:1:1 fails "NCCL does not start on one rank" $NCCL 2 "NCCL"
LT_DEADLINE_S=3 LT_FAULT=comm.nccl:1:1:stall fails "a rank does not come to NCCL's start" $TIMEOUT 2 "NCCL did not start|what to do"
LT_EMU_FAIL=all_gather:0:2 fails "a collective fails" $NCCL 2 "NCCL"

# loading: data-parallel ranks read a part each and give it to each other; one of them fails, or is told to stop, at each of these places
loads() { # loads SITE RANK NTH RANKS [key=value...]: exit code IO, the origin named, one message
    LT_FAULT=$1:$2:$3 fails "$1 on rank $2 of $4 ${*:5}" $IO "$4" "fault injected at $1 |  rank $2/$4 on " "${@:5}"
    expect "$1 on rank $2 of $4 ${*:5}: messages" "$(grep -cE '^ltune( train)?: [A-Z]+: ' "$tmp/out")" 1
    LT_FAULT=$1:$2:$3:term run "$4" train "$tmp/run.yaml" run.dir="$tmp/stopped" "${short[@]}" "${@:5}"
    expect "$1 on rank $2 of $4 ${*:5}, a signal: exit code" $rc 75
    expect "$1 on rank $2 of $4 ${*:5}, a signal: messages" "$(grep -c '^ltune train: STOPPED: stopped by a signal while weights were loaded' "$tmp/out")" 1
}
for by in auto mpi; do
    for site in "safetensors.read 2" "model.handout 1" "model.part 2" "comm.bcast 1"; do
        read -r site nth <<<"$site"
        loads "$site" 1 "$nth" 2 parallel.collectives=$by
    done
done
loads safetensors.read 3 2 4 parallel.tp=2
loads model.part 0 1 4 parallel.tp=2
LT_EMU_FAIL=broadcast:1:2 fails "handing out fails" $NCCL 2 "NCCL|invalid argument"
LT_DEADLINE_S=3 LT_FAULT=model.part:1:2:stall fails "a rank that stalls while weights are handed out" $TIMEOUT 2 "did not|what to do"
LT_DEADLINE_S=3 LT_EMU_FAIL=broadcast:1:2:hang fails "a broadcast that hangs" $TIMEOUT 2 "did not|what to do"

# without GPUs, auto computes on the CPU and says why
run 1 train "$tmp/run.yaml" run.dir="$tmp/auto" "${short[@]}" run.device=auto
expect "auto: exit code" $rc 0

# a device that dies in a step, on one rank of two: the other ends too, and the checkpoint of step 3 is there
must_run 2 train "$tmp/run.yaml" run.dir="$tmp/whole" "${short[@]}"
for what in ecc xid lost; do
    rm -rf "$tmp/failed"
    LT_EMU_FAIL=launch:1:420:$what fails "$what in a step" $CUDA 2 "CUDA|GPU"
    count "$([ -e "$tmp/failed/ck/last" ] && echo ok)" "$what: a checkpoint is there"
    must_run 2 train "$tmp/run.yaml" run.dir="$tmp/failed" "${short[@]}"
    same "$what: the run goes on to the same values" "$(state "$tmp/failed/ck/last")" "$(state "$tmp/whole/ck/last")"
done
# work that never ends
rm -rf "$tmp/failed"
LT_DEADLINE_S=3 LT_EMU_FAIL=launch:1:420:hang fails "a kernel that hangs" $TIMEOUT 2 "did not|what to do"
verdict
