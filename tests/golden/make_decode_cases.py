"""Prints decode_cases.h: decoders in tokenizer.json's form, lists of tokens, and the texts that Hugging Face makes of them, without and with transformers' clean-up of
spaces.
    python3 make_decode_cases.py > decode_cases.h       (tokenizers 0.22.1, transformers 4.57.1)
"""
import json
import random

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

FRAME = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "model": {
    "type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def strip(content, start, stop):
    return {"type": "Strip", "content": content, "start": start, "stop": stop}


def metaspace(**more):
    return {"type": "Metaspace", "replacement": "▁", **more}


def ctc(cleanup, pad="<pad>", delimiter="|"):
    return {"type": "CTC", "pad_token": pad, "word_delimiter_token": delimiter, "cleanup": cleanup}


def chain(*decoders):
    return {"type": "Sequence", "decoders": list(decoders)}


def alphabet():
    kept = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
    rest = [b for b in range(256) if b not in kept]
    return {**{b: chr(b) for b in kept}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


ALPHABET = alphabet()


def spelt(raw):
    return "".join(ALPHABET[b] for b in raw)


HEX, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
WORDS = ["film", "##s", "a", "##", "#", " ", ".", "?", ",", "'", " ' ", "n't", "'m", "do not", "'s", "'ve", "'re", "do", "not", "n", "'t", "x ."]
MARKS = ["▁the", "▁", "▁▁", "film", "s", "▁a▁b", "é", "<0xC3>", "<0xA9>", "<0xE6>", "<0x97>", "<0xA5>", "<0xFF>", "<0x20>", "<0x0A>", "<0x+A>", "<0x-1>",
         "<0xG0>", "<0x41>x", "", "<s>", "▀", "▀▁"]
SPELT = [spelt(t) for t in (b" the", b"film", b"\xc3", b"\xa9", b"\xe6\x97", b"\xa5", b"\xf0\x9f", b"\x98\x80", b"\xff", b"\xed\xa0\x80", b"\xf0\x80", b"\xe2",
                            b"\n", b"\x00", b"\xc0\xaf", b"\xf4\x90\x80\x80")] + ["<|x|>", "日本", "a b"]
ENDS = ["film</w>", "s", "</w>", "a</w>b</w>", "</", "w>", "", "<pad>", "<pad>a", "|", "||", "h", "h", "l", "l", " ."]
LETTERS = ["a", "ab", "aab", "aabaab", "aabaabaab", "b", "ba", "", " ", "  a", "日a", "HH", "H", "HaH", "HHHaaHHH"]
CASES = [
    (None, WORDS), ({"type": "WordPiece", "prefix": "##", "cleanup": True}, WORDS), ({"type": "WordPiece", "prefix": "##", "cleanup": False}, WORDS),
    ({"type": "WordPiece", "prefix": "", "cleanup": True}, WORDS),
    (metaspace(prepend_scheme="always", split=True), MARKS), (metaspace(prepend_scheme="first"), MARKS), (metaspace(prepend_scheme="never"), MARKS),
    (metaspace(add_prefix_space=True), MARKS),
    (chain(replace("▁", " "), HEX, FUSE, strip(" ", 1, 0)), MARKS), (chain(replace("▁", " "), HEX, FUSE), MARKS), (HEX, MARKS), (chain(HEX, metaspace()), MARKS),
    (BYTES, SPELT), (chain(BYTES, replace("�", "?")), SPELT), (chain(FUSE, BYTES), SPELT),
    ({"type": "BPEDecoder", "suffix": "</w>"}, ENDS), ({"type": "BPEDecoder", "suffix": ""}, ENDS), (chain(FUSE, {"type": "BPEDecoder", "suffix": "</w>"}), ENDS),
    (ctc(True), ENDS), (ctc(False), ENDS), (ctc(True, "", ""), ENDS), (chain(ctc(True), metaspace()), ENDS + ["▁"]),
    (replace("aab", "b"), LETTERS), (replace("aabaab", ""), LETTERS), (chain(FUSE, replace("aabaab", "-")), LETTERS), (replace("", "-"), LETTERS),
    (chain(replace("a", "aa"), FUSE, replace("aaa", "b")), LETTERS), (replace(" +", "_", "Regex"), LETTERS), (replace("x*", "-", "Regex"), LETTERS),
    (replace("a*", "-", "Regex"), LETTERS), (chain(FUSE, replace("a+b", "-", "Regex")), LETTERS), (strip("H", 1, 0), LETTERS), (chain(FUSE, strip("H", 2, 2)), LETTERS),
    (chain(FUSE, strip("日", 1, 1)), ["日", "日日", "旦"]), (chain(), LETTERS), (chain(chain(FUSE), chain(strip(" ", 1, 0))), LETTERS),
]


def lists(rng, tokens):
    yield []
    yield tokens
    for n in (1, 2, 3, 5, 8, 13):
        yield [rng.choice(tokens) for _ in range(n)]


def make():
    rng = random.Random(1)
    for decoder, tokens in CASES:
        tokenizer = Tokenizer.from_str(json.dumps({**FRAME, "decoder": decoder}))
        made = []
        for given in lists(rng, tokens):
            try:
                text = tokenizer.decoder.decode(given) if decoder else " ".join(given)
            except BaseException as panic:  # Strip of a text that has nothing else
                if type(panic).__name__ != "PanicException":
                    raise
                continue
            clean = PreTrainedTokenizerBase.clean_up_tokenization(text)
            made.append({"tokens": given, "text": text} | ({"clean": clean} if clean != text else {}))
        yield json.dumps({"decoder": decoder, "lists": made}, separators=(",", ":"))


def c_text(text):
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    cuts, at = [], 0
    while at < len(text):
        end = min(at + 140, len(text))
        while end < len(text) and text[end - 1] == "\\":  # not within an escape
            end -= 1
        cuts.append(text[at:end])
        at = end
    return "\n".join(f'    "{cut}"' for cut in cuts)


print("#pragma once")
print("/* Made by make_decode_cases.py from Hugging Face's tokenizers 0.22.1.  Each text is a JSON object: a decoder, and lists of tokens with the texts that they")
print(' * become ("clean": after transformers\' clean-up of spaces, where it changes something). */')
print("// clang-format off")
print("static const char *const decode_cases[] = {")
print(",\n".join(c_text(case) for case in make()))
print("};")
