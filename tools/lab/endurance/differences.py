"""What distinguishes two trainings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lab.scalars import read_scalars

_PARTS = ('state_dict', 'optimizer', 'param_schedulers')
# What a log says of the machine, not of the training.
_MACHINE = ('time', 'data_time', 'memory')


def find_differences(folder: Path, reference: Path) -> list[str]:
    """Compare a training with one of the same config.

    Weights, state of the optimizer and of the schedulers in the last checkpoint must be the same bits; each iteration
    and each validation must have been logged, with the same digits, each time if it was logged several times; and the
    same checkpoints must have been kept, nothing half-written among them.

    Args:
        folder: The training's ``--work-dir``.
        reference: That of the other.

    Returns:
        A line for each difference.

    Raises:
        ValueError: If the other has no log of its iterations, with which to compare.
    """
    logged, wanted = _logged(folder), _logged(reference)
    if not wanted:
        raise ValueError(f"reference must have logged its iterations by LocalVisBackend, found none in '{reference}'")
    kept, expected = ({path.name for path in root.glob('*.pth')} for root in (folder, reference))
    lines = [f'file {name} is in one folder only' for name in sorted(kept ^ expected)]
    lines += [f'{path.name} is half-written' for path in sorted(folder.glob('.*.partial'))]
    one, other = (_load(root) for root in (folder, reference))
    lines += [f'{part} of the last checkpoint differs' for part in _PARTS if not same(one[part], other[part])]
    lines += [f'{kind} {step} was not logged' for kind, step in sorted(wanted.keys() - logged.keys())]
    for (kind, step), entries in sorted(logged.items()):
        if any(entry not in wanted.get((kind, step), []) for entry in entries):
            lines.append(f'{kind} {step} was logged with other numbers')
    return lines


def same(one: Any, other: Any) -> bool:
    """Whether two nested containers hold the same values, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def _load(folder: Path) -> dict[str, Any]:
    name = Path((folder / 'last_checkpoint').read_text()).name
    return torch.load(folder / name, map_location='cpu', weights_only=False)


def _logged(folder: Path) -> dict[tuple[str, int], list[dict[str, Any]]]:
    logged: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for entry in read_scalars(folder):
        kind = 'iteration' if 'loss' in entry else 'validation'
        kept = {name: value for name, value in entry.items() if name not in _MACHINE}
        logged.setdefault((kind, entry['step']), []).append(kept)
    return logged
