"""Every kernel against plain operators: values, gradients, gradients of gradients, and what is kept for them."""

import pytest
import torch
import torch.nn.functional as F

from antialias_plugins import kernels
from antialias_plugins.functional.blur_pool import binomial_filter
from antialias_plugins.kernels import adaptive_blur_pool, blur_pool, max_blur_pool
from antialias_plugins.kernels.adaptive_blur_pool import adaptive_blur_pool2d_reference
from antialias_plugins.kernels.blur_pool import blur_pool2d_reference
from antialias_plugins.kernels.max_blur_pool import dense_max_pool2d_reference
from antialias_plugins.kernels.padding import pad2d_reference
from tests.pairs import pairwise

MODES = ('zeros', 'reflect', 'replicate', 'circular')
SIDES = [(1, 1), (1, 6), (2, 2), (3, 8), (9, 7), (8, 10)]
STRIDES = [(1, 1), (2, 2), (3, 3), (2, 1)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]
WINDOWS = [
    kernels.MaxWindow((2, 2), (0, 0), (1, 1)),
    kernels.MaxWindow((2, 2), (1, 1), (1, 1), (1, 0)),
    kernels.MaxWindow((3, 3), (1, 1), (1, 1)),
    kernels.MaxWindow((3, 2), (1, 0), (2, 1), (1, 2)),
    kernels.MaxWindow((5, 3), (2, 1), (1, 2)),
]


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Memory that is not written before it is read is NaN."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def saved():
    """The tensors that the autograd graph keeps, as long as the test runs."""
    tensors = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensors.append(tensor) or tensor, lambda x: x):
        yield tensors


def agree(function, expected, inputs, **tolerance):
    """Compare two functions in value, gradient and gradient of the gradient in random directions."""
    results = []
    torch.manual_seed(1)
    for candidate in (function, expected):
        leaves = [input.detach().clone().requires_grad_() for input in inputs]
        output = candidate(*leaves)
        cotangent = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).view(output.shape).requires_grad_()
        first = torch.autograd.grad(output, leaves, cotangent, retain_graph=True)
        grads = torch.autograd.grad(output, leaves, cotangent, create_graph=True)
        total = sum(
            (grad * torch.linspace(1, 3, grad.numel(), dtype=grad.dtype).view(grad.shape)).sum() for grad in grads
        )
        second = torch.autograd.grad(total, [cotangent, *leaves], allow_unused=True, materialize_grads=True)
        results.append([output, *first, *grads, *second])
    for actual, wanted in zip(*results, strict=True):
        torch.testing.assert_close(actual, wanted, equal_nan=True, **tolerance)


def tied(*shape):
    """A map full of ties, minus infinities and NaN, like what a ReLU leaves and worse."""
    map = torch.randint(0, 3, shape).double()
    map[map == 0] = float('-inf')
    return map.masked_fill_(torch.rand(shape) < 0.05, float('nan'))


@pytest.mark.parametrize(('filt_size', 'padding_mode', 'layout'), pairwise([2, 3, 4, 7], MODES, LAYOUTS), ids=str)
def test_blur_pool(filt_size, padding_mode, layout):
    filt = binomial_filter(filt_size)
    for sides, stride in zip(SIDES * 2, STRIDES * 3, strict=True):
        input = torch.randn(2, 3, *sides, dtype=torch.float64).contiguous(memory_format=layout)
        agree(
            lambda x, stride=stride: kernels.blur_pool2d(x, filt, stride, padding_mode),
            lambda x, stride=stride: blur_pool2d_reference(x, filt, stride, padding_mode),
            [input],
        )


@pytest.mark.parametrize(
    ('filt_size', 'padding_mode'), [(2, 'zeros'), (3, 'reflect'), (4, 'replicate'), (7, 'circular')]
)
def test_blur_pool_in_strips(monkeypatch, filt_size, padding_mode):
    monkeypatch.setattr(blur_pool, '_STRIP', 0)
    monkeypatch.setattr(blur_pool, '_multiply', lambda *args: None)
    filt = binomial_filter(filt_size)
    for stride in (1, 2, 3, (2, 1)):
        stride = stride if isinstance(stride, tuple) else (stride, stride)
        side = 2 * filt_size * max(stride)
        for sides in ((side, side), (side + 1, side + 2), (side + 3, side)):
            agree(
                lambda x, stride=stride: kernels.blur_pool2d(x, filt, stride, padding_mode),
                lambda x, stride=stride: blur_pool2d_reference(x, filt, stride, padding_mode),
                [torch.randn(1, 2, *sides, dtype=torch.float64)],
            )


def test_no_value_reaches_an_output_that_does_not_look_at_it(monkeypatch):
    monkeypatch.setattr(blur_pool, '_STRIP', 0)
    monkeypatch.setattr(blur_pool, '_multiply', lambda *args: None)
    input = torch.randn(1, 2, 24, 26).masked_fill_(torch.rand(1, 2, 24, 26) < 0.05, float('inf'))
    for filt_size in range(2, 6):
        filt = binomial_filter(filt_size)
        actual, wanted = (f(input, filt, (2, 2), 'reflect') for f in (kernels.blur_pool2d, blur_pool2d_reference))
        torch.testing.assert_close(actual, wanted)


@pytest.mark.parametrize('padding_mode', MODES)
@pytest.mark.parametrize('filt_size', [1, 3, 4, 7])
def test_padding(filt_size, padding_mode):
    for sides in SIDES:
        input = torch.randn(2, 3, *sides, dtype=torch.float64)
        agree(
            lambda x: kernels.pad2d(x, filt_size, padding_mode),
            lambda x: pad2d_reference(x, filt_size, padding_mode),
            [input],
        )


@pytest.mark.parametrize(('window', 'layout', 'values'), pairwise(WINDOWS, LAYOUTS, ['distinct', 'tied']), ids=str)
def test_dense_max_pool(window, layout, values):
    for sides in ((7, 6), (9, 5), (8, 8)):
        input = (tied if values == 'tied' else torch.randn)(2, 3, *sides).double().contiguous(memory_format=layout)
        agree(
            lambda x: kernels.dense_max_pool2d(x, window),
            lambda x: dense_max_pool2d_reference(x.contiguous(), window),
            [input],
            rtol=0,
            atol=1e-12,
        )


def test_pieces_of_a_dense_max_pool_make_the_whole(monkeypatch):
    monkeypatch.setattr(max_blur_pool, '_PIECE', 100)
    for window in WINDOWS:
        input = tied(3, 5, 7, 6).requires_grad_()
        output = kernels.dense_max_pool2d(input, window)
        torch.testing.assert_close(output, dense_max_pool2d_reference(input, window), rtol=0, atol=0, equal_nan=True)
        output.mul_(2)


@pytest.mark.parametrize(('filt_size', 'softmax', 'layout'), pairwise([1, 3, 5], ['group', 'joint'], LAYOUTS), ids=str)
def test_adaptive_blur_pool(filt_size, softmax, layout):
    for (rows, columns), stride in zip(SIDES * 2, STRIDES * 3, strict=True):
        padded = torch.randn(2, 6, rows + filt_size - 1, columns + filt_size - 1, dtype=torch.float64)
        kept = -(-rows // stride[0]), -(-columns // stride[1])
        logits = torch.randn(2, 2 * filt_size**2, *kept, dtype=torch.float64)
        agree(
            lambda *maps, plan=(filt_size, stride, 2, softmax): kernels.adaptive_blur_pool2d(*maps, *plan),
            lambda *maps, plan=(filt_size, stride, 2, softmax): adaptive_blur_pool2d_reference(*maps, *plan),
            [map.contiguous(memory_format=layout) for map in (padded, logits)],
        )


@pytest.mark.parametrize(('softmax', 'piece', 'chunk'), pairwise(['group', 'joint'], [1, 2000], [1, 100]))
def test_pieces_of_an_adaptive_blur_pool_make_the_whole(monkeypatch, softmax, piece, chunk):
    monkeypatch.setattr(adaptive_blur_pool, '_PIECE', piece)
    monkeypatch.setattr(adaptive_blur_pool, '_CHUNK', chunk)
    plan = (3, (2, 1), 2, softmax)
    input, logits = torch.randn(5, 6, 11, 9, dtype=torch.float64), torch.randn(5, 18, 6, 9, dtype=torch.float64)
    agree(
        lambda x, logits: kernels.adaptive_blur_pool2d(kernels.pad2d(x, 3, 'reflect', True), logits, *plan),
        lambda x, logits: adaptive_blur_pool2d_reference(pad2d_reference(x, 3, 'reflect'), logits, *plan),
        [input, logits],
    )


@pytest.mark.parametrize('layout', LAYOUTS, ids=str)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_half_types_are_rounded_once(dtype, layout):
    padded = torch.randn(1, 4, 10, 9).to(dtype).contiguous(memory_format=layout).requires_grad_()
    logits = torch.randn(1, 18, 4, 4).to(dtype).contiguous(memory_format=layout).requires_grad_()
    wide = [map.detach().double().requires_grad_() for map in (padded, logits)]
    grads = []
    for maps in ((padded, logits), wide):
        output = kernels.adaptive_blur_pool2d(*maps, 3, (2, 2), 2, 'group')
        grads.append(torch.autograd.grad(output.double().square().sum(), maps))
    for actual, wanted in zip(*grads, strict=True):
        assert actual.dtype == dtype
        bound = 4 * torch.finfo(dtype).eps * wanted.abs().max()
        assert (actual.double() - wanted).abs().max() <= bound


@pytest.mark.parametrize('padding_mode', MODES)
@pytest.mark.parametrize('filt_size', [3, 4])
def test_blur_pool_keeps_nothing(saved, filt_size, padding_mode):
    input = torch.randn(2, 3, 9, 8, requires_grad=True)
    kernels.blur_pool2d(input, binomial_filter(filt_size), (2, 2), padding_mode).sum().backward()
    assert not saved


def test_dense_max_pool_keeps_its_input(saved):
    input = torch.randn(2, 3, 9, 8, requires_grad=True)
    kernels.dense_max_pool2d(input, WINDOWS[1])
    assert [tensor.data_ptr() for tensor in saved] == [input.data_ptr()]


def test_adaptive_blur_pool_keeps_its_inputs(saved):
    padded, logits = torch.randn(1, 4, 10, 10, requires_grad=True), torch.randn(1, 18, 4, 4, requires_grad=True)
    kernels.adaptive_blur_pool2d(padded, logits, 3, (2, 2), 2, 'group')
    assert [tensor.data_ptr() for tensor in saved] == [padded.data_ptr(), logits.data_ptr()]


def test_autocast_does_not_round_the_gradient():
    input = torch.randn(1, 2, 9, 8, requires_grad=True)
    grads = []
    for enabled in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled):
            grads += torch.autograd.grad(kernels.blur_pool2d(input, binomial_filter(4), (2, 2), 'reflect').sum(), input)
    assert torch.equal(*grads)


FUNCTIONS = {
    'blur': lambda x: kernels.blur_pool2d(x, binomial_filter(3), (2, 2), 'reflect'),
    'max': lambda x: kernels.dense_max_pool2d(x, WINDOWS[2]),
    'adaptive': lambda x: kernels.adaptive_blur_pool2d(
        x, F.avg_pool2d(x, 3, 2).repeat(1, 9, 1, 1), 3, (2, 2), 2, 'joint'
    ),
}


@pytest.mark.filterwarnings('ignore:There is a performance drop')
@pytest.mark.parametrize('function', FUNCTIONS.values(), ids=FUNCTIONS)
def test_gradients_per_sample(function):
    input = torch.randn(3, 1, 2, 9, 8, dtype=torch.float64)
    per_sample = torch.func.vmap(torch.func.grad(lambda x: function(x).square().sum()))(input)
    leaf = input.clone().requires_grad_()
    sum(function(sample).square().sum() for sample in leaf).backward()
    torch.testing.assert_close(per_sample, leaf.grad)


def test_directional_derivative_of_the_blur():
    input, direction = torch.randn(2, 1, 2, 9, 8, dtype=torch.float64)
    _, moved = torch.func.jvp(FUNCTIONS['blur'], (input,), (direction,))
    torch.testing.assert_close(moved, FUNCTIONS['blur'](direction))
