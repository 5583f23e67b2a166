import hashlib

import numpy as np
import pytest
from PIL import Image

from lab.toyscapes import CLASSES, IGNORE, make_dataset, render_scene, voc

SIZE = (192, 96)
LISTS = {'train': ['2011_000000', '2011_000002', '2011_000004'], 'aug': ['2011_000001', '2011_000003']}
LISTS |= {'val': ['2012_000000', '2012_000001'], 'trainaug': LISTS['train'] + LISTS['aug']}
LISTS |= {'trainval': LISTS['train'] + LISTS['val']}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('toyvoc') / 'data'
    assert make_dataset(root, SIZE, train=5, val=2, layout='voc')
    return root


def ids(path):
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder):
    return sorted(path.stem for path in folder.iterdir())


def test_layout_is_that_of_voc(root):
    lists = {path.stem: path.read_text().split() for path in (root / 'ImageSets' / 'Segmentation').iterdir()}
    assert lists == LISTS
    assert names(root / 'JPEGImages') == sorted(LISTS['trainaug'] + LISTS['val'])
    assert names(root / 'SegmentationClass') == sorted(LISTS['trainval'])
    assert names(root / 'SegmentationClassAug') == sorted(LISTS['trainaug'])
    with Image.open(root / 'JPEGImages' / '2011_000000.jpg') as picture:
        assert (picture.size, picture.mode, picture.format) == (SIZE, 'RGB', 'JPEG')


@pytest.mark.parametrize(('folder', 'mode'), [('SegmentationClass', 'P'), ('SegmentationClassAug', 'L')])
def test_labels_are_ids_of_voc(root, folder, mode):
    found = set()
    for path in (root / folder).iterdir():
        with Image.open(path) as image:
            assert (image.size, image.mode) == (SIZE, mode)
            found |= set(np.unique(np.asarray(image)).tolist())
    assert {0, 15} < found <= {*range(21), IGNORE}


def test_classes_and_colors_are_those_of_mmseg(root):
    metainfo = pytest.importorskip('mmseg.datasets').PascalVOCDataset.METAINFO
    assert metainfo['classes'] == voc.CLASSES
    with Image.open(root / 'SegmentationClass' / '2011_000000.png') as image:
        palette = np.reshape(image.getpalette(), (-1, 3)).tolist()
    assert palette[:21] == metainfo['palette']
    assert palette[255] == [224, 224, 192]


def test_scenes_are_those_of_cityscapes_layout(root):
    picture, labels = render_scene(0, 'train', 0, *SIZE)
    with Image.open(root / 'JPEGImages' / '2011_000000.jpg') as compressed:
        assert np.abs(np.asarray(picture, float) - np.asarray(compressed, float)).mean() < 3

    expected = np.zeros((SIZE[1], SIZE[0]), int)
    same = {'car': 'car', 'bus': 'bus', 'train': 'train', 'bicycle': 'bicycle', 'person': 'person'}
    for train_id, name in enumerate(CLASSES):
        name = same.get(name) or {'rider': 'person', 'motorcycle': 'motorbike'}.get(name, 'background')
        expected[np.asarray(labels) == train_id] = voc.CLASSES.index(name)
    expected[np.asarray(labels) == IGNORE] = IGNORE
    assert np.array_equal(ids(root / 'SegmentationClassAug' / '2011_000000.png'), expected)


@pytest.mark.parametrize('name', LISTS['train'])
def test_vocs_own_labels_lack_the_borders_only(root, name):
    own, extra = (ids(root / folder / f'{name}.png') for folder in ('SegmentationClass', 'SegmentationClassAug'))
    assert (own != extra).any()
    assert (own[own != extra] == IGNORE).all()


def test_borders_lie_on_both_sides():
    labels = np.zeros((7, 7), np.uint8)
    labels[2:5, 2:5] = 15
    expected = np.zeros((7, 7), int)
    expected[1:6, 1:6] = IGNORE
    expected[3, 3] = 15
    assert np.array_equal(voc.with_borders(labels), expected)


@pytest.mark.parametrize(('side', 'width'), [(96, 2), (500, 4), (1024, 8)])
def test_borders_grow_with_the_picture(side, width):
    labels = np.repeat([[0, 15]], side // 2, axis=1).astype(np.uint8)
    assert (voc.with_borders(labels) == IGNORE).sum() == width


def test_same_seed_same_bytes_however_many_pictures(root, tmp_path):
    def digests(root):
        files = (path for path in root.rglob('*') if path.is_file())
        return {path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    make_dataset(tmp_path / 'data', SIZE, train=2, val=1, layout='voc')
    made = {path: digest for path, digest in digests(tmp_path / 'data').items() if path.suffix in ('.jpg', '.png')}
    assert len(made) == 3 + 2 + 2  # pictures, all labels of the training set, and VOC's own
    assert made.items() < digests(root).items()


@pytest.mark.parametrize(
    ('split', 'folder'), [('train', 'SegmentationClass'), ('aug', 'SegmentationClassAug'), ('val', 'SegmentationClass')]
)
def test_mmseg_reads_it_as_voc(root, split, folder):
    datasets = pytest.importorskip('mmseg.datasets')
    pytest.importorskip('mmengine.registry').init_default_scope('mmseg')
    data = datasets.PascalVOCDataset(
        data_root=str(root),
        data_prefix={'img_path': 'JPEGImages', 'seg_map_path': folder},
        ann_file=f'ImageSets/Segmentation/{split}.txt',
        pipeline=[{'type': name} for name in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')],
    )
    assert len(data) == len(LISTS[split])
    for item, name in zip(data, LISTS[split], strict=True):
        assert item['inputs'].shape == (3, SIZE[1], SIZE[0])
        assert np.array_equal(item['data_samples'].gt_sem_seg.data[0].numpy(), ids(root / folder / f'{name}.png'))
