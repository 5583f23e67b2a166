import os
from importlib.util import find_spec
from typing import NamedTuple

import pytest
import torch

from antialias_cli import main

if not torch.cuda.is_available():  # Triton's kernels are then interpreted, which is decided when they are defined.
    os.environ.setdefault('TRITON_INTERPRET', '1')
if find_spec('mmdet') is not None:  # which needs operators that not every mmcv has
    import antialias_plugins.openmmlab.mmcv_ops  # noqa: F401


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, whatever ran before it in its process."""
    torch.manual_seed(0)


class Answer(NamedTuple):
    """What a command line ended with."""

    status: int
    out: str
    err: str

    @property
    def line(self):
        """The line that says what is wrong."""
        return self.err.rstrip().rpartition('\n')[2]


@pytest.fixture
def antialias(capsys):
    """Runs the command `antialias` in this process."""

    def run(*args):
        capsys.readouterr()
        try:
            main([*map(str, args)])
        except SystemExit as stop:
            return Answer(stop.code or 0, *capsys.readouterr())
        return Answer(0, *capsys.readouterr())

    return run
