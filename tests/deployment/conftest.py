from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images


@pytest.fixture(scope='session')
def photographs():
    """Crops of three photographs, (24, 3, 96, 96), of about zero mean and unit variance."""
    portrait = Image.open(Path(matplotlib.get_data_path()) / 'sample_data' / 'grace_hopper.jpg').convert('RGB')
    generator, crops = torch.Generator().manual_seed(0), []
    for picture in (*load_sample_images().images, np.asarray(portrait)):
        image = torch.from_numpy(picture.copy()).permute(2, 0, 1) / 255
        for _ in range(8):
            top, left = (int(torch.randint(side - 96, (), generator=generator)) for side in image.shape[1:])
            crops.append(image[:, top : top + 96, left : left + 96])
    batch = torch.stack(crops)
    return (batch - batch.mean((0, 2, 3), keepdim=True)) / batch.std((0, 2, 3), keepdim=True)
