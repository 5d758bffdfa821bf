"""Prints the tables of src/text/unicode.c: what Hugging Face's BERT normaliser and pre-tokeniser do with every code point, found by asking them.

They keep to an old version of Unicode, whatever the machine's libraries hold; ids must not depend on the machine either.
    python3 make_unicode_table.py > ../../src/text/unicode_table.h
"""
from tokenizers import normalizers, pre_tokenizers


def normaliser(**on):
    parts = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**{**parts, **on})


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] + 1 == c:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def show(name, what, codes):
    print(f"/* {what} */\nstatic const lt_code_range {name}[] = {{")
    line = "   "
    for first, last in ranges(codes):
        item = f" {{0x{first:X}, 0x{last:X}}},"
        if len(line + item) > 140:
            print(line)
            line = "   "
        line += item
    print(f"{line}\n}};")


def main():
    clean, strip = normaliser(clean_text=True), normaliser(strip_accents=True)
    nfd, words = normalizers.NFD(), pre_tokenizers.BertPreTokenizer()
    every = [c for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000]
    print("#pragma once\n/* Made by tests/golden/make_unicode_table.py; code points from U+0080 on.  Ranges are inclusive and rise. */\n// clang-format off")
    show("mark", "Non-spacing marks (Mn)", [c for c in every if nfd.normalize_str(chr(c)) == chr(c) and strip.normalize_str(chr(c)) == ""])
    show("control", "Control, format and private-use characters (Cc, Cf, Co)", [c for c in every if c != 0xFFFD and clean.normalize_str(chr(c)) == ""])
    show("punctuation", "Punctuation (P*)", [c for c in every if len(words.pre_tokenize_str(f"a{chr(c)}b")) == 3])
    print("// clang-format on")


main()
