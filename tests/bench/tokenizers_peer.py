#!/usr/bin/env python3
"""Speed of Hugging Face's tokenizers on one thread: the peer of tokenizers.sh.

usage: tokenizers_peer.py save FOLDER OUT.json                  the tokenizer of a folder, as the file that the others load
       tokenizers_peer.py texts SHARED OUT_DIR MEGABYTES        sst2.txt, agnews.txt and synthetic.txt, one text a line
       tokenizers_peer.py encode TOKENIZER.json FILE            tokens and seconds of one pass over all lines, with special tokens
       tokenizers_peer.py load TOKENIZER.json [REPEATS]         seconds of reading it, the median of the repeats

encode_batch_fast, which keeps no places of tokens, over 10,000 lines at a time; RAYON_NUM_THREADS=1 and TOKENIZERS_PARALLELISM=false are set before the library is read.
The synthetic text is the same on every machine: words of the two data sets as Zipf has them, and in a word's place now and then one that nobody knows, a number, a piece of code,
or (one in twenty) a word of another script.  Needs tokenizers; save needs transformers too."""
import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import collections  # noqa: E402
import csv  # noqa: E402
import itertools  # noqa: E402
import pathlib  # noqa: E402
import random  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from tokenizers import Tokenizer  # noqa: E402

FOREIGN = """straße übermut größer naïve café ça très être où garçon façade ılık süt zażółć gęślą jaźń příliš žluťoučký kůň señor mañana ação coração съешь ещё этих мягких французских булок да выпей чаю привет
мир ξεσκεπάζω την ψυχοφθόρα καλημέρα κόσμε שלום עולם מה שלומך مرحبا بالعالم كيف حالك نمستے नमस्ते दुनिया क्षत्रिय ज्ञान 你好 世界 今天天气很好 我喜欢学习语言 東京は日本の首都です カタカナ ひらがな 안녕하세요 세계 한국어를 배웁니다
สวัสดีชาวโลก ภาษาไทย tiếng việt rất đẹp გამარჯობა բարեւ 😀 👍🏽 👩‍👩‍👧 ❤️""".split()
CODE = ["x+=1;", "foo_bar(baz)", "https://example.org/a?b=c&d=1", "#include", "a[i]->b", "user@example.com", "<br/>", "--help", "v2.10.3", "C++", "O(n^2)", "$HOME", "/usr/lib", "0x1F", "@user", "#tag"]
SYLLABLES = [a + b + c for a in ("", "b", "ch", "d", "fl", "gr", "k", "l", "m", "pr", "s", "str", "t", "v", "z") for b in "aeiouy" for c in ("", "l", "n", "r", "st", "x")]
BATCH = 10000


def synthetic(words, megabytes):
    """Lines of 5 to 60 words, until the size is reached."""
    r, left = random.Random(20240229), int(megabytes * 1e6)
    weights = list(itertools.accumulate(1.0 / (rank + 2.7) for rank in range(len(words))))
    while left > 0:
        line = r.choices(words, cum_weights=weights, k=r.randint(5, 60))
        for i in range(len(line)):
            odd = r.random()
            if odd < 0.05:
                line[i] = r.choice(FOREIGN)
            elif odd < 0.065:
                line[i] = "".join(r.choices(SYLLABLES, k=r.randint(2, 5)))
            elif odd < 0.085:
                line[i] = r.choice((str(r.randrange(100)), str(r.randrange(1900, 2030)), f"{r.randrange(10**6):,}", f"{r.random() * 100:.2f}%"))
            elif odd < 0.09:
                line[i] = r.choice(CODE)
            elif odd < 0.17:
                line[i] += r.choice(",,,,,;:?!)…—")
        line[0] = line[0].capitalize()
        text = " ".join(line) + r.choice(("." * 9 + "?!")) + "\n"
        left -= len(text.encode())
        yield text


def texts(shared, out, megabytes):
    with open(shared / "data/sst2/train.tsv", encoding="utf-8", newline="\n") as f:
        sst2 = [line.rstrip("\n").split("\t")[1] for line in f][1:]
    with open(shared / "data/agnews/test.csv", encoding="utf-8", newline="") as f:
        agnews = [" ".join(row[1:]).replace("\n", " ") for row in csv.reader(f)]
    words = [w for w, _ in sorted(collections.Counter(w for text in sst2 + agnews for w in text.split()).items(), key=lambda x: (-x[1], x[0]))]
    for name, lines in (("sst2", (t + "\n" for t in sst2)), ("agnews", (t + "\n" for t in agnews)), ("synthetic", synthetic(words, megabytes))):
        with open(out / f"{name}.txt", "w", encoding="utf-8", newline="\n") as f:
            f.writelines(lines)


def encode(path, file):
    tok = Tokenizer.from_file(path)
    tok.no_truncation()
    tok.no_padding()
    with open(file, encoding="utf-8", newline="\n") as f:
        lines = [line.removesuffix("\n") for line in f]
    seconds, count = 0.0, 0
    for at in range(0, len(lines), BATCH):
        part = lines[at : at + BATCH]
        start = time.perf_counter()
        got = tok.encode_batch_fast(part)
        seconds += time.perf_counter() - start
        count += sum(len(e) for e in got)
    print(f"{count} tokens {seconds:.6f} s {len(lines)} lines")


def load(path, repeats):
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        Tokenizer.from_file(path)
        seconds.append(time.perf_counter() - start)
    print(f"loaded in {statistics.median(seconds):.6f} s")


def main():
    match sys.argv[1:]:
        case ["save", folder, out]:
            from transformers import AutoTokenizer

            AutoTokenizer.from_pretrained(folder).backend_tokenizer.save(out)
        case ["texts", shared, out, megabytes]:
            texts(pathlib.Path(shared), pathlib.Path(out), float(megabytes))
        case ["encode", path, file]:
            encode(path, file)
        case ["load", path, *repeats]:
            load(path, int(repeats[0]) if repeats else 5)
        case _:
            sys.exit(__doc__)


main()
