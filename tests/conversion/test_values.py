"""A conversion is proven by values: with plain subsampling in place of the filters the network computes the same."""

import dataclasses
import re
import types

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from antialias_plugins import UnsupportedModelError, convert_antialias, plan_antialias
from antialias_plugins.conversion import values


class Encoder(nn.Module):
    """Downsamples once, in its stage's convolution."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.conv = nn.Conv2d(8, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(8, 4, 3, padding=1)

    def dense(self, x):
        return self.conv(self.first(x))

    def forward(self, x):
        return self.head(self.relu(self.norm(self.dense(x))))


class PadsByStride(Encoder):
    """As TensorFlow does it, but by hand."""

    def dense(self, x):
        step = self.conv.stride[0]
        return self.conv(F.pad(self.first(x), (0, step - 1, 0, step - 1)))

    def forward(self, x):
        return super().forward(x)[..., :32, :32]


class AveragesBySize(Encoder):
    """Reads the size of a map that becomes dense; what it returns keeps its shape."""

    def forward(self, x):
        y = self.dense(x)
        return self.head(self.relu(self.norm(y))).sum((2, 3)) / (y.shape[-1] * y.shape[-2])


class Scaled(nn.Conv2d):
    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight, bias) * self.stride[0]


class OwnConvolution(Encoder):
    def __init__(self):
        super().__init__()
        self.conv = Scaled(8, 8, 3, 2, 1)


class OwnForward(Encoder):
    """An instance with a forward of its own."""

    def __init__(self):
        super().__init__()
        forward = self.conv.forward
        self.conv.forward = lambda x: forward(x) + self.conv.stride[0]


class InPlace(Encoder):
    """The values of a tensor of integers depend on a size."""

    def forward(self, x):
        y = self.dense(x)
        return self.head(self.relu(self.norm(y))), torch.full((4,), y.shape[-1])


class Fails(Encoder):
    def forward(self, x):
        y = self.dense(x)
        if y.shape[-1] > 32 and self.conv.stride == (1, 1):
            raise KeyError('no positions for this size')
        return self.head(self.relu(self.norm(y)))


WRONG = {
    'padding by the stride': (PadsByStride, r'output 1, of shape .*, off by'),
    'average by a dense size': (AveragesBySize, r'output 1, of shape \(1, 4\), off by'),
    'convolution of its own': (OwnConvolution, r'off by .*; the first map that differs is that of relu'),
    'forward of its own': (OwnForward, r'off by .*; the first map that differs is that of relu'),
    'integers': (InPlace, r'output 2, of shape \(4,\), with other numbers in 100% of its places'),
    'failure': (Fails, r'with dense convolutions it fails, .*KeyError: .no positions for this size'),
}


def image():
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('case', WRONG)
def test_what_would_compute_something_else_is_refused(case):
    build, message = WRONG[case]
    torch.manual_seed(0)
    model = build().eval()
    modules, expected = [*map(type, model.modules())], model(image())
    with pytest.raises(UnsupportedModelError, match=rf'{build.__name__} cannot .* left as it is: .*{message}'):
        convert_antialias(model, 'lpf3', stem=True, example_input=image())
    assert [*map(type, model.modules())] == modules and model.conv.stride == (2, 2)
    torch.testing.assert_close(model(image()), expected, rtol=0, atol=0)


@dataclasses.dataclass
class Output:
    map: torch.Tensor
    name: str = 'map'


class Nested(nn.Module):
    """Returns a map that its reader takes on, and constants, in a container."""

    def __init__(self, pack):
        super().__init__()
        self.encoder, self.pack = Encoder(), pack
        self.last = nn.Conv2d(4, 4, 3, 2, 1)

    def forward(self, x):
        y = self.encoder(x)
        return self.pack(self.last(y), y)


class Returns(nn.Module):
    """Returns zeros that no operation has made beside two maps."""

    def __init__(self):
        super().__init__()
        self.first, self.conv, self.relu = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()

    def forward(self, x):
        a = self.first(x)
        return torch.zeros(2), a, self.relu(self.conv(a))


class Constants(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.last, self.head = Returns(), nn.Conv2d(8, 4, 3, 2, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        zeros, a, b = self.inner(x)
        return self.last(a), self.head(b) + zeros.sum()


PACKS = {
    'tuple': lambda a, b: (a, b),
    'dictionaries': lambda a, b: {'a': {'b': [a]}, 'c': b},
    'dataclass': lambda a, b: [Output(a), Output(b)],
    'object': lambda a, b: types.SimpleNamespace(a=a, inner=types.SimpleNamespace(b=b)),
}


@pytest.mark.parametrize('pack', PACKS)
def test_outputs_in_any_container(pack):
    """Each map is filtered before it leaves; with one tap the values are those of the network."""
    torch.manual_seed(0)
    model = Nested(PACKS[pack]).eval()
    expected = values_of(model(image()))
    assert [site.roots for site in plan_antialias(model, 'lpf3', stem=True).sites] == [('encoder.conv',), ('last',)]
    actual = values_of(convert_antialias(model, 'lpf1', stem=True)(image()))
    assert len(actual) == len(expected) == 2
    torch.testing.assert_close(actual, expected)


def test_constants_beside_maps_cut_nothing():
    torch.manual_seed(0)
    model = Constants().eval()
    expected = model(image())
    plan = plan_antialias(model, 'lpf3', stem=True)
    assert [(site.roots, site.position) for site in plan.sites] == [
        (('inner.conv',), 'after inner.relu'),
        (('last',), 'after last'),
    ]
    torch.testing.assert_close(convert_antialias(model, 'lpf1', stem=True)(image()), expected)


def values_of(output):
    """The tensors in an output, sought by hand."""
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    elif not isinstance(output, (list, tuple)):
        output = list(vars(output).values())
    return [tensor for part in output if not isinstance(part, str) for tensor in values_of(part)]


class Normalised(Encoder):
    """Its norm takes statistics of the denser map, as the plan notes."""

    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm2d(8)


def test_a_place_with_other_statistics_is_exempt():
    model = Normalised().eval()
    (site,) = plan_antialias(model, 'lpf3', stem=True).sites
    assert site.note == 'norm: statistics of the denser map'
    expected = model(image())
    assert (convert_antialias(model, 'lpf1', stem=True)(image()) - expected).abs().max() > 1e-3


@pytest.mark.parametrize(
    ('one', 'other', 'expected'),
    [
        (torch.zeros(2, 3), torch.zeros(2, 2), r'outputs of shapes \[\(2, 3\)\] in place of \[\(2, 2\)\]'),
        (torch.tensor([0.0, 1.01]), torch.tensor([0.0, 1.0]), 'off by 0.01, where its values span 1'),
        (torch.tensor([9.0, 9.001]), torch.tensor([9.0, 9.002]), 'off by 0.001, where its values span 0.002'),
        (torch.tensor([0.0, float('nan')]), torch.tensor([0.0, 1.0]), 'off by nan'),
        (torch.tensor([0.0, 1.0]), torch.tensor([0.0, float('inf')]), 'other places that are not finite'),
        (torch.tensor([0.0, 1.0005]), torch.tensor([0.0, 1.0]), None),
        (torch.tensor([float('inf'), 1.0]), torch.tensor([float('inf'), 1.0]), None),
        (torch.full((3,), 7.000001), torch.full((3,), 7.0), None),
        (torch.zeros(0), torch.zeros(0), None),
    ],
)  # fmt: skip
def test_difference(one, other, expected):
    found = values.difference([one], [other])
    assert found is None if expected is None else re.search(expected, found)
