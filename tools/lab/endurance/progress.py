"""How far a training has come, by the log that mmengine writes for people."""

import re
from dataclasses import dataclass
from pathlib import Path

PHASES = ('starting', 'training', 'writing', 'validating')

_LINES = re.compile(
    r'Iter\(train\) +\[ *(?P<training>\d+)/|Saving checkpoint at (?P<writing>\d+) iterations'
    r'|Iter\(val\) +\[ *(?P<validating>\d+)/'
)


@dataclass(frozen=True)
class Progress:
    """Where a process is.

    Attributes:
        phase: One of `PHASES`, by the last line: ``'writing'`` until the iteration behind a checkpoint, or the first
            image of its validation, is logged.
        iteration: The last iteration that was logged; before, that of the checkpoint from which it resumed, if any.
    """

    phase: str = 'starting'
    iteration: int = 0


def read_progress(log: Path, resumed: int = 0) -> Progress:
    """Read the log of one process.

    Args:
        log: The file; an interval of 1 in ``LoggerHook`` makes each iteration and each validated image a line.
        resumed: Iteration of the checkpoint from which the process resumed.
    """
    progress = Progress(iteration=resumed)
    for line in _LINES.finditer(log.read_text()):
        iteration = progress.iteration if line.lastgroup == 'validating' else int(line[line.lastgroup])
        progress = Progress(line.lastgroup, iteration)
    return progress
