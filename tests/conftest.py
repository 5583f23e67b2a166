import os

import pytest
import torch

if not torch.cuda.is_available():  # Triton's kernels are then interpreted, which is decided when they are defined.
    os.environ.setdefault('TRITON_INTERPRET', '1')


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state, whatever ran before it in its process."""
    torch.manual_seed(0)
