#!/usr/bin/env bash
# TEST labels: e2e timeout: 240
# One rank fails alone, at every place where the code can be told to (LT_FAULT): all ranks leave together with the documented code, the message names
# rank and place, and the run can be continued to the same bits.  Also: a trial whose numbers become NaN, a rank that stalls.
# Cases run a few at a time: most of a short run is the launcher's waiting.
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
config "$tmp/a.yaml" "$bert" "$tmp/unset"
sed -i 's/steps: 30/steps: 6/; s/eval_every: 10/eval_every: 3/' "$tmp/a.yaml"
config "$tmp/b.yaml" "$llama" "$tmp/b" $'\n  - {name: a, method: {name: prefix, length: 4}}'
head -n 20 "$tmp/text.tsv" | cut -f 3 >"$tmp/lines.txt"
IO=15 NUMERIC=21 TIMEOUT=23 limit=20 at_once=6
noise='Segmentation|MPI_ABORT|core dumped|HDF5-DIAG|Sanitizer|on signal|INTERNAL'
layout() { [ "$1" = 4 ] && echo parallel.tp=2 || echo parallel.tp=1; }
fault() { # fault OUT RULE RANKS ARGS...: a run with a fault; exit code in rc, 124 if it hangs
    rc=0
    LT_FAULT=$2 timeout -k 2 $limit "$source_dir/tests/mpirun.sh" "$3" "$bin/ltune" "${@:4}" </dev/null >"$1" 2>&1 || rc=$?
}
judge() { # judge OUT MARK SITE RANK RANKS CODE: what is wrong with a failure that ended with rc; nothing if it is as it should be
    [ $rc = "$6" ] || echo "exit code $rc, expected $6;"
    [ "$(grep -c '^ltune.*: [A-Z0-9]*: ' "$1")" = 1 ] || echo "not exactly one message;"
    grep -q "fault injected at $3 " "$1" || echo "the message does not name $3;"
    grep -q "^  rank $4/$5 on " "$1" || echo "the message does not name rank $4;"
    ! grep -qE "$noise" "$1" || echo "noise around the message;"
    ! pgrep -f "^[^ ]*/ltune .*$2" >/dev/null || echo "ranks are left;"
}

# ---- cases in the background; what each has to say lies in case.N: empty if all is well ----
n_cases=0 running=0
declare -a what
begin() { # begin WHAT: makes room for one more case, whose folder is $dir and whose output goes to $out
    n_cases=$((n_cases + 1)) dir=$tmp/case.$n_cases.run out=$tmp/case.$n_cases.out
    what[n_cases]=$1
    [ $running -lt $at_once ] || {
        wait -n || true
        running=$((running - 1))
    }
    running=$((running + 1))
}
finish() {
    local i
    wait
    for ((i = 1; i <= n_cases; i++)); do
        count "$([ -f "$tmp/case.$i" ] && [ ! -s "$tmp/case.$i" ] && echo ok)" "${what[i]}: $(cat "$tmp/case.$i" 2>&1)"
        [ ! -s "$tmp/case.$i" ] || head -n 8 "$tmp/case.$i.out"
    done
    echo "  $n_cases cases"
}
fails() { # fails SITE RANK NTH RANKS ARGS...
    begin "$1 on rank $2 of $4 (${*:5:1})"
    {
        fault "$out" "$1:$2:$3" "$4" "${@:5}"
        judge "$out" "$dir" "$1" "$2" "$4" $IO >"$tmp/case.$n_cases"
    } &
}
trains() { # trains SITE RANK NTH RANKS: a training run in a folder of its own
    fails "$@" train "$tmp/a.yaml" run.dir="$tmp/case.$((n_cases + 1)).run" "$(layout "$4")"
}
talks() { # talks SITE RANK NTH RANKS [ASSISTANT]: a run whose student has an assistant
    fails "${@:1:4}" train "$tmp/g.yaml" run.dir="$tmp/case.$((n_cases + 1)).run" "$(layout "$4")" "${5:-assistant.model=$llama}"
}
continues() { # continues SITE RANK NTH RANKS: as trains; a second job must end with the bits of a run that nothing disturbed
    begin "$1 on rank $2 of $4, continued"
    {
        fault "$out" "$1:$2:$3" "$4" train "$tmp/a.yaml" run.dir="$dir" "$(layout "$4")"
        judge "$out" "$dir" "$1" "$2" "$4" $IO >"$tmp/case.$n_cases"
        fault "$out" none:0:1 "$4" train "$tmp/a.yaml" run.dir="$dir" "$(layout "$4")"
        {
            [ $rc = 0 ] || echo "the second job ended with $rc;"
            [ "$(state "$dir/ck/last")" = "${straight[$4]}" ] || echo "other trained values;"
            [ "$(losses "$dir")" = "$(losses "$tmp/straight$4")" ] || echo "other losses;"
        } >>"$tmp/case.$n_cases"
    } &
}

survives() { # survives SITE NTH: the run log cannot be written once, and the run loses nothing
    begin "$1 on rank 0, survived"
    {
        fault "$out" "$1:0:$2" 2 train "$tmp/a.yaml" run.dir="$dir" "$(layout 2)"
        {
            [ $rc = 0 ] || echo "exit code $rc;"
            [ "$(state "$dir/ck/last")" = "${straight[2]}" ] || echo "other trained values;"
            [ "$(losses "$dir")" = "$(losses "$tmp/straight2")" ] || echo "other losses;"
        } >"$tmp/case.$n_cases"
    } &
}

apart() { # apart SITE RANK RANKS: no room in shared memory for the weights, on one rank: all keep their own, one says so, and the run has the same bits
    begin "$1 on rank $2 of $3, survived"
    {
        fault "$out" "$1:$2:1:full" "$3" train "$tmp/a.yaml" run.dir="$dir" "$(layout "$3")"
        {
            [ $rc = 0 ] || echo "exit code $rc;"
            [ "$(grep -c 'no room for one copy of the weights a node: each rank keeps its own' "$out")" = 1 ] || echo "not one warning;"
            grep -q '/dev/shm on .* is too small for memory that ranks share' "$out" || echo "the reason is not told;"
            [ "$(state "$dir/ck/last")" = "${straight[$3]}" ] || echo "other trained values;"
            [ "$(losses "$dir")" = "$(losses "$tmp/straight$3")" ] || echo "other losses;"
        } >"$tmp/case.$n_cases"
    } &
}

# ---- control: a good run is no failure, and one rank, place, and code is told from another ----
declare -A straight
for n in 2 4; do
    must_run $n train "$tmp/a.yaml" run.dir="$tmp/straight$n" "$(layout $n)"
    straight[$n]=$(state "$tmp/straight$n/ck/last")
done
must_run 1 train "$tmp/b.yaml" train.steps=2
config "$tmp/g.yaml" "$bert" "$tmp/g" \
    $'\n  - {name: a, method: {name: gpta, student: prefix, length: 2, description: x, every: 2, candidates: 2, probe: 16, max_prefix_tokens: 12}}'
sed -i 's/steps: 30/steps: 4/' "$tmp/g.yaml"
must_run 1 train "$tmp/g.yaml" assistant.model="$llama"
config "$tmp/c.yaml" "$llama" "$tmp/c" $'\n  - {name: a, method: {name: lora, rank: 2}}'
must_run 1 train "$tmp/c.yaml" train.steps=2
must_run 1 export "$tmp/c.yaml" -o "$tmp/adapter"
count "$([ -n "$(judge "$tmp/out" none step.local 0 4 $IO)" ] && echo ok)" "control: a good run passes as a failure"
fault "$tmp/out" step.local:1:2 2 train "$tmp/a.yaml" run.dir="$tmp/control"
expect "control: a failure as it should be" "$(judge "$tmp/out" none step.local 1 2 $IO)" ""
count "$([ -n "$(judge "$tmp/out" none step.local 0 2 $IO)" ] && echo ok)" "control: another rank is not seen"
count "$([ -n "$(judge "$tmp/out" none run.data 1 2 $IO)" ] && echo ok)" "control: another place is not seen"
count "$([ -n "$(judge "$tmp/out" none step.local 1 2 11)" ] && echo ok)" "control: another code is not seen"
must_run 2 train "$tmp/a.yaml" run.dir="$tmp/short" train.steps=5
expect "control: five steps are not six" "$([ "$(state "$tmp/short/ck/last")" = "${straight[2]}" ] && echo same || echo other)" other
fault "$tmp/out" run.data:5:1 2 train "$tmp/a.yaml" run.dir="$tmp/no-fault"
expect "control: a rule that fits no rank" $rc 0

# ---- every place, on the first and on the last rank; those that only rank 0 passes, there ----
for n in 2 4; do
    for rank in 0 $((n - 1)); do
        for site in run.data dataset.open dataset.read safetensors.open safetensors.read model.open model.plan model.load comm.buffer run.trials; do
            trains $site $rank 1 $n
        done
        for site in run.states tuner.tokens score.local score.pack comm.shared; do trains $site $rank 1 $n; done
        trains tuner.values $rank 3 $n # of lt_prompt, prompt: the other ranks go on to look up words
        trains tuner.values $rank 6 $n
        trains safetensors.read $rank 2 $n # in the middle of its part of the weights that the ranks share
        apart comm.space $rank $n
        continues step.local $rank 5 $n
        trains step.pack $rank 5 $n
        fails run.resume $rank 1 $n train "$tmp/a.yaml" run.dir="$tmp/straight$n" "$(layout $n)"
        fails run.load $rank 1 $n eval "$tmp/a.yaml" run.dir="$tmp/straight$n" "$(layout $n)"
        fails predict.input $rank 1 $n predict "$tmp/a.yaml" run.dir="$tmp/straight$n" "$(layout $n)" --trial prefix --text "good film"
        fails score.pack $rank 1 $n predict "$tmp/a.yaml" run.dir="$tmp/straight$n" "$(layout $n)" --trial prefix "$tmp/lines.txt"
        for site in generate.input generate.local model.cache; do fails $site $rank 1 $n generate --model "$llama" --text "good film"; done
        fails generate.step $rank 3 $n generate --model "$llama" --text-file "$tmp/lines.txt" generate.batch=3
        fails generate.step $rank 3 $n generate --model "$llama" --text-file "$tmp/lines.txt" generate.batch=3 parallel.tp=2
        fails generate.gather $rank 1 $n generate --model "$llama" --text-file "$tmp/lines.txt" generate.max_tokens=3 parallel.tp=1
        # as a text ends and others begin, so that ranks that differed in where they stand would show
        for nth in 2 7 8 9; do
            fails generate.take $rank $nth $n generate --model "$llama" --text-file "$tmp/lines.txt" generate.batch=3 generate.max_tokens=3 parallel.tp=2
        done
        fails run.front $rank 1 $n generate "$tmp/b.yaml" --text "good film"
        fails features.input $rank 1 $n features --model "$bert" --text "$tmp/lines.txt" -o "$tmp/f.h5" "$(layout $n)"
        fails model.load $rank 1 $n features --model "$bert" --text "$tmp/lines.txt" -o "$tmp/f.h5" "$(layout $n)"
    done
    for site in run.export safetensors.write export.piece; do
        fails $site 0 1 $n export "$tmp/c.yaml" --format merged -o "$tmp/x.$site.$n"
    done
    for rank in 0 $((n - 1)); do
        fails run.import $rank 1 $n train "$tmp/c.yaml" run.dir="$tmp/import.$n.$rank" method.from="$tmp/adapter"
    done
    fails peft.read 0 1 $n train "$tmp/c.yaml" run.dir="$tmp/import.$n" method.from="$tmp/adapter"
    for rank in 0 $((n - 1)); do
        for site in gpta.init gpta.rounds gpta.round gpta.lead score.leads; do talks $site $rank 1 $n; done
        for site in assistant.templates assistant.open assistant.ask assistant.take assistant.answers; do talks $site $rank 1 $n; done
        for site in assistant.command assistant.ask; do talks $site $rank 1 $n assistant.command=cat; done
    done
    for site in run.claim run.record ckpt.begin h5.close; do trains $site 0 1 $n; done
    for site in ckpt.save ckpt.committed; do continues $site 0 2 $n; done
done
continues ckpt.commit 0 2 2
trains ckpt.commit 0 2 4
trains h5.rename 0 2 4 # of the checkpoint; the one before is the run log's
survives runlog.flush 2
survives h5.rename 11 # of the run log at its end; before it: the log, two checkpoints, seven files of best values
finish

# ---- a rank whose values drift from the others', as CPUs of different kinds may let them: told, and mended at the checkpoint ----
LT_FAULT=step.drift:1:3:drift run 2 train "$tmp/a.yaml" run.dir="$tmp/drift" parallel.tp=2
expect "drift: exit code" $rc 0
expect "drift: told once" "$(grep -c 'ranks hold different trained values' "$tmp/out")" 1
# Label states that differ would let values drift again after each repair.
LT_FAULT=states.drift:1:3:drift run 2 train "$tmp/a.yaml" run.dir="$tmp/drift-states" parallel.tp=2 train.steps=12
expect "drift of label states: exit code" $rc 0
expect "drift of label states: told once in four checkpoints" "$(grep -c 'ranks hold different trained values' "$tmp/out")" 1
expect "a failed export leaves nothing" "$(find "$tmp" -maxdepth 1 -name 'x.*' | wc -l)" 0
expect "a failure leaves no file of features" "$([ -e "$tmp/f.h5" ] && echo there || echo none)" none
for n in 2 4; do expect "a failed resume or evaluation changes nothing" "$(state "$tmp/straight$n/ck/last")" "${straight[$n]}"; done
# A place that is not named above is one that nobody tests.
named=$(grep -E '^ *(for site|apart|continues|fails|trains|survives|LT_FAULT=)' "$0" | grep -oE '[a-z0-9]+\.[a-z]+' | sort -u)
untested=$(grep -rhoE '(LT_FAULT_POINT|lt_fault_hit|spoil)\((r, )?"[a-z0-9.]+"' "$source_dir/src" |
    sed 's/.*"\(.*\)"/\1/' | sort -u | comm -23 - <(echo "$named"))
expect "places without a case (of GPUs: gpu_faults.sh; assistant.wait: gpta.sh; run.turn: stop.sh; step.loss: below)" "${untested//$'\n'/ }" \
    "assistant.wait comm.bcast comm.nccl model.handout model.part run.turn step.loss"

# ---- not a number ----
fault "$tmp/out" step.loss:0:5:nan 2 train "$tmp/a.yaml" run.dir="$tmp/nan"
expect "one trial not finite: exit code" $rc 0
count "$(grep -q 'trial lt_prefix: loss nan.* at step 5 are not finite: this trial stops, the others go on' "$tmp/out" && echo ok)" "NaN: no warning"
expect "NaN: that trial in the table" "$(grep -cE '^lt_prefix .* stopped \(not finite\)$' "$tmp/out")" 1
expect "NaN: the others in the table" "$(grep -cE '^(lt_prompt|prefix|prompt) .* done$' "$tmp/out")" 3
for t in lt_prompt prefix prompt; do
    within "NaN in another trial: losses of $t" "$(series "$tmp/nan/run.h5" "/trials/$t/train/loss")" \
        "$(series "$tmp/straight2/run.h5" "/trials/$t/train/loss")" 1e-5
done
expect "NaN: the losses before it stay" "$(series "$tmp/nan/run.h5" /trials/lt_prefix/train/loss | wc -l)" 4
config "$tmp/one.yaml" "$bert" "$tmp/all-nan" $'\n  - {name: a, method: {name: head}}'
fault "$tmp/out" step.loss:0:3:nan 2 train "$tmp/one.yaml"
expect "every trial not finite: exit code" $rc $NUMERIC
count "$(grep -q '^ltune train: NUMERIC: .*lower train.lr' "$tmp/out" && echo ok)" "every trial not finite: no advice"

# ---- a rank that stalls: in the data-parallel sum, inside the model, and before an agreement ----
for case in "1 step.local" "2 step.pack"; do
    read -r tp site <<<"$case"
    LT_DEADLINE_S=2 fault "$tmp/out" "$site:1:2:stall" 2 train "$tmp/a.yaml" run.dir="$tmp/stall-$tp" parallel.tp="$tp"
    expect "a stalled rank in $site: exit code" $rc $TIMEOUT
    count "$(grep -q '^ltune: TIMEOUT: rank 1 on .* did not arrive within 2 s' "$tmp/out" && echo ok)" "a stalled rank in $site is not named"
done
for case in "1 run.data 1" "1 safetensors.read 2" "2 step.local 2"; do
    read -r tp site nth <<<"$case"
    LT_DEADLINE_S=2 fault "$tmp/out" "$site:1:$nth:stall" 2 train "$tmp/a.yaml" run.dir="$tmp/stall-$site" parallel.tp="$tp"
    expect "a rank that stalls before an agreement in $site: exit code" $rc $TIMEOUT
    count "$(grep -qE '^ltune: TIMEOUT: (some rank of group .* did not come|rank 1 on .* did not arrive) within 2 s' "$tmp/out" && echo ok)" \
        "stalled in $site: no message"
done
verdict
