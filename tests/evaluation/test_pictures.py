"""Pictures of every kind that a file can hold, and files that hold none."""

import numpy as np
import pytest
from PIL import Image

from antialias_plugins.evaluation.pictures import read_picture

RAMP = np.linspace(0, 65535, 12).reshape(3, 4)


def colors(picture):
    return [color for _, color in picture.getcolors()]


def save(path, picture, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    ('kind', 'most', 'name'),
    [('uint16', 65535, 'a.png'), ('uint16', 65535, 'a.tif'), ('int32', 65535, 'a.tif'), ('float32', 1, 'a.tif')],
    ids=['png', 'tif', 'integers', 'floats'],
)
def test_grey_levels_of_more_bits(kind, most, name, tmp_path):
    levels = (RAMP * (most / 65535)).astype(kind)
    picture = read_picture(save(tmp_path / name, Image.fromarray(levels)))
    expected = np.floor(255 * levels.astype(float) / most + 0.5)
    assert (np.array(picture) == expected[..., None]).all()
    assert picture.mode == 'RGB'


@pytest.mark.parametrize('most', [2.0, np.nan], ids=['range', 'nan'])
def test_grey_levels_of_another_range_are_named(most, tmp_path):
    path = save(tmp_path / 'a.tif', Image.fromarray(np.full((2, 2), most, 'float32')))
    with pytest.raises(ValueError, match=r'got .*a\.tif: grey levels must be from 0 to 1, got'):
        read_picture(path)


HIDDEN = Image.new('RGBA', (4, 2), (10, 20, 30, 0))
HALF = Image.new('RGBA', (4, 2), (0, 100, 200, 51))  # a fifth
PALETTE = Image.new('P', (4, 2), 1)
PALETTE.putpalette([255, 0, 0, 0, 255, 0])


@pytest.mark.parametrize(
    ('picture', 'options', 'color'),
    [
        (HIDDEN, {}, (255, 255, 255)),
        (HALF, {}, (204, 224, 244)),
        (HIDDEN.convert('LA'), {}, (255, 255, 255)),
        (PALETTE, dict(transparency=1), (255, 255, 255)),
        (PALETTE, dict(transparency=0), (0, 255, 0)),
        (Image.new('RGBA', (4, 2), (10, 20, 30, 255)), {}, (10, 20, 30)),
        (Image.new('RGB', (4, 2), (10, 20, 30)), dict(transparency=(10, 20, 30)), (255, 255, 255)),
        (Image.new('L', (4, 2), 7), {}, (7, 7, 7)),
        (Image.new('1', (4, 2), 1), {}, (255, 255, 255)),
    ],
    ids=['hidden', 'half', 'grey', 'palette', 'opaque-palette', 'opaque', 'key', 'L', 'bits'],
)
def test_what_is_transparent_shows_white(picture, options, color, tmp_path):
    assert colors(read_picture(save(tmp_path / 'a.png', picture, **options))) == [color]


@pytest.mark.parametrize('kind', ['CMYK', 'YCbCr'])
def test_other_colours_become_rgb(kind, tmp_path):
    picture = read_picture(save(tmp_path / 'a.jpg', Image.new('RGB', (8, 8), (200, 30, 90)).convert(kind), quality=100))
    assert np.abs(np.array(picture, int) - (200, 30, 90)).max() <= 3


TWO = [Image.new('RGB', (4, 2), color) for color in ('red', 'blue')]


@pytest.mark.parametrize('name', ['a.gif', 'a.png', 'a.webp', 'a.tif'])
def test_several_pictures_in_a_file_are_refused(name, tmp_path):
    path = save(tmp_path / name, TWO[0], save_all=True, append_images=TWO[1:])
    with pytest.raises(ValueError, match=rf'got .*{name}: it holds 2 pictures, as an animation does'):
        read_picture(path)


def test_a_photograph_with_its_depth_is_one(tmp_path):
    path = save(tmp_path / 'a.jpg', TWO[0], format='MPO', save_all=True, append_images=TWO[1:])
    assert np.abs(np.array(read_picture(path), int) - (255, 0, 0)).max() <= 3


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # turn right
    path = save(tmp_path / 'a.jpg', Image.new('RGB', (4, 2)), exif=exif)
    assert read_picture(path).size == (2, 4)
    with path.open('rb') as file:
        assert read_picture(file).size == (2, 4)


def truncated(path):
    save(path, Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), 'uint8')))
    return path.read_bytes()[:2000]


def flipped(path):
    data = bytearray(truncated(path))
    data[29:45] = bytes(255 - value for value in data[29:45])
    return bytes(data)


def huge(path):
    """A header that asks for 60000 × 60000 pixels."""
    data = bytearray(truncated(path))
    data[16:24] = (60000).to_bytes(4, 'big') * 2
    return bytes(data)


@pytest.mark.parametrize(
    'content',
    [None, lambda path: b'', lambda path: b'no picture', truncated, flipped, huge],
    ids=['missing', 'empty', 'text', 'truncated', 'flipped', 'bomb'],
)
def test_what_cannot_be_read_is_named(content, tmp_path):
    path = tmp_path / 'a.png'
    if content is not None:
        path.write_bytes(content(path))
    with pytest.raises(ValueError, match=r'image must be a readable picture, got .*a\.png: .'):
        read_picture(path)
