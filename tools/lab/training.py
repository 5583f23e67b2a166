"""Trainings by the tool of an OpenMMLab package, in processes of their own, and the numbers that mmengine logs."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config

from antialias_plugins.utils import write_text


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


@dataclass(frozen=True)
class Training:
    """A config that the package's own ``train.py``, as installed, trains in a folder.

    Attributes:
        config: The config; its ``default_scope`` names the package.
        folder: The ``--work-dir``.
        processes: Number of processes that share each batch, by the launcher of PyTorch.
    """

    config: Config
    folder: Path
    processes: int = 1

    @property
    def iterations(self) -> int:
        """Length of the training.

        Raises:
            ValueError: It is not counted in iterations.
        """
        schedule = self.config.get('train_cfg') or {}
        if 'max_iters' not in schedule:
            raise ValueError(f'config must train for a number of iterations, train_cfg.max_iters, got {dict(schedule)}')
        return schedule['max_iters']

    def start(self) -> subprocess.Popen:
        """Start to train, or resume if there is a checkpoint; what the processes print is in ``output.txt``.

        Raises:
            ValueError: The config names no package.
            ImportError: The package is not installed.
        """
        tool = self._tool  # before there is a folder
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / 'recipe.py'
        write_text(config, self.config.pretty_text)
        command = [sys.executable, *self._launcher, tool, config, '--work-dir', self.folder, '--resume']
        if self.processes > 1:
            command += ['--launcher', 'pytorch']
        with (self.folder / 'output.txt').open('a') as output:
            # A session of its own: its data loader's workers can be killed with it.
            return subprocess.Popen(
                list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def _tool(self) -> Path:
        package = self.config.get('default_scope')
        if package is None:
            raise ValueError('config must name the package that trains it, default_scope, got none')
        return Path(import_module(package).__file__).parent / '.mim' / 'tools' / 'train.py'

    @property
    def _launcher(self) -> tuple[str, ...]:
        if self.processes == 1:
            return ()
        return ('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', str(self.processes))

    def finish(self) -> None:
        """Train to the end.

        Raises:
            RuntimeError: The process failed.
        """
        process = self.start()
        try:
            status = process.wait()
        finally:
            process.terminate()  # where this process was interrupted
        self.check(status)

    def check(self, status: int) -> None:
        """Show the end of what the processes have printed, if a status is that of a failure.

        Raises:
            RuntimeError: It is.
        """
        if status:
            end = '\n'.join((self.folder / 'output.txt').read_text().splitlines()[-40:])
            raise RuntimeError(f"the training in '{self.folder}' ended with status {status}:\n{end}")

    @property
    def resumes_from(self) -> int:
        """Iteration of the checkpoint that the next start resumes, 0 without one."""
        pointer = self.folder / 'last_checkpoint'
        return int(Path(pointer.read_text()).stem.rpartition('_')[2]) if pointer.exists() else 0


def kill(process: subprocess.Popen) -> None:
    """Kill the process of a `Training` on one process, and those that it has started itself."""
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
