"""How sure a number is: pure functions from states to intervals, and from two models to a test of their difference.

Metrics of counts: ``counted.CountIntervals`` over ``cells.Cells``, for every row of the registry that reads labels.
Two models: ``comparison.PairedCounts`` over ``cells.JointCells``; rankings and losses by ``paired``.
Gates: ``decisions.judged``.

=====================================================  ===================================  =========================
metric                                                 interval                             what it reads
=====================================================  ===================================  =========================
accuracy, error rate, per-class precision, recall,     ``proportions``: Wilson              cells of the confusion
specificity, NPV, Jaccard and F1, micro averages,                                           matrix; weighted: Σw² of
majority baseline, top-k accuracy                                                           each (or one for all)
macro and weighted means, balanced accuracy, F-beta,   ``resampling``: count bootstrap,     the same
kappa, MCC                                             ``score`` where classes are rare
AUROC and average precision, one column or a mean      ``ranks``: DeLong, influences        ``Ranking``; weighted:
                                                                                            Σw² of each side
partial AUROC                                          ``partial``: slopes of segments      ``Ranking``
risk–coverage area, accuracy at a coverage             ``curves``: slopes of segments       groups of confidence
recall at a precision, precision at a recall,          ``operating``: thresholds tested     ``Ranking``
specificity at a sensitivity
Kolmogorov–Smirnov distance                            ``distances``: less its excess       ``Ranking``
log loss, Brier score, mean rank, MRR, MAE, MSE        ``means``: Hall                      Σv, Σv², Σv³
ECE and its kin                                        ``bins``: inversion                  ``BinTable``
reliability, resolution, uncertainty; over- and        ``squares``: inversion               ``BinTable``
underconfidence
R², explained variance, WAPE, Pearson; micro averages  ``jackknife``: leaving out a row      kinds of rows
of several labels a row
Spearman, Kendall                                      ``rankpairs``: influences             ``PairGroups``
=====================================================  ===================================  =========================

All of them are deterministic, lie inside the metric's range, hold the value they are about and are never of zero width.
How often they hold the truth is measured: see docs/intervals.md.
"""

FEWEST_RESAMPLES = 100
"""Of a bootstrap that anyone sees: fewer say nothing of the ends of an interval."""
