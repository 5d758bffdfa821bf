"""Writes folder_cases.json: small folders of tokenizers as transformers' classes read them, and the ids that AutoTokenizer gives for own texts; and the same of real
folders, whose files are not in it.
    python3 make_folder_cases.py folder_cases.json ../../../shared/tokenizers        (transformers 4.57.1, tokenizers 0.22.1, sentencepiece 0.2)
"""
import base64
import json
import os
import sys
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
os.environ["HF_HUB_OFFLINE"] = "1"

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

TEXT = """The quick brown fox jumps over the lazy dog. It's 12,345 o'clock in Zürich, isn't it? Čeština, naïve café, and 日本語 too.
She sells sea shells; he doesn't sell any. We've got 3, 14, 15, 92, 65 and 35 things to do! Hello world, hello again (and again).
A transformer reads tokens; a tokenizer makes them. Parameters, gradients, learning rates: everything counts, nothing matters.
"""
TEXTS = ["", " ", "The quick brown fox doesn't jump.", "  two  blanks\tand\na line ", "naïve CAFÉ, Čeština", "日本語 😀 ①②ﬁ", "7,5 and 12,345,678: it's `` '' ...",
         "a <mask> b[MASK]c <s> [CLS]</s>", "<x>and<y> <X> the <|endoftext|> <extra_id_1> <pad>", "Hello▁world ▁▁ x", "<0x41> A<0x0A>\r\n", "e\u0301t\u00adE\u0301\u200b\u00a0o"]
LONGER = ["def area(radius):\n    return 3.14159 * radius ** 2  # of a circle\n", "Наконец-то — весна! Ελληνικά, עברית, العربية und Straßenbahn.",
          "I'LL we've you'd O'Neill's\tx\r\n\r\n   indented   \n\n\n", "Ⅷ ½ x² ℃ ﷺ ｆｕｌｌ ｗｉｄｔｈ 가각 \U0001f469\u200d\U0001f467 \ufeff\u3000!", "antidisestablishmentarianism " + "a" * 120 + " $1,000.50 100% #1 a@b.c"]
PAIRS = [["The quick fox", "isn't it?"], ["", "world"], [" a ", "I"]]


def train(kind, size, **options):
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/text", "w", encoding="utf-8") as f:
            f.write(TEXT * 3)
        with open(folder + "/rules.tsv", "w", encoding="utf-8") as f:  # a short table of characters: the usual one has 200 kB
            f.write("2460\t31\n2461\t32\nFB01\t66 69\n3000\t20\nA0\t20\n9\t20\nA\t20\nAD\t\n")
        if "normalization_rule_name" not in options:
            options["normalization_rule_tsv"] = folder + "/rules.tsv"
        sentencepiece.SentencePieceTrainer.train(input=folder + "/text", model_prefix=folder + "/m", vocab_size=size, model_type=kind, minloglevel=2,
                                                 hard_vocab_limit=False, character_coverage=1.0, **options)
        m = sentencepiece_model_pb2.ModelProto()
        with open(folder + "/m.model", "rb") as f:
            m.ParseFromString(f.read())
    return m


def described(m):
    return {"pieces": [[p.piece, p.score, p.type] for p in m.pieces], "model_type": m.trainer_spec.model_type, "unk_id": m.trainer_spec.unk_id,
            "unk_piece": m.trainer_spec.unk_piece, "byte_fallback": m.trainer_spec.byte_fallback,
            "charsmap": base64.b64encode(m.normalizer_spec.precompiled_charsmap).decode()}


def named(tokens, names):
    return "".join(names.get(t, t) + "\n" for t in tokens)


def make_files():
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=360, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
                                                        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(bpe.to_str())["model"]
    vocab, merges = model["vocab"], "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"])
    gpt2 = {"<s>": "<|endoftext|>", "<pad>": "<|a|>", "</s>": "<|b|>", "<unk>": "<|c|>", "<mask>": "<|d|>"}
    cls = {"<s>": "[CLS]", "<pad>": "[PAD]", "</s>": "[SEP]", "<unk>": "[UNK]", "<mask>": "[MASK]"}
    piece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    piece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    piece.train_from_iterator([TEXT, TEXT.lower()], trainers.WordPieceTrainer(vocab_size=240, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    words = sorted(piece.get_vocab(), key=piece.get_vocab().get) + ["cafe", "naive"]
    texts = {"bert": named(words, {}), "mpnet": named(words, {"[PAD]": "<pad>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}), "merges": merges,
             "roberta": json.dumps(vocab, ensure_ascii=False), "gpt2": json.dumps({gpt2.get(t, t): i for t, i in vocab.items()}, ensure_ascii=False),
             "deberta": json.dumps({cls.get(t, t): i for t, i in vocab.items()}, ensure_ascii=False)}
    texts["bert-repeated"] = texts["bert"].replace("[MASK]\n", "") + "the\nfox\nfox\n"
    texts["bert-crlf"] = texts["bert"].replace("\n", "\r\n")
    lines = merges.split("\n")
    texts["merges-repeated"] = "\n".join(lines[:-1] + lines[3:9])  # and no end of the last line
    byte = {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    spm = {"unigram": train("unigram", 150), "llama": train("bpe", 420, **byte),
           "gemma": train("bpe", 425, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>",
                          user_defined_symbols=["<start_of_turn>", "<x>"], **byte),
           "deberta-v2": train("unigram", 150, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]"),
           "albert": train("unigram", 150, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"], pad_piece="<pad>"),
           "t5": train("unigram", 150, pad_id=0, eos_id=1, unk_id=2, bos_id=-1), "bpe": train("bpe", 150)}
    return texts, spm


def token(content, **more):
    return {"__type": "AddedToken", "content": content, "lstrip": False, "rstrip": False, "normalized": True, "single_word": False, **more}


def added(content, **more):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **more}


REAL = {"bert-base-cased": ["vocab.txt"], "bert-base-uncased": ["vocab.txt"], "roberta": ["vocab.json", "merges.txt"], "gpt2": ["vocab.json", "merges.txt"],
        "llama2": ["tokenizer.model"], "deberta-v3": ["spm.model"], "llama-hf": ["tokenizer.json"], "falcon": ["tokenizer.json"]}
BERT, MPNET = {"vocab.txt": "bert"}, {"vocab.txt": "mpnet"}
ROBERTA, GPT2, DEBERTA = ({"vocab.json": name, "merges.txt": "merges"} for name in ("roberta", "gpt2", "deberta"))
LLAMA, GEMMA, DEBERTA_V2 = {"tokenizer.model": "llama"}, {"tokenizer.model": "gemma"}, {"spm.model": "deberta-v2"}
XLMR, T5, ALBERT = {"sentencepiece.bpe.model": "unigram"}, {"spiece.model": "t5"}, {"spiece.model": "albert"}


def folders():
    """Name, files, tokenizer_config.json, other files."""
    yield "bert", BERT, "Bert", {}, {}
    yield "bert-cased", BERT, "BertTokenizerFast", {"do_lower_case": False, "clean_up_tokenization_spaces": False}, {}
    yield "bert-accents", BERT, "DistilBert", {"strip_accents": False, "tokenize_chinese_chars": False}, {}
    yield "bert-cased-accents", BERT, "Electra", {"do_lower_case": False, "strip_accents": True}, {}
    yield "bert-repeated", {"vocab.txt": "bert-repeated"}, "Bert", {"additional_special_tokens": ["<x>", "<y>"]}, {}
    yield "bert-crlf", {"vocab.txt": "bert-crlf"}, None, None, {"config.json": {"model_type": "bert"}}
    yield "bert-tokens", BERT, "Bert", {"cls_token": "<x>", "sep_token": token("<y>", lstrip=True), "additional_special_tokens": [token("<X>"), "quick"], "pad_token": None}, {}
    yield "bert-decoder", BERT, "Bert", {"added_tokens_decoder": {
        "4": added("[MASK]", lstrip=True), "250": added("<y>"), "242": added("<X>", special=False, normalized=True, rstrip=True), "2": added("[CLS]")}}, {}
    yield "bert-map", BERT, "Bert", {"mask_token": "[MASK]"}, {"special_tokens_map.json": {
        "mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}, "additional_special_tokens": ["<x>"]},
        "added_tokens.json": {"<x>": 242, "<X>": 243}}
    yield "mpnet", MPNET, "MPNet", {}, {}
    yield "gpt2", GPT2, "GPT2", {}, {}
    yield "gpt2-prefix", GPT2, "GPT2TokenizerFast", {"add_prefix_space": True, "pad_token": "<x>"}, {}
    yield "gpt2-bos", GPT2, None, {"add_bos_token": True}, {"config.json": {"model_type": "gpt_neo"}}
    yield "gpt2-repeated", {"vocab.json": "gpt2", "merges.txt": "merges-repeated"}, "GPT2", {"extra_special_tokens": {"image_token": "<y>"}}, {}
    yield "roberta", ROBERTA, "Roberta", {}, {}
    yield "roberta-prefix", ROBERTA, "Longformer", {"add_prefix_space": True, "mask_token": token("<mask>"), "cls_token": "<s>"}, {}
    yield "deberta", DEBERTA, "Deberta", {}, {}
    yield "qwen2", GPT2, "Qwen2", {"added_tokens_decoder": {"360": added("<x>"), "361": added("<y>", special=False), "0": added("<|endoftext|>")},
                                   "eos_token": "<x>", "unk_token": None}, {}
    yield "qwen2-plain", {"vocab.json": "gpt2", "merges.txt": "merges-repeated"}, None, None, {"config.json": {"model_type": "qwen3"}}
    yield "llama", LLAMA, "Llama", {}, {}
    yield "llama-new", LLAMA, "Llama", {"legacy": False, "add_eos_token": True}, {}
    yield "llama-bare", LLAMA, "Llama", {"add_prefix_space": False, "add_bos_token": False, "pad_token": "<pad>"}, {}
    yield "llama-bare-new", LLAMA, "Llama", {"add_prefix_space": False, "legacy": False, "bos_token": token("<s>"), "eos_token": token("</s>")}, {}
    yield "llama-decoder", LLAMA, "Llama", {"added_tokens_decoder": {
        "0": added("<unk>"), "1": added("<s>"), "2": added("</s>"), "500": added("<x>", lstrip=True), "501": added("<y>", special=False, normalized=True)}}, {}
    yield "llama-unigram", {"tokenizer.model": "unigram"}, "Llama", {}, {}
    yield "gemma", GEMMA, "Gemma", {}, {}
    yield "gemma-eos", GEMMA, None, {"add_eos_token": True, "add_bos_token": False}, {"config.json": {"model_type": "gemma2"}}
    yield "deberta-v2", DEBERTA_V2, "DebertaV2", {}, {}
    yield "deberta-v2-lower", DEBERTA_V2, "DebertaV2", {"do_lower_case": True, "split_by_punct": True}, {}
    yield "xlm-roberta", XLMR, "XLMRoberta", {}, {}
    yield "xlm-roberta-bpe", {"sentencepiece.bpe.model": "bpe"}, "XLMRoberta", {"mask_token": token("<mask>"), "pad_token": "<x>"}, {}
    yield "t5", T5, "T5", {}, {}
    yield "t5-new", T5, "T5", {"legacy": False, "extra_ids": 2}, {}
    yield "t5-tokens", T5, "MT5", {"additional_special_tokens": ["<x>", token("<y>", lstrip=True)], "extra_ids": 3, "add_prefix_space": False}, {}
    yield "albert", ALBERT, "Albert", {}, {}
    yield "albert-cased", ALBERT, "Albert", {"do_lower_case": False, "keep_accents": True}, {}
    yield "camembert", XLMR, "Camembert", {}, {}


def over_json():
    """What a config changes about the tokenizer.json of another folder."""
    yield "json-bert", "bert", "Bert", {"do_lower_case": False, "additional_special_tokens": ["<x>"]}
    yield "json-plain", "bert-cased", "PreTrained", {"do_lower_case": True, "bos_token": "<x>"}
    yield "json-gpt2", "gpt2-prefix", "GPT2", {}
    yield "json-roberta", "roberta", "Roberta", {"add_prefix_space": True, "mask_token": token("<mask>"), "added_tokens_decoder": {
        "4": added("<mask>", lstrip=True, rstrip=True), "360": added("<X>", special=False)}}
    yield "json-llama", "llama", "Llama", {"add_eos_token": True, "add_bos_token": False}
    yield "json-neox", "gpt2", "GPTNeoX", {"add_bos_token": True}
    yield "json-t5", "t5-new", "T5", {}


def with_class(name, config):
    if name is None:
        return config
    return {"tokenizer_class": name if "Tokenizer" in name else name + ("TokenizerFast" if name == "PreTrained" else "Tokenizer"), **config}


def answers(path, texts=TEXTS):
    t = AutoTokenizer.from_pretrained(path)
    out = {"cases": [], "pairs": [], "decode": [], "roles": {r: getattr(t, r + "_token_id") for r in ("cls", "sep", "pad", "unk", "mask", "bos", "eos")}}
    for text in texts:
        ids = t(text)["input_ids"]
        out["cases"].append({"text": text, "ids": ids, "plain": t(text, add_special_tokens=False)["input_ids"]})
        if len(out["decode"]) < 12:
            out["decode"].append({"ids": ids, "skip": False, "text": t.decode(ids)})
            out["decode"].append({"ids": ids, "skip": True, "text": t.decode(ids, skip_special_tokens=True)})
    for a, b in PAIRS:
        out["pairs"].append({"a": a, "b": b, "ids": t(a, b)["input_ids"]})
    return out, t.backend_tokenizer.to_str()


def main():
    texts, spm = make_files()
    out, kept = {"texts": texts, "models": {k: described(m) for k, m in spm.items()}, "folders": []}, {}

    def put(name, files, config, more):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x")
            os.mkdir(path)
            for file, source in files.items():
                data = spm[source].SerializeToString() if file.endswith(".model") else (source if file == "tokenizer.json" else texts[source]).encode()
                with open(f"{path}/{file}", "wb") as f:
                    f.write(data)
            objects = {**more, **({"tokenizer_config.json": config} if config is not None else {})}
            for file, o in objects.items():
                with open(f"{path}/{file}", "w", encoding="utf-8") as f:
                    json.dump(o, f)
            found, kept[name] = answers(path)
        out["folders"].append({"name": name, "files": {k: v for k, v in files.items() if k != "tokenizer.json"}, "objects": objects, **found})

    for name, files, cls, config, more in folders():
        put(name, files, with_class(cls, config), more)
    for name, source, cls, config in over_json():
        put(name, {"tokenizer.json": kept[source]}, with_class(cls, config), {})
        out["folders"][-1]["objects"]["tokenizer.json"] = json.loads(kept[source])
    for name, files in REAL.items():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x")
            os.mkdir(path)
            for file in files + ["tokenizer_config.json"]:
                os.symlink(os.path.abspath(f"{sys.argv[2]}/{name}/{file}"), f"{path}/{file}")
            found, _ = answers(path, TEXTS + LONGER)
        out["folders"].append({"name": "real-" + name, "folder": name, "links": files + ["tokenizer_config.json"], **found})
    out["folders"], rows = [], out["folders"]
    head = json.dumps(out, ensure_ascii=False, separators=(",", ":"))
    with open(sys.argv[1], "w", encoding="utf-8") as f:  # (sentencepiece prints to the standard output)
        f.write(head[:-2] + "\n" + ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows) + "\n]}\n")


if __name__ == "__main__":
    main()
