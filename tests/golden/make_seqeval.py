#!/usr/bin/env python3
"""Metrics of tag sequences by seqeval and of labels by scikit-learn: seqeval.h5.

usage: make_seqeval.py CONLL_VALID          valid.txt of CoNLL-2003 (word, tag), which itself is not kept here

  labels              names of the tags, one a line; types: of the entities, sorted
  offsets, truth, predicted     2,000 random sequences: walks that keep to IOB2, walks that do not, tags from a hat; predictions are other walks, or the truth with
                      errors
  chunks              [c + 1] first sequence of each chunk; one more chunk is all of them
  types_scores        [c + 1, 2, types, 4] precision, recall, F1, support; lenient (seqeval's default) and strict (IOB2); NaN: the type does not occur
  averages            [c + 1, 2, 3, 4] the same, micro, macro, weighted
  broken              [c + 1, 2] I- tags that continue nothing, in truth and prediction
  conll/...           the same for CoNLL valid against its tags with errors: tag w of all becomes tag (h / 256) % 9 where h % 10 = 0, h = (w * 2654435761 + 12345) % 2^32
  rows/<case>/...     labels of rows; scores: accuracy, mcc, precision, recall, f1 (of label 1 where K = 2, else macro), micro, macro, weighted F1
"""
import sys
import warnings

import numpy as np
import seqeval
import sklearn
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, precision_recall_fscore_support

from common import HERE, Golden, rng

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-work-of-art", "I-work-of-art", "B", "I", "I-DATE"]
CONLL = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
N, CHUNK = 2000, 10
warnings.filterwarnings("ignore")


def walk(g, n, order):
    """n tags; each continues the span before with probability `order`, if it can."""
    tags = []
    for _ in range(n):
        before = tags[-1] if tags else "O"
        inside = before if before[0] == "I" else "I" + before[1:]
        if before != "O" and inside in LABELS and g.random() < order:
            tags.append(inside)
        elif g.random() < 0.4:
            tags.append("O")
        else:
            tags.append(LABELS[g.integers(len(LABELS))] if g.random() > order else [t for t in LABELS if t[0] == "B"][g.integers(4)])
    return tags


def pair(g):
    n = int(g.integers(1, 21)) if g.random() > 0.01 else 0
    truth = walk(g, n, [0.9, 0.6, 0.0][g.integers(3)])
    if g.random() < 0.25:
        return truth, walk(g, n, 0.5)
    rate = [0.0, 0.1, 0.4][g.integers(3)]
    return truth, [LABELS[g.integers(len(LABELS))] if g.random() < rate else t for t in truth]


def type_of(tag):
    return tag[2:] or "_"


def scores(truth, predicted, types):
    rows, averages = np.full((2, len(types), 4), np.nan), np.zeros((2, 3, 4))
    for mode, how in enumerate(({}, {"mode": "strict", "scheme": IOB2})):
        report = classification_report(truth, predicted, output_dict=True, zero_division=0, **how)
        for name, s in report.items():
            row = [s["precision"], s["recall"], s["f1-score"], s["support"]]
            if name in types:
                rows[mode, types.index(name)] = row
            else:
                averages[mode, ["micro avg", "macro avg", "weighted avg"].index(name)] = row
    return rows, averages


def broken(sequences):
    return sum(tag[0] == "I" and (i == 0 or s[i - 1] == "O" or type_of(s[i - 1]) != type_of(tag)) for s in sequences for i, tag in enumerate(s))


def put(golden, where, chunks, types):
    all_rows, all_averages, all_broken = [], [], []
    for truth, predicted in chunks:
        rows, averages = scores(truth, predicted, types)
        all_rows.append(rows)
        all_averages.append(averages)
        all_broken.append([broken(truth), broken(predicted)])
    golden.put(where + "types_scores", np.stack(all_rows), keep=True)
    golden.put(where + "averages", np.stack(all_averages), keep=True)
    golden.put(where + "broken", np.array(all_broken, dtype=np.int64))
    return all_averages[-1]


def random_part(golden):
    g = rng(29)
    pairs = [pair(g) for _ in range(N)]
    truth, predicted = ([p[k] for p in pairs] for k in (0, 1))
    types = sorted({type_of(tag) for tag in LABELS[1:]})
    cuts = list(range(0, N + 1, CHUNK))
    golden.attribute("random", labels="\n".join(LABELS), types="\n".join(types))
    golden.put("random/offsets", np.cumsum([0] + [len(t) for t in truth]).astype(np.int64))
    for name, side in (("truth", truth), ("predicted", predicted)):
        golden.put("random/" + name, np.array([LABELS.index(tag) for s in side for tag in s], dtype=np.int32))
    golden.put("random/chunks", np.array(cuts, dtype=np.int64))
    chunks = [(truth[a:b], predicted[a:b]) for a, b in zip(cuts, cuts[1:])] + [(truth, predicted)]
    print("random:", put(golden, "random/", chunks, types)[:, 0], [broken(truth), broken(predicted)])


def conll_part(golden, path):
    sentences, w = [[]], 0
    for line in open(path):
        if line.strip():
            sentences[-1].append(line.split()[-1])
        elif sentences[-1]:
            sentences.append([])
    truth, predicted = [s for s in sentences if s], []
    for s in truth:
        predicted.append([])
        for tag in s:
            h = (w * 2654435761 + 12345) % 2**32
            predicted[-1].append(CONLL[(h // 256) % 9] if h % 10 == 0 else tag)
            w += 1
    types = sorted({tag[2:] for tag in CONLL[1:]})
    golden.attribute("conll", labels="\n".join(CONLL), types="\n".join(types))
    golden.put("conll/size", np.array([len(truth), w], dtype=np.int64))
    print("conll:", len(truth), w, put(golden, "conll/", [(truth, predicted)], types)[:, 0])


def rows_part(golden):
    g = rng(31)
    cases = {"two": (2, 0.8), "two_bad": (2, 0.3), "five": (5, 0.6), "absent": (6, 0.7), "one_predicted": (3, None), "only_zero": (2, None)}
    for name, (K, right) in cases.items():
        truth = g.integers(0, K if name != "absent" else K - 2, 400)  # of six labels two are no truth, and one of these is not predicted either
        predicted = np.where(g.random(400) < (right or 0), truth, g.integers(0, K if name != "absent" else K - 1, 400))
        if right is None:
            predicted[:] = 0
        how = {"average": "binary"} if K == 2 else {"average": "macro"}
        p, r, f, _ = precision_recall_fscore_support(truth, predicted, zero_division=0, **how)
        golden.attribute("rows/" + name, K=K)
        golden.put(f"rows/{name}/truth", truth.astype(np.int32))
        golden.put(f"rows/{name}/predicted", predicted.astype(np.int32))
        averages = [f1_score(truth, predicted, average=a, zero_division=0) for a in ("micro", "macro", "weighted")]
        golden.put(f"rows/{name}/scores", np.array([accuracy_score(truth, predicted), matthews_corrcoef(truth, predicted), p, r, f] + averages), keep=True)


if len(sys.argv) != 2:
    sys.exit(__doc__)
golden = Golden(HERE / "seqeval.h5", "tags and labels judged by seqeval and scikit-learn (make_seqeval.py)", seqeval=seqeval.__version__
                if hasattr(seqeval, "__version__") else "1.2.2", sklearn=sklearn.__version__)
random_part(golden)
conll_part(golden, sys.argv[1])
rows_part(golden)
golden.save()
