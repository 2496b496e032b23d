"""What Python code calls: ``evaluate``, the ``Report`` it returns, and how arguments become choices.

Everything here goes the way of the command line: a source, a decision for the whole input, one pass, a report.
"""
