#!/usr/bin/env bash
# TEST labels: e2e timeout: 600
# ltune selftest and ltune bench on the CPU and, where it is built, on emulated GPUs, one and two ranks: nothing fails, nothing stays behind, the same in
# JSON; an op, a sum and a training run that go wrong are found.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
NUMERIC=21 USAGE=2
mkdir "$tmp/scratch"
devices=cpu
if ! "$bin/ltune" version | grep -q 'cuda-emulated: not in this build'; then devices='cpu cuda-emulated'; fi
ops=$(sed -n '/define LT_OPS_LIST/,/^$/p' "$source_dir/src/kernels/ops.h" | grep -c '^ *X(')
last() { grep '^selftest: ' "$tmp/out"; }

for device in $devices; do
    for ranks in 1 2; do
        run $ranks selftest --device "$device" --quick --scratch "$tmp/scratch"
        what="selftest, $device, $ranks ranks"
        expect "$what: exit code" "$rc" 0
        count "$(last | grep -qE '^selftest: [0-9]+ passed, 0 failed$' && echo ok)" "$what: $(grep -A1 FAILED "$tmp/out" | head -20; tail -n 3 "$tmp/out")"
        expect "$what: ops in f32" "$(grep -c ', f32, [0-9]* shapes*: NMSE' "$tmp/out")" "$ops"
        count "$([ "$(last | cut -d' ' -f2)" -eq "$(grep -c ' limit .* ok$' "$tmp/out")" ] && echo ok)" "$what: the last line counts the others"
        expect "$what: files left" "$(ls -A "$tmp/scratch")" ''
        [ $ranks -eq 1 ] || expect "$what: layouts" "$(grep -c 'losses against the CPU' "$tmp/out")" 2
    done
    run 1 bench --device "$device" --model llama-2-7b/32 --tokens 100 --length 14 --repeats 1
    expect "bench, $device: exit code" "$rc" 0
    expect "bench, $device: steps" "$(grep -cE '^  .* (product|attention|rows) .*(TFLOP/s|GB/s)$' "$tmp/out")" 20
    run 1 bench --device "$device" --model llama-2-7b/32 --tokens 48 --length 80 --repeats 1 --dtype f32 --json
    count "$(grep -qE '^\{"shape": "llama-2-7b/32", "dtype": "f32"' "$tmp/out" && echo ok)" "bench, $device, JSON: $(head -c 300 "$tmp/out")"
done

# ---- what goes wrong is found, and nothing else ----
broken() { # broken WORD PART LINES RANKS
    run "$4" selftest --device cpu --quick --only "$2" --break "$1" --scratch "$tmp/scratch"
    expect "$1 goes wrong: exit code" "$rc" $NUMERIC
    expect "$1 goes wrong: lines" "$(grep -c ' FAILED$' "$tmp/out")" "$3"
    expect "$1 goes wrong: the last line" "$(last | sed 's/.* passed, //')" "$3 failed"
    expect "$1 goes wrong: files left" "$(ls -A "$tmp/scratch")" ''
}
broken attn_bwd ops 2 1 # f32, bf16
broken attn_bwd gradients 1 2
broken put_rows ops 2 1
broken adamw ops 1 1
broken training training 4 2 # two layouts: against the CPU, and the second run
broken collectives collectives 3 2 # world, dp, tp
count "$(grep -q 'beyond the limit on rank' "$tmp/out" && echo ok)" "a failure says its rank"

# ---- words ----
run 1 selftest --break nothing
expect "an op that is none: exit code" "$rc" $USAGE
run 1 selftest --only nothing
expect "a part that is none: exit code" "$rc" $USAGE
run 1 selftest --device gpu
expect "a device that is none: exit code" "$rc" $USAGE
run 1 selftest --device cpu --only training --scratch "$tmp/absent"
expect "no folder for temporary files: exit code" "$rc" $NUMERIC
count "$(grep -q "cannot make the folder $tmp/absent/ltune-selftest" "$tmp/out" && echo ok)" "no folder: $(grep -A1 FAILED "$tmp/out")"
run 1 bench --model llama-2-7d
count "$(grep -qF 'did you mean llama-2-7b' "$tmp/out" && echo ok)" "a shape that is none: $(cat "$tmp/out")"

# ---- the same in JSON ----
run 1 selftest --device cpu --quick --json
expect "JSON: exit code" "$rc" 0
grep '^{' "$tmp/out" >"$tmp/json" || true
expect "JSON: one line" "$(wc -l <"$tmp/json")" 1
for part in '"failed": 0' '"what": "linear_fwd, f32' '"unit": "GB/s"'; do
    count "$(grep -qF "$part" "$tmp/json" && echo ok)" "JSON: $part is not in $(head -c 300 "$tmp/json")"
done
verdict
