"""``antialias run``: a script with the plug-ins imported.

For scripts that know timm's networks by name, such as timm's own ``train.py`` and ``validate.py``, and for mmdet's
``test.py``, which imports mmcv's operators before it reads a config.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


def run_script(arguments: Sequence[str]) -> None:
    """Run a script, which sees the arguments and the import path that it would have without the launcher."""
    script = Path(arguments[0])
    if not script.is_file():
        print(f'antialias run: script must be a file, got {script}, which is none', file=sys.stderr)
        sys.exit(2)
    import antialias_plugins

    if find_spec('mmdet') is not None:
        import antialias_plugins.openmmlab.mmcv_ops  # noqa: F401

    sys.argv[:] = arguments
    if not getattr(sys.flags, 'safe_path', False):  # `python -P` puts no folder there; Python 3.10 has no such flag
        sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name='__main__')
