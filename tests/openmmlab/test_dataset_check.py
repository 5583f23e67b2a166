"""Every fault of a data set, through mmengine's runners, with mmseg's data sets on a few tiny pictures."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import RUNNERS, init_default_scope
from PIL import Image
from torch import nn

from antialias_plugins.openmmlab.dataset_check import DatasetCheckHook

PICTURES, SIZE = 4, (24, 16)
FOLDERS = {'cityscapes': ('leftImg8bit/train', 'gtFine/train'), 'voc': ('JPEGImages', 'SegmentationClassAug')}
TYPES = {'cityscapes': 'CityscapesDataset', 'voc': 'PascalVOCDataset'}
PIPELINE = [dict(type=name) for name in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')]
BOTH = pytest.mark.parametrize('runner_type', ['PortableRunner', 'Runner'])


class Bias(BaseModel):
    """Learns one number, and counts how often it was asked to."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.calls = 0

    def forward(self, inputs, data_samples=None, mode='loss'):
        self.calls += 1
        return {'loss': self.bias**2} if mode == 'loss' else []


def picture_path(root, index):
    if root.name == 'voc':
        return root / 'JPEGImages' / f'2011_{index:06d}.jpg'
    return root / 'leftImg8bit' / 'train' / 'toy' / f'toy_{index:06d}_000000_leftImg8bit.png'


def label_path(root, index):
    if root.name == 'voc':
        return root / 'SegmentationClassAug' / f'2011_{index:06d}.png'
    return root / 'gtFine' / 'train' / 'toy' / f'toy_{index:06d}_000000_gtFine_labelTrainIds.png'


@pytest.fixture(params=TYPES)
def root(request, tmp_path):
    """A good data set: noise, labelled with all ids and with 255."""
    root = tmp_path / 'devkit' / request.param
    classes = {'cityscapes': 19, 'voc': 21}[request.param]
    rng = np.random.default_rng(0)
    for index in range(PICTURES):
        for path, pixels in (
            (picture_path(root, index), rng.integers(256, size=(*SIZE[::-1], 3))),
            (label_path(root, index), rng.choice([*range(classes), 255], size=SIZE[::-1])),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    names = ''.join(f'2011_{index:06d}\n' for index in range(PICTURES))
    (root / 'ImageSets').mkdir()
    (root / 'ImageSets' / 'aug.txt').write_text(names)
    return root


cityscapes = pytest.mark.parametrize('root', ['cityscapes'], indirect=True)
voc = pytest.mark.parametrize('root', ['voc'], indirect=True)


def dataset_config(root, **options):
    images, labels = FOLDERS[root.name]
    options |= {'ann_file': 'ImageSets/aug.txt'} if root.name == 'voc' else {}
    prefix = dict(img_path=images, seg_map_path=labels)
    return dict(type=TYPES[root.name], data_root=str(root), data_prefix=prefix, pipeline=PIPELINE) | options


def run(root, runner_type='PortableRunner', method='train', wrap=lambda config: config, **options):
    """Run one iteration; returns the model, which tells whether it was asked for anything."""
    init_default_scope('mmseg')
    loader = dict(batch_size=1, num_workers=0, dataset=wrap(dataset_config(root, **options)))
    loader['sampler'] = dict(type='InfiniteSampler' if method == 'train' else 'DefaultSampler', shuffle=False)
    parts = {
        'train': dict(
            train_dataloader=loader,
            train_cfg=dict(by_epoch=False, max_iters=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        ),
        'test': dict(test_dataloader=loader, test_cfg={}, test_evaluator=dict(type='IoUMetric')),
    }[method]
    runner = RUNNERS.get(runner_type)(
        Bias(),
        str(root.parents[1] / 'work'),
        **parts,
        default_scope='mmseg',
        default_hooks={'logger': None, 'checkpoint': None},
        custom_hooks=[dict(type='DatasetCheckHook')],
        experiment_name=root.parents[1].name,
    )
    try:
        getattr(runner, method)()
    except ValueError:
        assert runner.model.calls == 0
        raise
    return runner.model


@BOTH
def test_a_good_set_passes(root, runner_type):
    assert run(root, runner_type).calls == 1


@voc
@pytest.mark.parametrize('wrapper', ['ConcatDataset', 'RepeatDataset'])
@BOTH
def test_wrapped_data_sets_are_checked(root, wrapper, runner_type):
    label_path(root, 1).unlink()

    def wrap(config):
        if wrapper == 'ConcatDataset':
            return dict(type=wrapper, datasets=[config])
        return dict(type=wrapper, dataset=config, times=2)

    with pytest.raises(ValueError, match=r'^train_dataloader: PascalVOCDataset: 1 of 4 labels are missing'):
        run(root, runner_type, wrap=wrap)


@cityscapes
@BOTH
def test_tests_are_checked_too(root, runner_type):
    label_path(root, 2).write_bytes(b'')
    with pytest.raises(ValueError, match=r'^test_dataloader: CityscapesDataset: 1 of 4 labels are empty files'):
        run(root, runner_type, method='test')


@BOTH
def test_a_missing_label_tells_how_labels_are_made(root, runner_type):
    path = label_path(root, 3)
    path.unlink()
    command = {'cityscapes': rf'cityscapes\.py {root} ', 'voc': rf'voc_aug\.py {root.parent} {root.parent}/VOCaug '}
    with pytest.raises(ValueError, match=rf"missing, the first is '{path}'.*{command[root.name]}") as error:
        run(root, runner_type)
    script = str(error.value).partition('labels are made by ')[2].split()[1]
    assert 'argparse' in Path(script).read_text()


@voc
def test_a_missing_picture(root):
    picture_path(root, 0).unlink()
    with pytest.raises(ValueError, match=rf"1 of 4 pictures are missing, the first is '{picture_path(root, 0)}'"):
        run(root)


@voc
def test_a_truncated_picture(root):
    path = picture_path(root, 1)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=rf"the picture '{path}' cannot be read \(.*truncated"):
        run(root)


@cityscapes
@pytest.mark.parametrize('path_of', [picture_path, label_path])
def test_a_file_that_is_no_picture(root, path_of):
    path_of(root, 1).write_text('<html>404 Not Found</html>')
    with pytest.raises(ValueError, match=rf"'{path_of(root, 1)}' cannot be read \(cannot identify image file"):
        run(root)


@cityscapes
def test_label_ids_that_were_never_converted(root):
    raw = np.array(Image.open(label_path(root, 0)))
    raw[0, :3] = 24, 26, 33
    Image.fromarray(raw).save(label_path(root, 0))
    message = rf"'{label_path(root, 0)}' hold 24, 26, 33; the ids are 0 to 18, and 255 for what is ignored"
    with pytest.raises(ValueError, match=message + r'.*dataset_converters/cityscapes\.py'):
        run(root)


@cityscapes
@pytest.mark.parametrize(
    ('mode', 'kind'), [('RGB', 'colors'), ('I;16', 'numbers of several bytes')], ids=['RGB', '16 bit']
)
def test_labels_that_are_not_ids(root, mode, kind):
    Image.new(mode, SIZE).save(label_path(root, 0))
    with pytest.raises(ValueError, match=rf'one byte per pixel, got {kind} \(mode {mode}\).*labels are made by'):
        run(root)


@cityscapes
def test_labels_of_another_size(root):
    Image.new('L', (12, 8)).save(label_path(root, 0))
    with pytest.raises(ValueError, match=r'is 24x16 pixels, its labels are 12x8'):
        run(root)


@pytest.mark.parametrize('which', [0, 1], ids=['pictures', 'labels'])
def test_a_missing_folder(root, which):
    folder = root / FOLDERS[root.name][which]
    shutil.rmtree(folder)
    made = which == 1 and 'labels are made by'
    with pytest.raises(ValueError, match=rf"there is no folder '{folder}'") as error:
        run(root)
    assert ('labels are made by' in str(error.value)) == bool(made)
    assert 'docs/datasets.md' in str(error.value)


def test_no_data_set_at_all(root):
    shutil.rmtree(root)
    with pytest.raises(ValueError, match=rf"there is no folder '{root / FOLDERS[root.name][0]}'; docs/datasets.md"):
        run(root)


@voc
def test_a_missing_list(root):
    (root / 'ImageSets' / 'aug.txt').unlink()
    message = rf"there is no list '{root}/ImageSets/aug\.txt'; labels are made by .*voc_aug\.py"
    with pytest.raises(ValueError, match=message):
        run(root)


def test_an_empty_split(root):
    if root.name == 'voc':
        (root / 'ImageSets' / 'aug.txt').write_text('')
        where = rf"\(\*\.jpg\) in the list '{root}/ImageSets/aug\.txt'"
    else:
        shutil.rmtree(root / 'leftImg8bit' / 'train' / 'toy')
        where = rf"\(\*_leftImg8bit\.png\) in '{root}/leftImg8bit/train'"
    with pytest.raises(ValueError, match=f'there is no picture {where}'):
        run(root)


@cityscapes
def test_a_sample_is_read(root):
    """All files are looked for, some are read: here the first and the last."""
    Image.new('L', SIZE, 19).save(label_path(root, 1))
    check = DatasetCheckHook(sample=2)
    check.before_build(None, 'train_dataloader', dict(dataset=dataset_config(root)))
    Image.new('L', SIZE, 19).save(label_path(root, 3))
    with pytest.raises(ValueError, match=r"3_000000_gtFine_labelTrainIds\.png' hold 19;"):
        DatasetCheckHook(sample=2).before_build(None, 'train_dataloader', dict(dataset=dataset_config(root)))


@cityscapes
def test_ids_are_those_after_mmsegs_mapping(root):
    """Without `reduce_zero_label` 19 is no id; with it, 1 to 19 are the ids and 0 is ignored."""
    for index in range(PICTURES):
        ids = np.resize(np.arange(20, dtype=np.uint8), SIZE[::-1])
        Image.fromarray(ids).save(label_path(root, index))
    with pytest.raises(ValueError, match='hold 19;'):
        run(root)
    assert run(root, reduce_zero_label=True).calls == 1


@cityscapes
def test_labels_that_nobody_loads_are_not_checked(root):
    shutil.rmtree(root / 'gtFine' / 'train' / 'toy')
    assert run(root, pipeline=[PIPELINE[0], PIPELINE[2]]).calls == 1


@cityscapes
def test_data_sets_of_other_libraries_pass(root):
    config = dict(type='mmpretrain.CustomDataset', data_prefix=str(root / 'leftImg8bit'), pipeline=[PIPELINE[0]])
    DatasetCheckHook().before_build(None, 'train_dataloader', dict(dataset=config))


@pytest.mark.parametrize(
    ('sample', 'message'),
    [
        (0, 'sample must be at least 1, got 0'),
        ('4', "sample must be an integer of at least 1, got '4'"),
        (2.5, 'integer'),
    ],
)
def test_sample_must_be_a_positive_integer(sample, message):
    with pytest.raises(ValueError, match=message):
        DatasetCheckHook(sample=sample)
