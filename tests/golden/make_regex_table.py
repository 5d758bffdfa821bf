"""Writes src/text/regex_table.h and regex_scripts.h: which characters the classes of an expression hold in Hugging Face's tokenizers, found by asking its Split about every code point.

Its Oniguruma has one version of Unicode, the PCRE2 of a machine another; ids must not depend on the machine.  What follows from other tables is not stored but
checked here: the rules in src/text/regex_set.c are those of `derived` below.  Only the names of scripts come from elsewhere (the package regex, and a list).
    python3 make_regex_table.py ../../src/text
"""
import contextlib
import os
import sys

from regex import _regex_core
from tokenizers import Regex, pre_tokenizers

EVERY = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, EVERY))
CATEGORY = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn Cs".split()
NEWER = "Garay Gurung_Khema Kirat_Rai Ol_Onal Sunuwar Todhri Tulu_Tigalari gara gukh krai onao sunu todr tutg kawi nagm nagmundari".split()


def members(pattern, text=TEXT):
    split = pre_tokenizers.Split(Regex(f"(?:{pattern})+"), "removed", invert=True)
    return {ord(c) for _, (b, e) in split.pre_tokenize_str(text) for c in text[b:e]}


def ranges(codes):
    out = []
    for c in sorted(codes):
        if out and out[-1][1] + 1 == c:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def show(head, items):
    print(f"{head} = {{")
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 140:
            print(line)
            line = "   "
        line += f" {item},"
    print(f"{line}\n}};")


@contextlib.contextmanager
def table(name):
    with open(os.path.join(sys.argv[1], name), "w") as f, contextlib.redirect_stdout(f):
        print("#pragma once\n/* Made by tests/golden/make_regex_table.py. */\n// clang-format off")
        yield
        print("// clang-format on")


def runs(parts):
    """(first, part) wherever the part of a code point is another than its predecessor's."""
    of = {c: i for i, part in enumerate(parts) for c in part}
    of.update({c: CATEGORY.index("Cs") if len(parts) == len(CATEGORY) else of[0xD7FF] for c in range(0xD800, 0xE000)})
    return [(c, of[c]) for c in range(0x110000) if c == 0 or of[c] != of[c - 1]]


def scripts():
    """Names (long ones, then others) of every script, and its characters."""
    known = {n.lower() for n in _regex_core.PROPERTIES["SCRIPT"][1]} | {n.lower().replace("_", "") for n in NEWER}
    found = {}
    for name in sorted(known, key=lambda n: (-len(n), n)):
        name = name.replace("_", "")
        try:
            codes = members(rf"\p{{{name}}}")
        except Exception:  # not a script that Oniguruma knows
            continue
        if codes:
            found.setdefault(frozenset(codes), []).append(name)
    assert sum(map(len, found)) == len(EVERY) == len(frozenset().union(*found))
    return sorted((names, codes) for codes, names in found.items())


def derived(gc, alphabetic, lower, upper):
    """What is not stored: name -> characters."""
    every = set(EVERY)

    def of(*prefixes):
        return set().union(*(codes for name, codes in gc.items() if name.startswith(prefixes)))

    space = {9, 10, 11, 12, 13, 0x85} | of("Z")
    graph = every - space - of("Cc", "Cn")
    hexadecimal = set(map(ord, "0123456789abcdefABCDEF"))
    word = alphabetic | of("M", "Nd", "Pc")
    classes = {
        "alnum": alphabetic | of("Nd"), "alpha": alphabetic, "ascii": set(range(128)), "blank": of("Zs") | {9}, "cntrl": of("Cc"), "digit": of("Nd"),
        "graph": graph, "lower": lower, "print": graph | of("Zs"), "punct": of("P", "S"), "space": space, "upper": upper, "xdigit": hexadecimal,
    }
    out = {f"[[:{name}:]]": codes for name, codes in classes.items()}
    for name, codes in classes.items():
        out[rf"\p{{{name}}}"] = out[rf"[\p{{{name}}}]"] = codes if name != "punct" else of("P")
    out[r"\p{PosixPunct}"] = of("P", "S")
    for text in (r"\w", r"\p{Word}"):  # Latin-1's other numbers are of a word, unless one stands in brackets
        out[text], out[f"[{text}]"] = word | {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE}, word
    out["[[:word:]]"] = word
    out[r"\W"], out[r"[\W]"] = every - out[r"\w"], every - word
    for text, codes in ((r"\s", space), (r"\d", of("Nd")), (r"\h", hexadecimal)):
        out[text] = out[f"[{text}]"] = codes
        out[text.upper()] = out[f"[{text.upper()}]"] = every - codes
    out["."] = out[r"\N"] = every - {10}
    out[r"\O"] = out[r"\p{Any}"] = every
    out[r"\R"] = {10, 11, 12, 13, 0x85, 0x2028, 0x2029}
    out[r"\p{Assigned}"] = every - of("Cn")
    out[r"\p{LC}"] = of("Lu", "Ll", "Lt")
    for prefix in "LMNPSZC":
        out[rf"\p{{{prefix}}}"] = out[rf"[\p{{{prefix}}}]"] = of(prefix)
        out[rf"\P{{{prefix}}}"] = out[rf"[^\p{{{prefix}}}]"] = out[rf"\p{{^{prefix}}}"] = every - of(prefix)
    return out


def case_runs():
    """Characters that a caseless expression takes for one another form rings; a run (first, last, step, delta) says that each leads to the one delta further.
    Left out: what stands for several characters when folded; expressions with those are refused."""
    several = {c for c in EVERY if len(chr(c).casefold()) > 1}
    cased = sorted(members(r"[\p{Changes_When_Casemapped}\p{Changes_When_Casefolded}\p{Cased}]") - several)
    text = "".join(map(chr, cased))
    following = {}
    for c in cased:
        ring = sorted(members(rf"(?i:\x{{{c:X}}})", text))
        assert ring == sorted(members(rf"(?i:[\x{{{c:X}}}])", text)) and c in ring
        if len(ring) > 1:
            following[c] = ring[(ring.index(c) + 1) % len(ring)] - c
    out = []
    left = dict.fromkeys(sorted(following))
    while left:
        first = next(iter(left))
        best = [first]
        for step in (1, 2):
            run = [first]
            while following.get(run[-1] + step) == following[first] and run[-1] + step in left:
                run.append(run[-1] + step)
            best = max(best, run, key=len)
        out.append((first, best[-1], best[1] - best[0] if len(best) > 1 else 1, following[first]))
        for c in best:
            del left[c]
    pairs = sorted({tuple(map(ord, chr(c).casefold()[:2])) for c in several})
    return out, several, pairs


def main():
    gc = {name: members(rf"\p{{{name}}}") for name in CATEGORY}
    assert sum(map(len, gc.values())) == len(EVERY)
    alphabetic, lower, upper = (members(rf"\p{{{name}}}") for name in ("Alphabetic", "Lowercase", "Uppercase"))
    letters = gc["Lu"] | gc["Ll"] | gc["Lt"] | gc["Lm"] | gc["Lo"] | gc["Nl"]
    assert letters <= alphabetic and gc["Ll"] <= lower and gc["Lu"] <= upper
    for pattern, codes in derived(gc, alphabetic, lower, upper).items():
        assert members(pattern) == codes, pattern
    found = scripts()
    with table("regex_scripts.h"):
        show("/* The names of each script, a space between two */\nstatic const char *const script_name[]", ['"' + " ".join(names) + '"' for names, _ in found])
        show("/* First code point of a run << 8 | the place of its script above */\nstatic const uint32_t script_run[]",
             [f"0x{c << 8 | part:X}" for c, part in runs([codes for _, codes in found])])
    cases, several, pairs = case_runs()
    with table("regex_table.h"):
        show("/* First code point of a run << 8 | its category in the order of regex_set.c */\nstatic const uint32_t category_run[]",
             [f"0x{c << 8 | part:X}" for c, part in runs([gc[name] for name in CATEGORY])])
        for name, what, codes in (("other_alphabetic", "Alphabetic, but not L or Nl", alphabetic - letters), ("other_lower", "Lowercase, but not Ll", lower - gc["Ll"]),
                                  ("other_upper", "Uppercase, but not Lu", upper - gc["Lu"])):
            show(f"/* {what} */\nstatic const lt_set_range {name}[]", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(codes)])
        show("/* A caseless expression takes c for c + delta as well, c = first, first + step ... last */\nstatic const lt_case_run case_run[]",
             [f"{{0x{a:X}, 0x{b:X}, {step}, {delta}}}" for a, b, step, delta in cases])
        show("/* Become several characters when folded */\nstatic const lt_set_range folds_long[]", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(several)])
        show("/* The first two of those several */\nstatic const lt_set_range folded_pair[]", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in pairs])


main()
