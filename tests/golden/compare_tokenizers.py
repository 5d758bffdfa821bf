#!/usr/bin/env python3
"""`ltune-prep tokenize` against Hugging Face's fast tokenizers, id by id and back to text.

usage: compare_tokenizers.py --shared DIR [--bin build/release/bin] [--random 200000] [--form-random 6000] [--seed 1] [--forms all|none|WORD,WORD] [--no-data] [--show 4]
                             [--keep DIR] [FOLDER...]

FOLDERs: of tokenizers; default are all of DIR/tokenizers, and DIR/models with a tokenizer.json.  Forms are small tokenizers that token_forms.py makes, one for each component and known
structure; WORD picks those with it in their name.  --keep leaves them in a folder.  Texts: every text of DIR/data (forms: one of 30), and --random strings (token_texts.py).

Compared are ids with specials, ids without them (a third of the texts), and the text of ids with and without specials (a quarter of them, and ids in random order).  One line a tokenizer,
then its first differences, made as small as can be.  The judge of texts is the tokenizer's decode, with its clean-up of spaces where it has one.

Two kinds of forms are counted apart: those that are to be refused, with the message that is expected (REFUSED), and those where the judge itself fails on some inputs (UNJUDGED), which says
nothing about ours.  Exit 1 if anything else differs.  Needs tokenizers, transformers and sentencepiece."""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ["RUST_BACKTRACE"] = "0"  # the judge's failures are many
import tokenizers  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

from token_forms import BYTES, REFUSED, UNJUDGED, make_forms  # noqa: E402
from token_texts import data_texts, random_ids, random_texts, special_texts  # noqa: E402

BATCH, FAILED, UNSAID = 5000, "(error)", None


class Peer:
    """The command, line by line: many lines through files, single ones through a pipe."""

    def __init__(self, command, folder, tmp):
        self.command, self.folder, self.tmp, self.pipe, self.said, self.gave_up = command, folder, tmp, {}, "", False

    def arguments(self, options):
        return [self.command, "tokenize", "-t", str(self.folder), "--json", *options]

    def start(self, lines, options):
        (self.tmp / "in").write_text("".join(line + "\n" for line in lines))
        with open(self.tmp / "in") as source, open(self.tmp / "out", "wb") as out, open(self.tmp / "err", "wb") as err:
            return subprocess.Popen(self.arguments(options), stdin=source, stdout=out, stderr=err)

    def finish(self, process, lines, options):
        """Answers; where the command gives up on a line, FAILED, and it starts again behind it; UNSAID for what is left when it fails too often."""
        answers, failures = [], 0
        while True:
            try:
                code = process.wait(timeout=900)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            answers += (self.tmp / "out").read_bytes().decode("utf-8", "replace").split("\n")[:-1]
            if code == 0 and len(answers) == len(lines):
                return answers
            self.said = (self.tmp / "err").read_text(errors="replace").strip().split("\n")[0] or f"exit {code}"
            failures += 1
            answers.append(FAILED)
            if failures > 200 or code == 0 or len(answers) >= len(lines):
                self.gave_up |= len(answers) < len(lines)
                return (answers + [UNSAID] * len(lines))[: len(lines)]
            process = self.start(lines[len(answers) :], options)

    def one(self, line, options):
        key = tuple(options)
        for _ in range(2):
            if key not in self.pipe:
                self.pipe[key] = subprocess.Popen(self.arguments(options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            process = self.pipe[key]
            try:
                process.stdin.write(line + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except BrokenPipeError:
                answer = ""
            if answer:
                return answer.rstrip("\n")
            process.stdin.close()
            process.wait()
            del self.pipe[key]
        return FAILED

    def close(self):
        for process in self.pipe.values():
            process.stdin.close()
            process.wait()


def attempt(call, *a, **k):
    """The result, or FAILED: the library panics on some inputs."""
    try:
        return call(*a, **k)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        return FAILED


def encode(tok, items, special):
    out = []
    for at in range(0, len(items), BATCH):
        part = items[at : at + BATCH]
        got = attempt(tok.encode_batch_fast, part, add_special_tokens=special)
        out += [e.ids for e in got] if got is not FAILED else [e if e is FAILED else e.ids for e in (attempt(encode_one, tok, x, special) for x in part)]
    return out


def encode_one(tok, item, special):
    return tok.encode(*item, add_special_tokens=special) if isinstance(item, tuple) else tok.encode(item, add_special_tokens=special)


def decode(tok, lists, skip):
    out = []
    for at in range(0, len(lists), BATCH):
        part = lists[at : at + BATCH]
        got = attempt(tok.decode_batch, part, skip_special_tokens=skip)
        out += got if got is not FAILED else [attempt(tok.decode, x, skip_special_tokens=skip) for x in part]
    return out


def show_ids(ids):
    return ids if ids is FAILED else " ".join(map(str, ids))


def text_of(answer):
    """The text of a line that --decode --json wrote."""
    try:
        return json.loads(answer)
    except ValueError:
        return FAILED


def shorter(item, differs, budget=600):
    """A smallest string or list that still differs, by leaving parts out."""
    size = len(item) // 2
    while size >= 1 and budget > 0:
        at, changed = 0, False
        while at < len(item) and budget > 0:
            candidate = item[:at] + item[at + size :]
            budget -= 1
            if differs(candidate):
                item, changed = candidate, True
            else:
                at += size
        if not changed or size > len(item):
            size //= 2
    return item


def around(ours, theirs):
    """Both lists from a little before the first difference on."""
    ours, theirs = (x.split() if x != FAILED else [x] for x in (ours, theirs))
    first = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    cut = lambda x: " ".join(["..."] * (first > 3) + x[max(first - 3, 0) : first + 9] + ["..."] * (len(x) > first + 9))
    return f"at {first}: ours [{cut(ours)}] theirs [{cut(theirs)}]"


class Result:
    def __init__(self):
        self.count, self.failures, self.unjudged, self.lines = {}, 0, 0, []

    def add(self, kind, pairs, shrink, show):
        """pairs: (item, our answer, theirs) that differ.  shrink(item, ours, theirs) -> a line about the smallest such item."""
        judged = [p for p in pairs if p[2] != FAILED]
        self.unjudged += len(pairs) - len(judged)
        pairs = judged
        self.count[kind] = len(pairs)
        self.failures += len(pairs)
        pairs.sort(key=lambda p: len(p[0]) if isinstance(p[0], str) else 10**6)
        step = max(1, len(pairs) // (3 * show)) if show else 1
        smallest = {shrink(*p) for p in pairs[::step][: 3 * show]} if show else ()
        self.lines += [f"    {kind}: {line}" for line in sorted(smallest, key=len)[:show]]


def differing(items, ours, theirs):
    return [(i, a, b) for i, a, b in zip(items, ours, theirs) if a != b and a is not UNSAID]


def compare_ids(result, peer, tok, items, special, show):
    options = [] if special else ["--no-special"]
    lines = [json.dumps(x) for x in items]
    process = peer.start(lines, options)
    ids = encode(tok, items, special)
    ours, theirs = peer.finish(process, lines, options), [show_ids(x) for x in ids]
    ask = lambda x: (peer.one(json.dumps(x), options), show_ids(e if (e := attempt(encode_one, tok, x, special)) is FAILED else e.ids))

    def shrink(item, a, b):
        if isinstance(item, str):
            item = shorter(item, lambda x: len(set(ask(x))) == 2)
            a, b = ask(item)
        if a == b:
            return f"{item!r:.300} differs among others, not by itself"
        return f"{item!r:.300} {around(a, b)} = {tokens(tok, a)} | {tokens(tok, b)}"

    result.add("ids" if special else "ids without specials", differing(items, ours, theirs), shrink, show)
    return ids


def tokens(tok, ids):
    return ids if ids == FAILED else repr([tok.id_to_token(int(i)) for i in ids.split()][:12])


def compare_texts(result, peer, tok, lists, skip, show):
    options = ["--decode"] + (["--no-special"] if skip else [])
    lines = [show_ids(x) for x in lists]
    process = peer.start(lines, options)
    theirs = decode(tok, lists, skip)
    ours = [x if x is UNSAID else text_of(x) for x in peer.finish(process, lines, options)]
    ask = lambda x: (text_of(peer.one(show_ids(x), options)), attempt(tok.decode, x, skip_special_tokens=skip))

    def shrink(item, a, b):
        item = shorter(item, lambda x: len(set(ask(x))) == 2)
        a, b = ask(item)
        if a == b:
            return f"{item} differs among others, not by itself"
        return f"{item} = {[tok.id_to_token(i) for i in item]}: ours {a!r:.200} theirs {b!r:.200}"

    result.add("text without specials" if skip else "text", differing(lists, ours, theirs), shrink, show)


class Cleaning:
    """A backend whose texts are cleaned as its wrapper does."""

    def __init__(self, tok, wrapper):
        self.tok, self.clean = tok, wrapper.clean_up_tokenization

    def __getattr__(self, name):
        return getattr(self.tok, name)

    def decode(self, ids, **options):
        return self.clean(self.tok.decode(ids, **options))

    def decode_batch(self, lists, **options):
        return [self.clean(text) for text in self.tok.decode_batch(lists, **options)]


def load(folder):
    """The backend of the folder's tokenizer, without limits of length; and whether the wrapper around it cleans its texts up."""
    wrapper = AutoTokenizer.from_pretrained(folder)
    tok = wrapper.backend_tokenizer
    tok.no_truncation()
    tok.no_padding()
    return (Cleaning(tok, wrapper) if wrapper.clean_up_tokenization_spaces else tok), bool(wrapper.clean_up_tokenization_spaces)


def compare(peer, folder, texts, a):
    start, result = time.time(), Result()
    tok, cleaned = load(folder)
    vocab = tok.get_vocab()
    size = max(vocab.values()) + 1
    r = random.Random(a.seed)
    added = [t.content for t in tok.get_added_tokens_decoder().values()]
    some = added * (1 + 40 // max(len(added), 1)) + r.sample(sorted(vocab), min(40, len(vocab)))
    items = texts + special_texts(max(len(texts) // 15, 1500), a.seed, some, a.words)
    ids = compare_ids(result, peer, tok, items, True, a.show)
    compare_ids(result, peer, tok, items[::3], False, a.show)
    likely = [vocab[t] for t in [*BYTES, *added, *map(chr, range(0x100, 0x144)), *"ÃÂâĢðŁĺ"] if t in vocab]
    known = [i for i in range(size) if tok.id_to_token(i) is not None]
    shuffled = [[known[i % len(known)] for i in x] for x in random_ids(len(items) // 8 + 1000, a.seed, size, likely)]
    lists = [x for x in ids[::4] if x is not FAILED] + shuffled
    for skip in (False, True):
        compare_texts(result, peer, tok, lists, skip, a.show)
    n, c = sum(len(x) for x in ids if x is not FAILED), result.count
    notes = [f"the judge alone fails on {result.unjudged}"] * bool(result.unjudged) + ["its wrapper cleans up"] * cleaned + ["the command fails too often"] * peer.gave_up
    result.failures += peer.gave_up + (result.unjudged > 0 and folder.name not in UNJUDGED)
    print(f"{'BAD' if result.failures else 'ok '} {folder.name:<34} {len(items):>7} texts {n:>9} ids: {c['ids']:>6} differ, {c['ids without specials']:>6} without specials; "
          f"{len(lists):>6} lists: {c['text']:>6} differ, {c['text without specials']:>6} without specials ({time.time() - start:.1f} s) {', '.join(notes)}", flush=True)
    if result.failures and peer.said:
        print(f"    the command: {peer.said}")
    if result.lines:
        print("\n".join(result.lines), flush=True)
    return result.failures


def opens(peer, folder):
    """"yes", "no", or "refused": as it is to be."""
    opened = subprocess.run(peer.arguments([]), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    said, expected = opened.stderr.strip().split("\n")[0], REFUSED.get(folder.name)
    if not opened.returncode and not expected:
        return "yes"
    refused = opened.returncode and expected and expected in said
    print(f"{'ok ' if refused else 'BAD'} {folder.name:<34} {'refused' if refused else f'{expected!r} was expected' if expected else 'does not open'}: {said:.400}", flush=True)
    return "refused" if refused else "no"


def control():
    """The comparison sees one wrong id, and the shrinking finds what matters."""
    wrong = differing("abc", ["1 2", "3", "4"], ["1 2", "3", "5"])
    if [w[0] for w in wrong] != ["c"] or shorter("one x two", lambda s: "x" in s) != "x":
        sys.exit("compare_tokenizers.py: its own control fails")


def arguments():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("folders", nargs="*", type=pathlib.Path)
    p.add_argument("--shared", type=pathlib.Path, required=True)
    p.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(__file__).parent / "../../build/release/bin")
    p.add_argument("--forms", default="all")
    p.add_argument("--keep", type=pathlib.Path)
    p.add_argument("--no-data", action="store_true")
    for name, value in (("random", 200000), ("form-random", 6000), ("seed", 1), ("show", 4)):
        p.add_argument("--" + name, type=int, default=value)
    return p.parse_args()


def main():
    control()
    logging.set_verbosity_error()
    a, bad, refused, start = arguments(), [], 0, time.time()
    data = data_texts(a.shared)
    a.words = sorted({w for t in data[::50] if isinstance(t, str) for w in t.split()})
    texts = random_texts(a.random, a.seed, a.words)
    folders = a.folders or sorted((a.shared / "tokenizers").iterdir()) + sorted(f.parent for f in (a.shared / "models").glob("*/tokenizer.json"))
    print(f"{len(data)} texts of data, {len(texts)} random ones; tokenizers {tokenizers.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        forms = a.keep or tmp / "forms"
        forms.mkdir(exist_ok=True)
        names = [] if a.forms == "none" else make_forms(forms, a.shared, [] if a.forms == "all" else a.forms.split(","))
        few = ([] if a.no_data else data[::30]) + random_texts(a.form_random, a.seed + 1, a.words)
        for folder, items in [(f, ([] if a.no_data else data) + texts) for f in folders] + [(forms / n, few) for n in names]:
            peer = Peer(str(a.bin / "ltune-prep"), folder, tmp)
            state = opens(peer, folder)
            refused += state == "refused"
            if state == "no" or (state == "yes" and compare(peer, folder, items, a)):
                bad.append(folder.name)
            peer.close()
    count = len(folders) + len(names)
    print(f"{count - len(bad) - refused} of {count} tokenizers agree, {refused} are refused as they should, {time.time() - start:.0f} s" + (f"; not: {' '.join(bad)}" if bad else ""))
    sys.exit(bool(bad))


main()
