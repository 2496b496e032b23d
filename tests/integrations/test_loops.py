"""Metrics inside training loops: plain PyTorch, Lightning, Hugging Face, two processes."""

import json
import socket
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import evalcli
from evalcli.metrics import AUROC, F1, Accuracy, MetricCollection

torch.manual_seed(0)
X = torch.randn(200, 5)
Y = (X[:, 0] + 0.3 * torch.randn(200) > 0).long()
LOADER = DataLoader(TensorDataset(X, Y), batch_size=32)


def model():
    torch.manual_seed(1)
    return nn.Linear(5, 2)


def test_the_loop_of_a_course():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net, accuracy = model().to(device), Accuracy().to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(2):
        accuracy.reset()
        for x, y in LOADER:
            x, y = x.to(device), y.to(device)  # noqa: PLW2901
            logits = net(x)
            loss = nn.functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            batch = accuracy(logits, y)
            assert isinstance(batch, torch.Tensor)
            assert batch.device.type == device
        value = accuracy.compute()
        assert value.device.type == device
        assert 0.5 < value <= 1
        assert not value.requires_grad


def lightning_model(lightning):
    from evalcli.integrations.lightning import LoggedMetric

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = model()
            self.accuracy = LoggedMetric(Accuracy(labels=2))
            self.auroc = LoggedMetric(AUROC())

        def training_step(self, batch, _):
            x, y = batch
            return nn.functional.cross_entropy(self.net(x), y)

        def validation_step(self, batch, _):
            x, y = batch
            logits = self.net(x)
            self.accuracy.update(logits, y)
            self.auroc(logits, y)
            self.log("accuracy", self.accuracy, on_epoch=True)
            self.log("auroc", self.auroc, on_epoch=True)
            return {"preds": logits, "target": y}

        test_step = validation_step

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    return Model()


@pytest.fixture
def lightning():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("lightning")


@pytest.mark.filterwarnings("ignore")
def test_lightning_logs_metrics_and_reports(lightning, tmp_path, capsys):
    from evalcli.integrations.lightning import ReportCallback

    path = tmp_path / "{stage}-{epoch}.json"
    callback = ReportCallback(path, rules=("accuracy>=0.5",))
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    net = lightning_model(lightning)
    trainer.fit(net, LOADER, LOADER)
    with torch.no_grad():
        expected = evalcli.evaluate(net.net(X), Y)
    assert callback.report["accuracy"] == expected["accuracy"]
    assert float(trainer.callback_metrics["accuracy"]) == pytest.approx(expected["accuracy"], rel=1e-6)
    assert float(trainer.callback_metrics["auroc"]) == pytest.approx(expected["auroc"], rel=1e-6)
    assert callback.report.gates[0].status == "pass"
    assert json.loads((tmp_path / "validation-1.json").read_text())["n"] == 200
    assert "accuracy" in capsys.readouterr().out
    trainer.test(net, LOADER, verbose=False)
    assert (tmp_path / "test-2.json").exists()
    assert net.accuracy.inner.stream.is_empty  # reset with the epoch


@pytest.mark.filterwarnings("ignore")
def test_a_logged_metric_moves_with_its_module(lightning):
    net = lightning_model(lightning)
    assert str(net.to("meta").accuracy.inner.device) == "meta"
    from evalcli.integrations.lightning import _both

    with pytest.raises(TypeError, match="the step must return"):
        _both(torch.zeros(3))


def test_hugging_face_gets_plain_numbers():
    from evalcli.integrations.huggingface import compute_metrics

    preds, labels = np.random.default_rng(0).normal(size=(40, 6, 3)), np.random.default_rng(1).integers(0, 3, (40, 6))
    labels[:, 4:] = -100
    seen = []
    compute = compute_metrics("accuracy", "f1_macro", on_report=seen.append)
    found = compute((preds, labels))
    assert found == {
        "accuracy": evalcli.functional.accuracy(preds[:, :4].reshape(-1, 3), labels[:, :4].reshape(-1)),
        "f1_macro": evalcli.functional.f1(preds[:, :4].reshape(-1, 3), labels[:, :4].reshape(-1), average="macro"),
    }
    assert all(type(value) is float for value in found.values())
    assert seen[0].data.ignored == 80
    assert compute(((preds, preds), labels)) == found
    assert "mcc" in compute_metrics()((preds, labels))


@pytest.mark.filterwarnings("ignore")
def test_a_real_trainer(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from evalcli.integrations.huggingface import compute_metrics

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model()

        def forward(self, x, labels):
            logits = self.net(x)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), report_to=[], per_device_eval_batch_size=64, use_cpu=True, disable_tqdm=True
    )
    data = [{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)]
    net = Net()
    trainer = transformers.Trainer(
        net, arguments, eval_dataset=data, compute_metrics=compute_metrics("accuracy", "auroc")
    )
    found = trainer.evaluate()
    with torch.no_grad():
        expected = evalcli.evaluate(net.net(X), Y)
    assert found["eval_accuracy"] == expected["accuracy"]
    assert found["eval_auroc"] == expected["auroc"]


def one_rank(rank, port, folder):
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    logits = model()(X).detach()
    mine = slice(0, 120) if rank == 0 else slice(120, 200)
    metrics = MetricCollection(Accuracy(), F1(average="macro"), AUROC(), gap=1 - Accuracy())
    values = metrics(logits[mine], Y[mine])  # the value of this batch alone, of this rank alone
    together = metrics.compute()
    again = metrics.compute()  # nothing counts twice
    own = Mean()
    own.update(logits[mine], Y[mine])
    synced = own.sync()
    found = [{name: float(value) for name, value in one.items()} for one in (values, together, again)]
    (folder / f"{rank}.json").write_text(json.dumps([*found, synced.compute(), own.compute()]))
    dist.destroy_process_group()


class Mean(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("total", 0)
        self.add_state("rows", 0)

    def update(self, preds, target):
        self.total += int(target.sum())
        self.rows += len(target)

    def compute(self):
        return self.total / self.rows


def test_two_processes_compute_over_all_rows(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    ranks = [context.Process(target=one_rank, args=(rank, port, tmp_path)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
        assert rank.exitcode == 0
    logits = model()(X).detach()
    whole = MetricCollection(Accuracy(), F1(average="macro"), AUROC(), gap=1 - Accuracy())
    whole.update(logits, Y)
    expected = {name: float(value) for name, value in whole.compute().items()}
    for rank, mine in enumerate((slice(0, 120), slice(120, 200))):
        alone, together, again, synced, own = json.loads((tmp_path / f"{rank}.json").read_text())
        assert together == again == expected
        assert alone["accuracy"] == float(evalcli.functional.accuracy(logits[mine], Y[mine]))
        assert synced == float(Y.double().mean())
        assert own == float(Y[mine].double().mean())


def test_sync_without_ranks_is_a_copy():
    metric = Accuracy()
    metric.update(X[:, :2], Y)
    copied = metric.sync()
    copied.reset()
    assert metric.compute() >= 0
