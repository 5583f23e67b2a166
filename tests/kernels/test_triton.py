"""The Triton kernels against plain operators: on a GPU if there is one, else in Triton's interpreter."""

import pytest
import torch

from antialias_plugins import kernels
from antialias_plugins.functional import adaptive_blur_pool2d, blur_pool2d, max_blur_pool2d
from antialias_plugins.functional.blur_pool import binomial_filter
from antialias_plugins.kernels import MaxWindow
from antialias_plugins.kernels.adaptive_blur_pool import adaptive_blur_pool2d_reference
from antialias_plugins.kernels.blur_pool import blur_pool2d_reference
from antialias_plugins.kernels.max_blur_pool import dense_max_pool2d_reference
from tests.kernels.test_gradients import agree, tied

pytest.importorskip('triton', reason='Triton has no release for this platform')

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
MODES = ('zeros', 'reflect', 'replicate', 'circular')
SIDES = [(9, 7), (8, 10), (3, 8), (6, 5)]
TINY_SIDES = [(1, 1), (1, 6), (2, 2), (5, 1)]
STRIDES = [(2, 2), (1, 1), (3, 3), (2, 1), (4, 4), (1, 3)]
WINDOWS = [
    MaxWindow((2, 2), (0, 0), (1, 1)),
    MaxWindow((2, 2), (1, 1), (1, 1), (1, 0)),
    MaxWindow((3, 3), (1, 1), (1, 1)),
    MaxWindow((3, 2), (1, 0), (1, 1), (1, 2)),
    MaxWindow((1, 3), (0, 1), (1, 1)),
]
LAYOUTS = {
    'contiguous': lambda x: x.contiguous(),
    'channels_last': lambda x: x.contiguous(memory_format=torch.channels_last),
    'transposed': lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    'columns': lambda x: x.repeat_interleave(2, 3)[..., ::2],
    'channels': lambda x: x.repeat_interleave(2, 1)[:, ::2],
    'channels of channels_last': lambda x: x.repeat_interleave(2, 1).to(memory_format=torch.channels_last)[:, ::2],
    'one channel for all': lambda x: x[:, :1].expand(x.shape),
}


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Memory that is not written before it is read is NaN."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def draw(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=torch.float64).to(DEVICE, dtype)


def pick(number, values):
    return list(values)[number % len(values)]


def gradients(function, inputs, grad):
    leaves = [input.detach().requires_grad_() for input in inputs]
    output = function(*leaves)
    return [output.detach(), *torch.autograd.grad(output, leaves, grad.to(output.dtype))]


def agree_once(function, expected, inputs, **tolerance):
    """Compare two functions in value and gradient, and the memory formats of the values."""
    with torch.no_grad():
        grad = torch.randn_like(expected(*inputs))
    actual, wanted = gradients(function, inputs, grad), gradients(expected, inputs, grad)
    for one, other in zip(actual, wanted, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True, **({'rtol': 0, 'atol': 1e-12} | tolerance))


def blurs(filt_size, stride, padding_mode):
    filt = binomial_filter(filt_size, DEVICE)
    return [
        lambda x: kernels.blur_pool2d(x, filt, stride, padding_mode, 'triton'),
        lambda x: blur_pool2d_reference(x, filt, stride, padding_mode),
    ]


def max_blurs(window, filt_size, stride, padding_mode):
    filt = binomial_filter(filt_size, DEVICE)
    return [
        lambda x: kernels.max_blur_pool2d(x, window, filt, stride, padding_mode, 'triton'),
        lambda x: blur_pool2d_reference(dense_max_pool2d_reference(x.contiguous(), window), filt, stride, padding_mode),
    ]


def adaptive_blurs(filt_size, stride, softmax):
    return [
        lambda x, logits: kernels.adaptive_blur_pool2d(x, logits, filt_size, stride, 2, softmax, 'triton'),
        lambda x, logits: adaptive_blur_pool2d_reference(x, logits, filt_size, stride, 2, softmax),
    ]


def adaptive_inputs(channels, sides, filt_size, stride, layout='contiguous', batch=2):
    kept = [-(-side // step) for side, step in zip(sides, stride, strict=True)]
    padded = draw(batch, channels, *(side + filt_size - 1 for side in sides))
    logits = draw(batch, 2 * filt_size**2, *kept)
    return [LAYOUTS[layout](padded), LAYOUTS['contiguous' if layout == 'channels_last' else 'channels_last'](logits)]


@pytest.mark.parametrize(('filt_size', 'padding_mode'), list(zip([2, 3, 4, 7, 5, 6, 2, 3], MODES * 2, strict=True)))
def test_blur_pool(filt_size, padding_mode):
    number = filt_size + MODES.index(padding_mode)
    input = pick(2 * number, LAYOUTS.values())(draw(2, 3, *pick(filt_size, SIDES)))
    agree_once(*blurs(filt_size, pick(number, STRIDES), padding_mode), [input])


@pytest.mark.parametrize(
    ('sides', 'padding_mode'), [(TINY_SIDES[(i + i // 4) % 4], MODES[i % 4]) for i in range(8)], ids=str
)
def test_blur_pool_of_tiny_maps(sides, padding_mode):
    number = TINY_SIDES.index(sides) + MODES.index(padding_mode)
    filt_size, stride = pick(number, ((2, (1, 1)), (4, (2, 2)), (7, (1, 3)), (5, (1, 1))))
    agree_once(*blurs(filt_size, stride, padding_mode), [draw(1, 2, *sides)])


@pytest.mark.parametrize(
    ('window', 'padding_mode'), [(WINDOWS[i % 5], MODES[(i + i // 5) % 4]) for i in range(7)], ids=str
)
def test_max_blur_pool(window, padding_mode):
    number = WINDOWS.index(window) + 2 * MODES.index(padding_mode)
    make, filt_size, stride = pick(number, (torch.randn, tied)), 1 + number % 5, pick(number, STRIDES)
    input = pick(2 * number, LAYOUTS.values())(make(2, 3, *pick(number, [(5, 4), (8, 3), (3, 7), (9, 6)])).to(DEVICE))
    agree_once(*max_blurs(window, filt_size, stride, padding_mode), [input.double()])


@pytest.mark.parametrize(
    ('sides', 'softmax'), list(zip([*SIDES[:3], *TINY_SIDES], ['group', 'joint'] * 3 + ['group'], strict=True)), ids=str
)
def test_adaptive_blur_pool(sides, softmax):
    number = [*SIDES, *TINY_SIDES].index(sides) + (softmax == 'joint')
    filt_size, stride, layout = pick(number, (3, 1, 3, 5)), pick(number, STRIDES), pick(2 * number, LAYOUTS)
    agree_once(*adaptive_blurs(filt_size, stride, softmax), adaptive_inputs(6, sides, filt_size, stride, layout))


def test_adaptive_blur_pool_with_many_taps():
    agree_once(*adaptive_blurs(7, (2, 2), 'joint'), adaptive_inputs(2, (1, 3), 7, (2, 2), batch=1))


@pytest.mark.parametrize('layout', ['contiguous', 'channels_last'])
def test_maps_larger_than_a_tile(layout):
    sides, channels = ((2, 5), 137) if layout == 'channels_last' else ((9, 15), 5)
    input = LAYOUTS[layout](draw(1, channels, *sides))
    agree_once(*blurs(3, (1, 1), 'reflect'), [input])
    agree_once(*max_blurs(WINDOWS[0], 2, (1, 1), 'reflect'), [input])
    agree_once(*adaptive_blurs(3, (2, 1), 'group'), adaptive_inputs(2 * channels, sides, 3, (2, 1), layout, 1))


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last], ids=str)
def test_memory_format_is_kept(layout):
    maps = [map.to(memory_format=layout) for map in adaptive_inputs(6, (6, 4), 3, (2, 2))]
    for function, inputs, grad in (
        (blurs(2, (2, 2), 'zeros')[0], maps[:1], draw(2, 6, 4, 3).to(memory_format=layout)),
        (max_blurs(WINDOWS[0], 2, (2, 2), 'zeros')[0], maps[:1], draw(2, 6, 4, 3)),
        (adaptive_blurs(3, (2, 2), 'group')[0], maps, draw(2, 6, 3, 2)),
    ):
        assert all(map.is_contiguous(memory_format=layout) for map in gradients(function, inputs, grad))


@pytest.mark.parametrize(
    ('dtype', 'layout'),
    [(torch.float32, 'contiguous'), (torch.float16, 'channels_last'), (torch.bfloat16, 'contiguous')],
    ids=str,
)
def test_rounds_once_in_the_type_of_the_input(dtype, layout):
    map = LAYOUTS[layout](draw(2, 4, 9, 8, dtype=dtype))
    logits = LAYOUTS[layout](draw(2, 18, 4, 3, dtype=dtype))
    functions = [(blurs(4, (2, 2), 'reflect'), [map]), (max_blurs(WINDOWS[0], 3, (2, 2), 'reflect'), [map])]
    softmax = 'joint' if layout == 'channels_last' else 'group'
    functions.append((adaptive_blurs(3, (2, 2), softmax), [map, logits]))
    for (function, expected), inputs in functions:
        wide = [input.double() for input in inputs]
        grad = torch.randn_like(expected(*wide)).to(dtype)
        actual, wanted = gradients(function, inputs, grad), gradients(expected, wide, grad.double())
        for one, other in zip(actual, wanted, strict=True):
            assert one.dtype == dtype
            # Sums are in float32. What is left of a half type is one rounding of the result: half a unit, but the
            # interpreter cuts bfloat16 off where a GPU rounds it.
            units = {torch.float32: 32, torch.float16: 0.51, torch.bfloat16: 0.51 if DEVICE == 'cuda' else 1.01}[dtype]
            bound = units * torch.finfo(dtype).eps * other.abs().max()
            assert (one.double() - other).abs().max() <= bound


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_logits_of_autocast(dtype):
    padded, logits = adaptive_inputs(4, (7, 6), 3, (2, 2))
    padded, logits = padded.float(), logits.to(dtype)
    function, expected = adaptive_blurs(3, (2, 2), 'group')
    grad = draw(2, 4, 4, 3, dtype=torch.float32)
    actual, wanted = gradients(function, [padded, logits], grad), gradients(expected, [padded, logits], grad)
    assert [map.dtype for map in actual] == [torch.float32, torch.float32, dtype]
    for one, other in zip(actual, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('batch', [0, 1], ids='batch{}'.format)
def test_gradients_of_gradients(batch):
    padded, logits = adaptive_inputs(4, (5, 4), 3, (2, 2), batch=batch)
    agree(*blurs(4, (2, 2), 'reflect'), [padded])
    agree(*max_blurs(WINDOWS[0], 3, (2, 2), 'reflect'), [padded])
    agree(*adaptive_blurs(3, (2, 2), 'joint'), [padded, logits])


def test_expanded_gradient():
    input = draw(2, 3, 5, 4).requires_grad_()
    for function, expected in (blurs(3, (2, 2), 'reflect'), max_blurs(WINDOWS[0], 3, (2, 2), 'reflect')):
        actual, wanted = (torch.autograd.grad(map(input).sum(), input)[0] for map in (function, expected))
        torch.testing.assert_close(actual, wanted)


def test_logits_of_minus_infinity_switch_taps_off():
    padded, logits = adaptive_inputs(4, (7, 6), 3, (2, 2))
    logits[:, [0, 1, 5, 9]] = float('-inf')
    agree_once(*adaptive_blurs(3, (2, 2), 'group'), [padded, logits])


def test_no_value_reaches_an_output_that_does_not_look_at_it():
    input = draw(1, 2, 12, 13).masked_fill_(torch.rand(1, 2, 12, 13, device=DEVICE) < 0.05, float('inf'))
    for function, expected in (blurs(4, (2, 2), 'reflect'), max_blurs(WINDOWS[0], 4, (2, 2), 'reflect')):
        torch.testing.assert_close(function(input), expected(input), equal_nan=True)


@pytest.mark.skipif(DEVICE == 'cuda', reason='takes 24 GiB where memory is not handed out page by page')
def test_offsets_beyond_32_bits():
    far = 2**31 + 5
    storage = torch.empty(far + 512, dtype=torch.float16)  # of which only a few pages are ever touched
    input = storage.as_strided((2, 3, 6, 7), (far, 42, 7, 1))
    input.copy_(torch.randn(2, 3, 6, 7))
    for function, expected in (blurs(3, (2, 2), 'reflect'), max_blurs(WINDOWS[0], 3, (2, 2), 'reflect')):
        torch.testing.assert_close(function(input), expected(input.contiguous()))


def test_only_inputs_are_kept():
    saved = []
    padded, logits = (map.requires_grad_() for map in adaptive_inputs(4, (8, 8), 3, (2, 2)))
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda x: x):
        blurs(4, (2, 2), 'reflect')[0](padded)
        assert not saved
        max_blurs(WINDOWS[2], 4, (2, 2), 'reflect')[0](padded)
        adaptive_blurs(3, (2, 2), 'group')[0](padded, logits)
    assert [tensor.data_ptr() for tensor in saved] == [padded.data_ptr(), padded.data_ptr(), logits.data_ptr()]


def test_public_functions():
    input, logits = draw(2, 4, 8, 7), draw(2, 18, 4, 4)
    calls = [
        lambda **options: blur_pool2d(input, 5, **options),
        lambda **options: max_blur_pool2d(input, 3, 2, 1, ceil_mode=True, **options),
        lambda **options: max_blur_pool2d(input, 2, (1, 3), 0, 1, **options),
        lambda **options: adaptive_blur_pool2d(input, logits, groups=2, **options),
    ]
    for call in calls:
        expected = call(backend='eager')
        torch.testing.assert_close(call(backend='triton'), expected)
        with kernels.use_backend('triton'):
            torch.testing.assert_close(call(), expected)
