"""A metric by its address: ``my.py:MyRMSE``, ``my.py:TopK(k=3)``, ``torchmetrics.classification:CohenKappa(…)``.

This runs the file or imports the module that is named: that is its purpose, and why no configuration file can ask for
it. Arguments are literals; nothing in the address itself is executed. Packages offer metrics by the entry point
``evalcli.metrics``: those are addressed by their name alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalcli.errors import UsageError
from evalcli.own.metrics import OwnMetric
from evalcli.own.values import RAISED, failure_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

GROUP = "evalcli.metrics"
"""The entry point of packages that offer metrics."""

_ADDRESS = re.compile(
    r"(?:(?P<name>[^\W\d]\w*)=)?(?:(?P<module>[^()=]+):)?(?P<cls>[^\W\d][\w.]*)(?P<arguments>\(.*\))?", re.DOTALL
)
_SUBCLASS = "subclass evalcli.Metric: add_state, update, compute"
_FIX = "write it like my.py:MyMetric, package.module:Metric(k=3) or name=my.py:MyMetric"


def load_metrics(addresses: Iterable[str]) -> tuple[OwnMetric, ...]:
    """The metrics at these addresses, each under its own name.

    Raises:
        UsageError: an address that leads nowhere, or to no metric; two metrics of one name.

    """
    found: dict[str, OwnMetric] = {}
    for address in addresses:
        one = load_metric(address)
        if one.name in found:
            raise UsageError(f"two metrics are called {one.name!r}", fix=f"name one: other={address}")
        found[one.name] = one
    return tuple(found.values())


def load_metric(address: str) -> OwnMetric:
    """The metric at one address.

    Raises:
        UsageError: it leads nowhere, or to no metric, or the metric cannot be made.

    """
    parts = _ADDRESS.fullmatch(address.strip())
    if parts is None:
        raise UsageError(f"--metric {address!r} is no address", fix=_FIX)
    cls = _class_at(address, parts["module"], parts["cls"])
    positional, named = _arguments(address, parts["arguments"])
    if not (isinstance(cls, type) and hasattr(cls, "update") and hasattr(cls, "compute")):  # nothing else is called
        raise UsageError(f"--metric {address}: {parts['cls']} is no metric class", fix=_SUBCLASS)
    try:
        made = cls(*positional, **named)
    except RAISED as e:
        file = None if parts["module"] is None else parts["module"]
        failure = failure_of(parts["cls"], e, file if file is None else str(Path(file).resolve()))
        raise UsageError(f"--metric {address}: {failure}", fix="check its arguments") from e
    shown = _shown(parts["cls"], parts["arguments"])
    of_package = parts["module"] is not None and not parts["module"].endswith(".py")
    return own_metric(made, parts["name"] or shown, f"{parts['module']}:{shown}" if of_package else shown)


def own_metrics(own: Iterable[Any] | Mapping[str, Any]) -> tuple[OwnMetric, ...]:
    """Metrics of the caller's own, objects or addresses, by name where they are named.

    Raises:
        UsageError: one is no metric, or two have one name.

    """
    named = own.items() if isinstance(own, Mapping) else [(None, metric) for metric in own]
    found = []
    for name, metric in named:
        if isinstance(metric, str):
            found.append(load_metric(metric if name is None else f"{name}={metric}"))
        else:
            found.append(own_metric(metric, name))
    names = [one.name for one in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"two metrics are called {twice[0]!r}", fix="name them: own={'first': …, 'second': …}")
    return tuple(found)


def own_metric(metric: Any, name: str | None = None, made: str = "") -> OwnMetric:
    """A metric object under a name, adapted where it is of torchmetrics; ``made`` says how an address made it.

    Raises:
        UsageError: it is no metric, or the name is one of the registry.

    """
    from evalcli.metrics.base import Metric
    from evalcli.metrics.registry import is_registered

    if any(base.__module__.startswith("torchmetrics") for base in type(metric).__mro__):
        from evalcli.integrations.torchmetrics import Adapted

        name = name or type(metric).__name__
        metric = Adapted(metric)
    if not isinstance(metric, Metric):
        what = f"a {type(metric).__name__} is no metric"
        raise UsageError(what, fix=_SUBCLASS)
    name = name or type(metric).__name__
    if is_registered(name):
        raise UsageError(f"there is a metric {name!r} already", fix="give yours another name")
    return OwnMetric(name, metric, made)


def _shown(cls: str, arguments: str | None) -> str:
    """The name of a metric that was given none: its class, with its arguments."""
    inside = " ".join((arguments or "")[1:-1].split())
    return f"{cls.rpartition('.')[2]}{f'({inside})' if inside else ''}"


def _class_at(address: str, module: str | None, name: str) -> Any:
    if module is None:
        return _offered(address, name)
    found: Any = _module_at(address, module)
    for part in name.split("."):
        if not hasattr(found, part):
            from difflib import get_close_matches

            near = get_close_matches(part, dir(found), n=1)
            hint = f"did you mean {near[0]}?" if near else _FIX
            raise UsageError(f"--metric {address}: {module} has no {part!r}", fix=hint)
        found = getattr(found, part)
    return found


def _offered(address: str, name: str) -> Any:
    """A metric that an installed package offers under this name."""
    from importlib.metadata import entry_points

    offers = entry_points(group=GROUP)
    if name not in offers.names:
        from evalcli.metrics.registry import is_registered

        known = ", ".join(sorted(offers.names)) or "none"
        fix = f"evalcli has it: --metrics {name}" if is_registered(name) else _FIX
        raise UsageError(f"--metric {address}: no package offers {name!r} (offered: {known})", fix=fix)
    try:
        return offers[name].load()
    except RAISED as e:
        raise UsageError(f"--metric {address}: {failure_of(name, e)}", fix="check the package") from e


def _module_at(address: str, module: str) -> ModuleType:
    from importlib import import_module

    try:
        return _from_file(module) if module.endswith(".py") else import_module(module)
    except FileNotFoundError as e:
        raise UsageError(f"--metric {address}: no such file", fix=_FIX, path=module) from e
    except RAISED as e:
        file = str(Path(module).resolve()) if module.endswith(".py") else None
        raise UsageError(f"--metric {address}: {failure_of(module, e, file)}", fix="mend it, or check the name") from e


def _from_file(path: str) -> ModuleType:
    """The module in a file, under a name of its own; the folder is on the path for what it imports beside it."""
    import sys
    from importlib.util import module_from_spec, spec_from_file_location

    full = Path(path).resolve(strict=True)
    name = f"evalcli_own_{full.stem}"
    held = sys.modules.get(name)
    if held is not None and getattr(held, "__file__", None) == str(full):
        return held
    spec = spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = module_from_spec(spec)
    sys.modules[name] = module  # so that its metrics can be pickled for other processes
    sys.path.insert(0, str(full.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(full.parent))
    return module


def _arguments(address: str, text: str | None) -> tuple[list[Any], dict[str, Any]]:
    """Literals between parentheses.

    Raises:
        UsageError: something else stands there.

    """
    if text is None:
        return [], {}
    wrong = UsageError(f"--metric {address}: the arguments are no literals", fix="write numbers, texts, True, None")
    try:
        tree = ast.parse(f"_{text}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise wrong from e
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise wrong
    named = {}
    for keyword in tree.keywords:
        if keyword.arg is None:
            raise wrong
        named[keyword.arg] = _literal(keyword.value, wrong)
    return [_literal(value, wrong) for value in tree.args], named


def _literal(node: ast.expr, wrong: UsageError) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.List(elts=parts):
            return [_literal(part, wrong) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_literal(part, wrong) for part in parts)
        case ast.Dict(keys=keys, values=values) if all(key is not None for key in keys):
            pairs = zip(keys, values, strict=True)
            return {_literal(key, wrong): _literal(value, wrong) for key, value in pairs if key is not None}
    raise wrong
