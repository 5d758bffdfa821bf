"""Prints normalize_cases.h: what Hugging Face's normalisers make of texts of our own, with spans, and digests of what they make of every code point and of
random texts.
    python3 make_normalize_cases.py > normalize_cases.h       (tokenizers 0.22.1; two minutes)
"""
import base64
import hashlib
import json
import struct

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

RANDOM_TEXTS, LONGEST = 20000, 12
# Ranges that random texts are drawn from, two a text: first code point, how many.
RANGES = [(0, 0x80), (0x41, 0x3A), (0x61, 6), (0x80, 0x180), (0x300, 0x70), (0x370, 0x190), (0x591, 0x60), (0x900, 0x480), (0xF00, 0xD0), (0x1100, 0x100), (0x1E00, 0x200),
          (0x2000, 0x70), (0x3000, 0x100), (0x4E00, 0x100), (0xA640, 0x100), (0xAC00, 0x100), (0xF900, 0x200), (0xFB00, 0x300), (0xFE00, 0x100), (0xFE00, 0x200),
          (0x11080, 0x180), (0x1D100, 0x100), (0x1F1E6, 26), (0x1F300, 0x300), (0x200B, 5), (0x915, 3), (0x94D, 1), (0x301, 1), (0xA9, 6), (0x20, 1), (0xD, 1)]

PLAIN = "The Quick brown fox: 3 x 4 = 12 (or not)."
MIXED = "Hello  WORLD,\tit's caf\u00e9 e\u0301 \u65e5\u672c\u8a9e\u3002 \u0130\u0131 \u01c5 \u1e9e \u212a\u212b \ufb01 \U0001F44D\U0001F3FD\r\n"
MARKS = "a\u0301\u0323b\u0323\u0301c\u0344d\u0f73\u0f72e\u0345\u0301\u0334\u0327o\u0308\u0304\u01d5 \u1fa7\u03c9\u0314\u0342\u0345 \u0928\u093c\u0915\u093c \u1100\u1161\u11a8\uac00\u11a8\uac01\u11a8"
STRANGE = "\0a\0\x01\x7f\x85\xa0\u00adx\u200b\u200dy\u2028\ufeff\ufffd\U000e0001\ue000\u0378_\u0e33\u0eb3"
COMPAT = "\ufdfa\u2460\u00bd\u2126\u3392\uff21\uff76\uff9e\u1d43\u2126\u2f00\uf900\U0002f800\u1e9b\u0323"
NEWER = "\u1acf\u08d3\U00011303\U0001e130\u1c80\ua7cb\ua7dc\U00010d50\U00010d65\u0b55\u1df6\U00016d63\U0001e4ec"
BERT = "A\u0301\0\u0327B \u4e2d\u6587\uf900\u0301\U0002f800\x0b\u0130\u1d165\U0001d165\u0301\u302e\u0334 \u00c9\u00c9"
EDGES = " \u2003 a b\u3000\n"
BLANK = " \t\n"
GRAPHEMES = "e\u0301\u200be\u0301\u0323\r\n\r\u00a9\u200d\u00ae\u0301\u00a9\u200d\u0915\u094d\u0915\u0301\u0600\u0e01\u0e33a\u0301\ufb01\u200b\U0001F600\U0001F1E6\U0001F1E7\U0001F1E8"
TEXTS = [PLAIN, MIXED, MARKS, STRANGE, COMPAT, NEWER, BERT, EDGES, BLANK, "", "\0", GRAPHEMES]


class Trie:
    """A double array as sentencepiece has it, over keys that map to texts; and the texts."""

    def __init__(self, pairs):
        self.texts, self.unit, tree = b"", {}, {}
        for key, text in pairs.items():
            node = tree
            for byte in key.encode():
                node = node.setdefault(byte, {})
            node[None] = len(self.texts)
            self.texts += text.encode() + b"\0"
        self.taken = {0}
        self.place(tree, 0, 0)

    def place(self, node, at, label):
        children = [b for b in node if b is not None]
        offset = next(o for o in range(1, 1 << 21) if o != at and not self.taken & {at ^ o ^ b for b in children + [0]})
        leaf = at ^ offset
        self.taken |= {leaf ^ b for b in children + [0]}
        self.unit[at] = offset << 10 | (None in node) << 8 | label
        self.unit[leaf] = 1 << 31 | node.get(None, 0)
        for b in children:
            self.place(node[b], leaf ^ b, b)

    def charsmap(self):
        n = (max(self.unit) | 255) + 1
        return struct.pack(f"<{n + 1}I", 4 * n, *[self.unit.get(i, 1 << 31) for i in range(n)]) + self.texts


def any_byte():
    """Every byte begins a match: what is left are as many characters as there were graphemes, where these have up to 5 bytes, and characters in longer ones."""
    unit = [0] * 1024
    unit[0] = 256 << 10
    for byte in range(1, 256):
        unit[256 ^ byte] = 512 << 10 | 1 << 8 | byte
        unit[768 ^ byte] = 1 << 31
    return struct.pack("<1025I", 4096, *unit) + b"x\0"


SOME = {"e\u0301": "\u00e9", "\ufb01": "fi", "\u200b": "", "\t": " ", "\r": "R", "\u00a9": "(c)", "a": "A", "\u0e01": "KK", "i\u0307\u0323": "J", "\u0915": "k", "\U0001F600": ":)"}
N = normalizers


def chains():
    """Chains of normalisers, each with the texts that show what it does."""
    for form in (N.NFC(), N.NFD(), N.NFKC(), N.NFKD()):
        yield [form], [MARKS, COMPAT, NEWER]
    for one in (N.Nmt(), N.StripAccents()):
        yield [one], [STRANGE, MARKS]
    yield [N.Lowercase()], [MIXED, NEWER]
    yield [N.ByteLevel()], [STRANGE]
    for clean, cjk, accents, lower in ((True, True, None, True), (True, True, None, False), (False, False, True, False), (False, True, False, True)):
        yield [N.BertNormalizer(clean_text=clean, handle_chinese_chars=cjk, strip_accents=accents, lowercase=lower)], [MIXED, STRANGE, BERT]
    for left, right in ((True, True), (True, False), (False, True)):
        yield [N.Strip(left, right)], [EDGES, BLANK]
    yield [N.Prepend("\u2581")], [EDGES, ""]
    for pattern, content in ((" ", "\u2581"), ("", "-"), ("e\u0301", "\u00e9"), (Regex(r"\s+"), " "), (Regex("[^x]*"), "."), (Regex("(?<=e)\u0301|$"), "\u2581")):
        yield [N.Replace(pattern, content)], [MIXED, EDGES, BLANK, ""]
    yield [N.Precompiled(Trie(SOME).charsmap())], [GRAPHEMES, STRANGE]
    yield [N.Precompiled(any_byte())], [GRAPHEMES, STRANGE]
    yield [N.NFKD(), N.StripAccents(), N.Lowercase(), N.Strip()], [MIXED, BLANK]
    yield [N.Strip(), N.Prepend("\u2581"), N.Replace(" ", "\u2581")], [EDGES, BLANK]


def spans(chain, text):
    """The bytes that each character of the result stands for."""
    t = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    t.normalizer, t.pre_tokenizer = chain, pre_tokenizers.Split(Regex("(?m:.)"), "isolated")
    at = [len(text[:i].encode()) for i in range(len(text) + 1)]
    return [at[x] for span in t.encode(text).offsets for x in span]


class Draw:
    """A stream of numbers that the test has too."""

    def __init__(self):
        self.x = 1

    def below(self, n):
        self.x = (self.x * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.x >> 33) % n

    def text(self):
        ranges = [RANGES[self.below(len(RANGES))] for _ in range(2)]
        out = ""
        for _ in range(1 + self.below(LONGEST)):
            first, n = ranges[self.below(2)]
            out += chr(first + self.below(n))
        return out


def digest(texts):
    sha = hashlib.sha256()
    for text in texts:
        sha.update(text + b"\xff")
    return sha.hexdigest()


def classes():
    """Which characters between two letters make other pieces, and how many."""
    for name, pre, n in (("space", pre_tokenizers.WhitespaceSplit(), 2), ("numeric", pre_tokenizers.Digits(individual_digits=True), 3),
                         ("word", pre_tokenizers.Whitespace(), 1), ("punctuation", pre_tokenizers.BertPreTokenizer(), 3)):
        yield name, lambda c: len(pre.pre_tokenize_str(f"a{c}b")) == n


def c_text(text, indent):
    """A C string of at most 140 characters a line."""
    lines, line, hexed = [], "", False
    for byte in text.encode():
        c = chr(byte)
        if byte < 32 or byte > 126:
            item, hexed = f"\\x{byte:02X}", True
        else:
            item, hexed = ('" "' if hexed and c in "0123456789abcdefABCDEF" else "") + ("\\" + c if c in '"\\' else c), False
        if len(line) + len(item) > 130:
            lines, line = lines + [line], ""
            item = item.removeprefix('" "')
        line += item
    return ("\n" + " " * indent).join(f'"{part}"' for part in lines + [line])


def json_of(chain):
    parts = [json.loads(n.__getstate__()) for n in chain]
    return json.dumps(parts)


def main():
    print("#pragma once\n/* Made by make_normalize_cases.py. */\n// clang-format off\n#include <stddef.h>\n#include <stdint.h>")
    print("typedef struct norm_text {\n    const char *s;\n    int bytes;\n} norm_text;")
    print("/* What a chain makes of a text that it changes; place: where its places begin in norm_place, -1: they are not looked at */")
    print("typedef struct norm_case {\n    int text, bytes, place;\n    const char *want;\n} norm_case;")
    print("/* Digests of what becomes of every code point, of random texts, and of the places of the latter (NULL: not looked at) */")
    print("typedef struct norm_chain {\n    const char *steps;\n    int first, n; /* in norm_cases */\n    const char *every, *random, *places;\n} norm_chain;")
    print(f"enum {{ NORM_RANDOM = {RANDOM_TEXTS}, NORM_LONGEST = {LONGEST}, NORM_RANGES = {len(RANGES)} }};")
    print("static const struct {\n    int32_t first, n;\n} norm_range[NORM_RANGES] = {")
    for i in range(0, len(RANGES), 8):
        print("    " + " ".join(f"{{0x{a:X}, {n}}}," for a, n in RANGES[i:i + 8]))
    print("};")
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    draw = Draw()
    random = [draw.text() for _ in range(RANDOM_TEXTS)]
    places, cases, rows = [], [], []
    for chain, texts in chains():
        whole, first = N.Sequence(chain), len(cases)
        counts = not isinstance(chain[0], N.Precompiled)  # it loses count of places where characters go that nothing stands before
        for text in texts:
            want = whole.normalize_str(text)
            cases.append(f"{{{TEXTS.index(text)}, {len(want.encode())}, {len(places) if counts else -1},\n     {c_text(want, 5)}}},")
            places += spans(whole, text) if counts else []
        found = [digest(whole.normalize_str(text).encode() for text in every), digest(whole.normalize_str(text).encode() for text in random)]
        found = [f'"{d}"' for d in found] + [f'"{digest(bytes(spans(whole, text)) for text in random)}"' if counts else "NULL"]
        rows.append(f"    {{{c_text(json_of(chain), 5)},\n     {first}, {len(cases) - first}, " + ",\n     ".join(found) + "},")
    print("/* First and end byte in the text, of every character of what it becomes */\nstatic const unsigned char norm_place[] = {")
    for i in range(0, len(places), 32):
        print("    " + ", ".join(map(str, places[i:i + 32])) + ",")
    print("};\nstatic const norm_text norm_texts[] = {\n" + "\n".join(f"    {{{c_text(s, 5)}, {len(s.encode())}}}," for s in TEXTS))
    print("};\nstatic const norm_case norm_cases[] = {\n    " + "\n    ".join(cases) + "\n};\nstatic const norm_chain norm_chains[] = {\n" + "\n".join(rows))
    print("};\n/* The same of classes: 1 for a member, 0 for another */\nstatic const char *const norm_classes[][2] = {")
    for name, belongs in classes():
        print(f'    {{"{name}", "{digest([bytes(map(belongs, every))])}"}},')
    print("};\n// clang-format on")


main()
