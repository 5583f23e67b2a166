"""A data set of three classes for mmpretrain, cut from photographs that scikit-learn and matplotlib ship.

``python tests/openmmlab/photographs.py FOLDER`` writes it.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

SIDE = 160


def write_photographs(root, train=8, val=4):
    """Write so many windows of each photograph into ``{train,val}/<class>/``: of its left part, and of the rest."""
    hopper = Image.open(Path(matplotlib.get_data_path()) / 'sample_data' / 'grace_hopper.jpg').convert('RGB')
    photographs = {name: load_sample_image(f'{name}.jpg') for name in ('china', 'flower')}
    photographs['hopper'] = np.asarray(hopper)
    for seed, (name, pixels) in enumerate(photographs.items()):
        generator, middle = np.random.default_rng(seed), pixels.shape[1] // 2
        for split, half, count in (('train', pixels[:, :middle], train), ('val', pixels[:, middle:], val)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                top, left = (generator.integers(size - SIDE + 1) for size in half.shape[:2])
                Image.fromarray(half[top : top + SIDE, left : left + SIDE]).save(folder / f'{number}.png')
    return root


if __name__ == '__main__':
    write_photographs(Path(sys.argv[1]))
