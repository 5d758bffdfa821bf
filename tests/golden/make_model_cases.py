"""Prints model_cases.json: small tokenizers in tokenizer.json's form, one for each switch of a model, of added tokens and of truncation, with the ids and the
bytes that Hugging Face's tokenizers gives for own texts.
    python3 make_model_cases.py > model_cases.json      (tokenizers 0.22.1)
"""
import json
import random

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

LETTERS = "abno▁ "
TEXTS = ["", "a", "abab", "abcabcab cab", "banana bandana", " a  b   c ", "nonone and no one", "a▁b", "▁▁▁", "zeta aé b", "é", "ééa", "日本 a", "😀a😀",
         "a.b..c...", "deed" * 8, "abcde" * 12, "no<unk>no", "a <x> b", "<x><y>a", "a<X>b", "an <x>y z", "  <y>  b", "bad<bad>bad bad", "ab\x00ab", "nab\ncab\tab"]


def pairs_of(rng, letters, n, blanks=True):
    """n merges over an alphabet, each of two tokens that exist by then; joints across a blank only where blanks says so."""
    tokens, merges = list(letters), []
    while len(merges) < n:
        a, b = rng.choice(tokens), rng.choice(tokens)
        if not blanks and b[0] in "▁ " and a[-1] not in "▁ ":
            continue
        if len(a + b) > 5 or (a, b) in merges:
            continue
        merges.append((a, b))
        if a + b not in tokens:
            tokens.append(a + b)
    return tokens, merges


def bpe(seed, blanks=True, extra=(), **options):
    rng = random.Random(seed)
    tokens, merges = pairs_of(rng, LETTERS, 60, blanks)
    tokens = list(extra) + tokens
    return models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges, **options)


def unigram(seed, byte_fallback=False, unk=True):
    rng = random.Random(seed)
    tokens = [("<unk>", 0.0)] + ([(f"<0x{b:02X}>", -9.0) for b in range(256)] if byte_fallback else [])
    tokens += [(c, -rng.uniform(2, 6)) for c in LETTERS]
    words = sorted({"".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 5))) for _ in range(80)})
    tokens += [(w, -rng.uniform(1, 9)) for w in words if len(w) > 1]
    return models.Unigram(tokens, unk_id=0 if unk else None, byte_fallback=byte_fallback)


def wordpiece(**options):
    pieces = ["[UNK]", "a", "b", "ab", "ban", "no", "and", "##a", "##ana", "##dana", "##ne", "##n", "##ab", "##c", "é", "##é", "日"]
    return models.WordPiece({t: i for i, t in enumerate(pieces)}, unk_token="[UNK]", **options)


def whole(model, normalizer=None, pre=None, post=None, added=()):
    t = Tokenizer(model)
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.add_special_tokens([a for a in added if a.special])
    t.add_tokens([a for a in added if not a.special])
    if post:
        t.post_processor = post(t)
    return t


def template(t):
    a, b = t.token_to_id("<x>"), t.token_to_id("<y>")
    return processors.TemplateProcessing(single="<x> $A <y>", pair="<x> $A <y> $B:1 <y>:1 <y>:1", special_tokens=[("<x>", a), ("<y>", b)])


def added(**flags):
    return [AddedToken("<x>", special=True, normalized=False, **flags), AddedToken("<y>", special=True, normalized=False),
            AddedToken("bad", special=False, normalized=True, single_word=True), AddedToken("<bad>", special=False, normalized=False)]


def tokenizers():
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    yield "bpe", whole(bpe(1))
    yield "bpe, no merge over a blank", whole(bpe(2, blanks=False))
    yield "bpe, fused unknown", whole(bpe(3, extra=["<unk>"], unk_token="<unk>", fuse_unk=True))
    yield "bpe, unknown one by one", whole(bpe(3, extra=["<unk>"], unk_token="<unk>", fuse_unk=False))
    yield "bpe, bytes", whole(bpe(4, blanks=False, extra=["<unk>"] + bytes_, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    yield "bpe, some bytes", whole(bpe(5, blanks=False, extra=["<unk>"] + bytes_[:200], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    yield "bpe, whole words first", whole(bpe(6, ignore_merges=True), pre=pre_tokenizers.WhitespaceSplit())
    yield "bpe, prefix", whole(models.BPE(vocab={"a": 0, "##b": 1, "##a": 2, "ab": 3, "aba": 4, "##c": 5, "##ca": 6, "b": 7},
                                          merges=[("a", "##b"), ("##c", "##a"), ("ab", "##a")], continuing_subword_prefix="##"),
                               pre=pre_tokenizers.WhitespaceSplit())
    yield "bpe, suffix", whole(models.BPE(vocab={"a": 0, "b": 1, "a</w>": 2, "b</w>": 3, "ab</w>": 4, "aba</w>": 5, "ba</w>": 6},
                                          merges=[("b", "a</w>"), ("a", "b</w>"), ("a", "ba</w>")], end_of_word_suffix="</w>"),
                               pre=pre_tokenizers.WhitespaceSplit())
    yield "unigram", whole(unigram(7))
    yield "unigram, bytes", whole(unigram(8, byte_fallback=True))
    yield "unigram, words", whole(unigram(9), pre=pre_tokenizers.Metaspace())
    yield "wordpiece", whole(wordpiece(), pre=pre_tokenizers.WhitespaceSplit())
    yield "wordpiece, short words", whole(wordpiece(max_input_chars_per_word=5), pre=pre_tokenizers.WhitespaceSplit())
    yield "added tokens, template", whole(bpe(1), normalizer=normalizers.Lowercase(), post=template, added=added())
    yield "added tokens, blanks around", whole(bpe(1), post=template, added=added(lstrip=True, rstrip=True))
    yield "added tokens, after a prepended blank", whole(bpe(2, blanks=False), normalizer=normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), added=[AddedToken("no", normalized=True), AddedToken("<x>", special=True, normalized=True)])


def byte_spans(text, offsets):
    at = [len(text[:i].encode()) for i in range(len(text) + 1)]
    return [[at[a], at[b]] for a, b in offsets]


def cases(name, t):
    for text in TEXTS:
        e = t.encode(text)
        spans = byte_spans(text, e.offsets)
        left_out = isinstance(t.model, models.BPE) and not t.model.unk_token and any(c not in LETTERS or (c == "▁" and t.token_to_id(c) is None) for c in text)
        # behind characters that are left out its offsets are not where tokens are
        yield {"text": text, "ids": e.ids, "spans": None if left_out else spans}


def pairs(t):
    for how, strategy in enumerate(["longest_first", "only_first", "only_second"]):
        for most in (0, 7, 9, 12, 30):
            for a, b in (("nonone and", "cab"), ("ab", "banana bandana ban"), ("deed deed", None)):
                if strategy == "only_second" and not b:
                    continue
                t.no_truncation()
                if most:
                    t.enable_truncation(most, strategy=strategy)
                try:
                    e = t.encode(a, b) if b else t.encode(a)
                except Exception:
                    continue
                seconds = [i for i, s in enumerate(e.sequence_ids) if s == 1]
                if not b or seconds:
                    yield {"a": a, "b": b, "max": most, "how": how, "ids": e.ids, "segment": seconds[0] if seconds else len(e.ids)}
    t.no_truncation()


def main():
    print("[")
    for k, (name, t) in enumerate(tokenizers()):
        all_pairs = list(pairs(t)) if "template" in name else []
        line = {"name": name, "tokenizer": json.loads(t.to_str()), "cases": list(cases(name, t)), "pairs": all_pairs}
        print(("," if k else "") + json.dumps(line, ensure_ascii=False, separators=(",", ":")))
    print("]")


main()
