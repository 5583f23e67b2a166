"""The pieces that describe data sets, through mmseg's own classes on generated files."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, TRANSFORMS, init_default_scope
from mmseg.datasets import COCOStuffDataset, PascalVOCDataset
from PIL import Image, ImageFilter

from lab.toyscapes import make_dataset
from tests.configs.leaves import ROOT, TOYS

VOC = ('voc12aug-513x513', 'voc12aug-sbd-513x513', 'toyvoc-96x96')


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@pytest.fixture(scope='module')
def toyvoc(tmp_path_factory):
    root = tmp_path_factory.mktemp('toyvoc') / 'data'
    make_dataset(root, (192, 96), train=3, val=1, layout='voc')
    return root


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    """One picture in each split, whose labels are COCO-Stuff's train ids 0 to 170 and, last, 255."""
    root = tmp_path_factory.mktemp('coco')
    labels = np.append(np.arange(171), 255).astype(np.uint8).reshape(4, 43)
    for split in ('train2017', 'val2017'):
        for folder in ('images', 'annotations'):
            (root / folder / split).mkdir(parents=True)
        Image.new('RGB', (43, 4)).save(root / 'images' / split / '000000000139.jpg')
        Image.fromarray(labels).save(root / 'annotations' / split / '000000000139_labelTrainIds.png')
    return root


def piece(name):
    """A piece of the configs, or of the toys."""
    root = TOYS if name.startswith('toy') else ROOT
    return Config.fromfile(root / '_base_' / 'datasets' / f'{name}.py')


def load(name, root):
    """A piece whose folders are those of generated data."""
    config = piece(name)

    def move(node):
        if isinstance(node, dict):
            return {key: str(root) if key == 'data_root' else move(value) for key, value in node.items()}
        return [move(value) for value in node] if isinstance(node, list) else node

    return Config(move(config.to_dict()))


def build(config):
    return DATASETS.build(config.dataset)


@pytest.mark.parametrize('name', VOC)
def test_voc_trains_on_its_own_and_the_extra_labels(toyvoc, name):
    data = build(load(name, toyvoc).train_dataloader)
    assert [len(part) for part in data.datasets] == [2, 1]
    folders = [Path(item['data_samples'].seg_map_path).parent.name for item in data]
    assert folders == ['SegmentationClass', 'SegmentationClass', 'SegmentationClassAug']
    assert data.metainfo['classes'] == PascalVOCDataset.METAINFO['classes']


@pytest.mark.parametrize('name', VOC)
def test_what_is_short_of_the_crop_is_ignored(toyvoc, name):
    config = load(name, toyvoc)
    crop = int(name.rpartition('x')[2])
    for part in config.train_dataloader.dataset.datasets:
        next(step for step in part.pipeline if step.type == 'RandomResize').ratio_range = (0.5, 0.5)
    sample = build(config.train_dataloader)[0]
    height, width = sample['inputs'].shape[1:]
    assert height < crop
    preprocessor = MODELS.build(dict(type='SegDataPreProcessor', size=(crop, crop), pad_val=0, seg_pad_val=255))
    batch = preprocessor({'inputs': [sample['inputs']], 'data_samples': [sample['data_samples']]}, training=True)
    labels = batch['data_samples'][0].gt_sem_seg.data[0]
    assert labels.shape == (crop, crop)
    assert (labels[height:] == 255).all()
    assert (labels[:, width:] == 255).all()
    assert (labels[:height, :width] != 255).any()


@pytest.mark.parametrize(
    ('name', 'shorter'),
    [('voc12aug-513x513', (125, 500)), ('voc12aug-sbd-513x513', (256, 1026)), ('coco-513x513', (256, 1026))],
)
def test_pictures_are_scaled_as_published(name, shorter):
    """The bounds of the shorter side of a picture of VOC's or COCO's width, 500 x 250."""
    pipeline = piece(name).train_pipeline
    resize = next(dict(step) for step in pipeline if step.type == 'RandomResize')
    for ratio, expected in zip((0.5, 2.0), shorter, strict=True):
        transform = TRANSFORMS.build({**resize, 'ratio_range': (ratio, ratio)})
        image = transform({'img': np.zeros((250, 500, 3), np.uint8)})['img']
        assert abs(image.shape[0] - expected) <= 1
        assert abs(image.shape[1] - 2 * expected) <= 2


@pytest.mark.parametrize('name', [*VOC, 'coco-513x513'])
def test_whole_pictures_are_validated_with_labels_of_their_size(toyvoc, coco, name):
    data = build(load(name, coco if name.startswith('coco') else toyvoc).val_dataloader)
    (sample,) = data
    with Image.open(sample['data_samples'].seg_map_path) as labels:
        assert sample['inputs'].shape[1:] == sample['data_samples'].gt_sem_seg.shape == labels.size[::-1]


@pytest.mark.parametrize('loader', ['train_dataloader', 'val_dataloader'])
def test_coco_has_vocs_classes(coco, loader):
    data = build(load('coco-513x513', coco)[loader])
    assert data.metainfo['classes'] == PascalVOCDataset.METAINFO['classes']
    assert data.metainfo['palette'] == PascalVOCDataset.METAINFO['palette']


def test_coco_labels_are_those_of_its_20_things(coco):
    """`published` is the list of COCO's category ids, by VOC's id, of jfzhang95/pytorch-deeplab-xception."""
    published = [0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72]
    # COCO-Stuff numbers the 80 things in the order of COCO's ids, which have gaps.
    gaps = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    train_ids = {category: index for index, category in enumerate(sorted({*range(1, 91)} - gaps))}
    expected = np.zeros(171, int)
    for voc_id, category in enumerate(published[1:], 1):
        expected[train_ids[category]] = voc_id

    (sample,) = build(load('coco-513x513', coco).val_dataloader)
    labels = sample['data_samples'].gt_sem_seg.data.flatten()
    assert labels.tolist() == [*expected.tolist(), 255]
    assert Counter(labels.tolist()) == Counter({0: 151, 255: 1} | dict.fromkeys(range(1, 21), 1))


def test_coco_has_no_other_choice_of_classes(coco):
    config = load('coco-513x513', coco).val_dataloader.dataset
    with pytest.raises(ValueError, match=r'metainfo\.classes must be the 21 of PASCAL VOC'):
        DATASETS.build({**config, 'metainfo': {'classes': COCOStuffDataset.METAINFO['classes'][:3]}})


def test_half_of_the_pictures_are_blurred_by_less_than_a_pixel(monkeypatch):
    radii = []
    monkeypatch.setattr(ImageFilter, 'GaussianBlur', lambda radius: radii.append(radius) or ImageFilter.BLUR)
    pipeline = piece('voc12aug-sbd-513x513').train_pipeline
    blur = TRANSFORMS.build(next(step for step in pipeline if 'Blur' in step.type))
    np.random.seed(0)
    for _ in range(400):
        blur({'img': np.zeros((1, 1, 3), np.uint8)})
    assert len(radii) == pytest.approx(200, abs=50)
    assert np.quantile(radii, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.1)
    assert max(radii) < 1
