import pytest
import torch
from PIL import Image

from antialias_plugins.evaluation import Preparation, ViewFolder
from antialias_plugins.evaluation.folder import Sample, UnreadableImage, collate
from antialias_plugins.metrics import ViewPlan

PREPARATION = Preparation(32, 36, 'bilinear', 'center', (0.5,) * 3, (0.5,) * 3)
PLAN = ViewPlan(max_shift=8, crop_size=32)


def open_folder(root):
    return ViewFolder(root, PREPARATION, PLAN)


def test_images_labels_and_views(photographs):
    folder = open_folder(photographs)
    assert (len(folder), folder.classes) == (7, 2)
    assert [folder[index].label for index in range(7)] == [0, 0, 0, 1, 1, 1, 1]
    sample = folder[4]
    with Image.open(photographs / 'validation/uniform/1.png') as image:
        assert torch.equal(sample.centre, PREPARATION.crop(32)(image))
        assert torch.equal(sample.views, PLAN.cut(4, PREPARATION.crop(40)(image)))


def test_root_itself_if_there_is_no_split(photographs):
    assert len(open_folder(photographs / 'validation')) == 7


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P', 'CMYK'])
def test_any_mode_becomes_rgb(mode, tmp_path):
    (tmp_path / 'a').mkdir()
    Image.new(mode, (40, 40)).save(tmp_path / 'a' / ('0.jpg' if mode == 'CMYK' else '0.png'))
    assert open_folder(tmp_path)[0].centre.shape == (3, 32, 32)


def break_file(path, how):
    if how == 'truncated':
        path.write_bytes(path.read_bytes()[:2000])
    elif how == 'text':
        path.write_text('no image')
    elif how == 'broken-chunk':
        data = bytearray(path.read_bytes())
        data[37:41] = b'\x00\x00\x00\x00'
        path.write_bytes(data)
    else:
        path.unlink()


@pytest.mark.parametrize('how', ['truncated', 'text', 'broken-chunk', 'deleted'])
def test_unreadable_image_is_not_skipped(how, photographs, tmp_path):
    (tmp_path / 'a').mkdir()
    path = tmp_path / 'a' / '0.png'
    path.write_bytes((photographs / 'validation/face/0.png').read_bytes())
    folder = open_folder(tmp_path)
    break_file(path, how)
    found = folder[0]
    assert isinstance(found, UnreadableImage)
    assert (found.path, bool(found.reason)) == (str(path), True)


def test_collate():
    samples = [Sample(i, 10 + i, torch.full((3, 2, 2), i), torch.full((4, 3, 2, 2), -i)) for i in range(2)]
    batch = collate(samples)
    assert (batch.index.tolist(), batch.label.tolist()) == ([0, 1], [10, 11])
    assert (batch.centre.shape, batch.views.shape) == ((2, 3, 2, 2), (2, 4, 3, 2, 2))
    assert collate([samples[0], UnreadableImage('a', 'b')]) == UnreadableImage('a', 'b')


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda root: root / 'missing', 'root must be a folder of images, got .*missing, which is none'),
        (lambda root: root, 'root must hold at least one image: Found 0 images'),
    ],
    ids=['missing', 'empty'],
)
def test_bad_root(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        open_folder(make(tmp_path))
