"""Where a number was measured: the machine, the versions and the commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

DISTRIBUTIONS = (
    *('antialias-plugins', 'torch', 'torchvision', 'timm', 'numpy'),
    *('mmengine', 'mmcv', 'mmsegmentation', 'mmdet', 'mmpretrain'),
    *('onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation', 'onedl-mmpretrain'),
)


def describe_environment() -> dict[str, str]:
    """Return machine, Python, versions of the installed packages and commit, each as one line of text.

    The commit, with ``-dirty`` for uncommitted changes, is missing where the package does not run from a git checkout.
    """
    described = {'machine': _machine(), 'python': platform.python_version()}
    described |= {name: found for name in DISTRIBUTIONS if (found := _version(name))}
    commit = _commit()
    return described | ({'commit': commit} if commit else {})


def installed_stack() -> str:
    """Return ``'onedl'`` or ``'openmmlab'``: whose mmengine is installed."""
    return 'onedl' if _version('onedl-mmengine') else 'openmmlab'


def _machine() -> str:
    parts = [_processor(), f'{os.cpu_count()} cores', f'{torch.get_num_threads()} threads', platform.system()]
    if torch.cuda.is_available():
        parts.insert(0, torch.cuda.get_device_name())
    return ', '.join(parts)


def _processor() -> str:
    """Name of the processor, which Linux keeps in a file and `platform` does not read."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    root = Path(__file__).parents[1]
    if not (root / '.git').exists():
        return None
    command = ['git', '-C', str(root), 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):  # no git, or a checkout that belongs to someone else
        return None
