"""Texts to compare tokenizers on: those of the shared data sets, and random ones made to be hard.

data_texts(shared) has every text of every data set; random_texts(n, seed, words) has n strings glued from pieces of all kinds; special_texts(n, seed, tokens) has
strings around the special tokens of one tokenizer; random_ids(n, seed, size) has lists of ids in no order that a text would give."""
import csv
import json
import random
import unicodedata

SPACES = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\ufeff\u180e\u2060"
CONTROLS = "".join(map(chr, [*range(32), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069, 0xFEFF, 0xFFF9, 0xFFFD, 0xFFFE, 0xFFFF,
                                0x10FFFF, 0xE000, 0xF8FF, 0xE0001, 0xE0020, 0x1F, 0, 0, 0]))
HARD = ["\u0130", "I\u0307", "ß", "ẞ", "ſ", "ﬁ", "ﬃ", "K", "Å", "Ω", "\u0958", "\ufb1d", "\ufdfa", "㌀", "½", "²", "①", "Ⅷ", "ﷺ", "ΑΣ", "Σ", "ς", "ŉ", "ǰ", "ΐ", "ᾼ", "Ǆ", "ǅ", "…", "™", "ｶﾞ", "ａＢ１",
        "\u0344", "\u0f77", "\u1e9b\u0323", "\u212b", "\u2126", "\u0340", "\u2adc", "\U0001d15e", "\U0002f800", "\uac00\u11a7", "\u1100\u1161\u11a8", "e\u0301\u0323", "q\u0323\u0307", "\u0301",
        "▁", "▁▁", "Ġ", "Ċ", "Ġthe", "ĠĠ", "<0x0A>", "<0x>", "##ing", "##", "</w>", "the</w>", "@@", "_", "<unk>", "``", "''", "\u2581the", "ª", "º", "ˈ", "ı", "İ", "ﬅ", "\u01c5", "\u0345", "\u2160", "\u24b6"]
MARKERS = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<|endoftext|>", "<bos>", "<eos>", "<|begin_of_text|>", "<|im_start|>", "<start_of_turn>", "<ent>", "<extra_id_0>"]
EMOJI = ["😀", "👍", "👩", "👨", "👧", "❤", "🏳", "🌈", "🇩", "🇪", "🇺", "🇸", "☎", "1", "#", "🧑", "💻", "🤷", "♂", "♀", "⚕", "🏴", "✈", "〰", "©", "®", "‼"]
GLUE = ["\u200d", "\ufe0f", "\ufe0e", "\U0001f3fb", "\U0001f3ff", "\u20e3", "\U000e0067", "\U000e007f", ""]
CODE = ["def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; i++) {\n\ta[i] += b[i];\n}\n", "#include <stdio.h>\r\n", "if x != y && z >= 1:", "https://a.b/c?d=e&f=g#h", "foo_bar.baz()[0]", "a->b::c", "// note: é\n",
        "<div class=\"x\">&nbsp;</div>", "\\n\\t\\u00e9", "camelCaseWords HTTPServer2", "x = {'a': [1, 2.5e-10]}", "SELECT * FROM t WHERE a='b';", "$HOME/.cache", "0xDEADBEEF", "1,234,567.89", "user@example.com"]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Ve", "’s", "’t", " 's", "'sit", "don't", "n't", " n't", "I'M", "''s", "'ſ", " do not", " 're"]
PUNCTUATION = ".,!?;:'\"()[]{}<>-_/\\|@#$%^&*+=~`…。，、।۔،！？「」“”‘’—–·•§¶†‡«»¿¡؟٪؛€£¥₹°"
LETTERS = [(0x41, 0x5B), (0x61, 0x7B), (0xC0, 0x180), (0x180, 0x250), (0x250, 0x2B0), (0x370, 0x400), (0x400, 0x530), (0x530, 0x590), (0x590, 0x600), (0x600, 0x700), (0x700, 0x780), (0x900, 0x980),
           (0x980, 0xA00), (0xB80, 0xC00), (0xE00, 0xE80), (0xE80, 0xF00), (0xF00, 0x1000), (0x1000, 0x10A0), (0x10A0, 0x1100), (0x1200, 0x1380), (0x13A0, 0x1400), (0x1780, 0x1800), (0x1E00, 0x1F00),
           (0x1F00, 0x2000), (0x2000, 0x2070), (0x2070, 0x20A0), (0x2100, 0x2190), (0x2190, 0x2600), (0x2C00, 0x2E00), (0x2E80, 0x3000), (0x3000, 0x3040), (0x3040, 0x3100), (0x3100, 0x3200), (0x3200, 0x3400),
           (0xA000, 0xA4D0), (0xA640, 0xA6A0), (0xAB30, 0xABC0), (0xF900, 0xFB00), (0xFB00, 0xFB50), (0xFB50, 0xFE00), (0xFE00, 0xFF00), (0xFF00, 0xFFF0), (0x10000, 0x10200), (0x10400, 0x10450),
           (0x10900, 0x10A00), (0x11000, 0x11400), (0x16A00, 0x16B00), (0x1D100, 0x1D200), (0x1D400, 0x1D800), (0x1E900, 0x1E960), (0x1F000, 0x1FB00)]
IDEOGRAPHS = [(0x4E00, 0xA000), (0x4E00, 0x5000), (0x3400, 0x4DC0), (0x20000, 0x2A6E0), (0x2A700, 0x2B820), (0x2B820, 0x2CEB0), (0xF900, 0xFB00), (0x30000, 0x31350), (0x2F800, 0x2FA20)]
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
MARKS = [c for c in CODES if unicodedata.category(chr(c))[0] == "M"]
DIGITS = [c for c in CODES if unicodedata.category(chr(c))[0] == "N"]
ASSIGNED = [c for c in CODES if unicodedata.category(chr(c)) not in ("Cn", "Co")]


def tsv(path, skip, columns):
    """Rows as (text,) or (first, second)."""
    for line in path.read_bytes().decode().split("\n")[skip:]:
        if line:
            fields = line.split("\t")
            yield tuple(fields[c] for c in columns)


def data_texts(shared):
    """Every text of every data set: strings, pairs as tuples of two."""
    data, out = shared / "data", []
    for name in ("train", "dev"):
        out += [row[0] for row in tsv(data / f"sst2/{name}.tsv", 1, [1])]
        out += [row[0] for row in tsv(data / f"cola/in_domain_{name}.tsv", 0, [3])]
        out += tsv(data / f"rte/{name}.tsv", 1, [1, 2])
    for name in ("test.csv", "train_5k_subset.csv"):
        with open(data / "agnews" / name, encoding="utf-8", newline="") as f:
            out += [field for row in csv.reader(f) for field in row if len(field) > 1]
    for name in ("train", "valid"):
        for sentence in (data / f"conll2003/{name}.txt").read_text(encoding="utf-8").split("\n\n"):
            out.append(" ".join(line.split(" ")[0] for line in sentence.split("\n") if line))
    with open(data / "ontonotesv5/dev.jsonl", encoding="utf-8") as f:
        out += [" ".join(json.loads(line)["tokens"]) for line in f]
    return out


def between(r, ranges, least, most):
    first, end = r.choice(ranges)
    return "".join(chr(r.randrange(first, end)) for _ in range(r.randint(least, most)))


def casing(r, word):
    return r.choice((word, word, word.lower(), word.upper(), word.title(), "".join(r.choice((c.lower(), c.upper())) for c in word)))


def piece(r, words):
    """One piece of a random kind."""
    kind = r.randrange(24)
    many = lambda items, least, most: "".join(r.choice(items) for _ in range(r.randint(least, most)))
    if kind < 5:
        return " ".join(casing(r, r.choice(words)) for _ in range(r.randint(1, 6)))
    if kind == 5:
        return "".join(chr(r.choice(CODES)) for _ in range(r.randint(1, 5)))
    if kind == 6:
        return "".join(chr(r.choice(ASSIGNED)) for _ in range(r.randint(1, 6)))
    if kind < 9:
        return between(r, LETTERS, 1, 8).encode("utf-8", "ignore").decode()
    if kind == 9:
        return "".join(r.choice("aeiouAnqzΑи한あक") + "".join(chr(r.choice(MARKS)) if r.random() < 0.5 else chr(r.randrange(0x300, 0x340)) for _ in range(r.randint(1, 4)))
                       for _ in range(r.randint(1, 4)))
    if kind == 10:
        return "".join(r.choice(EMOJI) + r.choice(GLUE) for _ in range(r.randint(1, 6)))
    if kind == 11:
        return many(CONTROLS, 1, 3) + r.choice(words) + many(CONTROLS, 0, 2)
    if kind == 12:
        return between(r, [(0x5D0, 0x5EB), (0x621, 0x64B), (0x671, 0x6D4), (0x710, 0x730), (0xFB1D, 0xFB50), (0xFE70, 0xFEFD), (0x660, 0x66A)], 1, 8) + r.choice(("", "\u200f", "\u0651", "\u05b0", "،"))
    if kind == 13:
        return between(r, [(0xAC00, 0xD7A4), (0xAC00, 0xAC40), (0x1100, 0x1200), (0x3130, 0x3190), (0xA960, 0xA980), (0xD7B0, 0xD800)], 1, 5) + many(
            ["", chr(r.randrange(0x1100, 0x1113)) + chr(r.randrange(0x1161, 0x1176)) + chr(r.randrange(0x11A7, 0x11C3))], 0, 3)
    if kind == 14:
        return many("0123456789", 1, r.choice((3, 8, 40))) + r.choice(("", ".5", "th", "%", "km", chr(r.choice(DIGITS)), chr(r.choice(DIGITS)) * 3))
    if kind < 17:
        return many(SPACES, 1, 6) if r.random() < 0.5 else r.choice(SPACES) * r.randint(1, 9) + r.choice(("", "\n", "a", " "))
    if kind == 17:
        return between(r, IDEOGRAPHS, 1, 6) if r.random() < 0.6 else between(r, [(0x3040, 0x3100), (0xFF66, 0xFFA0), (0x30A0, 0x3100)], 1, 5) + r.choice(("", "\u3099", "ー", "。", "々"))
    if kind == 18:
        token = r.choice(MARKERS)
        cut = r.randint(0, len(token))
        return r.choice((token, token, token[:cut], token[cut:], token.lower(), token * 2, " " + token + " ", r.choice(words) + token + r.choice(words)))
    if kind == 19:
        return r.choice((r.choice(words)[:3], r.choice("aé. \n-=_*!0中"), chr(r.choice(ASSIGNED)), "ha", "\r\n", "<s>")) * r.randint(2, r.choice((6, 20, 120)))
    if kind == 20:
        return r.choice(CODE)
    if kind == 21:
        return r.choice(words) + r.choice(CONTRACTIONS) + r.choice(("", " ", "x"))
    if kind == 22:
        return many(PUNCTUATION, 1, 5)
    return many(HARD, 1, 3)


def random_texts(n, seed, words):
    r = random.Random(seed)
    out = ["", " ", "\n", "\0", "a" * 20000, " " * 20000, "\u0301" * 5000, "ab " * 7000, "0" * 10000, "é" * 10000, "中" * 8000, "\U0001f600" * 4000, "." * 10000, "The " * 5000, "aA" * 8000, "\n" * 9000]
    for c in r.sample(ASSIGNED, min(len(ASSIGNED), n // 20)):  # a code point by itself, then in a word
        out += [chr(c), "a" + chr(c) + "b " + chr(c)]
    while len(out) < n:
        out.append(r.choice(("", "", " ")).join(piece(r, words) for _ in range(r.choice((1, 1, 2, 2, 3, 4, 6)))))
    return out[:n]


def special_texts(n, seed, tokens, words):
    """tokens: the added tokens of a tokenizer, and some of its vocabulary."""
    r, out = random.Random(seed), []
    while len(out) < n and tokens:
        parts = []
        for _ in range(r.randint(1, 5)):
            token = r.choice(tokens)
            cut = r.randint(0, len(token))
            parts.append(r.choice((token, token, token, token[:cut], token[cut:], casing(r, token), r.choice(words), r.choice(SPACES), r.choice("a.,é1_中\u0301"), " ", piece(r, words))))
        out.append("".join(parts))
    return out


def random_ids(n, seed, size, likely):
    """likely: ids that are to come up often, such as single bytes and specials."""
    r = random.Random(seed)
    return [[r.choice(likely) if likely and r.random() < 0.4 else r.randrange(size) for _ in range(r.choice((0, 1, 2, 3, 5, 9)))] for _ in range(n)]
