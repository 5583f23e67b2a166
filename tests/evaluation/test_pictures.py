"""Pictures of every kind that a file can hold, and files that hold none, for both users of the loader."""

import numpy as np
import pytest
from PIL import Image

from antialias_plugins.evaluation import DataConfig, ViewFolder
from antialias_plugins.evaluation.pictures import find_pictures, read_picture, readable_pictures
from antialias_plugins.explorer.networks import PageClassifier
from antialias_plugins.metrics import ViewPlan

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


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype('uint8')
LEVELS = np.random.default_rng(1).integers(0, 65536, (40, 50)).astype('uint16')
ALPHA = np.random.default_rng(2).integers(0, 256, (40, 50, 1)).astype('uint8')
TRANSFORMED = {  # of the EXIF entry: what NumPy does to the stored pixels
    2: lambda it: it[:, ::-1],
    3: lambda it: it[::-1, ::-1],
    4: lambda it: it[::-1],
    5: lambda it: it.transpose(1, 0, 2),
    6: lambda it: np.rot90(it, -1),
    7: lambda it: np.rot90(it, 2).transpose(1, 0, 2),
    8: lambda it: np.rot90(it),
}


def turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def over_white():
    share = ALPHA / 255
    return PIXELS * share + 255 * (1 - share)


GREY = np.array([[round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in row] for row in PIXELS.tolist()])
FEW = Image.fromarray(PIXELS).quantize(16)
FORMS = {
    'RGB': (Image.fromarray(PIXELS), {}, PIXELS, 0),
    'grey': (Image.fromarray(GREY.astype('uint8')), {}, GREY[..., None].repeat(3, 2), 0),
    'grey of 16 bits': (Image.fromarray(LEVELS), {}, np.floor(LEVELS / 257 + 0.5)[..., None].repeat(3, 2), 0),
    'RGBA': (Image.fromarray(np.dstack([PIXELS, ALPHA])), {}, over_white(), 1),
    'palette': (FEW, {}, np.array(FEW.getpalette()).reshape(-1, 3)[np.array(FEW)], 0),
    'bits': (Image.fromarray(GREY > 127), {}, 255 * (GREY > 127)[..., None].repeat(3, 2), 0),
    **{
        f'turned {n}': (Image.fromarray(PIXELS), {'exif': turned(n)}, turn(PIXELS), 0)
        for n, turn in TRANSFORMED.items()
    },
}
PLAIN = DataConfig(32, 40, 'bilinear', 'center', (0.5,) * 3, (0.5,) * 3)


def of_the_evaluation(path):
    """A picture whose shorter side is what an image is resized to stays as it is; its centre is cut out."""
    return ViewFolder([path], PLAIN, ViewPlan(max_shift=8, crop_size=32))[0].centre


def of_the_explorer(path):
    return PageClassifier('', (), PLAIN, None).prepare(read_picture(path), 0)


@pytest.mark.parametrize('seen', [of_the_evaluation, of_the_explorer], ids=['evaluation', 'explorer'])
@pytest.mark.parametrize('form', FORMS)
def test_both_users_see_what_numpy_makes_of_it(form, seen, tmp_path):
    picture, options, expected, tolerance = FORMS[form]
    found = seen(save(tmp_path / 'a.png', picture, **options))
    top, left = ((side - 32) // 2 for side in expected.shape[:2])
    centre = expected[top : top + 32, left : left + 32].transpose(2, 0, 1)
    assert np.abs(found.numpy().astype(float) - centre).max() <= tolerance


@pytest.mark.parametrize('size', [(1, 1), (7, 3)])
def test_a_tiny_picture_is_enlarged_by_the_evaluation_and_refused_by_the_explorer(size, tmp_path):
    path = save(tmp_path / 'a.png', Image.new('RGB', size, (10, 20, 30)))
    assert of_the_evaluation(path).amax((1, 2)).tolist() == [10, 20, 30]
    with pytest.raises(ValueError, match=f'sides of at least 32 pixels, got {size[0]}x{size[1]}'):
        of_the_explorer(path)


@pytest.mark.parametrize(
    'content', [lambda path: b'', lambda path: b'no picture', truncated], ids=['empty', 'text', 'cut']
)
def test_both_users_refuse_a_broken_file_by_name(content, tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(content(path))
    assert ViewFolder([path], PLAIN, ViewPlan(max_shift=8, crop_size=32))[0].path == str(path)
    good = save(tmp_path / 'b.png', FORMS['RGB'][0])
    with pytest.raises(ValueError, match=r'got 1 of 2 that are not .*: .*a\.png: '):
        readable_pictures([path, good], skip=False)
    files, (reason,) = readable_pictures([path, good], skip=True)
    assert files == [good]
    assert reason.startswith(f'{path}: ')


def test_pictures_are_found_by_the_suffixes_that_pillow_reads(tmp_path):
    for name in ('b/2.JPG', 'b/10.webp', 'a/1.tif', 'a/notes.txt', 'a/plan.pdf', 'c.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = {
        name: label
        for name, label in (
            (str(path.relative_to(tmp_path)), label) for path, label in find_pictures('root', tmp_path)[0]
        )
    }
    assert names == {'a/1.tif': 1, 'b/2.JPG': 2, 'b/10.webp': 2, 'c.png': 0}
    assert list(names)[1:3] == ['b/2.JPG', 'b/10.webp']
    assert find_pictures('root', tmp_path)[1] == 0  # one lies in no sub-folder
    (tmp_path / 'c.png').unlink()
    assert find_pictures('root', tmp_path)[1] == 2
    files, classes = find_pictures('root', [tmp_path / 'b', tmp_path / 'a/1.tif'])
    assert ([file.name for file, _ in files], classes) == (['2.JPG', '10.webp', '1.tif'], 0)
