import math

import pytest
from torch import nn

from antialias_plugins.layers import LearnablePolyphasePool2d, scheduled_temperature, set_temperature


def test_temperature_of_a_network_is_set():
    layers = [LearnablePolyphasePool2d(3), nn.ReLU(), nn.Sequential(LearnablePolyphasePool2d(3))]
    assert set_temperature(nn.Sequential(*layers), 0.25) == 2
    assert layers[0].temperature == layers[2][0].temperature == 0.25


def test_network_without_such_layers():
    assert set_temperature(nn.ReLU(), 0.25) == 0


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ('linear', {0: 1, 10: 1, 15: 0.75, 20: 0.5, 25: 0.3125, 30: 0.125, 99: 0.125}),
        ('exponential', {0: 1, 10: 1, 15: math.sqrt(0.5), 20: 0.5, 25: 0.25, 30: 0.125, 99: 0.125}),
        ('steps', {0: 1, 10: 1, 15: 1, 19.9: 1, 20: 0.5, 25: 0.5, 30: 0.125, 99: 0.125}),
    ],
)
def test_schedule_passes_through_its_milestones(shape, expected):
    actual = {step: scheduled_temperature(step, (10, 20, 30), (1.0, 0.5, 0.125), shape) for step in expected}
    assert actual == pytest.approx(expected, rel=1e-15)


def test_one_milestone_is_a_constant():
    assert [scheduled_temperature(step, [5], [0.5]) for step in (0, 5, 9)] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'milestones': ()}, r'milestones must be increasing numbers, at least one, got \(\)'),
        ({'milestones': (0, 0)}, r'milestones must be increasing numbers, at least one, got \(0, 0\)'),
        ({'temperatures': (1.0,)}, r'temperatures must be as many as the 2 milestones, got \(1.0,\)'),
        ({'temperatures': (1.0, 0.0)}, 'temperatures must be a number greater than 0, got 0.0'),
        ({'shape': 'cosine'}, "shape must be one of 'linear', 'exponential', 'steps', got 'cosine'"),
    ],
    ids=['none', 'not-increasing', 'too-few', 'zero', 'shape'],
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        scheduled_temperature(**{'step': 1, 'milestones': (0, 4), 'temperatures': (1.0, 0.5), **arguments})


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match='temperature must be a number greater than 0, got -1'):
        set_temperature(nn.ReLU(), -1)
