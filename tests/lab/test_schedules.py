"""Learning rates of the recipes, from mmengine's schedulers, against loops of the published codes in plain numbers.

mmengine spreads a ramp over one iteration less than the published codes: its last rate is the one that they would only
have reached an iteration later. So between two of their rates lies one of ours.
"""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from lab.schedules import (
    PUBLISHED,
    PublishedSchedule,
    ScheduleCurves,
    learning_rates,
    plot_learning_rates,
    published_schedule,
)
from tests.figures import unreadable

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDERS = ('ddac', 'deeplab_xception', 'deeplabv3_gnws', 'dsrl')


def poly(rate, total):
    return [rate * (1 - t / total) ** 0.9 for t in range(total + 1)]


def poly_after_warmup(rate, total, warmup):
    rising = [rate * t / warmup for t in range(warmup)]
    return rising + [max(rate * (1 - t / total) ** 0.9, 1e-6) for t in range(total - warmup + 1)]


def step(rate, total, length):
    return [rate * 0.1 ** (t // length) for t in range(total + 1)]


def cosine(rate, total):
    return [0.5 * rate * (1 + math.cos(1.0 * t / total * math.pi)) for t in range(total + 1)]


# folder and schedule: formula, its further arguments, iterations, rate of the head, rate of the backbone
RECIPES = {
    ('ddac', '80k'): (poly_after_warmup, (8000,), 80000, 0.00875, 0.000875),
    ('ddac', '30k'): (poly_after_warmup, (2000,), 30000, 0.01, 0.001),
    ('deeplabv3_gnws', '33k'): (poly, (), 50 * 662, 0.007, 0.007),
    ('deeplabv3_gnws', '72k'): (poly, (), 480 * 149, 0.01 * 10, 0.01),
    ('deeplab_xception', '33k'): (poly, (), 50 * 662, 0.007 * 10, 0.007),
    ('deeplab_xception', '33k-step'): (step, (11034,), 50 * 662, 0.007 * 10, 0.007),
    ('deeplab_xception', '33k-cosine'): (cosine, (), 50 * 662, 0.007 * 10, 0.007),
    ('deeplab_xception', '37k'): (poly, (), 200 * 186, 0.01 * 10, 0.01),
    ('deeplab_xception', '296k'): (poly, (), 40 * 7393, 0.01 * 10, 0.01),
    ('dsrl', '744k'): (poly, (), 1000 * 744, 0.005 * 10, 0.005),
}
recipes = pytest.mark.parametrize('recipe', RECIPES, ids='-'.join)


def leaves(folder, schedule='[^_]+'):
    name = re.compile(rf'.*_\d+xb\d+-{schedule}_.*')
    return sorted(path for path in (CONFIGS / folder).glob('*.py') if name.fullmatch(path.stem))


def part(rates, is_backbone):
    (name,) = (name for name in rates if ('backbone' in name.split(', ')) == is_backbone) if len(rates) > 1 else rates
    return rates[name]


@recipes
def test_rates_of_mmengine_are_those_published(recipe):
    formula, arguments, iterations, head, backbone = RECIPES[recipe]
    config = Config.fromfile(leaves(*recipe)[0])
    assert config.train_cfg.max_iters == iterations
    if iterations > 60000 and not arguments:  # the same ramp, in a thousandth of the time
        iterations //= 1000
        config.param_scheduler[0].end += iterations - config.train_cfg.max_iters
        config.train_cfg.max_iters = iterations
    rates = learning_rates(config)
    for is_backbone, rate in ((True, backbone), (False, head)):
        ours, published = part(rates, is_backbone), formula(rate, iterations, *arguments)
        assert len(ours) == iterations
        if formula in (step, cosine):
            np.testing.assert_allclose(ours, published[:-1], rtol=0, atol=1e-9 * rate)
            continue
        # A rise starts at a millionth, of which mmengine can take a multiple.
        slack = 1.001e-6 * rate
        low, high = np.sort([published[:-1], published[1:]], axis=0)
        assert (low - slack <= ours).all()
        assert (ours <= high + slack).all()


@recipes
def test_formula_is_that_of_the_published_code(recipe):
    formula, arguments, iterations, head, backbone = RECIPES[recipe]
    rates = PUBLISHED[recipe].rates()
    for name, rate in (('head', head), ('backbone', backbone)):
        np.testing.assert_allclose(rates[name], formula(rate, iterations, *arguments)[:-1], rtol=1e-12, atol=1e-16)


def test_all_recipes_are_known():
    assert RECIPES.keys() == PUBLISHED.keys()


def test_ddac_ends_on_the_way_down():
    rates = PUBLISHED['ddac', '80k'].rates()
    assert rates['head'][-1] == pytest.approx(0.00875 * 0.1**0.9, rel=1e-3)


@pytest.mark.parametrize('folder', FOLDERS)
def test_leaves_of_a_schedule_differ_in_nothing_that_matters_here(folder):
    """So that one leaf of each stands for all."""
    found = {}
    for path in leaves(folder):
        schedule = published_schedule(path)
        if schedule is None:
            assert '-30_' in path.stem, path.stem
            continue
        config = Config.fromfile(path)
        factors = config.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
        # Those of the backbone and the head; a branch that the published network has not may go slower.
        factors = [factors.get(part) for part in ('backbone', 'decode_head')]
        values = (config.optim_wrapper.optimizer, factors, config.param_scheduler, config.train_cfg)
        found.setdefault(schedule, []).append(values)
    assert set(found) == {PUBLISHED[key] for key in PUBLISHED if key[0] == folder}
    assert all(value == values[0] for values in found.values() for value in values)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('ddac/deeplabv3plus_r101-ddac3-d16_2xb7-80k_cityscapes-768x768.py', ('ddac', '80k')),
        ('deeplab_xception/any_r101-d16_4xb4-33k-step_voc12sbd-513x513.py', ('deeplab_xception', '33k-step')),
        ('toy/ddac/deeplabv3plus_r18-d16_1xb2-30_toyvoc-96x96.py', None),
        ('deeplabv3/deeplabv3_r50-d8_4xb2-80k_cityscapes-512x1024.py', None),
        ('mine.py', None),
    ],
)
def test_published_schedule_of_a_config(name, expected):
    assert published_schedule(name) == (PUBLISHED[expected] if expected else None)


@pytest.mark.parametrize('policy', ['poly', 'cosine', 'step'])
def test_warmup_rises_from_zero(policy):
    rates = PublishedSchedule('mine', policy, 8, 1.0, 0.5, warmup=4, step=100).rates()
    assert rates['head'][:5].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (rates['backbone'] == rates['head'] / 2).all()


TINY = dict(
    default_scope='mmengine',
    model=dict(type='TinyLinear', in_features=2, out_features=1),
    optim_wrapper=dict(type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
    train_cfg=dict(by_epoch=False, max_iters=4),
)


MODELS.register_module(name='TinyLinear', module=nn.Linear)


def tiny(**options):
    return Config(TINY | options)


def test_schedulers_act_together_and_parts_apart():
    wrapper = dict(
        type='AmpOptimWrapper',
        optimizer=dict(type='SGD', lr=0.1),
        paramwise_cfg=dict(custom_keys=dict(bias=dict(lr_mult=2))),
    )
    schedulers = [dict(type='StepLR', step_size=1, gamma=0.5, by_epoch=False, end=2)]
    schedulers += [dict(type='StepLR', step_size=3, gamma=0.1, by_epoch=False)]
    rates = learning_rates(tiny(optim_wrapper=wrapper, param_scheduler=schedulers))
    assert rates['weight'].tolist() == pytest.approx([0.1, 0.05, 0.05, 0.005])
    assert rates['bias'].tolist() == pytest.approx([0.2, 0.1, 0.1, 0.01])


def test_no_scheduler_is_a_constant_rate():
    assert {name: rates.tolist() for name, rates in learning_rates(tiny()).items()} == {'weight, bias': 4 * [0.1]}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_cfg': dict(by_epoch=True, max_epochs=3)}, "train_cfg must have max_iters, got {'by_epoch': True"),
        ({'param_scheduler': dict(type='StepLR', step_size=1)}, 'must count iterations, got by_epoch=True in StepLR'),
    ],
)
def test_epochs_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        learning_rates(tiny(**options))


FALLING, LOW = np.linspace(1, 0, 5001), np.linspace(0.1, 0, 5001)


def panel(title='poly', **rates):
    return ScheduleCurves(title, rates or {'backbone': LOW, 'decode_head': FALLING}, {'backbone': LOW, 'head': FALLING})


def test_ours_lie_on_the_published():
    (axis,) = plot_learning_rates([panel()]).axes
    published, ours = axis.lines[:2], axis.lines[2:]
    assert [line.get_label() for line in ours] == ['backbone', 'decode_head']
    for lines in (published, ours):
        for line, rates in zip(lines, (LOW, FALLING), strict=True):
            x, y = line.get_xdata(), line.get_ydata()
            assert (x[0], x[-1], y[0], y[-1]) == (0, 5, rates[0], rates[-1])
            assert y == pytest.approx(rates[np.round(1000 * x).astype(int)])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ['published', 'backbone', 'decode_head']


def test_a_step_stays_steep():
    rates = np.where(np.arange(744000) < 372000, 1.0, 0.1)
    (axis,) = plot_learning_rates([ScheduleCurves('step', {'all': rates})]).axes
    (line,) = axis.lines
    x, y = line.get_xdata(), line.get_ydata()
    fall = np.flatnonzero(np.diff(y))
    assert fall.size == 1
    assert x[fall + 1] - x[fall] < 1
    assert len(x) <= 1000


@pytest.mark.parametrize('count', [1, 3, 4])
def test_a_panel_per_training(count):
    figure = plot_learning_rates([panel(f'training {index}') for index in range(count)])
    assert unreadable(figure) == []
    assert [axis.get_title() for axis in figure.axes if axis.lines] == [f'training {index}' for index in range(count)]


@pytest.mark.parametrize(
    ('panels', 'message'),
    [
        ([], 'panels must hold at least one training, got none'),
        ([ScheduleCurves('empty', {})], "rates of 'empty' must be one to 6, got 0"),
        ([panel('many', **{f'part{i}': LOW for i in range(7)})], "rates of 'many' must be one to 6, got 7"),
    ],
)
def test_bad_arguments(panels, message):
    with pytest.raises(ValueError, match=message):
        plot_learning_rates(panels)
