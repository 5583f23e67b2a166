import re
import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision import transforms

from antialias_plugins.evaluation import Classifier, DataConfig, ViewFolder, evaluate
from antialias_plugins.evaluation.classifier import top_margin
from antialias_plugins.evaluation.folder import Sample, UnreadableImage, collate
from antialias_plugins.metrics import ViewPlan, draw_offsets

SMALL = DataConfig(32, 36, 'bilinear', 'center', (0.5,) * 3, (0.5,) * 3)
SMALL_PLAN = ViewPlan(max_shift=8, crop_size=32)
DATA_CONFIG = DataConfig(48, 56, 'bilinear', 'center', (0.5,) * 3, (0.25,) * 3)
PLAN = ViewPlan(max_shift=16, crop_size=48, views=3, seed=5)


def open_folder(root):
    return ViewFolder(root, SMALL, SMALL_PLAN)


def test_images_labels_and_views(photographs):
    folder = open_folder(photographs)
    assert (len(folder), folder.classes) == (7, 2)
    assert [folder[index].label for index in range(7)] == [0, 0, 0, 1, 1, 1, 1]
    sample = folder[4]
    with Image.open(photographs / 'validation/uniform/1.png') as image:
        assert torch.equal(sample.centre, SMALL.crop(32)(image))
        assert torch.equal(sample.views, SMALL_PLAN.cut(4, SMALL.crop(40)(image)))


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


def test_every_image_is_read_as_the_explorer_reads_it(tmp_path):
    (tmp_path / 'a').mkdir()
    exif = Image.Exif()
    exif[274] = 6
    left = Image.new('RGB', (80, 40), 'white')
    left.paste('black', (0, 0, 40, 40))
    left.save(tmp_path / 'a' / '0.jpg', exif=exif)
    Image.fromarray(np.full((40, 40), 257 * 77, 'uint16')).save(tmp_path / 'a' / '1.png')
    Image.new('RGBA', (40, 40), (1, 2, 3, 0)).save(tmp_path / 'a' / '2.png')
    upright, grey, clear = (open_folder(tmp_path)[index].centre for index in range(3))
    assert upright[:, 0].max() < 10 and upright[:, -1].min() > 245  # black is above, not to the left
    assert (set(grey.flatten().tolist()), set(clear.flatten().tolist())) == ({77}, {255})


def test_enlarged_images_are_noted(network, tmp_path):
    for number, size in enumerate([(30, 20), (64, 80), (60, 90)]):
        (tmp_path / str(number % 2)).mkdir(exist_ok=True)
        Image.new('RGB', size).save(tmp_path / str(number % 2) / f'{number}.png')
    (note,) = run(network, tmp_path).notes
    assert re.fullmatch(r'2 of 3 images are smaller than 64 .* by up to 3\.20 times: .*/0\.png', note)


def test_collate():
    samples = [Sample(i, 10 + i, torch.full((3, 2, 2), i), torch.full((4, 3, 2, 2), -i)) for i in range(2)]
    batch, unreadable = collate(samples)
    assert unreadable == []
    assert (batch.index.tolist(), batch.label.tolist()) == ([0, 1], [10, 11])
    assert (batch.centre.shape, batch.views.shape) == ((2, 3, 2, 2), (2, 4, 3, 2, 2))
    broken = UnreadableImage('a', 'b')
    batch, unreadable = collate([broken, samples[1]])
    assert (batch.index.tolist(), unreadable) == ([1], [broken])
    assert collate([broken, broken]) == (None, [broken, broken])


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda root: root / 'missing', 'root must be a folder of images, or images, got .*missing, which is none'),
        (lambda root: root, 'root must hold at least one image, got none in'),
    ],
    ids=['missing', 'empty'],
)
def test_bad_root(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        open_folder(make(tmp_path))


@pytest.fixture(scope='module')
def torn_network(photographs):
    """An untrained network that nevertheless tells crops apart: its two classes are equally likely on photographs."""
    torch.manual_seed(0)
    network = timm.create_model('resnet18', num_classes=2)
    crop = transforms.Compose([transforms.RandomCrop(48), transforms.ToTensor(), transforms.Normalize(0.5, 0.25)])
    crops = torch.stack([crop(Image.open(path)) for path in sorted(photographs.rglob('*.png')) for _ in range(4)])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(crops)
        network.eval()
        network.fc.bias -= network(crops).median(0).values
    return network


@pytest.fixture
def network(torn_network):
    return deepcopy(torn_network)


def run(network, root, plan=PLAN, **options):
    classifier = Classifier(network, DATA_CONFIG.mean, DATA_CONFIG.std)
    folder = ViewFolder(root, DATA_CONFIG, plan)
    return evaluate(classifier, folder, **dict(batch_size=4, workers=0, progress=False) | options)


@torch.no_grad()
def by_hand(network, root, plan):
    """Answers to the central crop and to the views of every image, computed one by one in float64."""
    network = network.double()
    normalise = transforms.Normalize(DATA_CONFIG.mean, DATA_CONFIG.std)
    centres, views = [], []
    for index, path in enumerate(sorted(root.rglob('*.png'))):
        centre, frame = (
            normalise(transforms.ToTensor()(transforms.CenterCrop(size)(transforms.Resize(resize)(Image.open(path)))))
            for size, resize in ((48, 56), (64, 64))
        )
        centres.append(int(network(centre[None].double()).argmax()))
        offsets = draw_offsets(plan.seed, index, plan.max_shift, plan.views)
        views.append([int(network(frame[None, :, y : y + 48, x : x + 48].double()).argmax()) for y, x in offsets])
    network.float()
    return centres, views


def test_matches_a_loop_over_the_files(network, photographs):
    centres, views = by_hand(network, photographs, PLAN)
    labels = [0] * 3 + [1] * 4
    agree = [len(set(seen)) == 1 for seen in views]
    some = [label in seen for seen, label in zip(views, labels, strict=True)]
    both = [a and s for a, s in zip(agree, some, strict=True)]
    result = run(network, photographs)
    assert 0 < sum(agree) < 7
    assert result.accuracy['top1'][0] == sum(a == b for a, b in zip(centres, labels, strict=True)) / 7
    assert result.consistency.mean == sum(agree) / 7
    assert result.consistency.correct_mean == sum(both) / sum(some)
    assert result.consistency.images == 7


@pytest.mark.parametrize(('protocol', 'workers'), [('per_image', 0), ('legacy', 1)])
def test_batch_size_and_workers_change_nothing(protocol, workers, network, photographs):
    shared = 3 if protocol == 'legacy' else None
    plan = ViewPlan(max_shift=16, crop_size=48, protocol=protocol, batch_size=shared)
    alone = run(network, photographs, plan, batch_size=1, workers=0)
    batched = run(network, photographs, plan, batch_size=8, workers=workers)
    assert batched.accuracy == alone.accuracy
    change, expected = batched.consistency.probability_change, alone.consistency.probability_change
    assert change == pytest.approx(expected, rel=1e-4)
    rounded = dict(probability_change=0, probability_change_interval=0)
    assert replace(batched.consistency, **rounded) == replace(alone.consistency, **rounded)


def test_intervals_count_groups(network, photographs):
    alone, grouped = (run(network, photographs, groups=groups) for groups in (None, r'(\w+)/\d\.png'))
    for name in ('mean', 'images'):
        assert getattr(grouped.consistency, name) == getattr(alone.consistency, name)
    assert grouped.consistency.interval != alone.consistency.interval
    assert grouped.accuracy['top1'][0] == alone.accuracy['top1'][0]
    assert grouped.accuracy['top1'][1] != alone.accuracy['top1'][1]


@pytest.mark.parametrize(
    ('groups', 'message'),
    [
        ('(', r"groups must be a regular expression, got '\('"),
        ('tile_9', "groups must match every .* 'tile_9' for .*0.png"),
    ],
    ids=['pattern', 'no-match'],
)
def test_bad_groups(groups, message, network, photographs):
    with pytest.raises(ValueError, match=message):
        run(network, photographs, groups=groups)


def test_without_labels(network, photographs):
    network.reset_classifier(11)
    result = run(network, photographs, labelled=False)
    assert (result.accuracy, result.consistency.correct_mean, result.consistency.images) == ({}, None, 7)


def test_top_five(network, photographs, tmp_path):
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / '0.png').write_bytes((photographs / 'validation/face/0.png').read_bytes())
    network.reset_classifier(6)
    network.fc.weight.data.zero_()
    network.fc.bias.data = torch.arange(6.0)
    result = run(network, tmp_path)
    # The same answer to six images of six classes: right once, and among the top five but once.
    assert (result.accuracy['top1'][0], result.accuracy['top5'][0]) == (1 / 6, 5 / 6)
    assert result.consistency.mean == 1.0


def test_number_of_classes(network, photographs):
    network.reset_classifier(3)
    with pytest.raises(ValueError, match=r'folder must have one sub-folder for each of the 3 classes .* got 2'):
        run(network, photographs)


def test_unreadable_image_in_a_worker(network, photographs, tmp_path):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '0.png').write_bytes((photographs / 'validation/face/0.png').read_bytes())
    (tmp_path / 'b' / '1.png').write_text('no image')
    with pytest.raises(ValueError, match=r'images must be readable, got .*b/1.png: cannot identify image file'):
        run(network, tmp_path, workers=1)


@pytest.fixture
def torn_folder(photographs, tmp_path):
    """Seven photographs, and three files among them that are none."""
    shutil.copytree(photographs, tmp_path / 'torn')
    for name in ('face/00.png', 'uniform/00.png', 'uniform/9.png'):
        (tmp_path / 'torn/validation' / name).write_text('no image')
    return tmp_path / 'torn'


@pytest.mark.parametrize('batch_size', [1, 4, 64])
def test_all_unreadable_images_are_listed(batch_size, network, torn_folder):
    with pytest.raises(
        ValueError, match=r'got 3 of 10 that are not .*face/00.png: .*uniform/00.png: .*uniform/9.png: '
    ):
        run(network, torn_folder, batch_size=batch_size)


@pytest.mark.parametrize(('batch_size', 'workers'), [(1, 0), (4, 1), (64, 0)])
def test_unreadable_images_are_left_out_and_counted(batch_size, workers, network, torn_folder):
    options = {'skip_unreadable': True, 'batch_size': batch_size, 'workers': workers, 'groups': r'(\w+)/\d+\.png'}
    result = run(network, torn_folder, **options)
    # The offsets belong to the places in the folder, so that the others are measured by hand, one by one.
    folder = ViewFolder(torn_folder, DATA_CONFIG, PLAN)
    read = [index for index in range(10) if isinstance(folder[index], Sample)]
    classifier = Classifier(network, DATA_CONFIG.mean, DATA_CONFIG.std)
    answers = [classifier(folder[index].views, top_margin).argmax(1) for index in read]
    assert len(read) == 7
    assert result.consistency.images == 7
    assert result.consistency.mean == sum(len(set(answer.tolist())) == 1 for answer in answers) / 7
    assert re.fullmatch('3 of 10 images could not be read and are left out: .*/00.png; .*/9.png', result.notes[0])


def test_nothing_is_left_to_measure(network, tmp_path):
    (tmp_path / 'a.png').touch()
    with pytest.raises(ValueError, match='got 1 of 1 that are not'):
        run(network, tmp_path, labelled=False, skip_unreadable=True)


def test_overflow_is_an_error(network, photographs):
    network.fc.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match='logits must be finite'):
        run(network, photographs)
