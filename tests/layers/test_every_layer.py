"""What all layers and functions have in common: how they are called, differentiated, traced and placed."""

import copy
import io
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from antialias_plugins import functional
from antialias_plugins.functional import low_cut_pool
from antialias_plugins.kernels import blur_pool, use_backend
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

    def __init__(self, layer, *args, **options):
        super().__init__()
        link = PhaseLink()
        self.leader, self.follower = layer(8, *args, **options), layer(8, *args, **options)
        self.unpool = PolyphaseUnpool2d(link, self.leader.stride)
        self.leader.lead(link)
        self.follower.follow(link)

    def forward(self, input):
        return self.unpool(self.leader(input) + self.follower(2 * input))


LAYERS = {
    'blur': (BlurPool2d, (8,), {}),
    'blur-circular': (BlurPool2d, (8, 5), {'padding_mode': 'circular'}),
    'subsampling': (BlurPool2d, (8, 1), {}),
    'max-blur': (MaxBlurPool2d, (3, 2, 1), {'ceil_mode': True}),
    'adaptive': (AdaptiveBlurPool2d, (8,), {}),
    'adaptive-joint': (AdaptiveBlurPool2d, (8, 3, 3), {'groups': 2, 'softmax': 'joint'}),
    'low-cut': (FrequencyLowCutPool2d, (8, (3, 2), 'hamming'), {}),
    'aps-linked': (Linked, (AdaptivePolyphasePool2d, 2, 3), {}),
    'aps-ddac': (AdaptivePolyphasePool2d, (8, (3, 2), 3), {'norm': 'linf', 'adaptive': {'groups': 4}}),
    'lps-linked': (Linked, (LearnablePolyphasePool2d,), {'hid_channels': 4}),
    'tips': (TranslationInvariantPolyphasePool2d, (8,), {}),
}
FUNCTIONS = {
    'blur_pool2d': lambda x: functional.blur_pool2d(x),
    'max_blur_pool2d': lambda x: functional.max_blur_pool2d(x, 3, 2, 1, ceil_mode=True),
    'adaptive_blur_pool2d': lambda x: functional.adaptive_blur_pool2d(x, logits_of(x)),
    'low_cut_pool2d': lambda x: functional.low_cut_pool2d(x, window='hamming'),
    'polyphase_components': lambda x: functional.polyphase_components(x, (3, 2)),
    'polyphase_norms': lambda x: functional.polyphase_norms(functional.polyphase_components(x)),
    'select_component': lambda x: functional.select_component(functional.polyphase_components(x), phases_of(x)),
    'select_component-mixed': lambda x: functional.select_component(
        functional.polyphase_components(x), functional.polyphase_components(x).mean((-2, -1))
    ),
    'adaptive_polyphase_pool2d': lambda x: functional.adaptive_polyphase_pool2d(x),
    'polyphase_unpool2d': lambda x: functional.polyphase_unpool2d(x, phases_of(x)),
    'undo_loss': lambda x: functional.undo_loss(x.sin(), torch.ones_like(x), 0),
}


def logits_of(x):
    """(N, 72, ceil(H / 2), ceil(W / 2)), or without N."""
    return torch.cat([x[..., ::2, ::2]] * 9, -3)


def phases_of(x):
    """1 for each sample, or for the only one."""
    return torch.ones(x.shape[:-3], dtype=torch.int64, device=x.device)


def make(name, **placement):
    layer, args, options = LAYERS[name]
    return layer(*args, **options, **placement).eval()


CALLS = {
    **{name: lambda name=name: make(name) for name in LAYERS},
    **{name: lambda f=f: f for name, f in FUNCTIONS.items()},
}


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param]()


# one map


@pytest.mark.parametrize('sides', [(9, 8), (1, 2)], ids=str)
def test_a_map_without_a_batch_axis_is_a_batch_of_one(call, sides):
    x = torch.randn(8, *sides)
    alone, batched = tree_leaves(call(x)), tree_leaves(call(x[None]))
    for one, many in zip(alone, batched, strict=True):
        assert torch.equal(one, many.squeeze(0))
        assert one.shape == many.shape[1:]


@pytest.mark.parametrize('name', ['blur', 'max-blur', 'adaptive', 'low-cut', 'tips'])
def test_a_program_takes_one_map_too(name):
    layer, x = make(name), torch.randn(8, 9, 8)
    torch._dynamo.reset()
    programs = torch.compile(layer, fullgraph=True, backend='eager'), torch.export.export(layer, (x,)).module()
    for program in programs:
        torch.testing.assert_close(program(x), layer(x), rtol=0, atol=1e-6)


def test_a_batch_of_none_gives_none(call):
    if isinstance(call, nn.Module) or call is not FUNCTIONS['undo_loss']:  # a mean of nothing
        for output in tree_leaves(call(torch.randn(0, 8, 9, 8))):
            assert len(output) == 0


@pytest.mark.parametrize('shape', [(1, 0, 8, 8), (1, 8, 0, 8), (1, 8, 8, 0), (8, 0, 8), (1, 1, 8, 8, 8), (8,)], ids=str)
def test_maps_without_channels_rows_or_columns_are_refused_as_by_torch(shape):
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        F.avg_pool2d(torch.randn(shape), 2)
    for name in LAYERS:
        with pytest.raises(ValueError, match=r'input must .*, got shape \('):
            make(name)(torch.randn(shape))


# forward-mode differentiation


def test_forward_mode_agrees_with_differences(call):
    call = call.double() if isinstance(call, nn.Module) else call
    x, v = torch.randn(2, 2, 8, 9, 8, dtype=torch.float64)
    with forward_ad.dual_level():
        outputs = [forward_ad.unpack_dual(out) for out in tree_leaves(call(forward_ad.make_dual(x, v)))]
    step = 1e-6
    ahead, behind = (tree_leaves(call(x + sign * step * v)) for sign in (1, -1))
    for (value, tangent), plus, minus, expected in zip(outputs, ahead, behind, tree_leaves(call(x)), strict=True):
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
        if value.is_floating_point():
            tangent = torch.zeros_like(value) if tangent is None else tangent
            torch.testing.assert_close(tangent, (plus - minus) / (2 * step), rtol=0, atol=1e-7)


def test_forward_mode_reaches_the_parameters():
    layer, x = make('adaptive').double(), torch.randn(1, 8, 9, 8, dtype=torch.float64)
    weight = layer.conv.weight.detach()
    v = torch.randn_like(weight)

    def run(weight):
        return torch.func.functional_call(layer, {'conv.weight': weight}, x)

    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(run(forward_ad.make_dual(weight, v))).tangent
    expected = (run(weight + 1e-6 * v) - run(weight - 1e-6 * v)) / 2e-6
    torch.testing.assert_close(tangent, expected, rtol=0, atol=1e-7)


# torch.fx


@pytest.mark.parametrize('name', LAYERS)
def test_a_layer_is_a_leaf_for_fx(name):
    network = nn.Sequential(nn.Conv2d(8, 8, 1), make(name), nn.ReLU()).eval()
    traced, x = fx.symbolic_trace(network), torch.randn(2, 8, 9, 8)
    assert torch.equal(traced(x), network(x))
    assert torch.equal(copy.deepcopy(traced)(x[0]), network(x[0]))
    if name != 'aps-linked' and name != 'lps-linked':  # whose own forward is looked into
        assert [node.target for node in traced.graph.nodes if node.op == 'call_module'] == ['0', '1', '2']


@pytest.mark.parametrize('name', FUNCTIONS)
def test_a_function_is_a_node_for_fx(name):
    if name not in ('select_component', 'polyphase_unpool2d'):  # whose test draws on the shape
        traced, x = fx.symbolic_trace(FUNCTIONS[name]), torch.randn(2, 8, 9, 8)
        for actual, expected in zip(tree_leaves(traced(x)), tree_leaves(FUNCTIONS[name](x)), strict=True):
            assert torch.equal(actual, expected)


def test_a_layer_alone_is_nothing_to_trace():
    with pytest.raises(TypeError, match='BlurPool2d by itself has no graph to trace: trace a network that holds it'):
        fx.symbolic_trace(BlurPool2d(8))


# devices


def saved(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def load_into_emptied(network, state):
    network.to_empty(device='cpu').load_state_dict(state)


def assign(network, state):
    network.load_state_dict(state, assign=True)


def materialise(network, state):
    """As FSDP does: each module that has tensors of its own is emptied and asked to fill them."""
    for module in network.modules():
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            module.to_empty(device='cpu', recurse=False)
            module.reset_parameters()
    for key, tensor in network.state_dict().items():
        assert tensor.isfinite().all(), key
    network.load_state_dict(state)


@pytest.mark.parametrize('load', [load_into_emptied, assign, materialise])
@pytest.mark.parametrize('how', ['context', 'argument'])
@pytest.mark.parametrize('name', LAYERS)
def test_nothing_is_lost_on_the_meta_device(name, how, load):
    layer, x = make(name), torch.randn(2, 8, 9, 8)
    if how == 'context':
        with torch.device('meta'):
            twin = make(name)
    else:
        twin = make(name, device='meta')
    assert all(tensor.is_meta for tensor in (*twin.parameters(), *twin.buffers()))
    load(twin, saved(layer.state_dict()))
    assert torch.equal(twin(x), layer(x))


@pytest.mark.parametrize('name', LAYERS)
def test_parameters_are_made_in_the_type_that_is_asked_for(name):
    layer = make(name, dtype=torch.float64)
    assert {p.dtype for p in layer.parameters()} <= {torch.float64}
    assert layer(torch.randn(1, 8, 9, 8, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize('name', ['adaptive', 'tips'])
def test_weights_that_are_reset_are_those_of_the_authors(name):
    """Kaiming's, fan out: of a standard deviation of (2 / fan) ** 0.5, where torch's own are about a third of it."""
    layer = LAYERS[name][0](64)
    for conv in layer.modules():
        if isinstance(conv, nn.Conv2d):
            conv.reset_parameters()
            fan = conv.out_channels * conv.kernel_size[0] ** 2
            assert conv.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.25)


class NoDouble(TorchDispatchMode):
    """Makes the meta device one without float64: an operator that gives such a tensor there is an error."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            assert not (isinstance(tensor, Tensor) and tensor.is_meta and tensor.dtype == torch.float64), func
        return result


@contextmanager
def without_double():
    """Operators below autograd, backward included, and factories."""
    with NoDouble(), torch.device('meta'):
        yield


@pytest.mark.parametrize('backend', ['auto', 'eager'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize('name', CALLS)
def test_works_on_a_device_without_float64(name, dtype, backend):
    with without_double(), use_backend(backend):
        call = CALLS[name]()
        call = call.to(dtype).train() if isinstance(call, nn.Module) else call
        x = torch.randn(2, 8, 9, 8, dtype=dtype, requires_grad=True)
        output = tree_leaves(call(x))[0]
        if output.requires_grad:
            output.float().sum().backward()
            assert x.grad.shape == x.shape and x.grad.dtype == dtype


def test_a_device_without_float64_is_told_from_one_with_it():
    with pytest.raises(AssertionError, match='aten'), without_double():
        torch.randn(2).double()


# constants


@contextmanager
def fake():
    with FakeTensorMode():
        yield


@pytest.mark.parametrize(
    'mode',
    [torch.inference_mode, lambda: torch.device('meta'), fake, lambda: torch.autocast('cpu')],
    ids=['inference', 'meta', 'fake', 'autocast'],
)
@pytest.mark.parametrize('name', ['blur', 'max-blur', 'adaptive', 'low-cut', 'aps-linked', 'tips'])
def test_what_a_mode_has_made_is_nobody_elses(name, mode, monkeypatch):
    """The first call of a shape, which fills the caches, and then an ordinary one with a gradient."""
    layer, x = make(name), torch.randn(1, 8, 17, 19)
    forget_constants()
    expected = layer(x)
    forget_constants()
    with mode():
        network = make(name) if mode is fake else layer
        network(torch.randn(1, 8, 17, 19, device='cpu'))
    actual = layer(x.requires_grad_())
    actual.sum().backward()
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    assert x.grad.isfinite().all()


def forget_constants():
    for kept in (blur_pool.binomial_filter.__closure__, low_cut_pool._matrix.__closure__):
        next(cell.cell_contents for cell in kept if hasattr(cell.cell_contents, 'cache_clear')).cache_clear()
    blur_pool._products.cache_clear()
