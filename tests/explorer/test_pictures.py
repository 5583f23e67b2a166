import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from antialias_plugins.explorer.networks import encode_labels, encode_mask, encode_photograph
from tests.explorer.conftest import PALETTE


def decode(uri, kind):
    head, _, body = uri.partition(',')
    assert head == f'data:image/{kind};base64'
    return Image.open(io.BytesIO(base64.b64decode(body)))


@pytest.mark.parametrize('classes', [(0, 1, 2, 3), (1, 3), (2,)], ids=['all', 'two', 'one'])
def test_labels_get_their_colors(classes):
    labels = np.random.default_rng(0).choice(classes, (9, 14)).astype(np.uint8)
    assert (np.array(decode(encode_labels(labels, PALETTE), 'png').convert('RGB')) == np.array(PALETTE)[labels]).all()


@pytest.mark.parametrize('share', [0, 0.3, 1], ids=['none', 'some', 'all'])
def test_marks_are_opaque_and_all_else_is_not(share):
    mask = np.random.default_rng(0).random((9, 14)) < share
    pixels = np.array(decode(encode_mask(mask), 'png').convert('RGBA'))
    assert (pixels[..., 3] == 255 * mask).all()
    assert (pixels[mask] == (255, 0, 60, 255)).all()


def test_a_photograph_is_small_and_still_itself(photograph):
    image = torch.from_numpy(np.array(Image.open(photograph))).permute(2, 0, 1)
    uri = encode_photograph(image)
    difference = np.array(decode(uri, 'webp').convert('RGB'), float) - image.permute(1, 2, 0).numpy()
    assert np.sqrt((difference**2).mean()) < 12
    assert len(uri) < image.numel() / 4
