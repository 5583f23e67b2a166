"""Killing a training at random moments."""

import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.endurance.progress import PHASES, Progress, read_progress
from lab.training import Training, kill

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
