import os
import runpy
import sys
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():  # Triton's kernels are then interpreted, which is decided when they are defined.
    os.environ.setdefault('TRITON_INTERPRET', '1')

TOOLS = Path(__file__).parents[1] / 'tools'


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, whatever ran before it in its process."""
    torch.manual_seed(0)


@pytest.fixture
def run_script(monkeypatch):
    """Runs a script of `tools/` in this process, as from the command line."""

    def run(name, *args):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
        monkeypatch.syspath_prepend(str((TOOLS / name).parent))
        runpy.run_path(str(TOOLS / name), run_name='__main__')

    return run
