"""Launcher of scripts with the plug-ins imported: ``python -m antialias_plugins train.py --model resnet50_lpf4 …``.

For scripts that know timm's networks by name, such as timm's own ``train.py`` and ``validate.py``; under torchrun,
``torchrun … -m antialias_plugins train.py …``. The script sees the arguments and the import path that it would have
without the launcher.
"""

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run the script that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] in ('-h', '--help'):
        sys.exit('usage: python -m antialias_plugins SCRIPT [ARGUMENT …]')
    script = Path(sys.argv[1])
    if not script.is_file():
        sys.exit(f'python -m antialias_plugins: {script} is no file')
    del sys.argv[0]
    if not getattr(sys.flags, 'safe_path', False):  # `python -P` puts no folder there; Python 3.10 has no such flag
        sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name='__main__')


if __name__ == '__main__':
    main()
