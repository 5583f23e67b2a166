"""A package like those of OpenMMLab, whose tool does as it is told."""

import sys

from mmengine.config import Config

from lab.training import Training

TOOL = """
import sys, time
print(sys.argv[1:])
time.sleep({seconds})
sys.exit({status})
"""


def build_training(root, monkeypatch, seconds=0, status=0):
    """A training of three iterations by the package, which is written below `root`."""
    tool = root / 'toymm' / '.mim' / 'tools' / 'train.py'
    tool.parent.mkdir(parents=True)
    tool.write_text(TOOL.format(seconds=seconds, status=status))
    (root / 'toymm' / '__init__.py').touch()
    monkeypatch.syspath_prepend(root)
    monkeypatch.delitem(sys.modules, 'toymm', raising=False)
    return Training(Config({'default_scope': 'toymm', 'train_cfg': {'max_iters': 3}}), root / 'work')
