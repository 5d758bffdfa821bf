#!/usr/bin/env bash
# TEST labels: e2e timeout: 600
# Whole runs on the emulated GPU (run.device: cuda-emulated): the losses of 20 steps are those of the CPU, f32 and bf16, encoder and decoder, on 1, 2
# and 4 ranks, by collectives of GPUs and by MPI, whole packs and halves; the same bits twice, under another schedule, and over kill -9; eval,
# predict, features and generate write what the CPU writes, generate with recorded steps and without.  A step waits once for the device, allocates
# nothing, and starts at most 22 kernels and products a layer.  /perf says how long the device was at its work, not how long it took to ask.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
"$bin/ltune" version | grep -q 'cuda-emulated: [0-9]' || { echo "skipped: this build has no emulated GPU (LT_EMULATE)"; exit 77; }

export LT_EMU_STILL=1 # runs of their own are compared bit by bit: they must find the same ways of products
prepare
head -n 60 "$tmp/text.tsv" >"$tmp/few.tsv"
"$bin/ltune-prep" data --force --format tsv --text 3 --label 2 --label-rule sign --hash-split 70,20,10 -t "$bert" -o "$tmp/data.h5" "$tmp/few.tsv" \
    >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }
config "$tmp/bert.yaml" "$bert" "$tmp/unset"
config "$tmp/llama.yaml" "$llama" "$tmp/unset"
more=(train.steps=20 train.batch=4 train.eval_every=20)
gpu=(run.device=cuda-emulated)
train() { must_run "$1" train "$tmp/$2.yaml" run.dir="$tmp/$3" "${more[@]}" "${@:4}"; }
field() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$tmp/out"; }
of() { losses "$tmp/$1"; }

for m in bert llama; do
    train 1 $m $m-cpu run.device=cpu
    train 1 $m $m-seed run.device=cpu run.seed=2
    train 1 $m $m-bf16-cpu run.device=cpu model.dtype=bf16
    LT_EMU_SEED=3 train 1 $m $m-gpu "${gpu[@]}"
    LT_EMU_SEED=4 train 1 $m $m-bf16 "${gpu[@]}" model.dtype=bf16
    within "$m: f32 on the GPU" "$(of $m-gpu)" "$(of $m-cpu)" 1e-4
    beyond "$m: another seed" "$(of $m-seed)" "$(of $m-cpu)" 1e-4
    within "$m: bf16 on the GPU" "$(of $m-bf16)" "$(of $m-bf16-cpu)" 3e-2
    beyond "$m: bf16 is not f32" "$(of $m-bf16)" "$(of $m-gpu)" 1e-6
done
LT_EMU_SEED=5 train 1 bert bert-again "${gpu[@]}"
same "another schedule, losses" "$(of bert-again)" "$(of bert-gpu)"
same "another schedule, trained values" "$(state "$tmp/bert-again/ck/last")" "$(state "$tmp/bert-gpu/ck/last")"

# layouts: each rank a GPU of its own, and all one GPU
LT_EMU_DEVICES=2 LT_EMU_SEED=6 train 2 bert tp2 "${gpu[@]}" parallel.tp=2
LT_EMU_DEVICES=2 LT_EMU_SEED=7 train 2 llama llama-tp2 "${gpu[@]}" parallel.tp=2 parallel.overlap=on
# weights: of ranks that hold the same, one reads each byte, and what all read is what one copy takes
read_mb() { sed -n 's/.*weights: \([0-9.]*\) MB read by .*/\1/p' "$tmp/out"; }
handed() { # replicas, and the way
    sed -n 's/.*weights: .*; each byte by one of \([0-9]*\) replicas, at most [0-9.]* MB a rank, handed out by \(.*\) in [0-9.]* s$/\1 \2/p' "$tmp/out"
}
LT_EMU_DEVICES=4 LT_EMU_SEED=8 train 4 bert tp2dp2 "${gpu[@]}" parallel.tp=2 train.steps=6
expect "tp 2 x dp 2, weights" "$(handed)" "2 NCCL"
LT_EMU_SEED=9 train 2 bert dp2 "${gpu[@]}" parallel.collectives=mpi
expect "dp 2 by MPI, weights" "$(handed)" "2 MPI through pinned host memory"
dp2_mb=$(read_mb)
LT_EMU_DEVICES=1 LT_EMU_SEED=10 train 2 bert shared "${gpu[@]}" train.steps=6
expect "two ranks on one GPU, weights" "$(handed)" "2 MPI through pinned host memory"
LT_EMU_SEED=11 train 1 bert single "${gpu[@]}" train.steps=6
expect "one rank has nothing to hand out" "$(handed)" ""
expect "MB read by two replicas, and by one" "$dp2_mb" "$(read_mb)"
LT_EMU_SEED=12 train 2 bert fp8 "${gpu[@]}" model.dtype=fp8 train.steps=6
expect "fp8 on two replicas, weights" "$(handed)" "2 NCCL"
LT_EMU_SEED=13 train 1 bert fp8-single "${gpu[@]}" model.dtype=fp8 train.steps=6
within "fp8 on two replicas" "$(of fp8)" "$(of fp8-single)" 3e-2
within "tp 2" "$(of tp2)" "$(of bert-cpu)" 1e-4
within "llama: tp 2 in halves" "$(of llama-tp2)" "$(of llama-cpu)" 1e-4
train 1 bert six run.device=cpu train.steps=6
within "tp 2 x dp 2" "$(of tp2dp2)" "$(of six)" 1e-4
within "dp 2 by MPI" "$(of dp2)" "$(of bert-cpu)" 1e-4

# where the time went: the emulator is at attention for most of it (0.43 to 0.64 of t_compute in these layouts), of which asking is 0.02 to 0.11
perf() { series "$tmp/$1/run.h5" "/perf/$2" | awk '{ s += $1 } END { print s + 0 }'; }
unset LT_EMU_STILL
train 1 llama clock "${gpu[@]}" train.steps=6
LT_EMU_DEVICES=2 train 2 llama clock-tp2 "${gpu[@]}" parallel.tp=2 parallel.overlap=on train.steps=6
export LT_EMU_STILL=1
for run in clock clock-tp2; do
    all=$(perf $run t_compute) a=$(perf $run t_attention) l=$(perf $run t_linear) c=$(perf $run t_comm)
    echo "  $run: of $(perf $run seconds) s t_compute $all, of which t_attention $a, t_linear $l; t_comm $c"
    count "$(awk -v a="$a" -v all="$all" 'BEGIN { if (a > 0.25 * all) print "ok" }')" "$run: t_attention $a of $all is what asking takes"
    count "$(awk -v a="$a" -v l="$l" -v all="$all" 'BEGIN { if (l > 0 && a + l < all) print "ok" }')" "$run: t_linear $l and t_attention $a of $all"
    count "$(awk -v c="$c" -v run="$run" 'BEGIN { if ((c > 0) == (run ~ /tp2/)) print "ok" }')" "$run: t_comm $c"
done

# what a step costs, by two models that differ in layers alone
calls() { # calls LAYERS METHOD: kernels and products of a step, into $found
    "$bin/make_model" llama "$tmp/layers$1" layers="$1" width=64 heads=2 ffn=96 vocab=128 tokenizer=0 >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }
    cp "$bert"/vocab.txt "$bert"/tokenizer_config.json "$tmp/layers$1"
    cat >"$tmp/one.yaml" <<YAML
run:   {dir: $tmp/one$1$2}
model: {path: $tmp/layers$1, dtype: bf16}
data:  {path: $tmp/data.h5, max_length: 32}
train: {steps: 4, batch: 16, eval_every: 4}
method: {name: $2}
YAML
    # the numbers and the log apart: a line of one must not stand in the other
    "$source_dir/tests/mpirun.sh" 1 "$bin/ltune" train "$tmp/one.yaml" "${gpu[@]}" --json </dev/null >"$tmp/out" 2>"$tmp/log" ||
        { cat "$tmp/log"; echo "FAILED: $2, $1 layers"; exit 1; }
    expect "$2, $1 layers: waits a step" "$(field waits_per_step)" 1.0
    expect "$2, $1 layers: allocations in a step" "$(field allocs_per_step)" 0.0
    # every product of a block has a way that was measured, whatever rows a pack has; the maps of lt_prefix are not of a block, and show that it is counted
    expect "$2, $1 layers: the library is asked in steps" "$(awk -v n="$(field asks_per_step)" 'BEGIN { print (n > 0) }')" \
        "$([ "$2" = lt_prefix ] && echo 1 || echo 0)"
    # q, k and v, o, up, down, forward and backward, at several sizes of packs: as the step will ask for them
    expect "$2, $1 layers: ways of products are measured" "$(grep -c 'fastest ways of [1-9][0-9]* found' "$tmp/log")" 1
    # the checkpoint keeps what was measured; a head without an entry is 208 digits
    count "$(grep -qaE '[0-9a-f]{1000}' "$tmp/one$1$2/ck/last" && echo ok)" "$2, $1 layers: no ways of products in the checkpoint"
    found=$(awk -v a="$(field launches_per_step)" -v b="$(field products_per_step)" 'BEGIN { print a + b }')
}
for method in prefix lt_prefix; do
    calls 3 $method
    few=$found
    calls 5 $method
    each=$(awk -v a="$few" -v b="$found" 'BEGIN { print (b - a) / 2 }')
    echo "  $method: $each kernels and products a layer and step, $found in all with 5 layers"
    count "$(less "$each" 22)" "$method: $each kernels and products a layer and step, limit 22"
    count "$(less 1 "$each")" "$method: counts of kernels and products that do not grow with the layers"
done

# kill -9 in the middle, and on
LT_FAULT=step.local:0:13:kill run 1 train "$tmp/bert.yaml" run.dir="$tmp/killed" "${more[@]}" "${gpu[@]}" train.checkpoint_every=5
count "$([ $rc -ne 0 ] && [ -e "$tmp/killed/ck/last" ] && echo ok)" "killed: exit code $rc"
train 1 bert killed "${gpu[@]}" train.checkpoint_every=5
same "killed and on: trained values" "$(state "$tmp/killed/ck/last")" "$(state "$tmp/bert-gpu/ck/last")"
# a run of the GPU goes on on the CPU
LT_FAULT=step.local:0:13:term run 1 train "$tmp/bert.yaml" run.dir="$tmp/moved" "${more[@]}" "${gpu[@]}"
expect "stopped: exit code" $rc 75
train 1 bert moved run.device=cpu
within "begun on the GPU, ended on the CPU" "$(of moved)" "$(of bert-cpu)" 1e-4
count "$(grep -q 'computed on cuda-emulated and this goes on on cpu' "$tmp/out" && echo ok)" "the change of device is told"

# the other commands
cut -f 3 "$tmp/few.tsv" | sed -n 1,8p >"$tmp/lines.txt"
head -n 3 "$tmp/lines.txt" >"$tmp/prompts.txt"
for d in cpu cuda-emulated; do
    must_run 1 eval "$tmp/bert.yaml" run.dir="$tmp/bert-gpu" run.device=$d --split test --json
    grep -o '"accuracy": *[0-9.]*' "$tmp/out" >"$tmp/eval-$d"
    must_run 1 predict "$tmp/bert.yaml" run.dir="$tmp/bert-gpu" run.device=$d --trial prefix "$tmp/lines.txt"
    grep -E '^(positive|negative)' "$tmp/out" >"$tmp/predict-$d"
    must_run 1 features --model "$llama" --text "$tmp/lines.txt" -o "$tmp/features-$d.h5" run.device=$d
    must_run 1 generate --model "$llama" --text-file "$tmp/prompts.txt" --json run.device=$d generate.max_tokens=6 model.dtype=f32
    grep '"tokens"' "$tmp/out" >"$tmp/text-$d"
done
same "eval" "$(cat "$tmp/eval-cuda-emulated")" "$(cat "$tmp/eval-cpu")"
same "predict, labels" "$(cut -f 1 "$tmp/predict-cuda-emulated")" "$(cut -f 1 "$tmp/predict-cpu")"
within "predict, probabilities" "$(cut -f 2 "$tmp/predict-cuda-emulated")" "$(cut -f 2 "$tmp/predict-cpu")" 1e-4
same "generate" "$(cat "$tmp/text-cuda-emulated")" "$(cat "$tmp/text-cpu")"
# drawn tokens: with recorded steps and without
for g in on off; do
    must_run 1 generate --model "$llama" --text-file "$tmp/prompts.txt" --json "${gpu[@]}" generate.max_tokens=6 generate.temperature=1.2 generate.graphs=$g
    grep '"tokens"' "$tmp/out" >"$tmp/drawn-$g"
    expect "generate.graphs: $g, steps are replayed" "$(grep -c ' ms a step, [0-9]* of [0-9]* replayed' "$tmp/out")" "$([ $g = on ] && echo 1 || echo 0)"
done
same "generate.graphs" "$(cat "$tmp/drawn-on")" "$(cat "$tmp/drawn-off")"
run 1 generate --model "$llama" --text-file "$tmp/prompts.txt" run.device=cpu generate.graphs=on
count "$([ $rc -ne 0 ] && grep -q 'generate.graphs: on, but cpu records no work' "$tmp/out" && echo ok)" "generate.graphs: on is refused on the CPU"
within "features" "$(series "$tmp/features-cuda-emulated.h5" /hidden)" "$(series "$tmp/features-cpu.h5" /hidden)" 1e-2
verdict
