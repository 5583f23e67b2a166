"""Copies, pickles, traces, exports and compilations of every layer."""

import copy
import io
import pickle
import re
import warnings

import pytest
import torch
from torch import nn

from antialias_plugins.layers import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    BlurPool2d,
    FrequencyLowCutPool2d,
    LearnablePolyphasePool2d,
    MaxBlurPool2d,
    PhaseLink,
    PolyphaseUnpool2d,
    TranslationInvariantPolyphasePool2d,
)


class Linked(nn.Module):
    """Two branches that take the same component, and a decoder that puts it back."""

    def __init__(self, leader, follower):
        super().__init__()
        link = PhaseLink()
        self.leader, self.follower = leader, follower
        self.unpool = PolyphaseUnpool2d(link, leader.stride)
        leader.lead(link)
        follower.follow(link)

    def forward(self, input):
        return self.unpool(self.leader(input) + self.follower(2 * input))


LAYERS = {
    'blur': lambda: BlurPool2d(8),
    'blur-any-channels': lambda: BlurPool2d(),
    'blur-circular': lambda: BlurPool2d(8, 5, padding_mode='circular'),
    'subsampling': lambda: BlurPool2d(8, 1),
    'max-blur': lambda: MaxBlurPool2d(3, 2, 1),
    'max-blur-ceil': lambda: MaxBlurPool2d(3, 2, 1, ceil_mode=True),
    'adaptive': lambda: AdaptiveBlurPool2d(8),
    'low-cut': lambda: FrequencyLowCutPool2d(8),
    'low-cut-hamming': lambda: FrequencyLowCutPool2d(8, (3, 2), 'hamming'),
    'aps-blur': lambda: AdaptivePolyphasePool2d(8, (3, 2), 3, norm='linf', padding_mode='zeros'),
    'tips': lambda: TranslationInvariantPolyphasePool2d(8),
    'aps-linked': lambda: Linked(AdaptivePolyphasePool2d(8), AdaptivePolyphasePool2d(8, filt_size=3)),
    'lps-linked': lambda: Linked(LearnablePolyphasePool2d(8, hid_channels=4), LearnablePolyphasePool2d(8, filt_size=2)),
    'adaptive-joint': lambda: AdaptiveBlurPool2d(8, 3, 3, groups=2, softmax='joint'),
}
COMPILED = ['blur', 'max-blur-ceil', 'adaptive', 'low-cut-hamming', 'lps-linked']  # one of each kind of operators
SIDES = {'usual': (9, 8), 'smaller-than-the-filter': (2, 1)}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]().eval()


@pytest.fixture(params=SIDES)
def input(request):
    return torch.rand(2, 8, *SIDES[request.param])


def save_and_load(layer):
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize(
    'copied',
    [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer)), save_and_load],
    ids=['copy', 'pickle', 'file'],
)
def test_copies_compute_the_same(layer, input, copied):
    assert torch.equal(copied(layer)(input), layer(input))


@pytest.mark.filterwarnings('ignore:`torch.jit.trace:FutureWarning')
def test_trace_without_a_warning_about_the_graph(layer, input):
    with warnings.catch_warnings():
        warnings.filterwarnings('error', category=torch.jit.TracerWarning)
        traced = torch.jit.trace(layer, input)
    torch.testing.assert_close(traced(input), layer(input))


@pytest.mark.filterwarnings('ignore:`torch.jit.trace:FutureWarning')
def test_trace_holds_for_another_size(layer):
    traced = torch.jit.trace(layer, torch.rand(2, 8, 9, 8))
    other = torch.rand(1, 8, 12, 13)
    torch.testing.assert_close(traced(other), layer(other))


@pytest.mark.parametrize('layer', COMPILED, indirect=True)
def test_compiles_into_one_graph(layer, input):
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(input), layer(input))


@pytest.mark.parametrize('layer', COMPILED, indirect=True)
def test_compiled_graph_holds_for_other_sizes(layer):
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend='eager')
    for sides in ((9, 8), (12, 13), (14, 15)):
        input = torch.rand(2, 8, *sides)
        torch.testing.assert_close(compiled(input), layer(input))


@pytest.mark.parametrize('layer', COMPILED, indirect=True)
def test_compiles_into_one_graph_under_autocast(layer):
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend='eager')
    input = torch.rand(2, 8, 9, 8).bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(compiled(input), layer(input))


def test_export(layer, input):
    exported = torch.export.export(layer, (input,))
    torch.testing.assert_close(exported.module()(input), layer(input))


def test_moves_to_another_type(layer):
    input = torch.rand(2, 8, 9, 8)
    torch.testing.assert_close(layer.double()(input.double()).float(), layer.float()(input))


@pytest.mark.filterwarnings('ignore:`torch.jit.trace:FutureWarning')
@pytest.mark.parametrize('layer', LAYERS, indirect=True)
def test_recorded_program_neither_wraps_around_nor_scatters(layer):
    """Not every runtime has these operators, and ONNX's exporter of traces overwrites where `index_add` adds."""
    program = str(torch.jit.trace(layer, torch.rand(2, 8, 9, 8)).inlined_graph)
    assert not re.findall('"circular"|index_add|scatter|gather|addcmul|new_full|adaptive_avg', program)


@pytest.mark.parametrize(('layer', 'limit'), [('blur', 10), ('adaptive', 60)], indirect=['layer'])
def test_exported_program_is_short(layer, limit):
    """Exporters of `torch.export` graphs take a share of a second for every operator, symbols included."""
    program = torch.export.export(layer, (torch.rand(2, 8, 9, 8),), strict=False)
    assert sum(node.op == 'call_function' for node in program.graph.nodes) <= limit


@pytest.mark.parametrize('sides', [(9, 8), (12, 13), (2, 1)], ids=str)
def test_recorded_form_has_the_same_gradient(layer, sides):
    """`torch.func` differentiates what is recorded; without it the layers differentiate themselves."""
    layer, input = layer.double(), torch.rand(2, 8, *sides, dtype=torch.float64, requires_grad=True)
    expected = layer(input)
    weight = torch.rand_like(expected)
    output, pull_back = torch.func.vjp(layer, input.detach())
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        pull_back(weight)[0], torch.autograd.grad(expected, input, weight)[0], rtol=1e-12, atol=1e-12
    )
