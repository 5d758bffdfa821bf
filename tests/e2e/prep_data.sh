#!/usr/bin/env bash
# TEST labels: e2e timeout: 240
# ltune-prep data as a pipeline: the file does not depend on threads, a full disk and a killed job leave nothing, an existing file is not replaced unasked; and
# what it says of a data set: repeated texts and leaks, shares, rows drawn by label, rows without labels, words with tags, rows that are left out.
# shellcheck source=tests/e2e/prep.bash
. "$(dirname "$0")/prep.bash"
the=$(id the) film=$(id film) good=$(id good) bad=$(id bad) story=$(id story) plot=$(id plot) great=$(id great)
tsv=(--format tsv --text 2 --label 1 -t "$bert")
json() { # json EXPRESSION...: what follows the words in the line of JSON, one after another
    local rest w
    rest=$(cat out)
    for w in "$@"; do rest=${rest#*"$w"}; done
    echo "${rest%%[,\}]*}" | tr -d ' "'
}
rows() { # rows N [SEED]: "label TAB text" of words that the small BERT knows; some texts repeat
    awk -v n="$1" -v seed="${2:-1}" 'BEGIN {
        srand(seed)
        k = split("the film movie story acting plot of and is was good great bad fine funny dull slow z\342\202\254", w)
        for (i = 0; i < n; i++) {
            s = w[1 + int(rand() * k)]
            for (m = int(rand() * 12); m > 0; m--) s = s " " w[1 + int(rand() * k)]
            print (rand() < 0.5 ? "neg" : "pos") "\t" s
        }
    }'
}
digests() { # of every array of a file, which tell files apart whatever made them
    h5dump -A "$1" | grep -E '(GROUP|DATASET) "|\(0\): "[0-9a-f]{64}"' | sha256sum
}

# ---- threads
rows 30000 >train.tsv
rows 3000 2 >dev.tsv
for n in 1 2 3 7; do
    prep data "${tsv[@]}" train.tsv dev.tsv --threads $n --max-length 9 -o threads$n.h5
    expect "$n threads" "$rc" 0
    expect "$n threads: the same arrays" "$(digests threads$n.h5)" "$(digests threads1.h5)"
done
prep data "${tsv[@]}" dev=train.tsv train=dev.tsv --threads 2 --max-length 9 -o other.h5
expect "control: other splits, other arrays" "$([ "$(digests other.h5)" = "$(digests threads1.h5)" ] && echo same || echo differ)" differ
core=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
for n in 1 2; do # the same command with other defaults
    rm -f same.h5
    if [ $n = 1 ]; then taskset -c "$core" "$prep" data "${tsv[@]}" train.tsv -o same.h5 >out 2>err; else prep data "${tsv[@]}" train.tsv -o same.h5; fi
    mv same.h5 same$n.h5
done
expect "the same command on one core and on all: the same bytes" "$(cmp same1.h5 same2.h5 && echo same)" same
printf 'pos\tgood\nneg\n' >short.tsv
cat train.tsv short.tsv train.tsv >broken.tsv
for n in 1 3; do refuses "an error behind many rows, $n threads" 16 'broken.tsv:30002:' -- data "${tsv[@]}" broken.tsv --threads $n -o bad.h5; done
refuses "no threads" 2 '--threads' 'from 1' -- data "${tsv[@]}" train.tsv --threads 0 -o bad.h5

# ---- files that are there, full disks, killed jobs
prep data "${tsv[@]}" dev.tsv -o old.h5
cp old.h5 kept.h5
prep data "${tsv[@]}" train.tsv -o old.h5
expect "a file that is there" "$rc $(says '--force replaces it') $(cmp old.h5 kept.h5 && echo kept)" "2 yes kept"
prep data "${tsv[@]}" train.tsv -o old.h5 --force
expect "--force" "$rc $(cmp -s old.h5 kept.h5 && echo kept || echo replaced)" "0 replaced"
cp old.h5 kept.h5
mkdir -p spool
for blocks in 1 300; do # of 1 KiB: no room for the temporary files, no room for the file
    rc=0
    (ulimit -f $blocks && TMPDIR=$tmp/spool "$prep" data "${tsv[@]}" train.tsv -o old.h5 --force) >out 2>err || rc=$?
    expect "no room, $blocks KiB: fails" "$rc" 15
    expect "no room, $blocks KiB: nothing left over" "$(find . -name 'old.h5.*' | wc -l) $(find spool | wc -l)" "0 1"
    expect "no room, $blocks KiB: the old file stays" "$(cmp old.h5 kept.h5 && echo same)" same
done
rc=0
(ulimit -f 200 && TMPDIR=$tmp/spool "$prep" data "${tsv[@]}" train.tsv -o new.h5) >out 2>err || rc=$?
expect "no room for temporary files: says where and what to do" \
    "$rc $(says "temporary file in $tmp/spool") $(says 'TMPDIR') $(says 'File too large')" "15 yes yes yes"
TMPDIR=$tmp/nowhere prep data "${tsv[@]}" train.tsv -o new.h5
expect "no such TMPDIR" "$rc $(says "$tmp/nowhere") $([ -e new.h5 ] || echo none)" "15 yes none"
mkfifo pipe
"$prep" data "${tsv[@]}" train=- -o killed.h5 <pipe >out 2>err &
pid=$!
disown $pid
exec 9>pipe
cat train.tsv >&9
sleep 0.5
kill -9 $pid
exec 9>&-
while kill -0 $pid 2>/dev/null; do sleep 0.1; done
expect "killed: no file, nothing left over" "$(find . -name '*killed*' -o -name '.ltune*' | wc -l)" 0

# ---- repeated texts and leaks
printf 'pos\tgood film\nneg\tbad film\npos\tgood film\nneg\tgood film\npos\tgreat\npos\tGreat\n' >train.tsv
printf 'pos\tgreat\nneg\tdull story\npos\tgood film\n' >dev.tsv
printf 'neg\tslow plot\n' >test.tsv
prep data "${tsv[@]}" train.tsv dev.tsv test.tsv -o l.h5 --json
expect "repeated in train" "$(json '"train":' '"repeated":')" 2
expect "texts with two labels" "$(json '"train":' '"disputed":') $(json '"dev":' '"disputed":')" "1 0"
expect "train also in dev: by text, not by ids" "$(json '"train":' '"also_in": {' '"dev":')" 4
expect "dev also in train" "$(json '"dev":' '"also_in": {' '"train":')" 2
expect "test is nowhere else" "$(grep -c '"also_in": {}' out)" 1
expect "leaks are told" "$(says "2 of the 3 rows of split 'dev'") $(says '--drop-leaks')" "yes yes"
expect "stored" "$(attribute l.h5 /report/dev/also_in_train) $(attribute l.h5 /report/train/repeated)" "2 2"
prep data "${tsv[@]}" train.tsv dev.tsv test.tsv -o l.h5 --json --drop-leaks --force
expect "--drop-leaks: rows" "$(values l.h5 /splits/train/tokens)" "2 $bad $film 3 2 $great 3"
expect "--drop-leaks: counted" "$(json '"train":' '"leaks_dropped":') $(json '"train":' '"repeated":') $(grep -c '"also_in": {}' out)" "4 0 1"
expect "--drop-leaks: nothing to warn of" "$(wc -c <err)" 0
expect "--drop-leaks: dev stays" "$(values l.h5 /splits/dev/label)" "1 0 1"
prep data "${tsv[@]}" train.tsv test.tsv -o l.h5 --force
expect "control: no leak, no warning" "$rc $(wc -c <err)" "0 0"
printf 'pos\tgreat\npos\tgood film\nneg\tbad film\npos\tGreat\n' >all.tsv
refuses "every text leaks" 16 "split 'train' has no row left" '--drop-leaks' -- data "${tsv[@]}" train.tsv dev=all.tsv --drop-leaks -o bad.h5
# a text TAB another is no text with a tab in it
printf '{"a": "good\\tfilm", "b": "plot", "y": "pos"}\n' >tab.jsonl
printf '{"a": "good", "b": "film\\tplot", "y": "neg"}\n%.0s' 1 2 >>tab.jsonl
prep data --format jsonl --text a --pair b --label y -t "$bert" train=tab.jsonl -o tab.h5 --json
expect "a tab in a text is no second text" "$rc $(json '"repeated":') $(json '"disputed":')" "0 1 0"
# more rows than are sorted at once: every number twice, the halves far apart
awk 'BEGIN { for (r = 0; r < 2; r++) for (i = 0; i < 300000; i++) print (i % 2 ? "neg" : "pos") "\t" (r ? (i * 7919) % 300000 : i) }' >many.tsv
awk 'BEGIN { for (i = 299990; i < 300010; i++) print "neg\t" i }' >few.tsv
prep data "${tsv[@]}" train=many.tsv dev=few.tsv -o many.h5 --json
expect "many rows: repeated" "$rc $(json '"train":' '"repeated":')" "0 300000"
expect "many rows: leaks" "$(json '"train":' '"also_in": {' '"dev":') $(json '"dev":' '"also_in": {' '"train":')" "20 10"
expect "many rows: disputed" \
    "$(json '"train":' '"disputed":')" "$(awk '{ y[$2] = y[$2] $1 } END { for (i in y) n += y[i] == "posneg" || y[i] == "negpos"; print n + 0 }' many.tsv)"

# ---- shares and seeds
rows 2000 5 | awk -F'\t' '{ print $1 "\t" $2 " " NR }' >all.tsv
share() { # share PREFIX LOW HIGH: lines whose text's hash lies between, by sha256sum alone
    while IFS=$'\t' read -r _ text; do
        x=$((16#$(printf '%s%s' "$1" "$text" | sha256sum | cut -c1-8)))
        if [ $((x * 10)) -ge $(($2 * 4294967296)) ] && [ $((x * 10)) -lt $(($3 * 4294967296)) ]; then echo; fi
    done < <(head -n 300 all.tsv) | wc -l
}
head -n 300 all.tsv >some.tsv
prep data "${tsv[@]}" some.tsv --split 0.8,0.1,0.1 -o a.h5
prep data "${tsv[@]}" some.tsv --hash-split 80,10,10 -o b.h5
prep data "${tsv[@]}" some.tsv --split 80,10,10 --seed 0 -o c.h5
expect "--split is --hash-split" "$(digests a.h5) $(digests c.h5)" "$(digests b.h5) $(digests b.h5)"
expect "seed 0: as sha256sum has it" "$(attribute a.h5 /splits/dev/sequences)" "$(share '' 8 9)"
prep data "${tsv[@]}" some.tsv --split 0.8,0.1,0.1 --seed 5 -o d.h5
expect "seed 5: as sha256sum has it" "$(attribute d.h5 /splits/train/sequences) $(attribute d.h5 /splits/test/sequences)" \
    "$(share $'5\t' 0 8) $(share $'5\t' 9 10)"
expect "control: another seed" "$([ "$(digests a.h5)" = "$(digests d.h5)" ] && echo same || echo differ)" differ
prep data "${tsv[@]}" train=some.tsv test.tsv --split 0.9,0.1 -o e.h5 --json
expect "a split by name beside shares" "$rc $(attribute e.h5 /splits/test/sequences) $(attribute e.h5 /splits/dev/sequences)" "0 1 $(share '' 9 10)"
refuses "a split by name that shares make" 2 "split 'test'" 'leave out one' -- data "${tsv[@]}" train=some.tsv test.tsv --split 0.8,0.1,0.1 -o bad.h5
refuses "both names" 2 '--hash-split' -- data "${tsv[@]}" some.tsv --split 0.5,0.5 --hash-split 50,50 -o bad.h5
refuses "a seed for nothing" 2 '--seed' -- data "${tsv[@]}" some.tsv --seed 3 -o bad.h5
for list in 0.8,0.1 0.8,0.1,0.2 1 a,b 0.5,0.25,0.25,0 8,1,1; do
    refuses "shares '$list'" 2 '--split' "\"$list\"" -- data "${tsv[@]}" --split "$list" some.tsv -o bad.h5
done
cat some.tsv some.tsv >twice.tsv
prep data "${tsv[@]}" twice.tsv --split 0.8,0.1,0.1 -o twice.h5 --json
expect "equal texts fall together" "$rc $(grep -c '"also_in": {"' out) $(attribute twice.h5 /splits/dev/sequences)" "0 0 $((2 * $(share '' 8 9)))"

# ---- rows per label
smallest() { # smallest PREFIX LABEL N: the texts of a label with the smallest hashes, in the order of the file
    while IFS=$'\t' read -r y text; do
        if [ "$y" = "$2" ]; then printf '%s\t%s\n' "$(printf '%s%s' "$1" "$text" | sha256sum | cut -c1-16)" "$text"; fi
    done <some.tsv | sort | awk -v n="$3" 'NR <= n' | cut -f2 | sort
}
texts() { # texts FILE: the rows of train, as text without the numbers' pieces
    "$prep" show "$1" --rows 1000 | sed -n 's/^  train\[[0-9]*\] \([a-z]*\): \[CLS\] \(.*\) \[SEP\]$/\1 \2/p' | sort
}
prep data "${tsv[@]}" some.tsv test.tsv --per-label 7 -o k.h5
expect "--per-label: exit code" "$rc" 2 # some.tsv is of no split
prep data "${tsv[@]}" train=some.tsv test.tsv --per-label 7 -o k7.h5 --json
expect "--per-label: rows" \
    "$rc $(attribute k7.h5 /splits/train/sequences) $(json '"train":' '"not_drawn":') $(json '"train":' '"labels": {' '"neg":')" "0 14 286 7"
(smallest '' neg 7 | sed 's/^/neg\t/'; smallest '' pos 7 | sed 's/^/pos\t/') >want.tsv
prep data "${tsv[@]}" train=want.tsv test.tsv -o want.h5
expect "--per-label: those with the smallest hashes" "$(texts k7.h5)" "$(texts want.h5)"
prep data "${tsv[@]}" train=some.tsv test.tsv --per-label 3 -o k3.h5
expect "--per-label: fewer are among more" "$(comm -23 <(texts k3.h5) <(texts k7.h5) | wc -l)" 0
prep data "${tsv[@]}" train=some.tsv test.tsv --per-label 7 --seed 4 -o s7.h5
expect "control: another seed" "$([ "$(texts s7.h5)" = "$(texts k7.h5)" ] && echo same || echo differ)" differ
prep data "${tsv[@]}" train=some.tsv test.tsv --per-label 200 -o k200.h5
expect "--per-label: too few" "$rc $(says 'fewer than --per-label 200') $(attribute k200.h5 /splits/train/sequences)" "0 yes 300"

# ---- rows without labels
printf 'sentence\tlabel\nthe film\t1\nbad story\t0\n' >train.sst.tsv
printf 'index\tsentence\n0\tgood film\n1\tthe plot\n' >test.sst.tsv
prep data --task sst2 train.sst.tsv test.sst.tsv -t "$bert" -o u.h5 --json
expect "a split without labels" "$rc $(values u.h5 /splits/test/label) $(grep -c '"unlabelled": true' out)" "0 -100 -100 1"
prep show u.h5
expect "a split without labels: shown" "$(says 'test: without labels') $(says 'test[0]: [CLS] good film')" "yes yes"
printf 'pos\tgood\n\tthe plot\nneg\tbad\n' >mixed.tsv
refuses "some rows without labels" 16 'mixed.tsv:2:' -- data "${tsv[@]}" train=mixed.tsv -o bad.h5
prep data "${tsv[@]}" train=mixed.tsv --unlabelled -o m.h5
expect "--unlabelled: a split of their own" "$rc $(values m.h5 /splits/train_unlabelled/tokens), $(values m.h5 /splits/train/label)" \
    "0 2 $the $plot 3, 1 0"
refuses "a split has that name" 2 'train_unlabelled' 'another name' -- \
    data "${tsv[@]}" train_unlabelled=some.tsv train=mixed.tsv --unlabelled -o bad.h5
printf 'good film\nthe plot\n' >test.txt
refuses "no labels at all" 16 '--labels' -- data --format tsv --text 1 --unlabelled -t "$bert" test.txt -o bad.h5
prep data --format tsv --text 1 --unlabelled --labels neg,pos -t "$bert" test.txt -o n.h5
expect "no labels at all, but names" "$rc $(values n.h5 /splits/test/label)" "0 -100 -100"
refuses "no label column" 2 '--label is missing' '--unlabelled' -- data --format tsv --text 1 -t "$bert" test.txt -o bad.h5

# ---- words with tags.  A word of nothing but U+200B has no token
printf 'Good B-PER\nfilming I-PER\nthe O\n\n\xe2\x80\x8b B-LOC\nplot O\nbad O\n\ngreat B-ORG\n\xe2\x80\x8b I-ORG\nstory I-ORG\n' >train.conll
printf 'zzz O\nfilm B-LOC\n' >dev.conll
conll=(--format conll -t "$bert" train.conll dev.conll)
prep data "${conll[@]}" -o w.h5 --json
expect "tags: exit code" "$rc" 0
expect "tags: labels" "$(values w.h5 /labels/name)" "O B-LOC I-LOC B-ORG I-ORG B-PER I-PER"
expect "tags: tokens" "$(values w.h5 /splits/train/tokens)" "2 $good $film $(id '##ing') $the 3 2 $plot $bad 3 2 $great $story 3"
expect "tags: of tokens" "$(values w.h5 /splits/train/token_label)" "-100 5 6 -100 0 -100 -100 0 0 -100 -100 3 4 -100"
expect "tags: of words" "$(values w.h5 /splits/train/word_label)" "5 6 0 1 0 0 3 4 4"
expect "tags: first tokens" "$(values w.h5 /splits/train/word_token)" "1 2 4 -1 1 2 1 -1 2"
expect "tags: words of sequences" "$(values w.h5 /splits/train/word_offsets)" "0 3 6 9"
expect "tags: counted" "$(json '"train":' '"words":') $(json '"train":' '"words_lost":') $(json '"train":' '"words_cut":')" "9 2 0"
prep show w.h5
expect "tags: shown" "$(says 'train[0]: good/B-PER filming/I-PER the') $(says 'train[1]: (no token)/B-LOC plot bad')" "yes yes"
prep data "${conll[@]}" --max-length 4 -o w4.h5 --json
expect "tags: cut" "$(values w4.h5 /splits/train/tokens), $(values w4.h5 /splits/train/word_token)" \
    "2 $good $film 3 2 $plot $bad 3 2 $great $story 3, 1 2 -1 -1 1 2 1 -1 2"
expect "tags: cut and counted" "$(json '"train":' '"words_lost":') $(json '"train":' '"words_cut":') $(json '"train":' '"truncated":')" "2 1 1"
expect "tags: of cut tokens" "$(values w4.h5 /splits/train/token_label)" "-100 5 6 -100 -100 0 0 -100 -100 3 4 -100"
for n in 1 2 3; do prep data "${conll[@]}" --threads $n -o w$n.h5 --force; done
expect "tags: threads" "$(digests w2.h5) $(digests w3.h5)" "$(digests w.h5) $(digests w.h5)"
prep data --format conll train.conll dev.conll --labels LOC,PER,ORG -t "$bert" -o o.h5
expect "tags: types in the order given" "$rc $(values o.h5 /labels/name)" "0 O B-LOC I-LOC B-PER I-PER B-ORG I-ORG"
refuses "tags: a type that is not given" 16 'train.conll:9:' 'B-ORG' -- data "${conll[@]}" --labels LOC,PER -o bad.h5
printf '{"w": ["good", "film"], "t": ["NN", "JJ"]}\n{"w": ["bad"], "t": ["NN"]}\n' >train.jsonl
prep data --format jsonl --text w --label t --tags --scheme plain -t "$bert" train.jsonl -o pos.h5
expect "tags: plain ones" "$rc $(values pos.h5 /labels/name), $(values pos.h5 /splits/train/token_label)" "0 JJ NN, -100 1 0 -100 -100 1 -100"
refuses "tags: rows per label" 2 '--per-label' -- data "${conll[@]}" --per-label 3 -o bad.h5
printf 'good\nfilm\n\nbad\n' >test.conll
prep data "${conll[@]}" test.conll --unlabelled --map 'PER=PERSON' -o x.h5
expect "tags: rows without" \
    "$rc $(values x.h5 /splits/test/token_label), $(values x.h5 /splits/test/word_label)" "0 -100 -100 -100 -100 -100 -100 -100, -100 -100 -100"

# ---- bytes that are no text, rows that give no token
printf 'pos\tgood\nneg\tb\xffd\npos\tfilm\n' >latin.tsv
refuses "not UTF-8" 16 'latin.tsv:2:' -- data "${tsv[@]}" train=latin.tsv -o bad.h5
prep data "${tsv[@]}" train=latin.tsv test.tsv --invalid skip -o i.h5 --json
expect "--invalid skip" "$rc $(attribute i.h5 /splits/train/sequences) $(json '"invalid_skipped":')" "0 2 1"
prep data "${tsv[@]}" train=latin.tsv test.tsv --invalid replace -o i.h5 --json --force
expect "--invalid replace" "$rc $(attribute i.h5 /splits/train/sequences) $(json '"invalid_replaced":')" "0 3 1"
refuses "--invalid perhaps" 2 '"perhaps"' -- data "${tsv[@]}" train=latin.tsv --invalid perhaps -o bad.h5
mkdir -p bare
printf '{"added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null, "model": {"type":
    "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"u": 0, "good": 1, "bad": 2}}}\n' >bare/tokenizer.json
printf 'pos\tgood\nneg\t\npos\t \nneg\tbad zzz\n' >train.tsv
prep data --format tsv --text 2 --label 1 -t bare train.tsv -o bare.h5 --json
expect "texts without a token are left out" "$rc $(values bare.h5 /splits/train/tokens) $(json '"no_token":') $(says 'train.tsv:2:')" "0 1 2 0 2 yes"
expect "unknown tokens" "$(json '"unknown":')" 1
mkdir -p framed
special='"single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true'
roberta='{"type": "RobertaProcessing", "sep": ["good", 1], "cls": ["good", 1], "trim_offsets": true, "add_prefix_space": false}'
sed "s/\"added_tokens\": \[\]/\"added_tokens\": [{\"id\": 1, \"content\": \"good\", $special}]/; s/\"post_processor\": null/\"post_processor\": $roberta/" \
    bare/tokenizer.json >framed/tokenizer.json
refuses "no room for a text" 2 '--max-length 4' '4 special tokens' -- data --format tsv --text 2 --label 1 -t framed train.tsv --max-length 4 -o bad.h5
prep data --format tsv --text 2 --label 1 -t framed train.tsv --max-length 5 -o framed.h5
expect "control: room for one token" "$rc $(values framed.h5 /splits/train/tokens)" "0 1 1 1 1 1 1 1 1 2 0 1"

# ---- the report in the file is the one that is printed
rows 500 3 >train.tsv
rows 50 4 >dev.tsv
prep data "${tsv[@]}" train.tsv dev.tsv --max-length 8 -o r.h5
grep -E '^(train|dev) ' out | sort >printed
prep show r.h5 --rows 0
expect "show prints the report" "$(grep -E '^(train|dev) ' out | sort)" "$(cat printed)"
lengths() { awk -F'\t' '{ n = split($2, w, " "); print n + 2 }' "$1" | sort -n; }
expect "p50, p90, p99, max" \
    "$(attribute r.h5 /report/train/p50) $(attribute r.h5 /report/train/p90) $(attribute r.h5 /report/train/p99) $(attribute r.h5 /report/train/max)" \
    "$(lengths train.tsv | awk '{ v[NR] = $1 } END { print v[int((NR * 50 + 99) / 100)], v[int((NR * 90 + 99) / 100)], v[int((NR * 99 + 99) / 100)], v[NR] }')"
expect "truncated" "$(attribute r.h5 /report/train/truncated)" "$(lengths train.tsv | awk '$1 > 8' | wc -l)"
expect "unknown" "$(attribute r.h5 /report/train/unknown)" "$(grep -o 'z€' train.tsv | wc -l)"
expect "label balance" "$(values r.h5 /report/train/labels)" "$(grep -c ^neg train.tsv) $(grep -c ^pos train.tsv)"
prep data --list
expect "--list" "$rc $(says sst2) $(says conll2003)" "0 yes yes"
verdict
