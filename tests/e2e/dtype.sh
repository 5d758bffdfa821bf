#!/usr/bin/env bash
# TEST labels: e2e timeout: 120
# model.dtype: auto is decided once for a run: what follows of it (plan, eval, going on) computes as its checkpoints say, whatever this machine would choose
# now.  LT_CPU=x86-64 is a machine without bf16 arithmetic, on which a new run is f32; the runs here were begun in bf16.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
export LT_CPU=x86-64
config "$tmp/told.yaml" "$bert" "$tmp/run"
sed 's/dtype: f32/dtype: auto/' "$tmp/told.yaml" >"$tmp/auto.yaml"
short=(train.steps=4 train.eval_every=2)
# plan ARGS...: the type that a plan names
plan() { "$bin/ltune" plan "$tmp/auto.yaml" --ranks 2 --json "$@" 2>"$tmp/plan.err" | sed -n 's/.*"dtype": *"\([a-z0-9]*\)".*/\1/p'; }
speed() { "$bin/ltune" plan "$tmp/auto.yaml" --ranks 2 --json 2>/dev/null | sed -n 's/.*"gflops_per_rank": *\([0-9.e+-]*\).*/\1/p'; }
kept() { h5dump -a /dtype "$1" | sed -n 's/.*(0): "\(.*\)".*/\1/p'; }

expect "control: plan of a new run" "$(plan)" f32
must_run 2 train "$tmp/told.yaml" model.dtype=bf16 "${short[@]}"
expect "type that the checkpoint keeps" "$(kept "$tmp/run/ck/last")" bf16
expect "plan of that run" "$(plan)" bf16
expect "plan says where from" "$(grep -c "dtype auto: bf16, as in $tmp/run/ck/best" "$tmp/plan.err")" 1
expect "speed of a plan in bf16" "$(awk -v s="$(speed)" 'BEGIN { print (s > 0) }')" 1
expect "plan of a start that begins anew" "$(plan run.resume=never)" f32
expect "plan of a run elsewhere that begins from it" "$(plan run.dir="$tmp/other" run.resume="$tmp/run/ck/last")" bf16
expect "control: plan of a run elsewhere" "$(plan run.dir="$tmp/other")" f32
expect "plan of a type that is told" "$(plan model.dtype=f32)" f32
rm "$tmp"/run/ck/best.*
expect "plan of a run without a best" "$(plan)" bf16

must_run 2 train "$tmp/auto.yaml" run.dir="$tmp/new" "${short[@]}"
expect "new run on this machine" "$(kept "$tmp/new/ck/last")" f32
expect "ranks that choose" "$(grep -c 'dtype auto: f32 .* GFLOP/s here: f32' "$tmp/out")" 1
must_run 2 eval "$tmp/auto.yaml" run.dir="$tmp/new"
expect "control: eval of it" "$(grep -c 'dtype auto: f32, as in ' "$tmp/out")" 1
expect "eval that computes as trained is not warned of" "$(grep -c 'was trained in' "$tmp/out")" 0
must_run 2 eval "$tmp/auto.yaml" run.dir="$tmp/run" --checkpoint last
expect "eval of the run in bf16" "$(grep -c 'dtype auto: bf16, as in ' "$tmp/out")" 1
must_run 1 eval "$tmp/auto.yaml" run.dir="$tmp/nowhere" --checkpoint "$(realpath "$tmp/run/ck/last")"
expect "a checkpoint of elsewhere is computed in another type, which is told" "$(grep -c 'was trained in bf16, but this computes in f32' "$tmp/out")" 1

# ---- going on: where this machine would choose bf16 for a new run, the run goes on in it on one that would not ----
if [ "$(LT_CPU='' plan run.dir="$tmp/other")" = bf16 ]; then
    LT_FAULT=step.local:0:3:term LT_CPU='' run 2 train "$tmp/auto.yaml" run.dir="$tmp/began" "${short[@]}"
    expect "interrupted" $rc 75
    must_run 2 train "$tmp/auto.yaml" run.dir="$tmp/began" "${short[@]}"
    expect "it went on" "$(grep -c 'continuing from ' "$tmp/out")" 1
    expect "type of a run that went on" "$(kept "$tmp/began/ck/step_00000004.h5")" bf16
    expect "it is not timed again" "$(grep -c 'GFLOP/s here' "$tmp/out")" 0
    must_run 2 train "$tmp/auto.yaml" run.dir="$tmp/began" run.resume=never "${short[@]}"
    expect "control: begun anew" "$(kept "$tmp/began/ck/last")" f32
else
    echo "  no bf16 arithmetic here, or a slow one: going on in bf16 not looked at"
fi
verdict
