"""Configs and their checkpoints, as mmseg and mmpretrain are evaluated."""

from importlib.util import find_spec

import pytest
import torch

from antialias_plugins.evaluation import Settings, parse_model
from antialias_plugins.evaluation.config import evaluate_config
from antialias_plugins.openmmlab.consistency import ConsistencyMetric
from tests.openmmlab import tiny_detector
from tests.openmmlab.tiny import (
    CROP,
    MAX_SHIFT,
    build,
    classification_config,
    pipeline,
    scale_up,
    segmentation_config,
    write_imagenet,
    write_noise,
)


@pytest.fixture
def classifier(tmp_path):
    """Config with the usual pipeline, checkpoint, and what our loop measures in a runner of the larger one."""
    config = classification_config(write_imagenet(tmp_path / 'data'), tmp_path)
    runner = build(config.copy())
    scale_up(runner.model.head.fc)
    config.test_dataloader.dataset.pipeline, config.test_cfg = pipeline(CROP), {}
    return save(config, runner, tmp_path)


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp('segmentor')
    config = segmentation_config(write_noise(tmp_path / 'data'), tmp_path)
    runner = build(config.copy())
    scale_up(runner.model.decode_head.conv_seg)
    return save(config, runner, tmp_path)


def save(config, runner, folder):
    config.dump(folder / 'config.py')
    torch.save(runner.model.state_dict(), folder / 'weights.pth')
    return folder / 'config.py', folder / 'weights.pth', runner


def test_classifier_with_room_for_the_shift(classifier):
    config, checkpoint, runner = classifier
    expected = runner.test()
    settings = Settings(max_shift=MAX_SHIFT, batch_size=4, workers=1)
    found = evaluate_config(config, checkpoint, settings, progress=False)
    assert {name: 100 * mean for name, (mean, _) in found.accuracy.items()} == {'top1': expected['accuracy/top1']}
    assert found.consistency == runner.test_loop.consistency.result
    assert found.parameters == sum(parameter.numel() for parameter in runner.model.parameters())
    assert found.passes > 0


def test_segmentor(segmentor):
    """The same numbers as in a runner that nobody has quietened, and a figure for every class."""
    config, checkpoint, runner = segmentor
    expected = runner.test()
    model = parse_model(f'{config}@{checkpoint}')
    found = model.evaluate(Settings(max_shift=MAX_SHIFT, per_class=True), progress=False)
    assert {name: 100 * mean for name, (mean, _) in found.accuracy.items()} == {
        name: pytest.approx(expected[name]) for name in ('aAcc', 'mIoU', 'mAcc')
    }
    assert 100 * found.consistency.mean == expected['mASSC']
    assert len(found.classes) == len(found.consistency.classes) == 19


needs_mmdet = pytest.mark.skipif(find_spec('mmcv._ext') is None, reason='mmdet needs the compiled operators of mmcv')


@needs_mmdet
@pytest.mark.parametrize('masks', [True, False], ids=['masks', 'boxes'])
def test_detector(masks, tmp_path, capfd):
    """COCO's metrics are shares, and those of sizes that do not occur are left out."""
    root = tiny_detector.write_coco(tmp_path / 'data')
    config = tiny_detector.detection_config(root, tmp_path, masks, score_threshold=0.4)
    runner = build(config.copy())
    tiny_detector.make_sure(runner.model)
    path, checkpoint, _ = save(config, runner, tmp_path)
    expected = runner.test()
    capfd.readouterr()
    model = parse_model(f'{path}@{checkpoint}')
    found = model.evaluate(Settings(max_shift=tiny_detector.MAX_SHIFT, score_threshold=0.4), progress=False)
    assert capfd.readouterr().out == ''
    usual = {name: value for name, value in expected.items() if name.startswith('coco/') and value != -1}
    assert {f'coco/{name}': mean for name, (mean, _) in found.accuracy.items()} == usual
    assert -1 in expected.values()
    assert found.consistency == runner.test_loop.consistency.result
    assert (found.consistency.mask is None) != masks


@needs_mmdet
def test_detector_that_nobody_has_trained(tmp_path):
    config = tiny_detector.detection_config(tiny_detector.write_coco(tmp_path / 'data'), tmp_path)
    path, checkpoint, _ = save(config, build(config.copy()), tmp_path)
    with pytest.raises(ValueError, match='model must be sure of some instance, got none in 3 images, so no mAISC and'):
        evaluate_config(path, checkpoint, Settings(max_shift=tiny_detector.MAX_SHIFT), progress=False)


@pytest.mark.parametrize('options', [{'circular': True, 'views': 3}, {'protocol': 'legacy', 'batch_size': 4}])
def test_options_reach_the_loop(classifier, options):
    config, checkpoint, runner = classifier
    runner.test_loop.consistency = ConsistencyMetric(max_shift=MAX_SHIFT, crop_size=CROP, **options)
    runner.test()
    found = evaluate_config(config, checkpoint, Settings(max_shift=MAX_SHIFT, **options), progress=False)
    assert found.consistency == runner.test_loop.consistency.result


@pytest.mark.parametrize(
    ('changes', 'settings', 'message'),
    [
        ({'config': 'none'}, {}, 'config must be a file, got .*none.py'),
        ({'checkpoint': 'none'}, {}, 'checkpoint must be a file, got .*none.pth'),
        ({'checkpoint': 'other'}, {}, 'checkpoint must fit the config, got .*other.pth'),
        ({'checkpoint': 'empty'}, {}, 'checkpoint must fit the config, got .*empty.pth'),
        ({'checkpoint': 'text'}, {}, 'checkpoint must fit the config, got .*text.pth'),
        ({}, {'max_shift': 1}, 'max_shift must be at least 2'),
        ({}, {'views': 3}, 'options must be for semantic segmentation, .* got views'),
    ],
    ids=['config', 'checkpoint', 'weights', 'empty', 'text', 'max_shift', 'views'],
)
def test_bad_argument(segmentor, changes, settings, message, tmp_path):
    torch.save({'a': torch.ones(1)}, tmp_path / 'other.pth')
    (tmp_path / 'empty.pth').touch()
    (tmp_path / 'text.pth').write_text('no checkpoint')
    config, checkpoint, _ = segmentor
    files = {'config': config, 'checkpoint': checkpoint}
    for name, stem in changes.items():
        files[name] = tmp_path / f'{stem}{files[name].suffix}'
    with pytest.raises(ValueError, match=message):
        evaluate_config(*files.values(), Settings(**{'max_shift': MAX_SHIFT} | settings), progress=False)
