#!/usr/bin/env bash
# TEST labels: e2e timeout: 120
# Bad input: every case ends with the documented exit code and one message that names what is wrong, where, and what to do; nothing crashes, hangs
# or is lost.  One case a line: what is done, then refused NAME CODE WORDS... (all must be in the message).
# shellcheck source=tests/e2e/e2e.bash
. "$(dirname "$0")/e2e.bash"
prepare
export OMPI_MCA_btl=self OMPI_MCA_pml=ob1 # one rank needs no more, and starts three times as fast
try() { # try ARGS...: ltune on one rank, without mpirun
    rc=0
    timeout -k 1 30 "$bin/ltune" "$@" </dev/null >"$tmp/out" 2>&1 || rc=$?
}
noise='Segmentation|MPI_ABORT|MPI_ERR|core dumped|HDF5-DIAG|Sanitizer|INTERNAL|\(null\)|#[0-9]*: .*\.c line'
ok=ok
judge() { # judge CODE WORDS...: is the last output a good refusal?  Says what is not
    local word
    ok=ok
    [ "$rc" = "$1" ] || ok="exit code $rc, expected $1"
    [ "$(grep -c '^ltune [a-z]*: [A-Z0-9]*: ' "$tmp/out")" = 1 ] || ok="not exactly one message"
    ! grep -qE "$noise" "$tmp/out" || ok="noise around the message"
    for word in "${@:2}"; do grep -qF -e "$word" "$tmp/out" || ok="the message lacks \"$word\""; done
}
refused() {
    judge "${@:2}"
    count "$ok" "$1: $ok"
    [ "$ok" = ok ] || sed 's/^/    | /' "$tmp/out" | tail -n 12
    [ -z "${LT_SHOW:-}" ] || { echo "== $1"; grep -A1 '^ltune ' "$tmp/out"; }
}
ARG=2 CONFIG=12 SHAPE=13 IO=15 FORMAT=16
one='
  - {name: a, method: {name: prefix, length: 4}}'
config "$tmp/a.yaml" "$bert" "$tmp/run" "$one"
sed -i 's/steps: 30/steps: 4/' "$tmp/a.yaml"
train() { try train "$tmp/a.yaml" "$@"; }

# ---- control: the judge accepts a good refusal, and sees a wrong code, a missing word, a crash and a success ----
train model.path=/nowhere
judge $IO /nowhere; expect "control: a good refusal" "$ok" ok
judge $FORMAT /nowhere; expect "control: wrong code" "$ok" "exit code $IO, expected $FORMAT"
judge $IO elsewhere; expect "control: missing word" "$ok" 'the message lacks "elsewhere"'
echo 'Segmentation fault' >>"$tmp/out"
judge $IO /nowhere; expect "control: noise" "$ok" "noise around the message"
train run.dir="$tmp/fine"
expect "control: the undamaged run" $rc 0
judge $IO; expect "control: no refusal at all" "$([ "$ok" = ok ] || echo seen)" seen
"$bin/ltune" help exit-codes >"$tmp/codes"

# ---- a key that changes nothing: one that a trial sets for itself and its method does not read, or one of the run that no trial reads
config "$tmp/keys.yaml" "$bert" "$tmp/keys" $'\n  - {name: a, method: {name: lt_prefix, length: 4}}\n  - {name: b, method: {name: prefix, mlp: 8}}'
for command in config plan train eval; do
    try $command "$tmp/keys.yaml" method.init=zero
    refused "unused key of a trial, $command" $CONFIG "keys.yaml:6: trial a sets method.length, which lt_prefix does not read" "lt_prefix reads name, pooling"
done
config "$tmp/keys.yaml" "$bert" "$tmp/keys" $'\n  - {name: a, method: {name: lt_prefix}}\n  - {name: b, method: {name: prefix, mlp: 8}}'
try config "$tmp/keys.yaml" trials.1.method.objective=all
refused "unused key on the command line" $CONFIG "command line: trial b sets method.objective, which prefix does not read" "prefix reads name, length, init"
try config "$tmp/keys.yaml" trials.1.method.name=lt_prompt trials.1.method.mlp=8
refused "another method than the key's" $CONFIG "trial b sets method.mlp, which lt_prompt does not read"
try config "$tmp/keys.yaml" 'trials=[{name: a}]' method.length=4
refused "unused key of the run" $CONFIG "command line: no trial reads method.length" "lt_prefix reads name"
try config "$tmp/keys.yaml" method.init=zero
expect "control: a default that one trial reads" $rc 0
cp "$tmp/out" "$tmp/dumped.yaml"
try config "$tmp/dumped.yaml"
expect "control: what config prints is a run file" $rc 0
for code in "$CONFIG CONFIG" "$SHAPE SHAPE" "$IO IO" "$FORMAT FORMAT"; do
    count "$(grep -qE "^ +${code/ /  } " "$tmp/codes" && echo ok)" "help exit-codes does not list $code"
done

# ---- the model folder ----
folder() { # folder: a fresh copy of the small BERT in $tmp/m
    rm -rf "$tmp/m" && cp -r "$bert" "$tmp/m" && weights=$tmp/m/model.safetensors
}
bad_model() { train model.path="$tmp/m" run.dir="$tmp/unused"; refused "$@"; }
swap() { # swap FROM TO FILE: bytes of the same length, first place only
    [ ${#1} = ${#2} ] && grep -qaF -e "$1" "$3" && LC_ALL=C sed -i "0,/$1/s//$2/" "$3"
}
folder; rm "$weights"; bad_model "weights missing" $IO "$tmp/m has neither model.safetensors nor" "download"
folder; mkdir "$tmp/x"; rm "$weights"; mv "$tmp/x" "$weights"; bad_model "weights are a folder" $IO "$weights"
folder; : >"$weights"; bad_model "weights of zero length" $FORMAT "$weights" "0 bytes"
folder; truncate -s 40000 "$weights"; bad_model "weights truncated" $FORMAT "$weights" truncated tensor
folder; truncate -s 5 "$weights"; bad_model "weights of five bytes" $FORMAT "$weights" "5 bytes"
folder; printf '\377\377\377\177\0\0\0\0' | dd of="$weights" conv=notrunc status=none
bad_model "header longer than the file" $FORMAT "$weights" "header claims 2147483647 bytes"
folder; printf '\377\377\377\377\377\377\377\377' | dd of="$weights" conv=notrunc status=none
bad_model "header of 2^64 bytes" $FORMAT "$weights" "header claims"
folder; printf 'nonsense' | dd of="$weights" bs=1 seek=8 conv=notrunc status=none; bad_model "header not JSON" $FORMAT "$weights" "not JSON"
folder; swap 'embeddings.LayerNorm.bias' 'embeddings.LayerNorm.bia2' "$weights"
bad_model "tensor missing" $FORMAT "embeddings.LayerNorm.bias is missing" "$weights"
folder; sed -i 's/"intermediate_size": 128/"intermediate_size": 64/' "$tmp/m/config.json"
bad_model "wrong shape" $FORMAT "intermediate.dense" "has shape [128, 64]" "config.json asks for [64, 64]"
folder; swap '"F32"' '"I32"' "$weights"; bad_model "integers for weights" $FORMAT "dtype I32" "F32, F16 and BF16"
folder; swap '"F32"' '"I64"' "$weights"; bad_model "dtype does not fit the bytes" $FORMAT "embeddings.LayerNorm.bias" I64
folder; swap '"F32"' '"X32"' "$weights"; bad_model "unknown dtype" $FORMAT '"X32"' "F32, F16, BF16"
folder; sed -i 's/"bert"/"gpt9"/' "$tmp/m/config.json"; bad_model "unknown architecture" $FORMAT '"gpt9"' "known: bert, roberta"
folder; echo '{"model_type": "bert",' >"$tmp/m/config.json"; bad_model "config.json not JSON" $FORMAT "$tmp/m/config.json:" "not JSON"
folder; rm "$tmp/m/config.json"; bad_model "config.json missing" $IO "$tmp/m/config.json" "Hugging Face model folder"
folder; rm "$tmp/m/config.json"; mkdir "$tmp/m/snapshots"; bad_model "the folder of a cache" $IO "$tmp/m/snapshots" "cache of the hub"
folder; sed -i '/hidden_size/d' "$tmp/m/config.json"; bad_model "a field missing" $FORMAT '"hidden_size" is missing'
folder; rm "$tmp"/m/vocab.txt; bad_model "no tokenizer" $IO "no tokenizer in $tmp/m" vocab.txt
folder; rm "$weights"; echo '{"weight_map": {"a": "gone.safetensors"}}' >"$weights.index.json"; bad_model "a shard missing" $IO "gone.safetensors" incomplete
folder; rm "$weights"; echo x >"$tmp/m/pytorch_model.bin"; bad_model "no pickled weights" $FORMAT pytorch_model.bin "neither a zip archive nor a pickle"
folder; mv "$weights" "$tmp/m/adapter_model.safetensors"; echo '{"base_model_name_or_path": "some/base"}' >"$tmp/m/adapter_config.json"
bad_model "an adapter and no model" $IO "PEFT adapter" '"some/base"'
folder; mv "$weights" "$tmp/m/tf_model.h5"; bad_model "weights of another program" $IO "but tf_model.h5"

# ---- the data set ----
bad_data() { train data.path="$tmp/d.h5" run.dir="$tmp/unused"; refused "$@"; }
unsealed() { head -c -78 "$tmp/data.h5" >"$tmp/d.h5"; } # without its line of SHA-256: as another program would leave it
rm -f "$tmp/d.h5"; bad_data "data set missing" $IO "$tmp/d.h5"
: >"$tmp/d.h5"; bad_data "data set of zero length" $FORMAT "$tmp/d.h5"
cp "$tmp/text.tsv" "$tmp/d.h5"; bad_data "text instead of a data set" $FORMAT "$tmp/d.h5" HDF5
head -c 20000 "$tmp/data.h5" >"$tmp/d.h5"; bad_data "data set truncated" $FORMAT "$tmp/d.h5"
cp "$tmp/data.h5" "$tmp/d.h5"; printf '\377' | dd of="$tmp/d.h5" bs=1 seek=9000 conv=notrunc status=none
bad_data "one byte changed" $FORMAT "$tmp/d.h5 is damaged" "SHA-256"
cp "$tmp/fine/run.h5" "$tmp/d.h5"; bad_data "a run log instead of a data set" $FORMAT "$tmp/d.h5" ltune-run ltune-dataset
cp "$tmp/fine/ck/last" "$tmp/d.h5"; bad_data "a checkpoint instead of a data set" $FORMAT "$tmp/d.h5" ltune-checkpoint ltune-dataset
cp -r "$bert" "$tmp/tok2"; sed -i 's/^film$/flim/' "$tmp/tok2/vocab.txt"
"$bin/ltune-prep" data --format tsv --text 3 --label 2 --label-rule sign --hash-split 70,20,10 -t "$tmp/tok2" -o "$tmp/d.h5" --force \
    "$tmp/text.tsv" >"$tmp/out" 2>&1
bad_data "data set of another tokenizer" $CONFIG "$tmp/d.h5 was made with another tokenizer" "run ltune-prep data with -t $bert"
unsealed; train data.path="$tmp/d.h5" run.dir="$tmp/unused-but-fine"; expect "control: without its last line the data set is read" $rc 0
train data.eval=val; refused "unknown split" $CONFIG "$tmp/data.h5 has no split 'val'" "dev, test, train"
train "trials=[{name: a, method: {name: lt_prompt, labels: {good: fine}}}]"
refused "words for a label that is not there" $CONFIG 'no label "good"' "negative, positive"
train trials.0.method.init=text; refused "no text to start from" $CONFIG method.text
train data.train=val; refused "unknown training split" $CONFIG "has no split 'val'"

# A split as other programs could write it: its parts from the training split, one of them another.
part() { # part SPLIT NAME TYPE VALUES...: a dataset from a list of numbers
    local n=$#
    printf '%s\n' "${@:4}" >"$tmp/list"
    cat >"$tmp/import" <<CONF
PATH $2
INPUT-CLASS TEXTIN
INPUT-SIZE $3
RANK 1
DIMENSION-SIZES $((n - 3))
OUTPUT-CLASS IN
OUTPUT-SIZE $3
CONF
    rm -f "$tmp/part.h5"
    h5import "$tmp/list" -c "$tmp/import" -o "$tmp/part.h5" >/dev/null
    h5copy -p -i "$tmp/part.h5" -o "$tmp/d.h5" -s "$2" -d "splits/$1/$2"
}
split() { # split NAME PARTS...: a new split of those parts of the training split
    local p
    unsealed
    for p in "${@:2}"; do h5copy -p -i "$tmp/data.h5" -o "$tmp/d.h5" -s "splits/train/$p" -d "splits/$1/$p"; done
}
bad_split() { train data.path="$tmp/d.h5" data.train=odd run.dir="$tmp/unused"; refused "$@"; }
if command -v h5import >/dev/null; then
    n=$(series "$tmp/data.h5" /splits/train/label | wc -l)
    mapfile -t label < <(series "$tmp/data.h5" /splits/train/label)
    split odd tokens offsets segment_offsets; part odd label 32 "${label[@]}"
    train data.path="$tmp/d.h5" data.train=odd run.dir="$tmp/unused-odd"; expect "control: a split that was put together and is right" $rc 0
    split odd tokens offsets segment_offsets; part odd label 32 "${label[@]:0:n-1}" 2
    bad_split "label out of the label set" $FORMAT "$tmp/d.h5: split 'odd': sequence $((n - 1)) has label 2" "label set 0..1"
    split odd tokens offsets segment_offsets; part odd label 32 "${label[@]:0:9}"
    bad_split "fewer labels than sequences" $FORMAT "$tmp/d.h5" label
    split odd tokens label; part odd offsets 64 0; part odd segment_offsets 64 0
    bad_split "empty split" $FORMAT "$tmp/d.h5: split 'odd' is empty"
    split odd offsets segment_offsets label; part odd tokens 32 5 6 7
    bad_split "fewer tokens than offsets say" $FORMAT "$tmp/d.h5: split 'odd': offsets end at" "there are 3 tokens"
    split odd tokens offsets label
    bad_split "a part missing" $FORMAT "$tmp/d.h5" segment_offsets
    mapfile -t token < <(series "$tmp/data.h5" /splits/train/tokens)
    split odd offsets segment_offsets label; part odd tokens 32 120 "${token[@]:1}"
    bad_split "token id outside the vocabulary" $FORMAT "split \"odd\", sample 0: token id 120" "vocabulary of 120"
else
    echo "  h5import is not installed: cases of wrong splits are left out"
fi
unsealed
at=$(grep -abo format_version "$tmp/d.h5" | awk -F: 'NR == 1 { print $1 }')
printf '\11' | dd of="$tmp/d.h5" bs=1 seek="$at" conv=notrunc status=none
bad_data "attributes damaged, no line of SHA-256" $FORMAT "cannot read the attributes of $tmp/d.h5" damaged
h5repack "$tmp/data.h5" "$tmp/d.h5" # to a layout without checksums of metadata
at=$(grep -abo format_version "$tmp/d.h5" | awk -F: 'NR == 1 { print $1 }')
expect "the version, 1, stands 40 bytes behind its name" "$(od -An -tu8 -j $((at + 40)) -N 8 "$tmp/d.h5" | tr -d ' ')" 1
printf '\11' | dd of="$tmp/d.h5" bs=1 seek=$((at + 40)) conv=notrunc status=none
bad_data "data set of another format version" $FORMAT "$tmp/d.h5 has format_version 9, this ltune reads 1" "use the newer ltune"

# ---- lengths ----
train data.max_length=8 run.dir="$tmp/cut"
expect "texts longer than max_length: exit code" $rc 0
count "$(grep -qE 'split train: [1-9][0-9]* of 287 samples are longer than data.max_length = 8 tokens and were cut' "$tmp/out" && echo ok)" \
    "texts longer than max_length are not reported"
train run.dir="$tmp/unused" trials.0.method.length=60
refused "prefix and text pass the model's positions" $SHAPE "60 rows of a prefix or prompt" "64 positions" "lower data.max_length (now 32) or method.length"
train run.dir="$tmp/unused" trials.0.method.name=prompt trials.0.method.length=60 &&
    refused "prompt and text pass the model's positions" $SHAPE "60 rows of a prefix or prompt" "64 positions" "lower data.max_length (now 32) or method.length"
two=('trials=[{name: a, method: {name: prefix, length: 40}}, {name: b, method: {name: prompt, length: 40}}]')
sed '/^trials/,$d' "$tmp/a.yaml" >"$tmp/two.yaml"
try train "$tmp/two.yaml" "${two[@]}" run.dir="$tmp/forty"; expect "a prefix of 40 in one trial, 40 prompt rows in another, text of 23, 64 positions" $rc 0
long=$(printf 'good film %.0s' {1..60})
try predict "$tmp/a.yaml" run.dir="$tmp/fine" data.max_length=128 --text "$long"; expect "text longer than the model in predict: exit code" $rc 0
count "$(grep -q '1 of 1 texts are longer than 60 tokens' "$tmp/out" && echo ok)" "text longer than the model in predict is not reported"
train run.dir="$tmp/unused" parallel.tokens=20; refused "token budget below the longest text" $CONFIG "parallel.tokens = 20" "raise it"

# ---- the run file ----
yaml() { # yaml TEXT: a run file of its own
    printf '%b' "run: {dir: $tmp/unused}\n$1" >"$tmp/y.yaml"
    try train "$tmp/y.yaml"
}
yaml 'model: {path: m}\ntrain:\n  lrr: 1e-3\n'; refused "unknown key" $CONFIG "$tmp/y.yaml:4" "train.lrr" "did you mean train.lr?"
yaml 'zzz_qqq: 1\n'; refused "unknown key, nothing near" $CONFIG "$tmp/y.yaml:2" "zzz_qqq" "ltune help config"
yaml 'train: {batch: many}\n'; refused "wrong type" $CONFIG "$tmp/y.yaml:2" "train.batch" "many" "whole number"
yaml 'train: {batch: 1.5}\n'; refused "not whole" $CONFIG "train.batch" "1.5" "whole number"
yaml 'train: {lr: -1}\n'; refused "out of range" $CONFIG "$tmp/y.yaml:2" "train.lr" "-1" "number from 0 to 1000"
yaml 'train: {lr: nan}\n'; refused "NaN as a number" $CONFIG "train.lr" "nan"
yaml 'train: {schedule: exponential}\n'; refused "unknown word" $CONFIG "train.schedule" "exponential" "linear"
yaml 'train: {lr: [1, 2]}\n'; refused "a list for a number" $CONFIG "$tmp/y.yaml:2" "train.lr"
yaml 'train: {lr: 1\n'; refused "YAML syntax error" $CONFIG "$tmp/y.yaml:" "not YAML"
yaml 'train: {lr: 1}\ntrain: {lr: 2}\n'; refused "a key twice" $CONFIG "$tmp/y.yaml:3" "was set before, at $tmp/y.yaml:2"
yaml 'a: &x 1\n'; refused "an anchor" $CONFIG "$tmp/y.yaml:2" "anchors"
yaml 'model: {path: m}\n'; refused "data.path missing" $CONFIG "data.path is missing" "data.path=..."
yaml 'trials: [{name: a}, {name: a}]\n'; refused "two trials of one name" $CONFIG "two trials are called a"
yaml 'trials: [{model: {path: m}}]\n'; refused "a key that no trial has" $CONFIG "$tmp/y.yaml:2" "model.path is one for the whole run"
try train "$tmp/none.yaml"; refused "no such run file" $IO "cannot open the run file $tmp/none.yaml" "No such file"
try train "$tmp"; refused "a folder as run file" $IO "$tmp"
try train; refused "no run file named" $ARG "needs exactly one run file"
try train "$tmp/a.yaml" --colour; refused "unknown option" $ARG "--colour" "--help"
train train.lrr=1; refused "unknown key on the command line" $CONFIG "command line" "did you mean train.lr?"

# ---- layout ----
run 2 train "$tmp/a.yaml" run.dir="$tmp/unused" parallel.tp=4; refused "ranks not divisible by tp" $SHAPE "parallel.tp" 4 2
folder
sed -i 's/"num_attention_heads": 4/"num_attention_heads": 1/' "$tmp/m/config.json"
run 2 train "$tmp/a.yaml" run.dir="$tmp/unused" model.path="$tmp/m" parallel.tp=2
refused "more ranks than heads" $SHAPE "parallel.tp = 2" "1 attention heads" "tp that work: 1 to 1"
run 2 train "$tmp/a.yaml" run.dir="$tmp/unused" model.path=/nowhere; refused "two ranks, one message" $IO "/nowhere"
head -n 3 "$tmp/out" | grep -q '^ltune train: IO: ' || count no "on two ranks the message does not come first"

# ---- words, numbers and streams ----
try train "$tmp/a.yaml" train.lr; refused "a word that is no setting" $ARG '"train.lr" is neither'
for n in 0 -1 4x 99999999999; do
    try plan "$tmp/a.yaml" --ranks=$n; refused "plan --ranks $n" $ARG "--ranks $n" "whole number from 1 to"
done
printf 'good film\nbad\0film\n' >"$tmp/nul.txt"
try predict "$tmp/a.yaml" run.dir="$tmp/fine" "$tmp/nul.txt"; refused "NUL in predict" $FORMAT "$tmp/nul.txt:2" NUL
try features --model "$bert" --text "$tmp/nul.txt" -o "$tmp/f.h5"; refused "NUL in features" $FORMAT "$tmp/nul.txt:2" NUL
try predict "$tmp/a.yaml" run.dir="$tmp/fine" "$tmp"; refused "a folder of texts" $IO "cannot read $tmp"
printf 'good\nna\357ve\n' >"$tmp/latin.txt"
try predict "$tmp/a.yaml" run.dir="$tmp/fine" "$tmp/latin.txt"; refused "predict, not UTF-8" $FORMAT "text:2:" UTF-8
try features --model "$bert" --text "$tmp/latin.txt" -o "$tmp/f.h5"; refused "features, not UTF-8" $FORMAT "$tmp/latin.txt:2" UTF-8
echo "$long" >"$tmp/long.txt"
try features --model "$bert" --text "$tmp/long.txt" -o "$tmp/f.h5"; refused "features, too long" $SHAPE "$tmp/long.txt:1" "64 positions"
if [ -c /dev/full ]; then
    rc=0
    "$bin/ltune" config "$tmp/a.yaml" 2>"$tmp/out" >/dev/full || rc=$?
    refused "standard output full" $IO "standard output"
fi
# the same texts with the labels in another order: predictions would carry the wrong names
awk -F'\t' '{ print ($2 > 0 ? "up" : "down") "\t" $3 }' "$tmp/text.tsv" >"$tmp/named.tsv"
for order in up,down down,up; do
    "$bin/ltune-prep" data --format tsv --text 2 --label 1 --labels $order --hash-split 70,20,10 -t "$bert" -o "$tmp/$order.h5" "$tmp/named.tsv" \
        >"$tmp/out" 2>&1 || { cat "$tmp/out"; exit 1; }
done
train run.dir="$tmp/updown" data.path="$tmp/up,down.h5"; expect "labels up and down" $rc 0
try eval "$tmp/a.yaml" run.dir="$tmp/updown" data.path="$tmp/down,up.h5"; refused "labels in another order" $CONFIG "other labels" "data.path"

# ---- the run folder ----
digest() { (cd "$1" && find . -type f ! -name run.lock -exec sha256sum {} + | sort); }
before=$(digest "$tmp/fine")
again() { train run.dir="$tmp/fine" "$@"; }
again trials.0.method.length=5; refused "changed method.length" $CONFIG "$tmp/fine/ck/step_" \
    "another configuration (trial a: \"method.length: 5\" here, \"method.length: 4\" there)" "another run.dir" "run.resume=never"
folder
printf "\1\2\3\4" | dd of="$weights" bs=1 seek=$(($(stat -c %s "$weights") - 4)) conv=notrunc status=none
again model.path="$tmp/m"; refused "another base model" $CONFIG "another base model" "another run.dir"
again model.path=/nowhere run.resume=never
refused "a wrong path beside run.resume=never" $IO "cannot open the model folder /nowhere" "No such file" "check model.path"
again run.resume="$tmp/gone.h5"; refused "resume from a file that is not there" $IO "$tmp/gone.h5"
try eval "$tmp/a.yaml" run.dir="$tmp/empty"; refused "eval of a run that never was" $IO "$tmp/empty" "ltune train"
try predict "$tmp/a.yaml" run.dir="$tmp/fine" --trial zz --text good; refused "unknown trial" $ARG '"zz"' "its trials: a"
try eval "$tmp/a.yaml" run.dir="$tmp/fine" --split val; refused "eval on an unknown split" $CONFIG "has no split 'val'"
try predict "$tmp/a.yaml" run.dir="$tmp/fine" "$tmp/none.txt"; refused "no such file of texts" $IO "$tmp/none.txt"
echo '{"txt": 1}' >"$tmp/j.txt"
try predict "$tmp/a.yaml" run.dir="$tmp/fine" "$tmp/j.txt"; refused "JSON without text" $FORMAT "$tmp/j.txt:1" '"text"'
try features --model "$bert" --text "$tmp/text.tsv" -o "$tmp/text.tsv/f.h5"; refused "features under a file" $IO "$tmp/text.tsv/f.h5"
try features --model "$bert" --text "$tmp/text.tsv" -o "$tmp/f.h5" --layer 3; refused "a layer that is not there" $ARG "--layer 3" "to 2 (last block)"
echo '5 120' >"$tmp/ids.txt"
try features --model "$bert" --ids "$tmp/ids.txt" -o "$tmp/f.h5"; refused "token id outside the vocabulary, features" $FORMAT "$tmp/ids.txt:1" "120"
expect "a refusal leaves no file of features" "$([ -e "$tmp/f.h5" ] && echo there || echo none)" none
expect "refusals leave the run folder as it was" "$(digest "$tmp/fine")" "$before"
echo x >"$tmp/file"
train run.dir="$tmp/file/run"; refused "run.dir under a file" $IO "$tmp/file" "Not a directory"
train run.dir=/proc/nowhere/run; refused "run.dir that cannot be made" $IO "/proc/nowhere"
mkdir -p "$tmp/taken"
echo x >"$tmp/taken/ck"
train run.dir="$tmp/taken"; refused "a file where the checkpoints go" $IO "$tmp/taken/ck"

# ---- two jobs, one folder ----
LT_FAULT=step.local:0:2:stall "$bin/ltune" train "$tmp/a.yaml" run.dir="$tmp/two" >/dev/null 2>&1 &
owner=$!
disown
for ((i = 0; i < 100; i++)); do
    grep -q "^pid $owner\$" "$tmp/two/run.lock" 2>/dev/null && break
    sleep 0.05
done
train run.dir="$tmp/two"; refused "two jobs on one run folder" $IO "$tmp/two is in use" "host $(hostname)" "pid $owner" "another run.dir"
kill -9 $owner
while kill -0 $owner 2>/dev/null; do sleep 0.05; done
train run.dir="$tmp/two"
expect "lock of a dead owner: exit code" $rc 0
count "$(grep -q "left by a job that ended without releasing it.*pid $owner.*taken over" "$tmp/out" && echo ok)" "lock of a dead owner: no warning names it"

# ---- damaged checkpoints ----
damage() { # damage FILE: one byte in the middle, to another value
    local at=$(($(stat -c %s "$1") / 2)) byte
    byte=$(od -An -tu1 -j $at -N 1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059 # an octal escape made on the spot
    printf "\\$(printf %o $(((byte + 1) % 256)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
train run.dir="$tmp/ck" train.checkpoint_every=2 train.keep=3
mapfile -t files < <(ls "$tmp"/ck/ck/step_*.h5)
expect "checkpoints of the run" ${#files[@]} 2
good=$(state "${files[1]}")
damage "${files[1]}"
train run.dir="$tmp/ck" train.checkpoint_every=2 train.keep=3
expect "newest checkpoint damaged: exit code" $rc 0
count "$(grep -q "${files[1]} cannot be used, looking for an older one: .*damaged" "$tmp/out" && echo ok)" "the damaged checkpoint is not named"
count "$(grep -q "continuing from ${files[0]} (step 2)" "$tmp/out" && echo ok)" "the older checkpoint is not named"
same "newest checkpoint damaged: the run ends with the same values" "$(state "${files[1]}")" "$good"
for f in "${files[@]}"; do damage "$f"; done
before=$(digest "$tmp/ck")
train run.dir="$tmp/ck"; refused "all checkpoints damaged" $FORMAT "none of the 2 checkpoints in $tmp/ck/ck can be used" "run.resume=never"
expect "all checkpoints damaged: none is removed" "$(digest "$tmp/ck")" "$before"
damage "$tmp/ck/ck/best.a"
try eval "$tmp/a.yaml" run.dir="$tmp/ck"; refused "eval of a damaged checkpoint" $FORMAT "$tmp/ck/ck/best.a" damaged
verdict
