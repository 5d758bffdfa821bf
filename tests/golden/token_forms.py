"""Small tokenizers of every form that a tokenizer.json, or the files beside it, can have: each component by itself and the structures of known models.

make_forms(out, shared) writes one folder each and returns their names; those of whole models come first.  A component is put into a model that shows what it does: bytes as
ids show a normaliser, merges across everything show where a pre-tokeniser cuts.  Vocabularies are trained here, on a few thousand sentences and some lines of other scripts."""
import json
import random

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

OTHER = """Straße und Übermut, größer als naïve Café-Gäste; ça va très bien, où êtes-vous? İstanbul'da ılık süt. Zażółć gęślą jaźń. Příliš žluťoučký kůň. Être ou ne pas être.
Съешь же ещё этих мягких французских булок, да выпей чаю. Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. שלום עולם, מה שלומך? مرحبا بالعالم، كيف حالك؟ नमस्ते दुनिया। क्षत्रिय ज्ञान सभी मनुष्यों
你好,世界。今天天气很好！我喜欢学习语言。東京は日本の首都です。カタカナとひらがな、がぎぐげご。안녕하세요 세계 한국어를 배웁니다 สวัสดีชาวโลก ภาษาไทย Tiếng Việt rất hay và đẹp 😀 👍🏽 👩‍👩‍👧 🇩🇪 ❤️ ☎️
def f(x):\n    return x ** 2\nfor (int i = 0; i < n; i++) {\n\ta[i] += 1;\n}\n don't I'm we've you'll he'd it's they're 123 4567 89.5% $1,234 #hash @user a_b __init__ x=y+z 1st 2nd""".split("\n")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𞤀-𞥃]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+"]
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
BEHAVIOURS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def corpus(shared):
    lines = (shared / "data/sst2/dev.tsv").read_text(encoding="utf-8").split("\n")[1:800] + (shared / "data/conll2003/valid.txt").read_text(encoding="utf-8").split("\n")[:3000]
    lines = [line.split("\t")[-1] for line in lines] + (shared / "data/agnews/train_5k_subset.csv").read_text(encoding="utf-8").split("\n")[:1200]
    return lines + OTHER * 12


def train(model, pre, lines, size=1500, special=("<unk>", "<s>", "</s>", "<pad>", "<mask>"), normalizer=None, **more):
    tok = Tokenizer(model)
    tok.pre_tokenizer, tok.normalizer = pre, normalizer or tok.normalizer
    kind = {"BPE": trainers.BpeTrainer, "WordPiece": trainers.WordPieceTrainer, "Unigram": trainers.UnigramTrainer}[type(model).__name__]
    if kind is trainers.UnigramTrainer:
        more["unk_token"] = "<unk>"
    tok.train_from_iterator(lines, kind(vocab_size=size, special_tokens=list(special), show_progress=False, **more))
    return json.loads(tok.to_str())


def with_bytes(j):
    """The BPE or Unigram with a token for each byte, and byte_fallback."""
    j = json.loads(json.dumps(j))
    model = j["model"]
    if model["type"] == "Unigram":
        model["vocab"] += [[b, -30.0 - i / 64] for i, b in enumerate(BYTES)]
    else:
        model["vocab"].update({b: len(model["vocab"]) + i for i, b in enumerate(BYTES)})
    model["byte_fallback"] = True
    return j


def J(part):
    """A component as it stands in a file."""
    return json.loads(part.__getstate__())


def put(j, **parts):
    """A copy with other components; model gets single keys."""
    j = json.loads(json.dumps(j))
    for key, value in parts.items():
        if key == "model":
            j["model"].update(value)
        else:
            j[key] = value if value is None or isinstance(value, (dict, list)) else J(value)
    return j


def seq(kind, *parts):
    name = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "decoder": "decoders", "post_processor": "processors"}[kind]
    return {"type": "Sequence", name: [p if isinstance(p, dict) else J(p) for p in parts]}


def split(pattern, behaviour="Isolated", invert=False, regex=True):
    return {"type": "Split", "pattern": {"Regex" if regex else "String": pattern}, "behavior": behaviour, "invert": invert}


def replace(pattern, content, regex=False):
    return {"type": "Replace", "pattern": {"Regex" if regex else "String": pattern}, "content": content}


def added(j, *tokens):
    """tokens: (content, flags of "single_word lstrip rstrip normalized special" that are true)."""
    j = json.loads(json.dumps(j))
    known = {t["content"]: t["id"] for t in j["added_tokens"]}
    vocab = j["model"]["vocab"]
    ids = vocab if isinstance(vocab, dict) else {t[0]: i for i, t in enumerate(vocab)}
    fresh = max([len(ids), *(i + 1 for i in known.values())])
    for content, flags in tokens:
        token = {"id": known.get(content, ids.get(content, fresh)), "content": content}
        token.update({f: f in flags.split() for f in ("single_word", "lstrip", "rstrip", "normalized", "special")})
        fresh += token["id"] == fresh
        j["added_tokens"] = [t for t in j["added_tokens"] if t["content"] != content] + [token]
    return j


def template(single, pair, **ids):
    parts = J(processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(t, 0) for t in ids]))
    lists = {t: i if isinstance(i, list) else [i] for t, i in ids.items()}
    return {**parts, "special_tokens": {t: {"id": t, "ids": i, "tokens": [t] * len(i)} for t, i in lists.items()}}


ENDS = {"<s>": 1, "</s>": 2}
SCRIPTS, REFERENCE, CLUSTER, CASELESS = 'pre_tokenizer "UnicodeScripts" is not supported', "a reference to a group", r"\X (at byte 3)", "a caseless letter that stands for several"
# Forms that are to be refused, and what is to be said of them.
REFUSED = {"pre-scripts": SCRIPTS, "pre-whitespace-scripts": SCRIPTS, "pre-scripts-fixed": SCRIPTS, "post-sequence-two": "both place the texts", "post-reverse": "repeats a text or has them in another order",
           **{prefix + name: said for prefix in ("regex-", "regex-replace-") for name, said in {"case": CASELESS, "back": REFERENCE, "group": REFERENCE, "newline": CLUSTER}.items()}}
# Forms where Hugging Face panics on some inputs: its Strip, on a token that is all of what it strips and on no tokens at all; an added token within the white space that the one before it takes.
UNJUDGED = {"dec-strip", "dec-strip-more", "dec-fuse-strip", "dec-bytelevel-fuse", "dec-nest", "added-mixed-meta-always"}


class Bases:
    """Trained models, without other components."""

    def __init__(self, lines):
        bl = pre_tokenizers.ByteLevel(add_prefix_space=False)
        ms = pre_tokenizers.Metaspace()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        bare = lambda j: put(j, pre_tokenizer=None, normalizer=None, decoder=None, post_processor=None)
        some = lines[::2]
        self.bytes = bare(train(models.BPE(), bl, lines, initial_alphabet=alphabet))
        self.space = bare(train(models.BPE(unk_token="<unk>", fuse_unk=True), ms, lines, limit_alphabet=400))
        short = [line[i : i + 24] for line in some for i in range(0, len(line), 24)]
        self.wide = bare(train(models.BPE(unk_token="<unk>"), None, short, size=2500, limit_alphabet=300))
        self.suffix = bare(train(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), pre_tokenizers.Whitespace(), lines, end_of_word_suffix="</w>"))
        self.prefix = bare(train(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"), pre_tokenizers.Whitespace(), lines, continuing_subword_prefix="##"))
        self.pieces = bare(train(models.WordPiece(unk_token="[UNK]"), pre_tokenizers.BertPreTokenizer(), lines, special=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), limit_alphabet=400))
        self.unigram = bare(train(models.Unigram(), ms, lines))
        self.unigram_wide = bare(train(models.Unigram(), None, short))


def model_forms(b, charsmap):
    """Structures of known models, with small vocabularies."""
    bl = lambda prefix=False, regex=True: pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    meta = pre_tokenizers.Metaspace
    back = decoders.ByteLevel()
    byte_split = lambda p: seq("pre_tokenizer", split(p), bl(False, False))
    llama_back = seq("decoder", replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0))
    gemma_back = seq("decoder", replace("▁", " "), decoders.ByteFallback(), decoders.Fuse())
    space = with_bytes(b.space)
    yield "gpt2-form", put(b.bytes, pre_tokenizer=bl(), decoder=back, post_processor=processors.ByteLevel(trim_offsets=False))
    yield "roberta-form", added(put(b.bytes, pre_tokenizer=bl(), decoder=back, post_processor=processors.RobertaProcessing(("</s>", 2), ("<s>", 1))), ("<mask>", "lstrip special"))
    yield "bloom-form", put(b.bytes, pre_tokenizer=byte_split(BLOOM), decoder=back, post_processor=processors.ByteLevel(trim_offsets=False))
    yield "llama3-form", put(b.bytes, pre_tokenizer=byte_split(LLAMA3), decoder=back, model={"ignore_merges": True},
                             post_processor=seq("post_processor", processors.ByteLevel(trim_offsets=False), template("<s> $A", "<s> $A <s>:1 $B:1", **{"<s>": 1})))
    yield "qwen2-form", put(b.bytes, normalizer=normalizers.NFC(), pre_tokenizer=byte_split(QWEN2), decoder=back, post_processor=processors.ByteLevel(trim_offsets=False))
    yield "o200k-form", put(b.bytes, pre_tokenizer=byte_split(O200K), decoder=back, model={"ignore_merges": True})
    yield "deepseek-form", put(b.bytes, normalizer=seq("normalizer"), decoder=back, pre_tokenizer=seq("pre_tokenizer", *map(split, DEEPSEEK), pre_tokenizers.Digits(True), bl(False, False)))
    yield "falcon-form", put(b.bytes, pre_tokenizer=seq("pre_tokenizer", pre_tokenizers.Punctuation("contiguous"), bl(), pre_tokenizers.Digits(False), split("[0-9][0-9][0-9]")), decoder=back)
    yield "neox-form", added(put(b.bytes, normalizer=normalizers.NFC(), pre_tokenizer=bl(), decoder=back), *((" " * n, "normalized") for n in range(2, 25)))
    yield "starcoder-form", put(b.bytes, pre_tokenizer=seq("pre_tokenizer", pre_tokenizers.Digits(True), bl()), decoder=back)
    yield "llama-form", put(space, normalizer=seq("normalizer", normalizers.Prepend("▁"), replace(" ", "▁")), decoder=llama_back, post_processor=template("<s> $A", "<s> $A <s>:1 $B:1", **{"<s>": 1}))
    yield "llama-new-form", put(space, pre_tokenizer=meta(prepend_scheme="first", split=False), decoder=llama_back, post_processor=template("<s> $A", "<s> $A $B", **ENDS))
    yield "gemma-form", put(space, normalizer=normalizers.Replace(" ", "▁"), pre_tokenizer=split(" ", "MergedWithPrevious", False, False), decoder=gemma_back,
                            post_processor=template("<s> $A", "<s> $A <s>:1 $B:1", **{"<s>": 1}))
    charm = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    xlmr = template("<s> $A </s>", "<s> $A </s> </s> $B </s>", **ENDS)
    yield "xlmr-form", added(put(b.unigram, normalizer=charm, pre_tokenizer=seq("pre_tokenizer", pre_tokenizers.WhitespaceSplit(), meta()), decoder=decoders.Metaspace(), post_processor=xlmr),
                             ("<mask>", "lstrip special"))
    yield "xlmr-new-form", put(b.unigram, normalizer=seq("normalizer", charm, replace(" {2,}", " ", True)), pre_tokenizer=meta(), decoder=decoders.Metaspace(), post_processor=xlmr)
    yield "t5-form", added(put(b.unigram, normalizer=charm, pre_tokenizer=seq("pre_tokenizer", pre_tokenizers.WhitespaceSplit(), meta()), decoder=decoders.Metaspace(),
                               post_processor=template("$A </s>", "$A </s> $B </s>", **{"</s>": 2})), *((f"<extra_id_{i}>", "special") for i in range(9, -1, -1)))
    yield "t5-new-form", put(b.unigram, normalizer=seq("normalizer", charm, normalizers.Strip(False, True), replace(" {2,}", "▁", True)), pre_tokenizer=meta(), decoder=decoders.Metaspace(),
                             post_processor=template("$A </s>", "$A </s> $B </s>", **{"</s>": 2}))
    yield "albert-form", added(put(b.unigram, normalizer=seq("normalizer", replace("``", '"'), replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), charm,
                                                             replace(" {2,}", " ", True)), pre_tokenizer=meta(), decoder=decoders.Metaspace(),
                                   post_processor=template("<s> $A </s>", "<s> $A </s> $B:1 </s>:1", **ENDS)), ("<mask>", "lstrip special"))
    yield "xlnet-form", put(b.unigram, normalizer=seq("normalizer", replace("``", '"'), replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), charm, replace(" {2,}", " ", True)),
                            pre_tokenizer=meta(), decoder=decoders.Metaspace(), post_processor=template("$A </s> <s>", "$A </s> $B </s> <s>", **ENDS))
    yield "deberta-form", added(put(b.unigram, normalizer=seq("normalizer", normalizers.Strip(), charm, replace(" {2,}", " ", True)), pre_tokenizer=meta(), decoder=decoders.Metaspace(),
                                    post_processor=template("<s> $A </s>", "<s> $A </s> $B:1 </s>:1", **ENDS)), ("[MASK]", "special"))
    yield "clip-form", put(b.suffix, normalizer=seq("normalizer", normalizers.NFC(), replace(r"\s+", " ", True), normalizers.Lowercase()), decoder=decoders.BPEDecoder("</w>"),
                           pre_tokenizer=split(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "Removed", True),
                           post_processor=processors.RobertaProcessing(("</s>", 2), ("<s>", 1), trim_offsets=False, add_prefix_space=False))
    yield "gpt1-form", put(b.suffix, normalizer=normalizers.BertNormalizer(lowercase=True), pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.BPEDecoder("</w>"))
    yield "bert-form", put(b.pieces, normalizer=normalizers.BertNormalizer(), pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(),
                           post_processor=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)))
    yield "bert-template-form", put(b.pieces, normalizer=normalizers.BertNormalizer(lowercase=False), pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(),
                                    post_processor=template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", **{"[CLS]": 2, "[SEP]": 3}))


def normaliser_forms(b, charsmap):
    charm = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    B = normalizers.BertNormalizer
    parts = {"bert": B(), "bert-cased": B(lowercase=False), "bert-accents": B(strip_accents=False), "bert-strip": B(strip_accents=True, lowercase=False), "bert-unclean": B(clean_text=False),
             "bert-chinese": B(handle_chinese_chars=False, lowercase=False), "strip": normalizers.Strip(), "strip-left": normalizers.Strip(True, False), "strip-right": normalizers.Strip(False, True),
             "accents": normalizers.StripAccents(), "nfc": normalizers.NFC(), "nfd": normalizers.NFD(), "nfkc": normalizers.NFKC(), "nfkd": normalizers.NFKD(), "lower": normalizers.Lowercase(),
             "nmt": normalizers.Nmt(), "precompiled": charm, "replace": replace("e", "EE"), "replace-none": replace("the", ""), "replace-regex": replace(r"\s+", "_", True),
             "replace-ahead": replace(r"(?<=[a-z])\d+(?!x)", "<n>", True), "replace-empty": replace(r"x*", "-", True), "replace-special": replace(".*", "$1"), "prepend": normalizers.Prepend("▁"),
             "nfd-accents": seq("normalizer", normalizers.NFD(), normalizers.StripAccents()), "nfkd-accents-lower": seq("normalizer", normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()),
             "empty": seq("normalizer"), "nest": seq("normalizer", seq("normalizer", normalizers.NFD(), seq("normalizer", normalizers.Lowercase())), normalizers.NFC()),
             "strip-prepend": seq("normalizer", normalizers.Strip(), normalizers.Prepend("▁"), replace(" ", "▁")), "nmt-nfkc": seq("normalizer", normalizers.Nmt(), normalizers.NFKC(), normalizers.Lowercase())}
    wide = with_bytes(b.wide)
    for name, part in parts.items():
        yield "norm-" + name, put(wide, normalizer=part)
    yield "norm-bytelevel", put(b.bytes, normalizer=normalizers.ByteLevel(), decoder=decoders.ByteLevel())
    yield "norm-bytelevel-split", put(b.bytes, normalizer=seq("normalizer", normalizers.NFC(), normalizers.ByteLevel()), pre_tokenizer=split("Ġ", "MergedWithNext", False, False), decoder=decoders.ByteLevel())


def pre_tokenizer_forms(b):
    P, fused = pre_tokenizers, put(b.wide, model={"fuse_unk": True})
    meta = lambda scheme, cut, mark="▁": P.Metaspace(mark, scheme, cut)
    parts = {"bert": P.BertPreTokenizer(), "delimiter": P.CharDelimiterSplit("e"), "whitespace": P.Whitespace(), "whitespace-split": P.WhitespaceSplit(), "digits": P.Digits(False), "digits-each": P.Digits(True),
             "scripts": P.UnicodeScripts(), "fixed": P.FixedLength(3), "words": seq("pre_tokenizer", P.WhitespaceSplit(), P.Punctuation(), P.Digits(True)),
             "whitespace-scripts": seq("pre_tokenizer", P.Whitespace(), P.UnicodeScripts()), "empty": seq("pre_tokenizer"), "fixed-meta": seq("pre_tokenizer", P.FixedLength(7), meta("first", True)),
             "nest": seq("pre_tokenizer", seq("pre_tokenizer", P.Whitespace(), seq("pre_tokenizer", P.Digits(True)))), "meta-under": meta("always", True, "_"), "meta-twice": seq("pre_tokenizer", meta("first", True), meta("first", False)),
             "split-meta-first": seq("pre_tokenizer", split(r"\d+"), meta("first", True)), "scripts-fixed": seq("pre_tokenizer", P.UnicodeScripts(), P.FixedLength(2))}
    parts.update({f"meta-{s}-{'split' if c else 'whole'}": meta(s, c) for s in ("always", "never", "first") for c in (True, False)})
    parts.update({f"punctuation-{v}": {"type": "Punctuation", "behavior": v} for v in BEHAVIOURS})
    for v in BEHAVIOURS:
        for invert in (False, True):
            end = f"{v}-{'not' if invert else 'is'}"
            parts.update({f"string-{end}": split("e", v, invert, False), f"regex-{end}": split(r"[aeiou]+|\d", v, invert), f"empty-{end}": split(r"x*", v, invert), f"long-string-{end}": split(" the", v, invert, False)})
    patterns = {"gpt2": GPT2, "llama3": LLAMA3, "qwen2": QWEN2, "o200k": O200K, "bloom": BLOOM, "lines": r"^a|b$|\A.|.\z", "dot": r".{1,3}", "case": r"(?i)the|(?-i)Of|(?i:straße|é)", "posix": r"[[:punct:]]+|[[:upper:]]+|[[:space:]]",
                "props": r"\p{Han}+|\p{Alnum}+|\P{L}|\p{^Lu}", "hex": r"\h+|\H", "word": r"\b\w+\b|\W|\B", "classes": r"[a-z&&[^aeiou]]+|[\p{L}&&\p{ASCII}]", "possessive": r"a++b|(?>e+)r|\s*+\S", "back": r"(.)\1+",
                "group": r"(?<x>[a-e])\k<x>|(?:th|e)+", "newline": r"\R|\X", "lazy": r"\w+?(?=s)|\s+?", "unicode": r"[\x{4e00}-\x{9fff}]+|\u00e9|[À-ÿ]", "escapes": r"\t|\n|\x20|\.|\-|\/|\@", "dotall": r"(?m).+?e", "brace": r"a{,2}b|e{2}|x{a",
                "script": r"[\p{Hiragana}\p{Katakana}]+|\p{Greek}+|\p{Cyrillic}{1,2}", "digit": r"\d{1,3}(?=(?:\d{3})*\b)", "behind": r"(?<!a)b|(?<=\s)\S"}
    for name, part in parts.items():
        yield "pre-" + name, put(fused, pre_tokenizer=part)
    for name, pattern in patterns.items():
        yield "regex-" + name, put(fused, pre_tokenizer=split(pattern))
        yield "regex-replace-" + name, put(with_bytes(b.wide), normalizer=replace(pattern, "|", True))
    for prefix in (False, True):
        for regex in (False, True):
            yield f"pre-bytelevel-{'prefix' if prefix else 'plain'}-{'regex' if regex else 'whole'}", put(b.bytes, pre_tokenizer=P.ByteLevel(prefix, use_regex=regex), decoder=decoders.ByteLevel())
    yield "pre-digits-bytelevel-prefix", put(b.bytes, pre_tokenizer=seq("pre_tokenizer", P.Digits(True), P.ByteLevel(True)), decoder=decoders.ByteLevel())
    yield "pre-bytelevel-split", put(b.bytes, pre_tokenizer=seq("pre_tokenizer", P.ByteLevel(True), split("[0-9][0-9][0-9]"), split("Ġ", "MergedWithNext", False, False)), decoder=decoders.ByteLevel())


def model_option_forms(b):
    space, white = pre_tokenizers.Metaspace(), pre_tokenizers.Whitespace()
    no_unk = {"unk_token": None}
    for name, model in {"plain": {}, "unk": {"fuse_unk": False}, "drop": no_unk, "ignore": {"ignore_merges": True}, "ignore-drop": {"ignore_merges": True, **no_unk}}.items():
        yield "bpe-" + name, put(b.space, pre_tokenizer=space, model=model, decoder=decoders.Metaspace())
    few = with_bytes(b.space)
    for byte in BYTES[128:200]:
        del few["model"]["vocab"][byte]
    few["model"]["vocab"] = {t: i for i, t in enumerate(few["model"]["vocab"])}
    yield "bpe-few-bytes", put(few, pre_tokenizer=space, decoder=decoders.ByteFallback())
    yield "bpe-few-bytes-drop", put(few, pre_tokenizer=space, model=no_unk, decoder=decoders.ByteFallback())
    yield "bpe-few-bytes-unk", put(few, pre_tokenizer=space, model={"fuse_unk": False})
    yield "bpe-suffix", put(b.suffix, pre_tokenizer=white, decoder=decoders.BPEDecoder())
    yield "bpe-suffix-ignore", put(b.suffix, pre_tokenizer=white, model={"ignore_merges": True, "fuse_unk": True})
    yield "bpe-prefix", put(b.prefix, pre_tokenizer=white, decoder=decoders.WordPiece())
    yield "bpe-prefix-fuse", put(b.prefix, pre_tokenizer=pre_tokenizers.WhitespaceSplit(), model={"fuse_unk": True})
    yield "bpe-prefix-suffix", put(b.prefix, pre_tokenizer=white, model={"end_of_word_suffix": "s"})
    yield "wordpiece-short", put(b.pieces, pre_tokenizer=white, model={"max_input_chars_per_word": 6}, decoder=decoders.WordPiece(cleanup=False))
    yield "wordpiece-at", put(b.pieces, pre_tokenizer=pre_tokenizers.WhitespaceSplit(), model={"continuing_subword_prefix": "e"})
    yield "wordpiece-bare", put(b.pieces, model={"continuing_subword_prefix": "", "max_input_chars_per_word": 1000})
    yield "unigram-plain", put(b.unigram, pre_tokenizer=space, decoder=decoders.Metaspace())
    yield "unigram-wide", b.unigram_wide
    yield "unigram-bytes", put(with_bytes(b.unigram), pre_tokenizer=space, decoder=seq("decoder", decoders.ByteFallback(), decoders.Metaspace()))
    yield "unigram-no-unk", put(b.unigram, pre_tokenizer=space, model={"unk_id": None})
    ties = put(b.unigram, pre_tokenizer=space)
    r = random.Random(1)
    ties["model"]["vocab"] = [[t, -float(r.randrange(1, 4)) * len(t)] for t, _ in ties["model"]["vocab"]]
    yield "unigram-ties", ties
    gone = put(b.unigram, pre_tokenizer=space)
    gone["model"]["vocab"] = [[t, round(s, 1)] for t, s in gone["model"]["vocab"] if len(t) > 1 or t in "aeiou▁ "]
    yield "unigram-unknown", gone
    old = put(b.bytes, pre_tokenizer=pre_tokenizers.ByteLevel(False), decoder=decoders.ByteLevel())
    old["model"]["merges"] = [" ".join(m) for m in old["model"]["merges"]]
    yield "old-merges", old
    untyped = put(b.pieces, pre_tokenizer=white)
    del untyped["model"]["type"]
    yield "old-untyped-wordpiece", untyped
    untyped = put(old)
    del untyped["model"]["type"]
    yield "old-untyped-bpe", untyped
    meta = lambda prefix: {"type": "Metaspace", "replacement": "▁", "add_prefix_space": prefix, **({} if prefix else {"prepend_scheme": "never"})}
    for prefix in (True, False):
        yield f"old-metaspace-{prefix}".lower(), put(b.unigram, pre_tokenizer={**meta(prefix), "str_rep": "▁"}, decoder=meta(prefix))
    yield "truncation-padding", {**put(b.pieces, pre_tokenizer=white, post_processor=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))),
                                 "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
                                 "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}}


def decoder_forms(b):
    D, plain, pieces = decoders, with_bytes(b.space), put(b.pieces, pre_tokenizer=pre_tokenizers.Whitespace())
    plain = put(plain, pre_tokenizer=pre_tokenizers.Metaspace())
    parts = {"none": None, "bpe": D.BPEDecoder("e"), "bytelevel": D.ByteLevel(), "wordpiece": D.WordPiece("e", True), "wordpiece-plain": D.WordPiece("##", False), "meta-always": D.Metaspace(),
             "meta-never": D.Metaspace("▁", "never"), "meta-first": D.Metaspace("▁", "first"), "ctc": D.CTC("<pad>", "▁", True), "ctc-plain": D.CTC("<pad>", "▁", False), "fuse": D.Fuse(), "bytes": D.ByteFallback(),
             "strip": D.Strip("▁", 1, 1), "strip-more": D.Strip("e", 2, 2), "replace": replace("▁", " "), "replace-regex": replace("[aeiou]+", "*", True), "empty": seq("decoder"),
             "llama": seq("decoder", replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)), "bytes-strip": seq("decoder", D.ByteFallback(), D.Strip("▁", 1, 0), D.Fuse()),
             "fuse-strip": seq("decoder", D.Fuse(), D.Strip("▁", 3, 2)), "meta-bytes": seq("decoder", D.Metaspace(), D.ByteFallback()), "fuse-wordpiece": seq("decoder", D.Fuse(), D.WordPiece("▁", True)),
             "nest": seq("decoder", seq("decoder", replace("▁", " "), seq("decoder", D.Fuse())), D.Strip(" ", 1, 1)), "bpe-ctc": seq("decoder", D.BPEDecoder("▁"), D.CTC("e", "t", True))}
    for name, part in parts.items():
        yield "dec-" + name, put(plain, decoder=part)
    for name, part in {"cleanup": D.WordPiece(), "plain": D.WordPiece(cleanup=False), "none": None, "ctc": D.CTC("[PAD]", "##", True)}.items():
        yield "dec-pieces-" + name, put(pieces, decoder=part)
    yield "dec-bytelevel-bytes", put(b.bytes, pre_tokenizer=pre_tokenizers.ByteLevel(False), decoder=D.ByteLevel())
    yield "dec-bytelevel-fuse", put(b.bytes, pre_tokenizer=pre_tokenizers.ByteLevel(False), decoder=seq("decoder", D.ByteLevel(), D.Fuse(), D.Strip(" ", 1, 1)))
    yield "dec-suffix", put(b.suffix, pre_tokenizer=pre_tokenizers.Whitespace(), decoder=D.BPEDecoder("</w>"))


def processor_forms(b):
    P, base = processors, put(b.bytes, pre_tokenizer=pre_tokenizers.ByteLevel(False), decoder=decoders.ByteLevel())
    many = {"<s>": 1, "</s>": 2, "<mask>": 4}
    parts = {"none": None, "bert": P.BertProcessing(("</s>", 2), ("<s>", 1)), "roberta": P.RobertaProcessing(("</s>", 2), ("<s>", 1)), "bytelevel": P.ByteLevel(), "end": template("$A </s>", "$A </s> $B:1 </s>:1", **many),
             "twice": template("<s> <s> $A </s> <mask>", "<s> $A <mask> <mask> </s> $B </s>", **many), "nothing": template("$A", "$A $B"), "several": template("<s> $A", "<s> $A <s> $B", **{"<s>": [1, 4, 2]}),
             "sequence": seq("post_processor", P.ByteLevel(), template("<s> $A </s>", "<s> $A </s> $B </s>", **many)), "types": template("<s>:3 $A:2 </s>:1", "<s> $0:1 </s> $B:2", **many),
             "sequence-two": seq("post_processor", template("<s> $A", "<s> $A $B", **many), template("$A </s>", "$A $B </s>", **many)), "reverse": template("<s> $A", "<s> $B </s> $A", **many),
             "sequence-empty": seq("post_processor"), "sequence-bert": seq("post_processor", P.BertProcessing(("</s>", 2), ("<s>", 1)), P.ByteLevel())}
    for name, part in parts.items():
        yield "post-" + name, put(base, post_processor=part)


def added_forms(b):
    names = ["<ent>", "the", "New", "é", "ﬁ", "Straße", "\n", "<a>", "<a><b>", "a>", "ing", "I", "中", "😀", "of the", " x", "y ", "\u0301", "<0>", "A", "__", "##s", "LO"]
    spaced, lower = put(with_bytes(b.wide)), normalizers.Lowercase()
    flags = ["", "special", "normalized", "normalized special", "single_word", "lstrip", "rstrip", "lstrip rstrip", "single_word lstrip rstrip normalized", "single_word special lstrip", "normalized lstrip", "single_word normalized"]
    stages = {"plain": {}, "lower": {"normalizer": lower}, "bert": {"normalizer": normalizers.BertNormalizer()}, "prepend": {"normalizer": seq("normalizer", normalizers.Prepend("▁"), replace(" ", "▁"))},
              "nfkc": {"normalizer": normalizers.NFKC()}, "strip": {"normalizer": normalizers.Strip()}, "meta-first": {"pre_tokenizer": pre_tokenizers.Metaspace(prepend_scheme="first")},
              "meta-always": {"pre_tokenizer": pre_tokenizers.Metaspace()}, "accents": {"normalizer": seq("normalizer", normalizers.NFD(), normalizers.StripAccents())}}
    nothing = {"bert": "\u0301", "strip": "\n", "accents": "\u0301"}  # what these normalisers leave nothing of: not "normalized" here, for the judge then finds it between any two characters, or panics
    left = lambda stage, n, flag: (n, flag.replace("normalized", "") if nothing.get(stage) == n else flag)
    for i, flag in enumerate(flags):
        for name, stage in list(stages.items())[0 if i < 6 else i % 3 :: 1 if i < 4 else 2 if i < 6 else 3]:
            yield f"added-{flag.replace(' ', '-') or 'no'}-{name}", added(put(spaced, **stage), *(left(name, n, flag) for n in names))
    r = random.Random(5)
    for name, stage in stages.items():
        mixed = [(n, " ".join(f for f in ("single_word", "lstrip", "rstrip", "normalized", "special") if r.random() < 0.4)) for n in names]
        yield "added-mixed-" + name, added(put(spaced, **stage), *(left(name, *m) for m in mixed))
    yield "added-bytelevel", added(put(b.bytes, pre_tokenizer=pre_tokenizers.ByteLevel(True), decoder=decoders.ByteLevel()), *((n, flags[i % 8]) for i, n in enumerate(names)))
    yield "added-vocabulary", added(put(b.bytes, pre_tokenizer=pre_tokenizers.ByteLevel(False), decoder=decoders.ByteLevel()), ("Ġthe", "normalized"), ("er", ""), ("in", "special"), ("s", "single_word"))
    yield "added-pieces", added(put(b.pieces, normalizer=normalizers.BertNormalizer(), pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(),
                                    post_processor=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))), *(left("bert", n, flags[i % 5]) for i, n in enumerate(names)), ("[MASK]", "lstrip special"))
    yield "added-unigram", added(put(b.unigram, normalizer=lower, pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace()), *((n, flags[i % 7]) for i, n in enumerate(names)))


def write(folder, j, config):
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(json.dumps(j, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **config}), encoding="utf-8")
    return folder.name


def file_forms(out, b, lines):
    """Folders without tokenizer.json: the files of older tokenizers, and settings beside them."""
    def folder(name, config, files):
        (out / name).mkdir(parents=True)
        (out / name / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512, **config}), encoding="utf-8")
        for file, content in files.items():
            (out / name / file).write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return name
    vocab = {"vocab.txt": "\n".join(b.pieces["model"]["vocab"]) + "\n"}
    for name, config in {"plain": {}, "cased": {"do_lower_case": False}, "accents": {"strip_accents": False}, "strip": {"strip_accents": True, "do_lower_case": False}, "chinese": {"tokenize_chinese_chars": False},
                         "pad": {"pad_token": "<p>", "unk_token": "[UNK]"}}.items():
        yield folder("files-bert-" + name, {"tokenizer_class": "BertTokenizer", **config}, vocab)
    for kind in ("DistilBertTokenizer", "ElectraTokenizer"):
        yield folder("files-" + kind[:6].lower(), {"tokenizer_class": kind}, vocab)
    yield folder("files-bert-added", {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": {"1500": {"content": "<ent>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "special": True}}}, vocab)
    merges = "#version: 0.2\n" + "\n".join(" ".join(m) for m in b.bytes["model"]["merges"]) + "\n"
    pair = {"vocab.json": b.bytes["model"]["vocab"], "merges.txt": merges}
    ends = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    for name, config in {"gpt2": {"tokenizer_class": "GPT2Tokenizer", **ends}, "gpt2-prefix": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, **ends},
                         "gpt2-bos": {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, **ends}, "roberta": {"tokenizer_class": "RobertaTokenizer"},
                         "roberta-prefix": {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}, "deberta": {"tokenizer_class": "DebertaTokenizer"}, "bart": {"tokenizer_class": "BartTokenizer"},
                         "qwen2": {"tokenizer_class": "Qwen2Tokenizer", **ends}}.items():
        yield folder("files-" + name, config, pair)
    text, special = out / "corpus.txt", {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": 3}
    text.write_text("\n".join(line[:2000] for line in lines), encoding="utf-8")
    classes = {"llama-legacy": ("LlamaTokenizer", "bpe", {}), "llama-new": ("LlamaTokenizer", "bpe", {"legacy": False}), "llama-eos": ("LlamaTokenizer", "bpe", {"add_eos_token": True, "legacy": False}),
               "gemma": ("GemmaTokenizer", "bpe", {"bos_token": "<s>", "eos_token": "</s>"}), "deberta": ("DebertaV2Tokenizer", "unigram", {}), "deberta-lower": ("DebertaV2Tokenizer", "unigram", {"do_lower_case": True}),
               "xlmr": ("XLMRobertaTokenizer", "unigram", {}), "t5": ("T5Tokenizer", "unigram", {"extra_ids": 5}), "albert": ("AlbertTokenizer", "unigram", {"do_lower_case": True}), "camembert": ("CamembertTokenizer", "unigram", {})}
    file_of = {"DebertaV2Tokenizer": "spm.model", "XLMRobertaTokenizer": "sentencepiece.bpe.model", "T5Tokenizer": "spiece.model", "AlbertTokenizer": "spiece.model", "CamembertTokenizer": "sentencepiece.bpe.model"}
    for name, (kind, model, config) in classes.items():
        more = dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True) if model == "bpe" else {}
        target = out / folder("spm-" + name, {"tokenizer_class": kind, **config}, {}) / file_of.get(kind, "tokenizer.model")
        sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=str(out / "trained"), vocab_size=1800, model_type=model, character_coverage=0.999, minloglevel=2, user_defined_symbols=["<ent>"],
                                                 hard_vocab_limit=False, **special, **more)
        (out / "trained.model").rename(target)
        yield target.parent.name


def make_forms(out, shared, wanted):
    """Writes the forms whose name has one of the wanted words (all, if there are none)."""
    lines = corpus(shared)
    b, fast = Bases(lines), AutoTokenizer.from_pretrained(shared / "tokenizers/deberta-v3")
    charsmap = next(n["precompiled_charsmap"] for n in json.loads(fast.backend_tokenizer.to_str())["normalizer"]["normalizers"] if n["type"] == "Precompiled")
    every = [*model_forms(b, charsmap), *normaliser_forms(b, charsmap), *pre_tokenizer_forms(b), *model_option_forms(b), *decoder_forms(b), *processor_forms(b), *added_forms(b)]
    names = [write(out / name, j, {}) for name, j in every if not wanted or any(w in name for w in wanted)]
    if not wanted or any(w.startswith(("files", "spm")) for w in wanted):
        names += [n for n in file_forms(out, b, lines) if not wanted or any(w in n for w in wanted)]
    return names
