"""Writes pretokenize_cases.h and regex_cases.h: what Hugging Face's pre-tokenisers and expressions make of some texts of our own.
    python3 make_pretokenize_cases.py
"""
import contextlib
import json
import os

from tokenizers import Regex, pre_tokenizers

GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDS}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDS}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
HAN = r"[\p{Han}]+|[\p{Lu}\p{Lo}&&[^\p{Han}]]*[\p{Ll}\p{Lo}&&[^\p{Han}]]+|\p{N}{1,3}|\s+(?!\S)|\s+"
BEHAVIOURS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")

MIXED = "Hello  world, it's 3.14 or 2²!\n\n  caf\u00e9 e\u0301  \u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8\u3002 \U0001F44D\U0001F3FD\t\u05e9\u05dc\u05d5\u05dd 12345\u0663 I'LL we\u2019re\r\n "
WORDS = "the-final--countdown! Is it? YES."
STRANGE = "a\0b \x01\x7f \u00a0\u0085x\u200dy\u2003z\u3000_1\u00b2 \u2028\ufffd\U000E0001 \u01c5DZ"
META = " two  spaces\u2581here \u2581and\u2581"


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def byte_level(prefix, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme, cut=True, replacement="\u2581"):
    return {"type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme, "split": cut}


def cases():
    each = {"type": "FixedLength", "length": 1}
    for text in (MIXED, STRANGE):
        for steps in ([byte_level(False)], [byte_level(True)], [byte_level(True, False)], [byte_level(True), each], [split(GPT4), byte_level(False, False)], [split(GPT4O)],
                      [split(BLOOM), byte_level(False, False)], [split(HAN)], [{"type": "BertPreTokenizer"}], [{"type": "Whitespace"}], [{"type": "WhitespaceSplit"}],
                      [{"type": "Digits", "individual_digits": False}], [{"type": "Digits", "individual_digits": True}], [{"type": "FixedLength"}], [each],
                      [{"type": "Punctuation", "behavior": "Contiguous"}, byte_level(False), {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]")],
                      [metaspace("always")], [{"type": "WhitespaceSplit"}, metaspace("always")], [{"type": "WhitespaceSplit"}, metaspace("first")]):
            yield steps, text
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield [metaspace(scheme, cut)], META
            yield [metaspace(scheme, cut), each], META[1:]
    yield [{"type": "Metaspace", "replacement": "_"}], "a_b c"
    yield [{"type": "Metaspace", "replacement": "_", "add_prefix_space": False, "prepend_scheme": "never"}], "a_b c"
    for behavior in BEHAVIOURS:
        for text in (WORDS, "--a--", "-"):
            yield [{"type": "Punctuation", "behavior": behavior}], text
            yield [split("-", behavior, False, "String")], text
            yield [split("-", behavior, True, "String")], text
        yield [split(r"(?=\p{Lu})|-*", behavior)], WORDS  # matches that are empty
        yield [split("", behavior, False, "String")], "a\u00e9"
    yield [{"type": "Punctuation"}], WORDS
    yield [{"type": "CharDelimiterSplit", "delimiter": "\u00e9"}], "caf\u00e9\u00e9s \u00e9"
    for steps in ([byte_level(True)], [{"type": "WhitespaceSplit"}], [metaspace("first")], [split("a", "Removed")], [split(r"\s+")]):
        for text in ("", " ", "a", "aaa"):
            yield steps, text


EXPRESSIONS = [
    (r"\h\H|\x41|\u00e9|\x{1F600}|\t|\v|\e|\.|\-|\é|\_", "aZ9gA\u00e9\U0001F600\t\v\x1b.-_ f"), (r"(?i)sk[ik]|(?-i:B)|\u03c3", "SK\u212a\u017fki bB \u03a3\u03c2\u03c3"),
    (r"a(?i)b|c", "aB C b aC"), (r"(?m:a.)|b.|\N\O", "a\nb\nc\n"), (r"^.|.$|\Z", "ab\ncd\n\nef\n"), (r"\A\w|\w\z|\Bx\B|\b\w\b", "ab x axb c"), (r"\G\p{L}", "ab c"),
    (r"\R|\r", "a\r\n\n\r\u0085\u2028"), (r"a++b|[cd]{3,1}c?|e{,2}f|g{2}|h{2,3}?|i{1,}?i|{|x{a}", "aab cdcc eef gg hhhh iii {x{a}"), (r"(?>a|ab)c|(?:d|de)f(?<name>g)(?'n'h)", "ac abc def defgh"),
    (r"(?<=a)b|(?<!\s)c(?!d)|e(?=f)", "ab bb acd ac c ef eg"), (r"[a-c&&[^b]]+|[x[yz]-]|[\]\[]", "abc xyz-[]"),
    (r"[[:alpha:]]+[[:^alpha:]]|[[:word:]]|[[:punct:]]", "ab1 \u00b2\u0663 $+_"), (r"\w+|[\w]+", "a\u00b2 \u00b2 \u0301_\u203f"), (r"\p{Greek}+|\p{^L}|\P{Ll}\p{Han}", "\u03b1\u03b2a1b\u6f22\u5b57"),
    (r"[^\p{L}\s]|[^\P{Lu}A-M]", "aZA1 \n$"), (r"(?i:[a-f&&[^b]])|(?i:[^g\P{L}])", "ABGgZ"), (r"(?#not this\))x(?:)y|()z", "xyz"), (r"[.$^*+?()|{}]", "a.$^*+?()|{}b"), (r"[&a]|[a-]|[-z]", "&-z"),
    (BLOOM, "a(b) c|d, e[f]g\u3002"), (r"\p{Lu}\p{L}*?\b|\d{2}+", "Abc \u01c5x 12345"), (r"\p{N}{1,3}+|a{2}?b|c{2,3}?c|d**e|f{1,2}*g|h?+?i", "12345 b aab ccccc dde fffg hi"),
    (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s", "It'S 12345, ok?\n\n  a  "), (r"x*", "axxb"), (r"|a", "ba"), (r"[\b\t]|\b", "a\b\t"), (r"[^\x00-\x{10FFFF}]|a", "ab"),
]
CLASSES = ([rf"\p{{{name}}}" for name in "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn L M N P S Z C LC Han Hiragana Katakana Latin Cyrillic "
            "Arabic Hangul Thai Devanagari Common Inherited Unknown Alphabetic White_Space Any".split()]
           + [f"[[:{name}:]]" for name in "alnum alpha ascii blank cntrl digit graph lower print punct space upper xdigit word".split()]
           + [r"\w", r"[\w]", r"\s", r"\d", r"\h", r"\W", r"\S", ".", r"\R", "(?i:k)", "(?i:s)", "(?i:[a-z])", "(?i:[^a-z])", r"(?i:[\p{Lu}&&[^\u0130\u1E9E\u1F50-\u1FFF]])"])


def component(o):
    kind = o["type"]
    if kind == "Split":
        (form, pattern), = o["pattern"].items()
        behavior = "".join("_" + c.lower() if c.isupper() else c for c in o["behavior"])[1:]
        return pre_tokenizers.Split(Regex(pattern) if form == "Regex" else pattern, behavior, invert=o["invert"])
    name, values = kind, {k: v for k, v in o.items() if k not in ("type", "trim_offsets")}
    if kind == "Punctuation" and values:
        values["behavior"] = "".join("_" + c.lower() if c.isupper() else c for c in o["behavior"])[1:]
    if values.pop("add_prefix_space", None) and kind == "ByteLevel":
        values["add_prefix_space"] = True
    elif kind == "ByteLevel":
        values["add_prefix_space"] = False
    return getattr(pre_tokenizers, name)(**values)


def places(text):
    """Byte of each character, and of the end."""
    out = [0]
    for c in text:
        out.append(out[-1] + len(c.encode()))
    return out


def quoted(text):
    """A C literal, in lines of up to 150 bytes."""
    lines, line = [], ""
    for c in text:
        plain = c.isprintable() and c not in '"\\?' and c != "\u0301"
        item = c if plain else "".join(f"\\{b:03o}" for b in c.encode())
        if len((line + item).encode()) > 140:
            lines.append(line)
            line = ""
        line += item
    return "\n     ".join(f'"{one}"' for one in [*lines, line])


@contextlib.contextmanager
def header(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "w") as f, contextlib.redirect_stdout(f):
        print("#pragma once\n/* Made by make_pretokenize_cases.py. */\n// clang-format off\n#include <stdint.h>")
        yield
        print("// clang-format on")


def row(*parts):
    """A row of a table, wrapped where it would be too long."""
    out, line = [], "    {"
    for i, part in enumerate(parts):
        item = part + ("}," if i == len(parts) - 1 else ", ")
        if len((line + item).encode()) > 150:
            out.append(line)
            line = "     "
        line += item
    print("\n".join([*out, line]))


def matches(pattern, text):
    found = pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(text)
    at = places(text)
    return [(at[b], at[e]) for _, (b, e) in found]


def summary(pattern, every):
    """Number of characters that match, and FNV-1a over their numbers."""
    n, h = 0, 14695981039346656037
    for _, (b, e) in pre_tokenizers.Split(Regex(f"(?:{pattern})+"), "removed", invert=True).pre_tokenize_str(every):
        for c in every[b:e]:
            n, h = n + 1, (h ^ ord(c)) * 1099511628211 & (1 << 64) - 1
    return n, h


def pre_cases():
    rows, every_place = [], []
    for steps, text in cases():
        at = places(text)
        pieces = pre_tokenizers.Sequence([component(o) for o in steps]).pre_tokenize_str(text)
        assert not any("\x1f" in p for p, _ in pieces)
        rows.append((quoted(json.dumps(steps, ensure_ascii=False)), quoted(text), str(at[-1]), str(len(pieces)), str(len(every_place)),
                     quoted("".join(p + "\x1f" for p, _ in pieces))))
        every_place += [at[x] for _, place in pieces for x in place]
    print("/* First and end byte in the given text, of every piece of every case */\nstatic const unsigned char pre_place[] = {")
    for i in range(0, len(every_place), 30):
        print("    " + ", ".join(map(str, every_place[i:i + 30])) + ",")
    print("};\n/* piece: each with a byte 037 behind it; place: of the first in pre_place */")
    print("typedef struct pre_case {\n    const char *steps, *text;\n    int bytes, n, place;\n    const char *piece;\n} pre_case;")
    print("static const pre_case pre_cases[] = {")
    for one in rows:
        row(*one)
    print("};")


def regex_cases():
    print("typedef struct regex_case {\n    const char *pattern, *text;\n    int bytes, n; /* n: matches that are not empty */\n    int place[64];\n} regex_case;")
    print("static const regex_case regex_cases[] = {")
    for pattern, text in EXPRESSIONS:
        found = matches(pattern, text)
        assert len(found) <= 32
        row(quoted(pattern), quoted(text), str(len(text.encode())), str(len(found)), "{" + ", ".join(f"{b}, {e}" for b, e in found or [(0, 0)]) + "}")
    print("};\n/* Over all characters in order: how many match, and FNV-1a over their numbers */")
    print("typedef struct class_case {\n    const char *pattern;\n    int n;\n    uint64_t hash;\n} class_case;")
    print("static const class_case class_cases[] = {")
    every = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    for pattern in CLASSES:
        n, h = summary(pattern, every)
        row(quoted(pattern), str(n), f"UINT64_C(0x{h:X})")
    print("};")


def main():
    with header("pretokenize_cases.h"):
        pre_cases()
    with header("regex_cases.h"):
        regex_cases()


main()
