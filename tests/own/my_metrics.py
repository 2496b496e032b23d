"""Metrics as a user writes them, for the tests."""

import evalcli


class MyRMSE(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("sum_squared_error", default=0.0)
        self.add_state("n_observations", default=0)

    def update(self, preds, target):
        self.sum_squared_error += float(((preds - target) ** 2).sum())
        self.n_observations += target.size

    def compute(self):
        return (self.sum_squared_error / self.n_observations) ** 0.5


class TopK(evalcli.Metric):
    def __init__(self, k=1):
        super().__init__()
        self.k = k
        self.add_state("right", 0)
        self.add_state("rows", 0)

    def update(self, preds, target):
        order = (-preds).argsort(axis=1, kind="stable")[:, : self.k]
        self.right += int((order == target[:, None]).any(axis=1).sum())
        self.rows += len(target)

    def compute(self):
        return self.right / self.rows


class Weighted(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("right", 0.0)
        self.add_state("total", 0.0)
        self.add_state("seen", [], reduce="cat")

    def update(self, preds, target, weight=None):
        right = preds == target
        self.right += float(right.sum() if weight is None else weight[right].sum())
        self.total += float(len(target) if weight is None else weight.sum())
        self.seen.append(target)

    def compute(self):
        return {"share": self.right / self.total, "first": [float(self.seen[0][0])]}


class PerClass(evalcli.Metric):
    def __init__(self, classes=3):
        super().__init__()
        self.classes = classes
        self.add_state("counts", __import__("numpy").zeros(classes, int))

    def update(self, preds, target):
        import numpy as np

        self.counts = self.counts + np.bincount(target, minlength=self.classes)

    def compute(self):
        return self.counts


class BadUpdate(evalcli.Metric):
    def update(self, preds, target):
        raise ValueError("\x1b[31mno\nway")

    def compute(self):
        return 1


class BadCompute(evalcli.Metric):
    def update(self, preds, target):
        pass

    def compute(self):
        return "much"


class BadInit(evalcli.Metric):
    def __init__(self):
        raise RuntimeError("not today")


class Exits(evalcli.Metric):
    """Leaves the program where it says."""

    def __init__(self, where="update"):
        super().__init__()
        self.where = where
        self.add_state("rows", 0)

    def _leave(self, where):
        if where == self.where:
            raise SystemExit(0)

    def update(self, preds, target):
        self._leave("update")

    def merge(self, other):
        self._leave("merge")

    def compute(self):
        self._leave("compute")
        return 1.0


class Overwrites(TopK):
    """Writes into what it was given."""

    def update(self, preds, target):
        target[:] = 0
        super().update(preds, target)


class NoMetric:
    pass
