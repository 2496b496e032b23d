"""Evaluate saved predictions: a report, a confusion matrix and a verdict."""

__version__ = "0.1.0"
