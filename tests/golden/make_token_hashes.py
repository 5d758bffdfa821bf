"""Token ids as Hugging Face has them: small cases for tests/unit/test_text_*.c, and hashes over whole data sets.

    python3 make_token_hashes.py ../../../shared > text_cases.h

The argument is a folder with data/{sst2,cola,rte}, tokenizers and models/stories260K.  Needs transformers (for the llama2.c
vocabulary the reference is below: a few lines that merge the best pair until there is none)."""
import hashlib
import json
import pathlib
import struct
import sys
import tempfile

from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertTokenizerFast

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the film is good bad a b x y i ss un ##aff ##able ##aaa ##b ##x ##xx ##ing ##ed ##s cafe café Café istanbul ##stanbul I The naïve naive
é ##é e ##e ß stra ##ß ##sse stras ##se σ ##σ Σ 你 好 世 𠀀 𫠠 が か 한 ##한 ᄒ ##ᅡ ##ᆫ ก ##า ำ ##ำ न म ##स 😀 ##😀 ❤ . , ! ? ' " - — … “ ” $ + # [ ] < > t don ##t zero
##zero width q ##q n't 's 0 1 ##2 ² fi ﬁ ##̇ i̇ K k Å å ⹃ ##⹃ ۝ ࣢ ##࣢""".split()
HARD = [
    "", " ", " \t\r\n ", "The film is good.", "Café CAFÉ cafe\u0301", "naïve Å K", "İstanbul I i ı", "straße STRASSE stras",
    "ΣΣσ ς", "你好 世a好b", "\U00020000\U0002a700\U0002b820\U0002b920a", "が か\u3099", "한 a한 \u1112\u1161\u11ab", "กา กำ", "नम नस्",
    "😀 a😀 ❤\ufe0f", "zero\u200bwidth \u2060zero\ufeffq", "ctl\x01 a\x7fb a\x80b x\x0by x\x85y", "a\0b \ufffda\ufffd", "\u2028a\u2029b\u00a0i\u3000x\u1680y",
    "[MASK]", "a[MASK]b [SEP][CLS]", "[mask] [ MASK ] [MASK", "[[MASK]]", "don't \u201cgood\u201d \u2014 bad\u2026 $1+2", "x" * 100, "x" * 101,
    "é" * 100 + " " + "é" * 101, "e\u0301" * 60, "unaffable unaffablez", "##ing # ing", "⹃ a⹃b", "a۝b a\u08e2b", "0² ﬁfi", "a\u0300\u0301\u0302b", "\ue000a\u00adb",
    "<ent> a<ent>b <ENT>", "bad bad\ufe0fbad",
]
PAIRS = [("the film is good .", "a b", m) for m in (0, 4, 5, 6, 8, 9, 10)] + [("a b", "the film is good .", m) for m in (6, 7, 8)] + [
    ("a b x y i", "b a x y i", 10), ("the film is good", None, 4), ("the film is good", None, 6), ("", "", 8), ("", "a", 0)]
PIECES = {" ": -1e9, **{c: -100.0 - i for i, c in enumerate("abcdehlorwé你")}, "he": -1.0, "ll": -2.0, " h": -3.0, "lo": -1.5, "hello": -9.0, " he": -4.0,
          "llo": -5.0, " hello": -6.0, "wo": -2.5, "rl": -2.5, "rld": -7.0, "ab": -3.5, "bc": -3.5, "abc": -8.0, "aa": -3.25, "aaaa": -3.125, "  ": -0.5}
LLAMA = ["", " ", "hello world", "hello", "hhello  hello", "abcbc", "aaaaaaa", "é你z\n", "zero\x01", "😀 a", "a\0b"]


def c_text(raw):
    """Bytes as C string literals, 24 to a piece, everything that is not plain in octal."""
    plain = lambda b: chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}"
    return " ".join('"' + "".join(plain(b) for b in raw[i : i + 24]) + '"' for i in range(0, max(len(raw), 1), 24))


def emit(head, items, tail):
    """One initialiser over lines of at most 140 characters."""
    line = "    " + head
    for item in items:
        if len(line) + len(item) > 138:
            print(line)
            line = "       "
        line += " " + item
    print(line + tail)


def case(variant, text, ids):
    raw = text.encode()
    emit(f"{{{variant}, ", [c_text(raw[i : i + 24]) for i in range(0, max(len(raw), 1), 24)], f", {len(raw)}, {len(ids)},")
    emit("  {", [f"{i}," for i in ids] or ["0"], "}},")


def wordpiece_cases():
    vocab = list(dict.fromkeys(SPECIALS + WORDS))
    variants = {}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "vocab.txt"
        file.write_text("\n".join(vocab) + "\n", encoding="utf-8")
        for name, lower in (("UNCASED", True), ("CASED", False)):
            variants[name] = BertTokenizerFast(str(file), do_lower_case=lower)._tokenizer
        odd = json.loads(variants["UNCASED"].to_str())
    odd["normalizer"].update(clean_text=False, strip_accents=False, handle_chinese_chars=False)
    odd["model"]["max_input_chars_per_word"] = 5
    odd["added_tokens"].append(dict(odd["added_tokens"][0], id=len(vocab), content="<ent>", special=False))
    variants["ODD"] = Tokenizer.from_str(json.dumps(odd))
    print("enum { UNCASED, CASED, ODD };\nstatic const char *const case_vocab[] = {")
    emit("", [c_text(w.encode()) + "," for w in vocab], "\n};")
    print(f"enum {{ CASE_VOCAB = {len(vocab)} }};")
    print("static const struct {\n    int variant;\n    const char *text;\n    size_t bytes;\n    int n;\n    int32_t id[160];\n} case_encode[] = {")
    for name, tok in variants.items():
        tok.no_truncation()
        for text in HARD:
            case(name, text, tok.encode(text).ids)
    print("};\nstatic const struct {\n    const char *a, *b;\n    int max, n, segment, cut;\n    int32_t id[32];\n} case_pair[] = {")
    tok = variants["UNCASED"]
    for a, b, most in PAIRS:
        tok.enable_truncation(most) if most else tok.no_truncation()
        e = tok.encode(a, b) if b is not None else tok.encode(a)
        segment = e.type_ids.index(1) if b is not None else len(e.ids)
        emit("{", [c_text(a.encode()) + ",", c_text(b.encode()) + "," if b is not None else "NULL,"], f" {most}, {len(e.ids)}, {segment}, {int(bool(e.overflowing))},")
        emit("  {", [f"{i}," for i in e.ids], "}},")
    tok.no_truncation()
    print("};\nstatic const struct {\n    int skip;\n    const char *text, *back;\n} case_decode[] = {")
    for text in ("The film is good.", "don't [MASK] unaffable, bad!", "a b - c\u2014 i's n't"):
        for skip in (0, 1):
            back = BertTokenizerFast.clean_up_tokenization(tok.decode(tok.encode(text).ids, skip_special_tokens=bool(skip)))
            emit(f"{{{skip}, ", [c_text(text.encode()) + ",", c_text(back.encode())], "},")
    print("};")


def llama_encode(index, score, token, text):
    ids = [index[b" "]] if text else []
    for c in text:
        raw = c.encode()
        ids += [index[raw]] if raw in index else [3 + b for b in raw]
    while True:
        pairs = [index.get(token[a] + token[b], -1) for a, b in zip(ids, ids[1:])]
        best = max((i for i in range(len(pairs)) if pairs[i] >= 0), key=lambda i: score[pairs[i]], default=None)
        if best is None:
            return [1] + ids
        ids[best : best + 2] = [pairs[best]]


def llama_vocabulary(entries):
    token, score = [t for t, _ in entries], [s for _, s in entries]
    return {t: i for i, t in reversed(list(enumerate(token)))}, score, token


def llama_cases():
    bytes_of = [(f"<0x{b:02X}>".encode(), 0.0) for b in range(256)]
    entries = [(b"<unk>", 0.0), (b"\n<s>\n", 0.0), (b"\n</s>\n", 0.0)] + bytes_of + [(t.encode(), s) for t, s in PIECES.items()]
    vocabulary = llama_vocabulary(entries)
    print("static const struct {\n    const char *text;\n    float score;\n} case_piece[] = {")
    emit("", [f"{{{c_text(t.encode())}, {s!r}f}}," for t, s in PIECES.items()], "\n};")
    print("static const struct {\n    const char *text;\n    size_t bytes;\n    int n;\n    int32_t id[32];\n} case_llama[] = {")
    for text in LLAMA:
        ids = llama_encode(*vocabulary, text)
        print(f"    {{{c_text(text.encode())}, {len(text.encode())}, {len(ids)}, {{{', '.join(map(str, ids))}}}}},")
    print("};")


def rows(shared, name, part):
    """(first text, second text or None) of a data file, in order."""
    file, skip, columns = {"sst2": (f"{part}.tsv", 1, [1]), "cola": (f"in_domain_{part}.tsv", 0, [3]), "rte": (f"{part}.tsv", 1, [1, 2])}[name]
    text = (shared / "data" / name / file).read_bytes().decode()
    for line in text.split("\n")[skip:]:
        if line:
            fields = line.split("\t")
            yield tuple(fields[c] for c in columns) if len(columns) == 2 else (fields[columns[0]], None)


def digest(every_ids):
    """SHA-256 of all ids, each list closed by -1, as little-endian int32."""
    h = hashlib.sha256()
    for ids in every_ids:
        h.update(struct.pack(f"<{len(ids) + 1}i", *ids, -1))
    return h.hexdigest()


def hashes(shared):
    print("static const struct {\n    const char *tokenizer, *data;\n    int rows;\n    const char *sha256;\n} case_hash[] = {")
    for folder in ("bert-base-uncased", "bert-base-cased", "roberta", "gpt2", "falcon", "llama-hf", "llama2", "deberta-v3"):
        tok = AutoTokenizer.from_pretrained(shared / "tokenizers" / folder)._tokenizer
        tok.no_truncation()
        for name in ("sst2", "cola", "rte"):
            items = [r for part in ("train", "dev") for r in rows(shared, name, part)]
            encoded = tok.encode_batch([a if b is None else (a, b) for a, b in items])
            print(f'    {{"tokenizers/{folder}", "{name}", {len(items)}, "{digest(e.ids for e in encoded)}"}},')
    raw, at, entries = (shared / "models/stories260K/tok512.bin").read_bytes(), 4, []
    while at < len(raw):
        score, n = struct.unpack_from("<fi", raw, at)
        entries.append((raw[at + 8 : at + 8 + n], score))
        at += 8 + n
    vocabulary = llama_vocabulary(entries)
    for name in ("sst2", "cola"):
        items = [r for part in ("train", "dev") for r in rows(shared, name, part)]
        print(f'    {{"models/stories260K/tok512.bin", "{name}", {len(items)}, "{digest(llama_encode(*vocabulary, a) for a, _ in items)}"}},')
    print("};")


def main():
    print("#pragma once\n/* Made by make_token_hashes.py; ids as Hugging Face gives them. */\n// clang-format off\n#include <stddef.h>\n#include <stdint.h>")
    wordpiece_cases()
    llama_cases()
    hashes(pathlib.Path(sys.argv[1]))
    print("// clang-format on")


main()
