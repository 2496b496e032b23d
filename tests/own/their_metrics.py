"""A metric as the documentation of torchmetrics has it, but for its base, and a mean of batches."""

import torch

import evalcli


class MyRMSE(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("sum_squared_error", default=torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("n_observations", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds, target):
        self.sum_squared_error += torch.sum((preds - target) ** 2)
        self.n_observations += preds.numel()

    def compute(self):
        return torch.sqrt(self.sum_squared_error / self.n_observations)


class MeanSquare(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("error", 0.0, reduce="mean")

    def update(self, preds, target):
        self.error += float(((preds - target) ** 2).mean())

    def compute(self):
        return self.error
