import matplotlib
import pytest
from PIL import Image

WINDOWS = {
    'face': [(90, 60, 400, 400), (140, 100, 380, 360), (60, 20, 460, 420)],
    'uniform': [(0, 300, 300, 600), (100, 330, 500, 590), (212, 280, 512, 606), (40, 260, 420, 600)],
}


@pytest.fixture(scope='session')
def photographs(tmp_path_factory):
    """Seven windows of the photograph that matplotlib ships, in two classes."""
    root = tmp_path_factory.mktemp('photographs')
    photograph = Image.open(matplotlib.get_data_path() + '/sample_data/grace_hopper.jpg').convert('RGB')
    for name, windows in WINDOWS.items():
        folder = root / 'validation' / name
        folder.mkdir(parents=True)
        for number, window in enumerate(windows):
            photograph.crop(window).save(folder / f'{number}.png')
    return root
