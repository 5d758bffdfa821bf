#!/usr/bin/env bash
# TEST labels: e2e timeout: 480
# A signal to one rank, in every phase of a run: all ranks leave with 75 and one message, and the same command goes on to the same numbers as a run that
# nothing disturbed.  Phases are named by the fault sites they pass (LT_FAULT=site:rank:nth:term): loading, reading weights, label states, first values, inside
# a step of many packs, inside an evaluation, while a checkpoint is written, between two steps.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
config "$tmp/a.yaml" "$bert" "$tmp/unset" "$trials"$'\n  - {name: head, method: {name: head}}'
short=(train.steps=9 train.eval_every=3 train.checkpoint_every=4 parallel.tokens=200)
says() { count "$(grep -qE -- "$1" "$tmp/out" && echo ok)" "$2: the output lacks '$1': $(tail -n 3 "$tmp/out")"; }
evaluated() { series "$1/run.h5" /trials/head/eval/step | tr '\n' ' '; }

phase() { # phase WHAT RULE RANKS TP STEPS-DONE: STEPS-DONE empty where nothing was trained yet
    local dir=$tmp/$1-$3-$4 what="$1, $3 ranks, tp $4"
    LT_FAULT=$2:term run "$3" train "$tmp/a.yaml" run.dir="$dir" parallel.tp="$4" "${short[@]}"
    expect "$what: exit code" $rc 75
    expect "$what: messages" "$(grep -c '^ltune train: STOPPED: stopped by a signal' "$tmp/out")" 1
    if [ -z "$5" ]; then
        says 'nothing was trained; run the same command again to start' "$what"
        expect "$what: checkpoints" "$(find "$dir/ck" -name '*.h5' 2>/dev/null | wc -l)" 0
    else
        says "at step $5; the state is saved" "$what"
    fi
    [ "$1" != evaluation ] || expect "$what: that evaluation was not finished" "$(evaluated "$dir")" "3 "
    must_run "$3" train "$tmp/a.yaml" run.dir="$dir" parallel.tp="$4" "${short[@]}"
    same "$what: trained values" "$(state "$dir/ck/last")" "$(state "$tmp/straight-$3-$4/ck/last")"
    same "$what: metrics" "$(record "$dir")" "$(record "$tmp/straight-$3-$4")"
}

for layout in "1 1" "2 1" "2 2"; do
    read -r n tp <<<"$layout"
    last=$((n - 1))
    must_run "$n" train "$tmp/a.yaml" run.dir="$tmp/straight-$n-$tp" parallel.tp="$tp" "${short[@]}"
    expect "control: a run without a signal, evaluations ($layout)" "$(evaluated "$tmp/straight-$n-$tp")" "3 6 9 "
    packs=$(LT_FAULT=score.pack:$last:1000000 run "$n" train "$tmp/a.yaml" run.dir="$tmp/count" parallel.tp="$tp" "${short[@]}" train.steps=1; echo $rc)
    expect "control: a rule that no pass fits ($layout)" "$packs" 0
    phase loading model.load:$last:1 "$n" "$tp" ""
    phase reading safetensors.read:$last:2 "$n" "$tp" ""
    LT_FAULT=safetensors.read:$last:2:term run "$n" train "$tmp/a.yaml" run.dir="$tmp/count" parallel.tp="$tp" "${short[@]}"
    says 'stopped by a signal while weights were loaded' "reading is not gone on with ($layout)"
    phase states run.states:$last:1 "$n" "$tp" ""
    phase values tuner.tokens:$last:1 "$n" "$tp" ""
    phase before step.local:$last:1 "$n" "$tp" ""
    phase step step.pack:$last:12 "$n" "$tp" '[0-9]*'
    phase checkpoint ckpt.save:0:2 "$n" "$tp" 6
    phase commit ckpt.commit:0:1 "$n" "$tp" 3
    rm -rf "$tmp/count"
done
# which pass of score.pack is in the second evaluation depends on the number of packs: found by looking
for layout in "1 1" "2 1" "2 2"; do
    read -r n tp <<<"$layout"
    for ((nth = 4; nth < 400; nth += 4)); do
        LT_FAULT=score.pack:$((n - 1)):$nth:term run "$n" train "$tmp/a.yaml" run.dir="$tmp/look" parallel.tp="$tp" "${short[@]}"
        step=$(sed -n 's/.*stopped by a signal at step \([0-9]*\);.*/\1/p' "$tmp/out")
        rm -rf "$tmp/look"
        [ "${step:-9}" -lt 6 ] || break
    done
    expect "a pass in the second evaluation ($layout)" "$step" 6
    phase evaluation score.pack:$((n - 1)):$nth "$n" "$tp" 6
done
# No thread has a handler of these signals, and none takes them: a handler's frame would write below the stack pointer of the product it interrupts.
masks() { # masks RUN: of all threads of a run that stalls in its second step: do they block TERM and USR1, is a handler there?  "yes no" for all
    local pid i blocked caught
    LT_FAULT=step.local:0:2:stall OMP_NUM_THREADS=2 "$bin/ltune" train "$tmp/a.yaml" run.dir="$tmp/$1" parallel.threads=2 train.eval_every=1 >"$tmp/out" 2>&1 &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        ! grep -q 'step 1/' "$tmp/out" || break
        sleep 0.1
    done
    paste <(grep -h '^SigBlk' /proc/$pid/task/*/status | cut -f 2) <(grep -h '^SigCgt' /proc/$pid/task/*/status | cut -f 2) | while read -r blocked caught; do
        echo "$(((0x$blocked & 0x4200) == 0x4200 ? 1 : 0)) $(((0x$caught & 0x4200) != 0 ? 1 : 0))"
    done | sort | uniq -c | sed 's/^ *//'
    kill -9 $pid
    wait $pid 2>/dev/null || true
}
found=$(masks handlers)
expect "threads that take a signal, handlers" "$(cut -d ' ' -f 2- <<<"$found")" "1 0"
count "$(less 2 "$(cut -d ' ' -f 1 <<<"$found")")" "more than one thread was looked at: $found"
# Between the turn that found the best values and the next step, where steps have no pack of their own (kept features), so that one is done before all leave:
# the best values stay those that were judged.
config "$tmp/head.yaml" "$bert" "$tmp/between" $'\n  - {name: head, method: {name: head}}'
LT_FAULT=run.turn:0:4:term run 1 train "$tmp/head.yaml" "${short[@]}"
expect "between turns: exit code" $rc 75
says "at step 4; the state is saved" "between turns"
expect "between turns: the best values" "$(readlink "$tmp/between/ck/best.head")" best_00000003.head.h5
expect "control: other numbers are seen" \
    "$([ "$(state "$tmp/straight-1-1/ck/last")" = "$(state "$tmp/straight-2-1/ck/last")" ] && echo same || echo other)" other
verdict
