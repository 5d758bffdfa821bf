#!/usr/bin/env bash
# TEST labels: e2e timeout: 60
# ltune-prep by its command line: what lands in the data set (ids, labels, splits, words), what is counted, and what every kind of bad
# input is answered.
# shellcheck source=tests/e2e/prep.bash
. "$(dirname "$0")/prep.bash"
tsv=(--format tsv --text 2 --label 1 -t "$bert")

# ---- what lands in the file
the=$(id the) film=$(id film) good=$(id good) bad=$(id bad) story=$(id story)
printf 'pos\tThe film good\nneg\tbad film\r\nneg\tzzz€\n\npos\t\n' >train.tsv
printf 'neg\tbad story\npos\tgood story the\n' >dev.tsv
prep data "${tsv[@]}" train.tsv dev.tsv --words pos=great,neg=bad -o a.h5
expect "tsv: exit code" "$rc" 0
expect "tokens" "$(values a.h5 /splits/train/tokens)" "2 $the $film $good 3 2 $bad $film 3 2 $(id '[UNK]') 3 2 3"
expect "offsets" "$(values a.h5 /splits/dev/offsets)" "0 4 9"
expect "second texts: none" "$(values a.h5 /splits/dev/segment_offsets)" "4 9 9"
expect "labels are sorted" "$(values a.h5 /splits/train/label)" "1 0 0 1"
expect "label names" "$(values a.h5 /labels/name)" "neg pos"
expect "label words" "$(values a.h5 /labels/words)" "bad great"
expect "empty texts are counted" "$(awk '$1 == "train" { print $2, $4, $6 }' out)" "4 5 1"
expect "blank lines are counted" "$(says 'skipped: 1 blank lines')" yes
source_sha=$(cat train.tsv dev.tsv | sha256sum | cut -d' ' -f1)
expect "source hash" "$(h5dump -a /source_sha256 a.h5 | grep -c "$source_sha")" 1
tokenizer_sha=$(sha256sum <"$bert/vocab.txt" | cut -d' ' -f1)
expect "tokenizer hash" "$(h5dump -a /tokenizer_sha256 a.h5 | grep -c "$tokenizer_sha")" 1
mv a.h5 first.h5
prep data "${tsv[@]}" train.tsv dev.tsv --words pos=great,neg=bad -o a.h5
expect "the same again gives the same bytes" "$(cmp a.h5 first.h5 && echo same)" same
prep data "${tsv[@]}" train=dev.tsv later=train.tsv --labels pos,neg -o b.h5
expect "split named by SPLIT=FILE, labels in the order given" "$(values b.h5 /splits/later/label)" "0 1 1 0"
expect "negative control: another label order differs" "$(cmp -s a.h5 b.h5 && echo same || echo differs)" differs

for name in training-set my_train.2 valid.v1 x-validation 2test; do cp dev.tsv "$name.tsv"; done
prep data "${tsv[@]}" my_train.2.tsv x-validation.tsv 2test.tsv -o n.h5
expect "splits by the words of a name" "$rc $(awk '/^(train|dev|test) / { print $1, $2 }' out | sort | tr '\n' ' ')" "0 dev 2 test 2 train 2 "
prep data "${tsv[@]}" training-set.tsv valid.v1.tsv -o n.h5 --force
expect "other words for them" "$rc $(awk '/^(train|dev|test) / { print $1, $2 }' out | sort | tr '\n' ' ')" "0 dev 2 train 2 "
for name in latest invalid devices retrained contest train_dev; do
    cp dev.tsv "$name.tsv"
    refuses "no split in '$name'" 2 "which split is $name.tsv" -- data "${tsv[@]}" "$name.tsv" train.tsv -o bad.h5
done

# ---- pairs, header, truncation: the longer text is cut first
printf 'id\tone\ttwo\ty\n1\tthe film the film the film\tbad\tno\n2\tgood\tstory\tyes\n' >pairs.tsv
prep data --format tsv --text one --pair two --label y --max-length 6 -t "$bert" pairs.tsv -o p.h5 --json
expect "pair: tokens" "$(values p.h5 /splits/train/tokens)" "2 $the $film 3 $bad 3 2 $good 3 $story 3"
expect "pair: second texts" "$(values p.h5 /splits/train/segment_offsets)" "4 9 11"
expect "pair: cut and counted" "$(grep -o '"truncated": [0-9]*' out)" '"truncated": 1'
expect "json: one line" "$(wc -l <out) $(wc -c <err)" "1 0"
prep data --format tsv --header --text 2 --pair 3 --label 4 --max-length 6 -t "$bert" pairs.tsv -o q.h5
expect "columns by number under a header" "$(values q.h5 /splits/train/tokens)" "$(values p.h5 /splits/train/tokens)"

# ---- sign rule and hash split
for i in $(seq 100); do printf '%d\t%s\tthe film number %s\n' "$i" $((i % 10 - 4)).5 "$i"; done >rated.tsv
printf '101\t0\tthe story\n102\t-0.0\tthe film\n' >>rated.tsv
prep data --format tsv --text 3 --label 2 --label-rule sign --hash-split 80,10,10 -t "$bert" rated.tsv -o s.h5 --json
expect "sign rule: exit code" "$rc" 0
expect "sign rule: zeros left out" "$(grep -o '"left_out": [0-9]*' out)" '"left_out": 2'
expect "sign rule: names" "$(values s.h5 /labels/name)" "negative positive"
share() { # lines 1-100 whose text falls below a percentage, by sha256sum alone
    while IFS=$'\t' read -r _ _ text; do
        x=$(printf '%s' "$text" | sha256sum | cut -c1-8)
        echo $((16#$x * 100 < $1 * 4294967296))
    done < <(head -n 100 rated.tsv) | grep -c 1
}
sequences() { h5dump -a "/splits/$1/sequences" s.h5 | awk '/\(0\)/ { print $2 }'; }
train=$(share 80) upto_dev=$(share 90)
expect "hash split: train" "$(sequences train)" "$train"
expect "hash split: dev" "$(sequences dev)" $((upto_dev - train))
expect "hash split: test" "$(sequences test)" $((100 - upto_dev))
tac rated.tsv >reversed.tsv
cp s.h5 forth.h5
prep data --format tsv --text 3 --label 2 --label-rule sign --hash-split 80,10,10 -t "$bert" reversed.tsv -o s.h5 --force
expect "hash split: order of lines does not matter" "$(sequences dev)" $((upto_dev - train))

# ---- show
prep show a.h5 --rows 1
expect "show: decoded" "$(says 'train[0] pos: [CLS] the film good [SEP]')" yes
expect "show: words" "$(says 'label 1: pos, words "great"')" yes
cp -r "$bert" gone && prep data "${tsv[@]:0:6}" -t gone train.tsv -o g.h5 && rm -r gone
prep show g.h5
expect "show: ids where the tokenizer is gone" "$rc $(says "train[0] pos: 2 $the $film $good 3") $(says 'give it with -t DIR')" "0 yes yes"
prep show g.h5 -t "$bert"
expect "show -t" "$(says '[CLS] the film good [SEP]')" yes
head -c 3000 a.h5 >cut.h5
prep show cut.h5
expect "show: a truncated file" "$rc $(says cut.h5)" "16 yes"
prep show train.tsv
expect "show: not HDF5" "$rc" 16
prep show nowhere.h5
expect "show: no file" "$rc" 15

# ---- tokenize and model
printf 'the film\n\ngood\r\n' >lines.txt
prep tokenize -t "$bert" lines.txt
expect "tokenize" "$(cat out)" "2 $the $film 3
2 3
2 $good 3"
printf '"the film"\n["good", "bad"]\n' >lines.json
prep tokenize -t "$bert" --json lines.json
expect "tokenize --json" "$(cat out)" "2 $the $film 3
2 $good 3 $bad 3"
prep tokenize -t "$bert" --json --no-special lines.json
expect "tokenize --no-special" "$(cat out)" "$the $film
$good $bad"
echo "2 $the $film 3" >ids.txt
prep tokenize -t "$bert" --decode ids.txt
expect "tokenize --decode" "$(cat out)" "[CLS] the film [SEP]"
prep tokenize -t "$bert" --decode --no-special --json ids.txt
expect "tokenize --decode --no-special --json" "$(cat out)" '"the film"'
echo "2 99999" >ids.txt
refuses "an id outside the vocabulary" 16 'ids.txt:1:' '"99999"' -- tokenize -t "$bert" --decode ids.txt
refuses "not JSON" 16 'lines.txt:1:' -- tokenize -t "$bert" --json lines.txt
prep model "$bert"
expect "model" "$rc $(says 'bert: ') $(says 'tokenizer: WordPiece') $(says 'usable')" "0 yes yes yes"
mkdir -p bare && cp "$bert/config.json" "$bert/model.safetensors" bare/
prep model bare
expect "model without tokenizer" "$rc $(says 'tokenizer: none')" "0 yes"
refuses "model: an empty folder" 15 'config.json' -- model .

# ---- bad input
refuses "no command" 2 'usage: ltune-prep' --
refuses "unknown command" 2 'frobnicate' -- frobnicate
refuses "unknown option" 2 '--frobnicate' -- data --frobnicate train.tsv
refuses "no tokenizer given" 2 '-t DIR' -- data --format tsv --text 2 --label 1 train.tsv -o bad.h5
refuses "no output given" 2 '-o OUT.h5' -- data "${tsv[@]}" train.tsv
refuses "neither task nor format" 2 '--task' -- data -t "$bert" train.tsv -o bad.h5
refuses "unknown task" 2 '"mnist"' 'sst2, sst5, cola, rte' -- data --task mnist train.tsv -t "$bert" -o bad.h5
refuses "unknown format" 2 '"xml"' 'tsv' -- data --format xml --text 1 --label 2 train.tsv -t "$bert" -o bad.h5
refuses "column 0" 2 '--text' 'from 1' -- data --format tsv --text 0 --label 1 train.tsv -t "$bert" -o bad.h5
refuses "no label column" 2 '--label is missing' -- data --format tsv --text 2 train.tsv -t "$bert" -o bad.h5
for list in 80,10 80,10,10,0 80,20,0 a,b 101,-1 100 '80;20' 80,,20 '' '80,20,'; do
    refuses "hash split '$list'" 2 '--hash-split' "\"$list\"" -- data "${tsv[@]}" --hash-split "$list" train.tsv -o bad.h5
done
refuses "max length" 2 '--max-length' '"many"' -- data "${tsv[@]}" --max-length many train.tsv -o bad.h5
refuses "words for a label that is not there" 2 '"good"' 'neg, pos' -- data "${tsv[@]}" --words good=great train.tsv -o bad.h5
refuses "task with columns" 2 '--text' -- data --task sst2 --text 1 train.tsv -t "$bert" -o bad.h5
cp train.tsv odd.tsv
refuses "which split" 2 'odd.tsv' 'train=odd.tsv' -- data "${tsv[@]}" odd.tsv dev.tsv -o bad.h5
refuses "missing file" 15 'nowhere.tsv' 'No such file' -- data "${tsv[@]}" nowhere.tsv -o bad.h5
refuses "a folder with none of the files" 15 'bare' 'train, dev' -- data --task sst2 bare -t "$bert" -o bad.h5
refuses "folder without tokenizer" 15 'no tokenizer in bare' 'vocab.txt' -- data --format tsv --text 2 --label 1 train.tsv -t bare -o bad.h5
refuses "output in no folder" 15 'nowhere/bad.h5' -- data "${tsv[@]}" train.tsv -o nowhere/bad.h5
refuses "output is a folder" 2 'is a folder' -- data "${tsv[@]}" train.tsv -o bare
refuses "output is an input" 2 'overwrite' -- data "${tsv[@]}" train.tsv -o train.tsv
expect "the input is still there" "$(wc -l <train.tsv)" 5
printf 'pos\tgood\nneg\n' >short.tsv
refuses "missing column" 16 'short.tsv:2:' 'column 2' '1 column' -- data "${tsv[@]}" short.tsv -o bad.h5
printf '\none\ttwo\n' >blank_first.tsv
refuses "a name, and a header after an empty line" 16 'blank_first.tsv:1: expected a header' -- \
    data --format tsv --text 1 --label two -t "$bert" blank_first.tsv -o bad.h5
refuses "no such name in the header" 16 'pairs.tsv:1:' '"three"' '"one", "two"' -- \
    data --format tsv --text three --label y pairs.tsv -t "$bert" -o bad.h5
refuses "unknown label" 16 'train.tsv:2:' '"neg"' 'pos, none' -- data "${tsv[@]}" --labels pos,none train.tsv -o bad.h5
printf 'sentence\tlabel\ngood\t1\nbad\t2\n' >train.sst.tsv
refuses "unknown label of a preset" 16 'train.sst.tsv:3:' 'label 2' 'negative is 0' -- data --task sst2 train.sst.tsv -t "$bert" -o bad.h5
printf 'pos\tgood\n\tbad\n' >nolabel.tsv
refuses "empty label" 16 'nolabel.tsv:2:' 'empty' -- data "${tsv[@]}" nolabel.tsv -o bad.h5
refuses "one label only" 16 'same label "pos"' -- data "${tsv[@]}" <(printf 'pos\tgood\n') -o bad.h5
refuses "a rating that is none" 16 'train.tsv:1:' '"pos"' -- data --format tsv --text 2 --label 1 --label-rule sign train.tsv \
    -t "$bert" -o bad.h5
printf 'pos\tgood\nneg\tna\xefve\n' >latin.tsv
refuses "not UTF-8" 16 'latin.tsv:2:' '0xef' 'iconv' -- data "${tsv[@]}" latin.tsv -o bad.h5
printf 'pos\tgood\nneg\tb\0d\n' >nul.tsv
refuses "NUL bytes" 16 'nul.tsv:2:' 'NUL' -- data "${tsv[@]}" nul.tsv -o bad.h5
: >empty.tsv
refuses "empty file" 16 'empty.tsv' 'empty' -- data "${tsv[@]}" empty.tsv -o bad.h5
printf 'pos\tgood\nneg\tbad\n' >two.tsv
refuses "a split gets nothing" 16 'got no samples' -- data "${tsv[@]}" --hash-split 98,1,1 two.tsv -o bad.h5

# ---- nothing half-written: a failure at the last step leaves the old file as it was
cp a.h5 old.h5
rc=0
(trap '' XFSZ && ulimit -f 1 && "$prep" data "${tsv[@]}" rated.tsv -o old.h5 --force --text 3) >out 2>err || rc=$?
expect "no room on the disk: fails" "$rc $(says 'old.h5')" "15 yes"
expect "no room on the disk: nothing left over" "$(find . -name 'old.h5.*' | wc -l)" 0
expect "no room on the disk: the old file stays" "$(cmp a.h5 old.h5 && echo same)" same
for c in model data tokenize show; do
    prep $c --help
    expect "$c --help" "$rc $(says "usage: ltune-prep $c") $(says example)" "0 yes yes"
done
prep --version
expect "--version" "$rc $(grep -c '^ltune-prep [0-9]' out)" "0 1"

# ---- the presets on made-up files: both orders of SST-2's columns, its authors' name of the text, CRLF, a byte order mark
story=$(id story)
mkdir -p sst cola_ rte_
printf 'sentence\tlabel\nthe film\t1\nbad story\t0\n' >sst/train.tsv
printf '\xef\xbb\xbflabel\tsentence\r\n0\tbad film\r\n1\tgood\r\n' >sst/dev.tsv
prep data --task sst2 sst -t "$bert" -o sst2.h5
expect "made-up sst2" "$rc $(values sst2.h5 /splits/train/tokens), $(values sst2.h5 /splits/train/label)" "0 2 $the $film 3 2 $bad $story 3, 1 0"
expect "made-up sst2: label first, BOM, CRLF" "$(values sst2.h5 /splits/dev/tokens), $(values sst2.h5 /splits/dev/label)" "2 $bad $film 3 2 $good 3, 0 1"
expect "made-up sst2: words" "$(values sst2.h5 /labels/name), $(values sst2.h5 /labels/words)" "negative positive, negative positive"
printf 'content\tlabel\r\nthe story\t0\r\ngood\t1' >train.sst.tsv
prep data --task sst2 train.sst.tsv -t "$bert" -o sst2.h5 --force
expect "made-up sst2: column 'content', no last line end" "$rc $(values sst2.h5 /splits/train/tokens), $(values sst2.h5 /splits/train/label)" \
    "0 2 $the $story 3 2 $good 3, 0 1"
printf '\xef\xbb\xbfgj04\t1\t\tthe film\r\ngj04\t0\t*\tstory the bad\r\n' >cola_/in_domain_train.tsv
printf 'gj04\t0\t*\tbad good\n' >cola_/in_domain_dev.tsv
prep data --task cola cola_ -t "$bert" -o cola.h5
expect "made-up cola" "$rc $(values cola.h5 /splits/train/tokens), $(values cola.h5 /splits/train/label)" "0 2 $the $film 3 2 $story $the $bad 3, 1 0"
expect "made-up cola: dev, words" "$(values cola.h5 /splits/dev/tokens), $(values cola.h5 /labels/words)" "2 $bad $good 3, unacceptable acceptable"
printf 'index\tsentence1\tsentence2\tlabel\n0\tthe film\tgood story\tnot_entailment\n1\tbad\tthe\tentailment\n' >rte_/train.tsv
printf '\xef\xbb\xbflabel\tsentence2\tsentence1\r\nentailment\tfilm\tstory\r\n' >rte_/dev.tsv
prep data --task rte rte_ -t "$bert" -o rte.h5
expect "made-up rte" "$rc $(values rte.h5 /splits/train/tokens), $(values rte.h5 /splits/train/label)" "0 2 $the $film 3 $good $story 3 2 $bad 3 $the 3, 1 0"
expect "made-up rte: second texts" "$(values rte.h5 /splits/train/segment_offsets)" "4 10 12"
expect "made-up rte: columns in another order, BOM, CRLF" "$(values rte.h5 /splits/dev/tokens), $(values rte.h5 /splits/dev/label)" "2 $story 3 $film 3, 0"
printf 'sentence\tlabel\nthe film\tgreat\nbad\t0\n' >train.sst.tsv
refuses "made-up sst2: a label that is none" 16 'train.sst.tsv:2:' '"great"' 'negative, positive' -- data --task sst2 train.sst.tsv -t "$bert" -o bad.h5

# ---- the presets on the real files, where they are
shared=$source_dir/../shared/data
if [ -d "$shared/sst2" ]; then
    for task in sst2 cola rte; do
        prep data --task $task "$shared/$task" -t "$bert" -o $task.h5 --json --force
        expect "$task: exit code" "$rc" 0
        lines=$(cat "$shared/$task"/*train.tsv | wc -l)
        [ $task = cola ] || lines=$((lines - 1))
        expect "$task: every line of train" "$(grep -o '"train": {"sequences": [0-9]*' out)" "\"train\": {\"sequences\": $lines"
    done
    first=$(head -n 2 "$shared/rte/train.tsv" | tail -n 1)
    json=$(awk -F'\t' '{ printf "[\"%s\", \"%s\"]", $2, $3 }' <<<"$first")
    expect "rte: first pair" "$(values rte.h5 /splits/train/tokens | cut -d' ' -f1-40)" \
        "$( (echo "$json"; awk -F'\t' 'NR == 3 { printf "[\"%s\", \"%s\"]\n", $2, $3 }' "$shared/rte/train.tsv") |
            "$prep" tokenize -t "$bert" --json | tr '\n' ' ' | cut -d' ' -f1-40)"
    expect "rte: first label" "$(values rte.h5 /splits/train/label | cut -d' ' -f1-2)" "1 0"
else
    echo "the real data sets are not beside this tree: presets were checked on made-up files only"
fi

verdict
