"""Weights of classes that can be counted by hand."""

import json
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from PIL import Image

from lab import class_weights
from lab.class_weights import LabelCounts, count_labels, write_class_weights

TOOL = Path(__file__).parents[2] / 'tools' / 'class_weights.py'
# Two pictures of eight pixels: six times road, twice sidewalk; then seven times road, and one pixel to be ignored.
LABELS = ([[0, 0, 0, 0], [0, 0, 1, 1]], [[0, 0, 0, 0], [0, 0, 0, 255]])
PIPELINE = [dict(type=name) for name in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')]


def label_path(root, index):
    return root / 'gtFine' / 'train' / 'toy' / f'toy_{index}_gtFine_labelTrainIds.png'


def write(root, labels):
    for index, rows in enumerate(labels):
        ids = Image.fromarray(np.array(rows, np.uint8))
        picture = root / 'leftImg8bit' / 'train' / 'toy' / f'toy_{index}_leftImg8bit.png'
        for path, image in ((picture, Image.new('RGB', ids.size)), (label_path(root, index), ids)):
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)


def make_config(root, **options):
    prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
    data = dict(type='CityscapesDataset', data_root=str(root), data_prefix=prefix, pipeline=PIPELINE) | options
    return Config(dict(default_scope='mmseg', train_dataloader=dict(dataset=data)))


@pytest.fixture
def config(tmp_path):
    write(tmp_path / 'data', LABELS)
    return make_config(tmp_path / 'data')


@pytest.fixture
def reads(monkeypatch):
    """The paths of the labels that were counted."""
    paths, real = [], class_weights._count
    monkeypatch.setattr(class_weights, '_count', lambda job: paths.append(job[1]['seg_map_path']) or real(job))
    return paths


def test_counts_and_inverse_log_weights(config, tmp_path):
    counts, weights = write_class_weights(config, tmp_path / 'weights.npy', workers=3)
    assert counts.classes[:2] == ('road', 'sidewalk')
    assert counts.pixels.tolist() == [13, 2] + 17 * [0]
    assert counts.present.tolist() == [15, 8] + 17 * [0]
    expected = [1 / math.log(1.02 + share) for share in (13 / 15, 2 / 15, *17 * [0.0])]
    assert weights.tolist() == pytest.approx(expected, rel=1e-12)
    assert np.load(tmp_path / 'weights.npy').tolist() == weights.tolist()


def test_median_frequency_weights(config, tmp_path):
    """Frequencies 13/15 and 2/8; their median is 67/120."""
    _, weights = write_class_weights(config, tmp_path / 'weights.npy', 'median-frequency')
    assert weights.tolist() == pytest.approx([67 / 120 / (13 / 15), 67 / 120 / (1 / 4)] + 17 * [0.0], rel=1e-12)


@pytest.mark.parametrize('share, weight', [(0, 1 / math.log(1.02)), (1, 1 / math.log(2.02))])
def test_bounds_of_inverse_log_weights(share, weight):
    counts = LabelCounts(('a', 'b'), np.array([share, 1 - share]) * 8, np.array([8, 8]))
    assert class_weights.inverse_log_weights(counts)[0] == pytest.approx(weight)


def test_mmsegs_loss_reads_the_file(config, tmp_path):
    """A weighted mean over the pixels, as mmseg defines it: the sum of weight x loss over the sum of the weights."""
    init_default_scope('mmseg')
    _, weights = write_class_weights(config, tmp_path / 'weights.npy')
    loss = MODELS.build(dict(type='CrossEntropyLoss', class_weight=str(tmp_path / 'weights.npy')))
    scores = torch.randn(1, 19, 2, 4, generator=torch.Generator().manual_seed(0))
    label = torch.tensor(LABELS[0])[None]
    losses = -scores.double().log_softmax(1).gather(1, label[None]).squeeze()
    weight = torch.from_numpy(weights)[label[0]]
    expected = (weight * losses).sum() / weight.sum()
    torch.testing.assert_close(loss(scores, label).double(), expected, rtol=1e-5, atol=0)


def test_concatenated_sets_are_counted_together(config, tmp_path):
    write(tmp_path / 'more', [[[2, 2], [2, 255]]])
    parts = [config.train_dataloader.dataset, make_config(tmp_path / 'more').train_dataloader.dataset]
    both = Config(dict(train_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=parts))))
    counts, _ = write_class_weights(both, tmp_path / 'weights.npy')
    assert counts.pixels.tolist() == [13, 2, 3] + 16 * [0]


def test_labels_are_counted_as_mmseg_maps_them(config, tmp_path):
    """With fewer classes mmseg ignores the others; with `reduce_zero_label` the first."""
    two = make_config(tmp_path / 'data', metainfo=dict(classes=('sidewalk', 'building')))
    assert write_class_weights(two, tmp_path / 'two.npy')[0].pixels.tolist() == [2, 0]
    reduced = make_config(tmp_path / 'data', reduce_zero_label=True)
    assert write_class_weights(reduced, tmp_path / 'reduced.npy')[0].pixels.tolist() == [2] + 18 * [0]


def test_counts_are_kept(config, tmp_path, reads):
    first = write_class_weights(config, tmp_path / 'weights.npy')
    (tmp_path / 'weights.npy').unlink()
    again = write_class_weights(config, tmp_path / 'weights.npy')
    other = write_class_weights(config, tmp_path / 'weights.npy', 'median-frequency')
    assert len(reads) == 2
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])
    assert np.array_equal(np.load(tmp_path / 'weights.npy'), other[1])


def test_a_changed_set_is_counted_again(config, tmp_path, reads):
    def count():
        reads.clear()
        counts, _ = write_class_weights(config, tmp_path / 'weights.npy')
        return counts.pixels.tolist(), len(reads)

    count()
    write(tmp_path / 'data', [LABELS[0], np.full((2, 4), 5)])
    assert count() == ([6, 2, 0, 0, 0, 8] + 13 * [0], 2)
    config.train_dataloader.dataset.metainfo = dict(classes=('road', 'sidewalk'))
    assert count() == ([6, 2], 2)
    config.train_dataloader.dataset.indices = 1
    assert count() == ([6, 2], 1)


def test_interruption_leaves_what_was_there(config, tmp_path, monkeypatch):
    write_class_weights(config, tmp_path / 'weights.npy')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    write(tmp_path / 'data', 20 * [LABELS[1]])

    def interrupt(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(class_weights, '_count', interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_class_weights(config, tmp_path / 'weights.npy', workers=3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_an_id_without_a_class(config):
    """In the one of many pictures that the check of a sample does not read."""
    root = Path(config.train_dataloader.dataset.data_root)
    Image.fromarray(np.array([[24, 33]], np.uint8)).save(label_path(root, 1))
    init_default_scope('mmseg')
    message = rf"from 0 to 18, or 255 for what is ignored, got 24, 33 in '{label_path(root, 1)}'"
    with pytest.raises(ValueError, match=message):
        count_labels([DATASETS.build(config.train_dataloader.dataset)])


@pytest.mark.parametrize(
    'options, message',
    [
        ({'out': 'weights.txt'}, r'out must be a \.npy file'),
        ({'method': 'uniform'}, "method must be one of inverse-log, median-frequency, got 'uniform'"),
        ({'workers': 0}, 'workers must be at least 1, got 0'),
    ],
)
def test_bad_arguments(config, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_class_weights(config, tmp_path / options.pop('out', 'weights.npy'), **options)
    assert [path.name for path in tmp_path.iterdir()] == ['data']


def test_a_pipeline_without_labels(tmp_path, config):
    config.train_dataloader.dataset.pipeline = PIPELINE[:1]
    with pytest.raises(ValueError, match='CityscapesDataset must load labels, got no LoadAnnotations'):
        write_class_weights(config, tmp_path / 'weights.npy')


def test_nothing_is_labelled(tmp_path):
    write(tmp_path / 'data', [np.full((2, 4), 255)])
    with pytest.raises(ValueError, match='must have labelled pixels, got none'):
        write_class_weights(make_config(tmp_path / 'data'), tmp_path / 'weights.npy')


def test_a_set_that_is_not_there(config, tmp_path):
    with pytest.raises(ValueError, match=f"there is no folder '{tmp_path}/none/leftImg8bit/train'"):
        write_class_weights(make_config(tmp_path / 'none'), tmp_path / 'weights.npy')


@pytest.fixture
def run(monkeypatch):
    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['class_weights.py', *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


def test_command_line(run, config, tmp_path, capsys):
    config.dump(tmp_path / 'config.py')
    run(tmp_path / 'config.py', '--out', tmp_path / 'weights.npy', '--workers', 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['road', '86.6667%', f'{1 / math.log(1.02 + 13 / 15):.3f}']
    assert lines[-1].endswith('inverse-log weights of 19 classes, from 15 labelled pixels')
    assert json.loads((tmp_path / 'weights.npy.json').read_text())['pixels'][:2] == [13, 2]


def test_command_line_explains_errors(run, config, tmp_path, capsys):
    config.dump(tmp_path / 'config.py')
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / 'config.py', '--out', tmp_path / 'weights.txt')
    assert stopped.value.code == 2
    assert 'error: out must be a .npy file' in capsys.readouterr().err
