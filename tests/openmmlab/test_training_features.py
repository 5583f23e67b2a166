"""What mmengine can do to a training, done to antialiased networks."""

import logging
import warnings

import pytest
import torch
from mmengine.model import ExponentialMovingAverage, convert_sync_batchnorm
from mmengine.runner import Runner
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing

from antialias_plugins.conversion import AntialiasWarning
from antialias_plugins.layers import AdaptiveBlurPool2d
from antialias_plugins.openmmlab import antialiased
from antialias_plugins.openmmlab.runner import BFloat16OptimWrapper
from tests.openmmlab.exact import BATCH, ITERATIONS, batches, build, train

pools = pytest.mark.parametrize('pool', [None, 'lpf3', 'ddac3'])  # what lpf1 changes, a test of its own looks at


def assert_same(actual, expected, rtol=1e-10):
    torch.testing.assert_close(torch.tensor(actual), torch.tensor(expected), rtol=rtol, atol=0)


def differentiate(model):
    """Loss and gradients of the first batch."""
    batch = model.data_preprocessor(next(batches()), training=True)
    loss, _ = model.parse_losses(model(**batch, mode='loss'))
    loss.backward()
    return {'loss': loss.detach(), **{name: parameter.grad for name, parameter in model.named_parameters()}}


@pytest.mark.parametrize('variant', ['plain', 'accumulated', 'checkpointed'])
def test_filters_of_one_tap_change_nothing(variant):
    backbone = {'with_cp': True} if variant == 'checkpointed' else {}
    options = {'accumulative_counts': 2} if variant == 'accumulated' else {}
    unconverted, converted = (train(build(pool, **backbone), batches(), **options) for pool in (None, 'lpf1'))
    assert_same(converted, unconverted)


@pools
def test_accumulated_half_batches_are_the_batch(pool):
    whole, halves = build(pool), build(pool)
    expected = train(whole, batches())
    losses = train(halves, batches(size=BATCH // 2), accumulative_counts=2)
    assert_same([(first + second) / 2 for first, second in zip(losses[::2], losses[1::2], strict=True)], expected)
    torch.testing.assert_close(dict(halves.named_parameters()), dict(whole.named_parameters()), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('how', ['with_cp', 'activation_checkpointing'])
@pools
def test_activations_that_are_computed_again_are_the_same_bits(pool, how):
    model = build(pool, with_cp=how == 'with_cp')
    if how == 'activation_checkpointing':
        turn_on_activation_checkpointing(model, ['backbone.layer2', 'backbone.layer4'])
    torch.testing.assert_close(differentiate(model), differentiate(build(pool)), rtol=0, atol=0)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
@pools
def test_mixed_precision_is_as_close_as_its_digits(pool, dtype):
    """Eight times the distance from 1 to the next number, for some twenty layers whose errors are not of one sign."""
    model = build(pool).float()
    model.data_preprocessor.dtype = torch.float32
    with torch.autocast('cpu', dtype):
        actual = differentiate(model)
    expected = differentiate(build(pool))
    assert all(torch.isfinite(value).all() and value.dtype == torch.float32 for value in actual.values())
    assert_same(actual['loss'].double().item(), expected['loss'].item(), rtol=8 * torch.finfo(dtype).eps)
    assert actual['loss'].double() != expected['loss']


@pools
def test_mixed_precision_learns(pool):
    model = build(pool).float()
    model.data_preprocessor.dtype = torch.float32
    losses = train(model, batches(), BFloat16OptimWrapper)
    assert_same(losses, train(build(pool), batches()), rtol=8 * torch.finfo(torch.bfloat16).eps)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize('pool', [None, 'lpf3', 'ddac3'])
def test_frozen_stages_stay(pool, monkeypatch):
    log = []
    monkeypatch.setattr(antialiased, 'print_log', lambda text, logger, level: log.append((level, logger, text)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        model = build(pool, frozen_stages=2)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    train(model, batches())
    stays = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    frozen = tuple(f'backbone.{part}' for part in ('stem', 'conv1', 'norm1', 'layer1', 'layer2'))
    assert {name for name in before if name.startswith(frozen)} <= stays
    assert not [name for name in stays if name.startswith(('backbone.layer3', 'backbone.layer4', 'decode_head'))]
    announced = [w for w in caught if issubclass(w.category, AntialiasWarning) and 'frozen stages' in str(w.message)]
    assert len(announced) == (pool == 'ddac3')
    assert [it for it in log if it[0] > logging.INFO] == [
        (logging.WARNING, 'current', str(w.message)) for w in announced
    ]


def test_norms_of_filters_become_sync_batch_norms():
    """By ``sync_bn = 'torch'`` in a config."""
    model = convert_sync_batchnorm(build('ddac3'))
    norms = [layer.bn for layer in model.modules() if isinstance(layer, AdaptiveBlurPool2d)]
    assert norms and all(isinstance(norm, torch.nn.SyncBatchNorm) for norm in norms)


def run(folder, pool, resume=False):
    """Train with mmengine's EMA hook; returns the runner."""
    loader = {'dataset': {'type': 'Noise'}, 'sampler': {'type': 'InfiniteSampler', 'shuffle': True}}
    optimizer = {'type': 'SGD', 'lr': 0.02, 'momentum': 0.9}
    runner = Runner(
        build(pool),
        work_dir=str(folder),
        train_dataloader={**loader, 'batch_size': BATCH, 'num_workers': 0},
        train_cfg={'type': 'ResumableTrainLoop', 'max_iters': ITERATIONS},
        optim_wrapper={'optimizer': optimizer},
        default_hooks={'checkpoint': {'type': 'AtomicCheckpointHook', 'interval': 2, 'by_epoch': False}},
        custom_hooks=[{'type': 'EMAHook', 'momentum': 0.25}],
        log_level='ERROR',
        default_scope='mmseg',
        randomness={'seed': 0},
        experiment_name=f'{folder.name}_{pool}_{resume}',
        resume=resume,
    )
    runner.train()
    return runner


@pytest.mark.parametrize('pool', ['lpf3', 'ddac3'])
def test_moving_average(pool, tmp_path):
    """A checkpoint has the average as its weights, and a training that is resumed from it ends with the same bits."""
    whole = run(tmp_path / 'whole', pool)
    saved = torch.load(tmp_path / 'whole' / 'iter_4.pth', weights_only=False)
    build(pool).load_state_dict(saved['state_dict'])
    (tmp_path / 'resumed').mkdir()
    (tmp_path / 'resumed' / 'last_checkpoint').write_text(str(tmp_path / 'whole' / 'iter_2.pth'))
    run(tmp_path / 'resumed', pool, resume=True)

    resumed = torch.load(tmp_path / 'resumed' / 'iter_4.pth', weights_only=False)
    for part in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(dict(resumed[part]), dict(saved[part]), rtol=0, atol=0)
    weights = dict(whole.model.named_parameters())
    learned = [name for name in weights if not torch.equal(saved['state_dict'][name], weights[name])]
    assert learned and all(name in saved['state_dict'] for name in learned)


@pytest.mark.parametrize('pool', ['lpf3', 'ddac3'])
def test_moving_average_is_one(pool):
    model = build(pool)
    average = ExponentialMovingAverage(model, momentum=0.25)
    expected = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for batch in list(batches())[:2]:
        train(model, [batch])
        average.update_parameters(model)
        first = average.steps == 1
        for name, parameter in model.named_parameters():
            expected[name] = parameter.detach().clone() if first else 0.75 * expected[name] + 0.25 * parameter.detach()
    torch.testing.assert_close(dict(average.module.named_parameters()), expected)
