#!/usr/bin/env bash
# TEST labels: e2e timeout: 120
# The readers of ltune-prep through a program that prints their rows: every format and preset by small files written here, every refusal with its
# line, and where they are at hand, the data sets themselves against counts made with other tools.
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
bin=${LT_BIN:-$source_dir/build/release/bin}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
passed=0 failed=0

expect() { # expect WHAT FOUND WANTED
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        printf "FAILED: %s: found '%s', expected '%s'\n" "$1" "$2" "$3"
        sed 's/^/  | /' err | cut -c1-400
    fi
}
read_rows() { # rows in out, what follows them in info, messages in err, exit code in rc
    rc=0
    "$bin/read_rows" "$@" >all 2>err || rc=$?
    grep -v '^# ' all >out || true
    grep '^# ' all >info || true
}
rows() { tr '\t' '|' <out | paste -sd'~'; } # all rows on one line
gives() { # gives WHAT ROWS ARGS...
    local what=$1 wanted=$2
    shift 2
    read_rows "$@"
    expect "$what" "$rc $(rows)" "0 $wanted"
}
refuses() { # refuses WHAT WORDS... -- ARGS...
    local what=$1 words=()
    shift
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    read_rows "$@"
    expect "$what: is refused" "$((rc >= 10))" 1
    for w in "${words[@]}"; do expect "$what: says '$w'" "$(grep -qF -- "$w" err && echo yes || echo no)" yes; done
}
says() { grep -qF -- "$1" info && echo yes || echo no; }
tsv=(format=tsv text=2 label=1) csv=(format=csv text=1 label=2)

# ---- TSV
printf 'pos\ta "b c\nneg\td\r\n\nneg\t\n' >a.tsv
gives "tsv: quotes mean nothing, CRLF, blank line, empty text" '1|pos|a "b c~2|neg|d~4|neg|' "${tsv[@]}" header=no a.tsv
expect "tsv: blank lines" "$(says 'blank 1,')" yes
expect "tsv: hash" "$(says "$(sha256sum <a.tsv | cut -d' ' -f1)")" yes
printf '\xef\xbb\xbflabel\tText\tid\r\n1\ta b\t7\r\n' >h.tsv
gives "tsv: names in the header, BOM, letter case" '2|1|a b' format=tsv text=text label=label h.tsv
gives "tsv: a number under a header" '2|1|a b' format=tsv text=2 label=1 header=yes h.tsv
gives "tsv: last line without end" '1|a|b' "${tsv[@]}" <(printf 'a\tb')
printf 'pos\ta\nneg\n' >x.tsv
refuses "tsv: a column is missing" 'x.tsv:2:' 'column 2 (the text)' 'has 1 column' -- "${tsv[@]}" x.tsv
printf 'label\ttext\npos\ta\tb\n' >x.tsv
refuses "tsv: a column too many under a header" 'x.tsv:2:' '3 columns' -- format=tsv text=text label=label x.tsv
refuses "tsv: no such name" 'x.tsv:1:' '"body"' '"label", "text"' -- format=tsv text=body label=label x.tsv
: >empty
refuses "an empty file" 'empty: no line with text' 'the file is empty' -- "${tsv[@]}" empty
printf 'label\ttext\n' >x.tsv
refuses "a header alone" 'after the header' -- format=tsv text=text label=label x.tsv
refuses "no file" 'nowhere.tsv' -- "${tsv[@]}" nowhere.tsv
refuses "a folder" 'folder' -- "${tsv[@]}" .

# ---- CSV
printf '"a, ""b""\nc",pos\r\nd,"neg"\r\n"",pos\n' >a.csv
gives "csv: separators, quotes and line ends in quotes" '1|pos|a, "b"\nc~3|neg|d~4|pos|' "${csv[@]}" header=no a.csv
gives "csv: quotes within a field" '1|x|5" disk' "${csv[@]}" <(printf '5" disk,x\n')
gives "csv: by semicolons" '2|x|a;b' format=csv sep=';' text=text label=label <(printf 'text;label\n"a;b";x\n')
gives "csv: by tabs" '2|x|b\tc' format=csv sep="$(printf '\t')" text=text label=label <(printf 'text\tlabel\n"b\tc"\tx\n')
printf 'a,pos\n"b,neg\nc,pos\n' >x.csv
refuses "csv: a quote that is never closed" 'x.csv:2:' 'never closed' -- "${csv[@]}" x.csv
printf 'a,pos\n"b\nc" d,neg\n' >x.csv
refuses "csv: text behind a closing quote" 'x.csv:3:' 'opens in line 2' 'written twice' -- "${csv[@]}" x.csv
printf 'text,label\na,b,pos\n' >x.csv
refuses "csv: a separator without quotes" 'x.csv:2:' '3 columns' 'must be in quotes' -- format=csv text=text label=label x.csv

# ---- JSON lines
printf '{"text": "a \\u00e9\\n", "label": 1}\n\n{"label": null, "text": "b"}\n{"text": "c", "label": 5.0, "n": 123456789012345678901234567890}\n' >a.jsonl
gives "jsonl: numbers, null, a number that no integer holds" '1|1|a é\n~3|?|b~4|5|c' format=jsonl text=text label=label a.jsonl
gives "jsonl: a path" '1|x|deep|two' format=jsonl text=a.b pair=pair label=a.c <(printf '{"a": {"b": "deep", "c": "x"}, "pair": "two"}\n')
printf '{"w": ["New", "York"], "t": ["B-LOC", "I-LOC"]}\n{"w": [], "t": []}\n{"w": ["a"], "t": ["O"]}\n' >w.jsonl
gives "jsonl: words" '1|New/B-LOC|York/I-LOC~3|a/O' format=jsonl words=1 text=w label=t w.jsonl
gives "jsonl: tags by number" '1|a/B-X|b/I-X|c/O' format=jsonl words=1 text=w label=t tags=O,B-X,I-X <(printf '{"w": ["a","b","c"], "t": [1,2,0]}\n')
bad() { printf '{"text": "a", "label": "x"}\n%s\n' "$1" >x.jsonl; }
bad '{"text": "b", "label": "x"'
refuses "jsonl: half an object" 'x.jsonl:2:' 'not JSON' -- format=jsonl text=text label=label x.jsonl
bad '{"text": 5, "label": "x"}'
refuses "jsonl: a text that is none" 'x.jsonl:2:' '"text" should be a string' -- format=jsonl text=text label=label x.jsonl
bad '{"body": "b", "label": "x"}'
refuses "jsonl: a missing field" 'x.jsonl:2:' 'no field "text"' '"body"' -- format=jsonl text=text label=label x.jsonl
bad '{"text": "b", "text": "c", "label": "x"}'
refuses "jsonl: a field twice" 'x.jsonl:2:' 'duplicate' -- format=jsonl text=text label=label x.jsonl
bad "{\"text\": $(head -c 10000 /dev/zero | tr '\0' '[')"
refuses "jsonl: 10,000 levels" 'x.jsonl:2:' 'depth' -- format=jsonl text=text label=label x.jsonl
printf '{"w": ["a", "b"], "t": ["O"]}\n' >x.jsonl
refuses "jsonl: more words than tags" 'x.jsonl:1:' '2 words' '1 tags' -- format=jsonl words=1 text=w label=t x.jsonl
printf '{"w": ["a"], "t": [7]}\n' >x.jsonl
refuses "jsonl: a tag out of range" 'x.jsonl:1:' 'unknown tag 7' '0 to 2' -- format=jsonl words=1 text=w label=t tags=O,B-X,I-X x.jsonl
refuses "jsonl: an array of objects" 'jq' -- format=jsonl text=text label=label <(printf '[{"text": "a"}]\n')

# ---- CoNLL
printf -- '-DOCSTART- -X- O\n\nNew NNP I-LOC\nYork NNP I-LOC\nParis NNP B-LOC\n\n\n# 1 note of four columns\n# NN O\nis VB O\n' >a.conll
gives "conll: IOB1, documents, comments, a '#'" '3|New/B-LOC|York/I-LOC|Paris/B-LOC~9|#/O|is/O' format=conll a.conll
expect "conll: scheme" "$(says 'tag scheme iob1') $(says 'left out 1,')" "yes yes"
gives "conll: another column" '3|New/NNP|York/NNP|Paris/NNP~9|#/NN|is/VB' format=conll label=2 a.conll
gives "conll: tabs, BIOES" '1|a b/B-X|c/I-X|d/B-Y' format=conll <(printf 'a b\tB-X\nc\tE-X\nd\tS-Y\n')
gives "conll: tags without prefix" '1|a/B-X|b/I-X|c/O|d/O|e/O' format=conll <(printf 'a X\nb X\nc O\nd O\ne O\n')
gives "conll: the same as plain tags" '1|a/X|b/X|c/O|d/O|e/O' format=conll scheme=plain <(printf 'a X\nb X\nc O\nd O\ne O\n')
gives "conll: the same, each a beginning" '1|a/B-X|b/B-X|c/O|d/O|e/O' format=conll scheme=begin <(printf 'a X\nb X\nc O\nd O\ne O\n')
gives "conll: no tags" '1|a/?|b/?~4|c/?' format=conll <(printf 'a\nb\n\nc\n')
printf 'a B-X\nb I-X\nc O\n\nd S-X\n' >x.conll
refuses "conll: a tag of another scheme" 'x.conll:5:' '"S-X"' 'scheme iob2' -- format=conll scheme=iob2 x.conll
printf 'a B-X\nb\n' >x.conll
refuses "conll: a tag is missing" 'x.conll:2:' 'the tag' '1 column' -- format=conll x.conll
gives "conll: beginnings that were missing" '1|a/B-X|b/I-X|c/B-X' format=conll scheme=iob2 <(printf 'a I-X\nb I-X\nc B-X\n')
expect "conll: are counted" "$(says 'stray 1')" yes

# ---- texts and labels in two files
printf 'a b\nc\n\n' >dev_text.txt
printf 'x\ny\n\n' >dev_labels.txt
gives "lines" '1|x|a b~2|y|c' format=lines dev_text.txt
expect "lines: hash of both" "$(says "$(cat dev_text.txt dev_labels.txt | sha256sum | cut -d' ' -f1)")" yes
printf 'x\n' >dev_labels.txt
refuses "lines: labels end first" 'dev_text.txt has more lines' 'dev_labels.txt' -- format=lines dev_text.txt
rm dev_labels.txt
refuses "lines: no labels" 'looked for dev_labels.txt' -- format=lines dev_text.txt
gives "lines: none wanted" '1|?|a b~2|?|c' format=lines label_file= dev_text.txt

# ---- labels
printf '2.5\ta\n-1\tb\n0\tc\n' >r.tsv
gives "sign" '1|positive|a~2|negative|b' "${tsv[@]}" rule=sign r.tsv
expect "sign: left out" "$(says 'left out 1,')" yes
gives "ranges of numbers" '1|middle|a~2|low|b~3|low|c' "${tsv[@]}" rule=bins r.tsv
gives "a map" '1|positive|a~2|negative|b~3|other|c' "${tsv[@]}" map=1 <(printf 'yes\ta\nno\tb\nother\tc\n')
gives "none" '1|x|a~2|?|b' "${tsv[@]}" unlabelled=-1 <(printf 'x\ta\n-1\tb\n')
gives "class numbers from 0" '1|n|a~2|p|b~3|p|c' "${tsv[@]}" labels=n,p base=-1 <(printf '0\ta\n1\tb\nP\tc\n')
gives "class numbers from 1" '1|p|a~2|n|b' "${tsv[@]}" labels=n,p base=-1 <(printf '2\ta\n1\tb\n')
expect "class numbers: said" "$(says 'labels count from 1 (n is 1)')" yes
printf '1\ta\n1\tb\n' >x.tsv
refuses "class numbers that do not say" 'x.tsv:1:' 'count from 0 or from 1' '--label-base' -- "${tsv[@]}" labels=n,p base=-1 x.tsv
printf '0\ta\n1\tb\n2\tc\n' >x.tsv
refuses "class numbers out of range" 'x.tsv:3:' 'unknown label 2' '0 to 1' -- "${tsv[@]}" labels=n,p base=-1 x.tsv
printf 'n\ta\nq\tb\n' >x.tsv
refuses "an unknown label" 'x.tsv:2:' '"q"' 'n, p' -- "${tsv[@]}" labels=n,p x.tsv
printf 'n\ta\n\tb\n' >x.tsv
refuses "an empty label" 'x.tsv:2:' 'column 1' 'empty' -- "${tsv[@]}" x.tsv

# ---- bytes
printf 'x\ta\nx\tb\xe4c\xe2\x82\nx\td\0e\n' >l1.tsv
refuses "no UTF-8" 'l1.tsv:2:' 'byte 4 of the line (0xe4)' 'iconv' -- "${tsv[@]}" l1.tsv
gives "no UTF-8: replaced" '1|x|a~2|x|b�c�~3|x|d�e' "${tsv[@]}" bytes=replace l1.tsv
expect "replaced: counted" "$(says 'replaced 2,')" yes
gives "no UTF-8: skipped" '1|x|a' "${tsv[@]}" bytes=skip l1.tsv
expect "skipped: counted" "$(says 'skipped 2,')" yes
gives "NUL kept" '1|x|d\0e' "${tsv[@]}" keep_nul=1 <(printf 'x\td\0e\n')
gives "NUL in JSON kept" '1|?|d\0e' format=jsonl text=t keep_nul=1 <(printf '{"t": "d\\u0000e"}\n')
printf '{"t": "a"}\n{"t": "x\\ud800y"}\n' >s.jsonl
refuses "half a pair of surrogates" 's.jsonl:2:' -- format=jsonl text=t s.jsonl
gives "half a pair of surrogates: replaced" '1|?|a~2|?|x�y' format=jsonl text=t bytes=replace s.jsonl
gives "half a pair of surrogates: skipped" '1|?|a' format=jsonl text=t bytes=skip s.jsonl
for kind in 'PK\003\004:zip' '\377\376a\0:UTF-16' 'PAR1:Parquet' '\211HDF\r\n\032\n:HDF5' '\375\067zXZ\0:xz'; do
    # shellcheck disable=SC2059
    printf "${kind%%:*}" >x.tsv
    refuses "no text: ${kind##*:}" 'x.tsv is no text' "${kind##*:}" -- "${tsv[@]}" x.tsv
done

# ---- gzip, standard input, long rows
gzip -c a.csv >a.csv.gz
gives "gzip" '1|pos|a, "b"\nc~3|neg|d~4|pos|' "${csv[@]}" a.csv.gz
expect "gzip: hash of the file on disk" "$(says "$(sha256sum <a.csv.gz | cut -d' ' -f1)")" yes
(gzip -c a.csv; printf 'z,pos\n' | gzip -c) >two.csv.gz
gives "gzip: two members" '1|pos|a, "b"\nc~3|neg|d~4|pos|~5|pos|z' "${csv[@]}" two.csv.gz
head -c 30 a.csv.gz >cut.csv.gz
refuses "gzip: cut off" 'cut.csv.gz' 'cut off' -- "${csv[@]}" cut.csv.gz
(head -c 25 a.csv.gz; printf 'xxxxxxxx'; tail -c +34 a.csv.gz) >hurt.csv.gz
refuses "gzip: damaged" 'hurt.csv.gz' -- "${csv[@]}" hurt.csv.gz
read_rows "${csv[@]}" - < <(cat a.csv.gz)
expect "gzip from standard input" "$rc $(rows)" '0 1|pos|a, "b"\nc~3|neg|d~4|pos|'
(printf 'x\t'; head -c 100000000 /dev/zero | tr '\0' 'a'; printf '\ny\tb\n') >long.tsv
QUIET=1 read_rows "${tsv[@]}" long.tsv
expect "a line of 100 MB" "$rc $(says 'lines 2,')" "0 yes"
(printf '"'; head -c 20000000 /dev/zero | tr '\0' '\n'; printf '",x\n') | QUIET=1 "$bin/read_rows" "${csv[@]}" - >info
expect "a field of 20 million lines, from a pipe" "$(says 'lines 20000001,')" yes
rm long.tsv
(printf 'x\ta\n'; for _ in 1 2 3 4 5 6 7 8; do head -c 2000000 /dev/zero | tr '\0' '\n'; done; printf 'y\tb\n') >blank.tsv
gives "rows far apart" '1|x|a~16000002|y|b' "${tsv[@]}" blank.tsv
rm blank.tsv

# ---- presets: the authors' files and exports
printf 'label\tcontent\n0\ta\n' >p.tsv
gives "sst2: columns in another order" '2|negative|a' preset=sst2 p.tsv
gives "sst2: an export" '2|positive|a, b~3|?|c' preset=sst2 <(printf 'sentence,label,idx\n"a, b",1,0\nc,-1,1\n')
gives "sst2: test file" '2|?|a' preset=sst2 <(printf 'index\tsentence\n0\ta\n')
gives "sst2: JSON" '1|positive|a' preset=sst2 <(printf '{"idx": 0, "sentence": "a", "label": 1}\n')
gives "sst5: names and numbers" '1|very positive|a~2|neutral|b' preset=sst5 <(printf '{"text": "a", "label": 4}\n{"text": "b", "label": "neutral"}\n')
printf '(3 (2 It) (4 (2 is) (3 good)))\n\n(0 (1 a\\/b) (2 (2 -LRB-) (2 c) (2 -RRB-)))\r\n( 4\t(2 x) )' >t.txt
gives "sst5: the authors' trees" '1|positive|It is good~3|very negative|a/b ( c )~4|very positive|x' preset=sst5 t.txt
gives "trees of other labels" '1|GOOD|It is' format=trees <(printf '(GOOD (2 It) is)\n')
for bad in '(3 (2 It)' '(3 (2 It)))' '(3 (2 It)) (2 a)' '(3 ((2 It)))' '(3 )' '(3)' '()' 'It is' '(3 (2 It)) a' '(5 (2 It))'; do
    printf '(1 (2 a))\n%s\n' "$bad" >bad.txt
    refuses "a tree: $bad" 'bad.txt:2:' -- preset=sst5 bad.txt
done
refuses "no trees" 'not as files of sst5' "authors' trees" -- preset=sst5 <(printf '(a film\n')
gives "cola: the authors' file" '1|acceptable|a~2|unacceptable|b' preset=cola <(printf 'gj\t1\t\ta\ngj\t0\t*\tb\n')
gives "cola: test file" '2|?|a' preset=cola <(printf 'index\tsentence\n0\ta\n')
gives "rte" '2|not_entailment|a|b' preset=rte <(printf 'index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n')
gives "rte: an export" '2|entailment|a|b' preset=rte <(printf 'sentence1,sentence2,label,idx\na,b,0,0\n')
gives "mnli" '2|neutral|a|b~3|?|c|d' preset=mnli <(printf 'index\tsentence1\tsentence2\tlabel1\tgold_label\n0\ta\tb\tx\tneutral\n1\tc\td\tx\t-\n')
gives "mnli: an export" '1|contradiction|a|b' preset=mnli <(printf '{"premise": "a", "hypothesis": "b", "label": 2}\n')
gives "agnews: the authors' file" '1|World|a b~2|Sci/Tech|c d' preset=agnews <(printf '"1","a","b"\n"4","c","d"\n')
gives "agnews: text, label from 0" '1|World|a~2|Sci/Tech|c' preset=agnews <(printf '"a",0\n"c",3\n')
expect "agnews: says so" "$(says 'labels count from 0')" yes
gives "agnews: text, label from 1" '1|World|a~2|Sci/Tech|c' preset=agnews <(printf '"a",1\n"c",4\n')
gives "agnews: a header" '2|Sports|a b' preset=agnews <(printf 'Class Index,Title,Description\n2,a,b\n')
gives "agnews: JSON" '1|World|a~2|Sports|b' preset=agnews <(printf '{"text": "a", "label": 0}\n{"text": "b", "label": 1}\n')
gives "twitterfin" '2|Bearish|a~3|Neutral|b' preset=twitterfin <(printf 'text,label\na,0\nb,2\n')
gives "imdb" '2|positive|a~3|negative|b' preset=imdb <(printf 'review,sentiment\na,positive\nb,neg\n')
gives "yelp: the authors' file" '1|negative|a~2|positive|b' preset=yelp <(printf '"1","a"\n"2","b"\n')
gives "yelp_full: an export" '1|5 stars|a~2|1 star|b' preset=yelp_full <(printf '{"label": 4, "text": "a"}\n{"label": 0, "text": "b"}\n')
gives "amazon: raw reviews" '1|5 stars|a~2|1 star|b' preset=amazon <(printf '{"overall": 5.0, "reviewText": "a"}\n{"overall": 1.0, "reviewText": "b"}\n')
gives "amazon: the authors' file" '1|3 stars|a b' preset=amazon <(printf '"3","a","b"\n')
gives "trec: the authors' file" '1|DESC|How did it begin ?~2|NUM|How many ?' preset=trec <(printf 'DESC:manner How did it begin ?\nNUM:count How many ?\n')
gives "trec: an export" '1|ENTY|a' preset=trec <(printf '{"text": "a", "coarse_label": 1, "fine_label": 5}\n')
gives "trec: an older export" '1|DESC|a~2|ABBR|b' preset=trec <(printf '{"text": "a", "label-coarse": 0}\n{"text": "b", "label-coarse": 2}\n')
gives "conll2003: an export" '1|a/B-PER|b/I-PER|c/O' preset=conll2003 <(printf '{"tokens": ["a","b","c"], "ner_tags": [1,2,0]}\n')
gives "conll2003: the authors' file" '3|U.N./B-ORG|official/O' preset=conll2003 <(printf -- '-DOCSTART- -X- -X- O\n\nU.N. NNP I-NP I-ORG\nofficial NN I-NP O\n')
gives "ontonotes5: a number a type" '1|a/B-GPE|b/O' preset=ontonotes5 <(printf '{"tokens": ["a","b"], "ner_tags": [13,0]}\n')
gives "ontonotes5: a number a tag" '1|a/B-LANGUAGE|b/I-LANGUAGE' preset=ontonotes5 <(printf '{"words": ["a","b"], "named_entities": [35,36]}\n')
gives "wnut17: an export" '1|a/B-corporation|b/I-corporation|c/O' preset=wnut17 <(printf '{"tokens": ["a","b","c"], "ner_tags": [1,2,0]}\n')
gives "wnut17: another export" '1|a/B-creative-work|b/I-creative-work|c/O' preset=wnut17 <(printf '{"tokens": ["a","b","c"], "tags": [1,7,12]}\n')
gives "wnut17: the authors' file" '1|a/B-creative-work|b/I-creative-work' preset=wnut17 <(printf 'a\tB-creative-work\nb\tI-creative-work\n')
refuses "a file of another task" 'not as files of rte are' 'sentence1, sentence2' '"label	content" (2 columns by tabs' -- preset=rte p.tsv
refuses "a file of another task: the row's fault" 'not as files of cola' 'TSV of 4 columns' 'unknown label "x"' -- preset=cola <(printf 'a\tx\tb\tc\n')
printf 'sentence\tlabel\na\t1\nb\t2\n' >p.tsv
refuses "a label that is none" 'p.tsv:3:' 'unknown label 2' 'negative is 0' -- preset=sst2 p.tsv
refuses "no such task" '"mnist"' 'sst2, sst5' -- preset=mnist p.tsv
read_rows list
expect "the list names every task" "$(grep -cE '^[a-z0-9_]+ ' out)" 15
expect "the list fits a screen" "$(awk 'length > 160' out | wc -l)" 0

# ---- what a file looks like
hint() { # hint FORMAT CONTENT WORDS
    printf '%b' "$2" >x.txt
    refuses "a hint at $3" "$3" -- format="$1" text=text label=label x.txt
}
hint tsv 'text,label\n"a, b",x\n' '--format csv'
hint csv 'text\tlabel\na\tx\n' '--format tsv'
hint csv 'text;label\na;x\n' "--separator ';'"
hint tsv '{"text": "a", "label": "x"}\n' '--format jsonl'
hint jsonl 'text\tlabel\na\tx\n' '--format tsv'
hint jsonl '{\n "text": "a"\n}\n' 'jq -c .'
hint tsv 'EU B-ORG\nrejects O\n' '--format conll'

# ---- the data sets themselves, where they are
shared=${LT_DATA:-$source_dir/../shared/data}
if [ -d "$shared/sst2" ]; then
    count() { read_rows "preset=$1" "$shared/$2"; wc -l <out; }
    expect "sst2: rows" "$(count sst2 sst2/train.tsv) $(count sst2 sst2/dev.tsv)" "67349 872"
    awk -F'\t' 'NR > 1 { sub(/\r$/, ""); print ($1 ? "positive" : "negative") "\t" $2 }' "$shared/sst2/train.tsv" >wanted
    read_rows preset=sst2 "$shared/sst2/train.tsv"
    expect "sst2: every text and label" "$(cut -f2- out | cmp - wanted && echo same)" same
    read_rows preset=sst2 "$shared/sst2/dev.tsv"
    expect "negative control: dev differs" "$(cut -f2- out | cmp -s - <(head -n 872 wanted) && echo same || echo differs)" differs
    expect "agnews: rows" "$(count agnews agnews/test.csv) $(count agnews agnews/train_5k_subset.csv)" "7600 5000"
    spans() { tr '\t' '\n' <out | grep -oE "/$1-[A-Z_]+$" | sort | uniq -c | awk '{ printf "%s%s ", $2, $1 }' | tr -d /; }
    for file in train valid; do
        read_rows preset=conll2003 "$shared/conll2003/$file.txt"
        for p in B I; do
            expect "conll2003 $file: $p- tags" "$(spans $p)" \
                "$(awk -v p="$p-" 'index($2, p) == 1 { n[$2]++ } END { for (t in n) print t n[t] }' "$shared/conll2003/$file.txt" | sort | tr '\n' ' ')"
        done
    done
    # IOB1 of the same: a B- that does not touch a span of its type becomes I-
    awk 'NF == 0 { before = "O"; print; next }
         { t = $2; if (t ~ /^B-/ && substr(before, 3) != substr(t, 3)) t = "I-" substr(t, 3); print $1, t; before = $2 }' \
        "$shared/conll2003/train.txt" >iob1.txt
    read_rows preset=conll2003 "$shared/conll2003/train.txt"
    cp out iob2.rows
    read_rows preset=conll2003 iob1.txt
    expect "conll2003: from IOB1 the same" "$(says 'tag scheme iob1') $(cmp out iob2.rows && echo same)" "yes same"
    read_rows preset=ontonotes5 "$shared/ontonotesv5/dev.jsonl"
    grep -o '"ner_tags": .*' "$shared/ontonotesv5/dev.jsonl" | grep -oE '[0-9]+' >numbers
    expect "ontonotes5: sentences, spans" "$(wc -l <out) $(spans B | grep -oE '[0-9]+' | sort -n | tr '\n' ' ')" \
        "8528 $(awk '$1 { n[$1]++ } END { for (t in n) print n[t] }' numbers | sort -n | tr '\n' ' ')"
fi

echo "readers: $passed passed, $failed failed"
[ $failed -eq 0 ]
