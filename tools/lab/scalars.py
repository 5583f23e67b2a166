"""The numbers that mmengine logs during a training."""

import json
from pathlib import Path
from typing import Any


def read_scalars(folder: Path) -> list[dict[str, Any]]:
    """Return what ``LocalVisBackend`` wrote, in the order in which it was written.

    A training that was resumed has logged the iterations behind its checkpoint again. A last line that was being
    written when the training was killed is left out.

    Args:
        folder: The training's ``--work-dir``.

    Returns:
        An entry for each time that something was logged: ``step``, and ``loss`` of iterations, or the metrics of
        validations.

    Raises:
        ValueError: A line but the last is not JSON.
    """
    return [entry for log in sorted(folder.glob('*/vis_data/scalars.json')) for entry in _read(log)]


def _read(log: Path) -> list[dict[str, Any]]:
    complete = log.read_text().split('\n')[:-1]
    return [json.loads(line) for line in complete]
