"""Rows with mistakes, and what ``evalcli errors`` lists of them."""

from __future__ import annotations

import json

import numpy as np

NAMES = np.array(["cat", "dog", "owl", "eel"])
HOSTILE = [
    "[red]x[/red]", "a[/b]", ":smile:", "\x1b[31mred", "\x1b]0;title\x07", "\x9b2J", "\u202eevil", "zero\u200bwidth",
    "two\nlines\ttab", "=cmd()", "+1", "-2", "@x", "a|b", " blank ", "x" * 100, "שלום", "日本語", "::error::x",
]  # fmt: skip


def drawn(seed=0, n=120, names=NAMES):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, len(names), n)
    logits = (rng.normal(size=(n, len(names))) * 2 + 2 * np.eye(len(names))[target]).astype(np.float32)
    return logits, target


def probabilities(logits):
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def brute(probs, target, names=None):
    """Every mistake as a dict, from probabilities."""
    said, names = probs.argmax(axis=1), list(map(str, range(probs.shape[1]))) if names is None else names
    ordered = np.sort(probs, axis=1)
    return [
        {"row": int(i), "target": str(names[target[i]]), "pred": str(names[said[i]]),
         "confidence": ordered[i, -1], "margin": ordered[i, -1] - ordered[i, -2]}
        for i in np.flatnonzero(said != target)
    ]  # fmt: skip


def read(text):
    """Strict JSON lines."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert text == "" or text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def rows_of(run, *args, **more):
    done = run("errors", *args, "-f", "jsonl", **more)
    assert done.code == 0, done.stderr
    return read(done.stdout)


def same(found, wanted, *names):
    """The same rows; probabilities to 1e-6 of float32 logits, all else exactly."""
    for name in ("row", "target", "pred", *names):
        assert [row[name] for row in found] == [row[name] for row in wanted]
    for name in ("confidence", "margin"):
        np.testing.assert_allclose([r[name] for r in found], [r[name] for r in wanted], rtol=1e-6, atol=1e-7)
