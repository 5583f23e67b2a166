"""Trainings that are killed and resumed at random moments, and their differences from one that nobody killed."""

import random
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from antialias_plugins.utils import markdown_table
from lab.training import Training, kill, read_scalars

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


# Longest time, in seconds, between the beginning of a phase and the kill.
_DELAYS = {'starting': 6.0, 'training': 0.3, 'writing': 0.2, 'validating': 0.3}
_POLL = 0.002


@dataclass(frozen=True)
class Kill:
    """How a process ended.

    Attributes:
        seconds: Its age.
        phase: What it was doing, one of `PHASES`.
        iteration: The iteration that it had come to.
        half_written: Names of the files that it left unfinished.
        resumes_from: Iteration of the checkpoint that the next process resumed.
    """

    seconds: float
    phase: str
    iteration: int
    half_written: tuple[str, ...]
    resumes_from: int


def draw_phases(kills: int, seed: int = 0) -> list[str]:
    """Return as many words of `PHASES`, each as often as the others as far as that goes, in random order.

    Raises:
        ValueError: If there is no kill.
    """
    if kills < 1:
        raise ValueError(f'kills must be at least 1, got {kills}')
    phases = [PHASES[index % len(PHASES)] for index in range(kills)]
    random.Random(seed).shuffle(phases)
    return phases


def kill_and_resume(training: Training, phases: Sequence[str], seed: int = 0) -> Iterator[Kill]:
    """Train to the end in several processes, all but the last of which are killed with SIGKILL.

    The moment of a kill is drawn: an iteration between the last checkpoint and about the share of the training that is
    this process's, and some tenths of a second behind the beginning of the next phase of the wanted kind there.

    Args:
        training: A training that has not begun.
        phases: What the processes are doing when they are killed, as far as the drawn delay does not take them out of
            it; words of `PHASES`.
        seed: Seed of the moments.

    Returns:
        Each kill, before the next process starts. Behind the last one the training goes on to its end.

    Raises:
        ValueError: If a phase is unknown, the training is counted in epochs, or it has several processes: PyTorch's
            launcher starts them in sessions of their own.
        RuntimeError: On the way, if a process ends before its kill: with an error, or because the training is too
            short.
    """
    for phase in phases:
        if phase not in PHASES:
            raise ValueError(f'phases must be of {", ".join(PHASES)}, got {phase!r}')
    if training.processes != 1:
        raise ValueError(f'training must have one process, got {training.processes}')
    return _kill_all(training, training.iterations, phases, random.Random(seed))


def _kill_all(training: Training, iterations: int, phases: Sequence[str], generator: random.Random) -> Iterator[Kill]:
    for left, phase in zip(range(len(phases), 0, -1), phases, strict=True):
        share = 2 * (iterations - training.resumes_from) / (left + 1)
        goal = training.resumes_from + int(generator.uniform(0, share))
        delay = generator.uniform(0, _DELAYS[phase])
        yield _kill_once(training, phase, min(goal, iterations - 1), delay)
    training.finish()


def _kill_once(training: Training, phase: str, goal: int, delay: float) -> Kill:
    before, resumed = _logs(training), training.resumes_from
    process, begin = training.start(), time.monotonic()
    try:
        while not _has_come(_progress(training, before, resumed), phase, goal):
            _check(training, process, phase)
            time.sleep(_POLL)
        time.sleep(delay)
        _check(training, process, phase)
    finally:
        kill(process)
    seconds, progress = time.monotonic() - begin, _progress(training, before, resumed)
    half_written = tuple(sorted(path.name for path in training.folder.glob('.*.partial')))
    return Kill(seconds, progress.phase, progress.iteration, half_written, training.resumes_from)


def _logs(training: Training) -> set[Path]:
    return set(training.folder.glob('*/*.log'))


def _progress(training: Training, before: set[Path], resumed: int) -> Progress:
    """Where the process is whose log was not there before."""
    logs = _logs(training) - before
    return read_progress(logs.pop(), resumed) if logs else Progress(iteration=resumed)


def _has_come(progress: Progress, phase: str, goal: int) -> bool:
    return progress.phase == phase and (phase == 'starting' or progress.iteration >= goal)


def _check(training: Training, process: subprocess.Popen, phase: str) -> None:
    """Make sure that there is something to kill."""
    if process.poll() is None:
        return
    training.check(process.returncode)
    raise RuntimeError(
        f"the training in '{training.folder}' came to its end before it could be killed while {phase}: "
        'it must be longer, or write checkpoints and validate more often'
    )


_HEADER = ('kill', 'after', 'while', 'iteration', 'left half-written', 'resumed from')


def format_kills(kills: Sequence[Kill]) -> str:
    """Return one row per kill, as Markdown."""
    return markdown_table(_HEADER, [_row(number, one) for number, one in enumerate(kills, 1)])


def _row(number: int, one: Kill) -> tuple[str, ...]:
    # 'iter_12.pth' of '.iter_12.pth.4711.partial'
    files = (name.removeprefix('.').rsplit('.', 2)[0] for name in one.half_written)
    return (
        str(number),
        f'{one.seconds:.1f} s',
        one.phase,
        str(one.iteration),
        ', '.join(files) or '–',
        str(one.resumes_from) if one.resumes_from else 'scratch',
    )


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
