"""Accuracy and macro F1 from the counts of (target, pred) pairs, for the peers that only count."""

import json
from collections import Counter
from collections.abc import Iterable


def show(rows: Iterable[tuple[object, object, int]]) -> None:
    support: Counter[object] = Counter()
    predicted: Counter[object] = Counter()
    right: Counter[object] = Counter()
    for target, pred, count in rows:
        support[target] += count
        predicted[pred] += count
        if target == pred:
            right[target] += count
    names = support.keys() | predicted.keys()
    f1 = [2 * right[name] / (support[name] + predicted[name]) for name in names]
    print(json.dumps({"accuracy": right.total() / support.total(), "f1_macro": sum(f1) / len(f1)}))
