"""Prints post_cases.h: post-processors in tokenizer.json's form, with what Hugging Face puts around one text and around two, and the segments it gives.
    python3 make_post_cases.py > post_cases.h       (tokenizers 0.22.1)
"""
import json

from tokenizers import Tokenizer

# The texts are one token each; their ids become LT_TPL_FIRST and LT_TPL_SECOND.
VOCAB = {"a": 0, "b": 1, "<s>": 2, "</s>": 3, "[CLS]": 4, "[SEP]": 5, "en": 6, "XX": 7}
FRAME = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "decoder": None, "model": {
    "type": "WordLevel", "vocab": VOCAB, "unk_token": "a"}}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def framed(kind, cls, sep):
    more = {"trim_offsets": True, "add_prefix_space": False} if kind == "RobertaProcessing" else {}
    return {"type": kind, "sep": [sep, VOCAB[sep]], "cls": [cls, VOCAB[cls]], **more}


def template(single, pair, **several):
    def piece(word):
        name, _, segment = word.partition(":")
        kind = "Sequence" if name in ("$A", "$B") else "SpecialToken"
        return {kind: {"id": name.lstrip("$"), "type_id": int(segment or 0)}}

    words = {w.partition(":")[0] for w in f"{single} {pair}".split()} - {"$A", "$B"}
    ids = {w: several.get(w, [VOCAB.get(w)]) for w in words}
    names = {v: k for k, v in VOCAB.items()}
    return {"type": "TemplateProcessing", "single": [piece(w) for w in single.split()], "pair": [piece(w) for w in pair.split()], "special_tokens": {
        w: {"id": w, "ids": i, "tokens": [names[k] for k in i]} for w, i in sorted(ids.items())}}


CASES = [
    None, BYTES, framed("BertProcessing", "[CLS]", "[SEP]"), framed("RobertaProcessing", "<s>", "</s>"), {"type": "Sequence", "processors": []},
    template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"), template("<s> $A", "<s> $A <s>:1 $B:1"), template("$A", "$A $B:1"),
    template("$A:3 en:2", "$A:3 en:2 $B:5"), template("lang $A </s>", "lang $A $B lang:7 </s>:9", lang=[6, 7, 6]), template("none $A", "$A none $B none", none=[]),
    {"type": "Sequence", "processors": [BYTES, template("<s> $A </s>", "<s> $A </s> </s> $B </s>")]},
    {"type": "Sequence", "processors": [framed("BertProcessing", "[CLS]", "[SEP]"), {"type": "Sequence", "processors": [BYTES]}]},
]


def c_list(values):
    return "{" + ", ".join(map(str, values)) + "}"


def expected(post, texts):
    tokenizer = Tokenizer.from_str(json.dumps({**FRAME, "post_processor": post}))
    made = tokenizer.encode(*texts)
    item = [{0: "LT_TPL_FIRST", 1: "LT_TPL_SECOND"}.get(i, i) for i in made.ids]
    return f"{{{len(item)}, {c_list(item)}, {c_list(made.type_ids)}}}"


def cut(text):
    """Pieces of a C string, none of which ends within an escape."""
    text, pieces = text.replace("\\", "\\\\").replace('"', '\\"'), []
    while text:
        end = 140
        while text[:end].endswith("\\") and end < len(text):
            end -= 1
        pieces.append(f'     "{text[:end]}"')
        text = text[end:]
    return "\n".join(pieces)


print("#pragma once")
print("/* Made by make_post_cases.py from Hugging Face's tokenizers 0.22.1. */")
print("// clang-format off")
print("typedef struct post_list { int n; int32_t item[16], type[16]; } post_list;")
print(f"enum {{ POST_VOCAB = {len(VOCAB)} }};")
print("static const struct post_case { const char *json; post_list single, pair; } post_cases[] = {")
for post in CASES:
    print("    {\n" + cut(json.dumps(post, separators=(",", ":"))) + ",\n     " + expected(post, ["a"]) + ",\n     " + expected(post, ["a", "b"]) + "},")
print("};")
