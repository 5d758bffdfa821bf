#!/usr/bin/env python3
"""A control that has seen no pre-training: TF-IDF of words and pairs of words, and logistic regression, on the files that the presets of `ltune-prep data` read.

usage: tfidf.py [--first N] TRAIN DEV

TRAIN, DEV  TSV, CSV or JSON lines, perhaps packed by gzip: with a header (label or class index, and sentence, content, text, or title and description), or CSV without: class,
            title, description, or text, class.  Class numbers from 1 are taken as from 0.
--first N   the first N sentences of TRAIN (0: all)

One line: sentences, features, accuracy and macro F1 on DEV.  Nothing is chosen on DEV.  Needs scikit-learn."""
import argparse
import csv
import gzip
import io
import json
import pathlib

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline

TEXTS = ("sentence", "content", "text"), ("title", "description")
LABELS = ("label", "class index", "class")


def table(path):
    """Rows of a file as {column: text}; columns of a file without header are called as its form says."""
    path = pathlib.Path(path)
    packed = path.suffix == ".gz"
    kind = pathlib.Path(path.stem).suffix if packed else path.suffix
    data = io.TextIOWrapper(gzip.open(path) if packed else path.open("rb"), encoding="utf-8-sig", newline="")
    if kind in (".json", ".jsonl"):
        return [json.loads(line) for line in data if line.strip()]
    if kind == ".tsv":
        rows = [line.rstrip("\r\n").split("\t") for line in data]
    else:
        rows = [row for row in csv.reader(data) if row]
    head = [name.strip().lower() for name in rows[0]]
    if set(head) & set(LABELS):
        return [dict(zip(head, row)) for row in rows[1:]]
    head = {3: ["class", "title", "description"], 2: ["text", "label"]}.get(len(head))
    if head is None:
        raise SystemExit(f"{path}: neither a header with a label nor CSV of two or three columns")
    return [dict(zip(head, row)) for row in rows]


def read(path):
    rows = table(path)
    label = next(name for name in LABELS if name in rows[0])
    names = [name for group in TEXTS for name in group if name in rows[0]]
    names = names if names == list(TEXTS[1]) else names[:1]
    labels = [row[label] for row in rows]
    if all(str(value).lstrip("-").isdigit() for value in labels):
        labels = np.array(labels, int)
        labels -= labels.min()
    return [" ".join(row[name] for name in names) for row in rows], np.asarray(labels)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--first", type=int, default=0)
    args.add_argument("train")
    args.add_argument("dev")
    args = args.parse_args()
    (texts, labels), (dev_texts, dev_labels) = read(args.train), read(args.dev)
    first = args.first or len(texts)
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"), LogisticRegression(C=10, max_iter=1000))
    model.fit(texts[:first], labels[:first])
    found = model.predict(dev_texts)
    print(f"train {len(texts[:first])}, dev {len(dev_texts)}, {len(model[0].vocabulary_)} features: accuracy {accuracy_score(dev_labels, found):.4f}, "
          f"macro F1 {f1_score(dev_labels, found, average='macro'):.4f}")


main()
