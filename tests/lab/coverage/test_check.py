import pytest
import torch
from torch import nn

from lab.coverage import Network, Outcome, check_network
from lab.coverage import check as check_module
from lab.coverage.baseline import outputs, randomize, run_baseline


def conv(channels_in, channels, stride=2):
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, stride, 1), nn.BatchNorm2d(channels), nn.ReLU())


class Classifier(nn.Module):
    """Two strides behind the stem."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(conv(3, 4), conv(4, 8), nn.MaxPool2d(2))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


class Twice(Classifier):
    """Cannot be converted: a strided convolution runs twice."""

    def forward(self, x):
        return super().forward(x) + super().forward(x.flip(3))


class Divisible(Classifier):
    """Takes multiples of 32."""

    def forward(self, x):
        if x.shape[-1] % 32:
            raise ValueError('not a multiple of 32')
        return super().forward(x)


class Single(Classifier):
    """Does not run in float64."""

    def forward(self, x):
        return super().forward(x.float())


class Unrunnable(nn.Module):
    def forward(self, x):
        raise RuntimeError('no map is good enough')


def check(build):
    return check_network(Network('timm', 'module', 'name', 'name', build), members=3)


def test_a_network_is_converted():
    result = check(Classifier)
    assert (result.outcome, result.reason) == (Outcome.CONVERTED, '')
    assert (result.sites, result.kinds, result.left) == (2, ('conv', 'max pool'), (('stem', 1),))
    assert result.sides == (96, 97)
    assert result.dtype == 'float64'
    assert result.error <= 1e-10
    assert result.members == 3


def test_sizes_that_a_network_does_not_take_are_left_out():
    assert check(Divisible).sides == (96, 128)


def test_float32_if_need_be():
    result = check(Single)
    assert (result.outcome, result.dtype) == (Outcome.CONVERTED, 'float32')


@pytest.mark.parametrize(
    ('build', 'outcome', 'reason'),
    [
        (Twice, Outcome.REFUSED, 'runs 2 times in one forward pass'),
        (lambda: conv(3, 4), Outcome.NOT_APPLICABLE, ''),
        (Unrunnable, Outcome.NOT_RUN, 'RuntimeError: no map is good enough'),
        (lambda: 1 / 0, Outcome.NOT_RUN, 'ZeroDivisionError: division by zero'),
    ],
    ids=['refused', 'not-applicable', 'fails', 'cannot-be-built'],
)
def test_other_outcomes(build, outcome, reason):
    result = check(build)
    assert result.outcome is outcome
    assert reason in result.reason
    assert result.seconds is None


def _shifted(model, *args, **kwargs):
    """Converts, and moves the pool's grid by one: what an error in the conversion would do."""
    convert(model, *args, **kwargs)
    model.features[2].register_forward_pre_hook(lambda _, args: (args[0].roll(1, 3),))
    return model


def _without_filters(model, *args, **kwargs):
    return model


def _half(model, *args, **kwargs):
    return convert(model, *args, **kwargs, skip=['features.2'])


def _extra_key(model, *args, **kwargs):
    convert(model, *args, **kwargs)
    model.register_buffer('filter', torch.ones(1))
    return model


def _fails(model, *args, **kwargs):
    raise KeyError('features')


convert = check_module.convert_antialias
BROKEN = {
    'values': (_shifted, 'lpf1 differs from the original by'),
    'place-left': (_half, 'strides without being in the plan: features.2'),
    'keys': (_extra_key, 'Missing key'),
    'crash': (_fails, 'KeyError'),
}


@pytest.mark.parametrize(('broken', 'reason'), BROKEN.values(), ids=BROKEN)
def test_broken_conversions_are_wrong(broken, reason, monkeypatch):
    monkeypatch.setattr(check_module, 'convert_antialias', broken)
    result = check(Classifier)
    assert result.outcome is Outcome.WRONG
    assert reason in result.reason


def test_what_reverting_does_not_undo_is_wrong(monkeypatch):
    def forgetful(model):
        revert(model)
        with torch.no_grad():
            model.head.bias += 1e-12

    revert = check_module.revert_antialias
    monkeypatch.setattr(check_module, 'revert_antialias', forgetful)
    assert 'reverted, it is not the network that it was' in check(Classifier).reason


def test_statistics_are_near_those_of_the_data():
    torch.manual_seed(0)
    model = nn.Sequential(*(conv(8, 8, stride=1) for _ in range(30))).double().eval()
    x = torch.rand(1, 8, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        for layer in model:
            layer[0].weight *= 10  # as built, the signal grows 10 ** 30 times
    randomize(model, x)
    (y,) = outputs(model, x)
    assert 0.1 < y.std() < 10
    assert not any(norm.weight.eq(1).any() for norm in model.modules() if isinstance(norm, nn.BatchNorm2d))


class Silent(Classifier):
    """As built, its output is zero and its last stage is all but left out."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((8, 1, 1), 1e-6))
        self.gain = nn.Parameter(torch.zeros(()))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        x = self.features(x)
        return self.head((x * self.gain + x * self.scale).mean((2, 3)))


def test_no_parameter_hides_errors():
    model = Silent().eval()
    randomize(model, torch.rand(1, 3, 32, 32))
    assert not any(parameter.eq(0).any() for parameter in model.parameters())
    assert model.gain > 0.05
    assert model.scale.min() > 0.4
    assert check(Silent).outcome is Outcome.CONVERTED


def test_a_baseline_is_what_the_network_computes():
    model = Classifier()
    baseline = run_baseline(model, channels=3, side=224)
    for x, expected in zip(baseline.inputs, baseline.outputs, strict=True):
        assert torch.equal(outputs(model, x)[0], expected[0])
