"""Prints the tables of src/text/unicode.c: what Hugging Face's tokenizers do with every code point, found by asking them.

Their parts keep to several versions of Unicode (8 and 9 in the BERT normaliser and the normal forms, 16 in letters' cases, words and graphemes), whatever the
machine's libraries hold; ids must not depend on the machine either.
    python3 make_unicode_table.py > ../../src/text/unicode_table.h      (tokenizers 0.22.1; three minutes)
"""
import struct

from tokenizers import normalizers, pre_tokenizers

# The order of the bits in unicode_impl.h.
FLAGS = ["SPACE", "CONTROL", "PUNCTUATION", "MARK", "NUMERIC", "WORD", "CJK", "COMBINING", "LOWER", "CLASS", "CANONICAL", "COMPAT", "SECOND", "NOT_NFC", "INCB_EXTEND",
         "INCB_LINKER"]
# The order of the grapheme classes in unicode_impl.h; their number stands above the flags.
GRAPHEMES = ["OTHER", "CONTROL", "CR", "LF", "EXTEND", "ZWJ", "SPACING", "PREPEND", "REGIONAL", "PICTURE", "CONSONANT", "L", "V", "T", "LV", "LVT"]
BLOCK = 128


def normaliser(**on):
    parts = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**{**parts, **on})


def unit_counter():
    """A map of characters in which every byte begins a match: what it leaves are as many characters as there were graphemes, where these have up to 5 bytes, and
    characters in longer ones."""
    units = [0] * 1024
    units[0] = 256 << 10
    for byte in range(1, 256):
        units[256 ^ byte] = 512 << 10 | 1 << 8 | byte
        units[768 ^ byte] = 1 << 31
    charsmap = normalizers.Precompiled(struct.pack("<1025I", 4096, *units) + b"x\0")
    return lambda text: len(charsmap.normalize_str(text))


def grapheme_class(c, count):
    """The class of a character by which graphemes it forms with others.  U+0301 behind a character shows whether a grapheme began with it: 5 bytes or more."""
    if c in "\r\n":
        return "CR" if c == "\r" else "LF"
    if c == "\u200D":
        return "ZWJ"
    if "\U0001F1E6" <= c <= "\U0001F1FF":
        return "REGIONAL"
    if count(c + "\u0301\u0301") == 2:
        return "CONTROL"
    if count("a" + c) == 1:
        return "EXTEND" if count("\u00A9" + c + "\u200D\u00A9\u0301") == 5 else "SPACING"
    if count(c + "a") == 1:
        return "PREPEND"
    if count("\u00A9\u200D" + c + "\u0301") == 4:
        return "PICTURE"
    if count(c + "\u094D\u0915\u0301") == 4:
        return "CONSONANT"
    vowel, final = count(c + "\u1161\u0301") == 3, count(c + "\u11A8\u0301") == 3
    if vowel or final:
        syllable = "\uAC00" <= c <= "\uD7A3"
        return "L" if not final else ("LV" if syllable else "V") if vowel else "LVT" if syllable else "T"
    return "OTHER"


def properties(every):
    clean, cjk, strip = normaliser(clean_text=True), normaliser(handle_chinese_chars=True), normaliser(strip_accents=True)
    nfd, nfc, nfkd, nfkc = (form.normalize_str for form in (normalizers.NFD(), normalizers.NFC(), normalizers.NFKD(), normalizers.NFKC()))
    lower, accents = normalizers.Lowercase().normalize_str, normalizers.StripAccents().normalize_str
    bert, words, spaces, digits = (p.pre_tokenize_str for p in (pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Whitespace(), pre_tokenizers.WhitespaceSplit(),
                                                                pre_tokenizers.Digits(individual_digits=True)))
    count = unit_counter()
    seconds = {nfd(c)[-1] for c in every if nfd(c) != c == nfc(c)}
    of = {}
    for c in every:
        space = len(spaces(f"a{c}b")) == 2
        on = {
            "SPACE": space,
            "CONTROL": clean.normalize_str(c) == "",
            "PUNCTUATION": not space and len(bert(f"a{c}b")) == 3,
            "MARK": nfd(c) == c and strip.normalize_str(c) == "",
            "NUMERIC": len(digits(f"a{c}b")) == 3,
            "WORD": len(words(f"a{c}b")) == 1,
            "CJK": cjk.normalize_str(c) != c,
            "COMBINING": accents(c) == "",
            "LOWER": lower(c) != c,
            "CLASS": nfd(c) == c and (nfd(c + "\u0334") != c + "\u0334" or nfd("\u0301" + c) != "\u0301" + c),
            "CANONICAL": nfd(c) != c,
            "COMPAT": nfkd(c) != nfd(c),
            "SECOND": c in seconds,
            "NOT_NFC": nfc(c) != c,
            "INCB_EXTEND": count("\u0915\u094D" + c + "\u0915\u0301") == 5,
            "INCB_LINKER": count("\u0915" + c + "\u0915\u0301") == 4,
        }
        assert (nfkc(c) != c) == (on["NOT_NFC"] or on["COMPAT"]), hex(ord(c))
        of[ord(c)] = sum(on[name] << i for i, name in enumerate(FLAGS)) | GRAPHEMES.index(grapheme_class(c, count)) << len(FLAGS)
    return of


def rows(items):
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 140:
            print(line)
            line = "   "
        line += f" {item},"
    print(line)


def show_properties(of):
    sets = sorted(set(of.values()))
    assert sets[0] == 0 and len(sets) <= 256
    blocks, last = 0, None
    for first in range(0, 0x110000, BLOCK):
        block = [of.get(c, 0) for c in range(first, first + BLOCK)]
        blocks += block != last
        last = block
    print("/* What sets of properties there are: flags, and above them the grapheme class */\nstatic const uint32_t property_set[] = {")
    rows(f"0x{s:X}" for s in sets)
    print("};\n/* First code point of a run << 8 | its set */\nstatic const uint32_t property_run[] = {")
    runs, last = [], None
    for c in range(0x110000):
        if of.get(c, 0) != last:
            last = of.get(c, 0)
            runs.append(f"0x{c << 8 | sets.index(last):X}")
    rows(runs)
    print(f"}};\n/* Blocks of code points that differ from the one before */\nenum {{ BLOCK = {BLOCK}, BLOCKS = {blocks} }};")


def show_cases(every):
    lower = normalizers.Lowercase().normalize_str
    steps = []
    for c in every:
        small = lower(c)
        if small == c:
            continue
        if len(small) > 1:
            assert c == "\u0130"
            continue
        c, to = ord(c), ord(small) - ord(c)
        if steps and steps[-1][3] == to and (c - steps[-1][1] == steps[-1][2] or (steps[-1][2] == 0 and c - steps[-1][1] <= 2)):
            steps[-1][2] = c - steps[-1][1]
            steps[-1][1] = c
        else:
            steps.append([c, c, 0, to])
    print("/* Lower cases: code points first, first + step ... last become that many higher; U+0130 becomes two and is not here */\nstatic const lt_case_run case_run[] = {")
    rows(f"{{0x{first:X}, 0x{last:X}, {step or 1}, {to}}}" for first, last, step, to in steps)
    print("};")


def main():
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    print("#pragma once\n/* Made by tests/golden/make_unicode_table.py. */\n// clang-format off")
    show_properties(properties(every))
    show_cases(every)
    print("// clang-format on")


main()
