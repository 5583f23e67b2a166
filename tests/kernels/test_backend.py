"""The choice of an implementation, its reasons, and what it changes."""

import copy
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d, MaxBlurPool2d, kernels
from antialias_plugins.functional import adaptive_blur_pool2d, blur_pool2d, max_blur_pool2d
from antialias_plugins.functional.blur_pool import binomial_filter
from antialias_plugins.kernels import MaxWindow, backend, can_use_triton
from antialias_plugins.kernels.adaptive_blur_pool import AdaptiveBlurPool
from antialias_plugins.kernels.blur_pool import BlurPool
from antialias_plugins.kernels.linear import LinearMap
from antialias_plugins.kernels.max_blur_pool import DenseMax
from antialias_plugins.layers import AdaptivePolyphasePool2d, FrequencyLowCutPool2d
from antialias_plugins.layers.padded_conv import PaddedConv

INPUT = torch.rand(1, 8, 9, 8)
FUNCTIONS = (AdaptiveBlurPool, BlurPool, DenseMax, LinearMap, PaddedConv)
OURS = {f'{function.__name__}Backward' for function in FUNCTIONS}
needs_triton = pytest.mark.skipif(not backend._is_installed(), reason='Triton has no release for this platform')


@pytest.fixture
def used(monkeypatch):
    """The names of the functions of Triton that were called, as long as the test runs."""
    names = []
    for name in ('blur_pool', 'max_blur_pool', 'adaptive_blur_pool'):
        module = pytest.importorskip(f'antialias_plugins.kernels.triton.{name}')
        launches = [launch for launch in ('launch', 'launch_groups') if hasattr(module, launch)]
        for launch in launches:
            original = getattr(module, launch)
            monkeypatch.setattr(
                module, launch, lambda *args, f=original, name=name, **kw: names.append(name) or f(*args, **kw)
            )
    return names


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'input': INPUT.to(torch.float8_e5m2)}, 'input must be float16, .*, got torch.float8_e5m2'),
        ({'filt_size': 8}, 'filt_size must be at most 7, got 8'),
        ({'window': MaxWindow((2, 5), (0, 0), (1, 1))}, 'the window of the maximum must be at most 3 wide'),
        ({'window': MaxWindow((2, 2), (0, 0), (1, 2))}, 'the window of the maximum must .* not dilated'),
        ({'input': INPUT.to('meta')}, r'input must be on a GPU \(or TRITON_INTERPRET=1 be set\), got meta'),
        ({'input': INPUT.as_subclass(type('Special', (torch.Tensor,), {}))}, 'must be an ordinary tensor, got Special'),
        ({'filt': torch.full((3, 3), 1 / 9)}, 'filt must have the taps of binomial_filter'),
        ({'filt': binomial_filter(3).requires_grad_()}, 'filt must have the taps .*, without a gradient'),
    ],
    ids=['type', 'taps', 'window', 'dilation', 'device', 'subclass', 'filter', 'learned filter'],
)
@needs_triton
def test_says_why_not(arguments, message):
    with pytest.raises(ValueError, match=message):
        can_use_triton(**{'input': INPUT, 'filt_size': 3} | arguments, raise_error=True)
    assert not can_use_triton(**{'input': INPUT, 'filt_size': 3} | arguments)


def test_says_that_triton_is_missing(monkeypatch):
    monkeypatch.setattr(backend, '_is_installed', lambda: False)
    with pytest.raises(ValueError, match=r"backend='triton' cannot be used: triton is not installed"):
        blur_pool2d(INPUT, backend='triton')


def test_says_that_pytorch_and_its_triton_are_too_old(monkeypatch):
    monkeypatch.setattr(torch, '__version__', torch.torch_version.TorchVersion('2.1.0'))
    monkeypatch.setattr(backend, '_is_installed', lambda: True)
    with pytest.raises(ValueError, match=r'PyTorch must be \(2, 5\) or newer, whose Triton compiles .*, got 2.1.0'):
        blur_pool2d(INPUT, backend='triton')


def test_logs_a_reason_once(caplog):
    backend.log_once.cache_clear()
    with caplog.at_level(logging.DEBUG, 'antialias_plugins'):
        for _ in range(2):
            can_use_triton(INPUT, 9)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.DEBUG, 'The filters do not use Triton here: filt_size must be at most 7, got 9.')
    ]


@pytest.mark.parametrize(
    'call',
    [
        lambda backend: blur_pool2d(INPUT, backend=backend),
        lambda backend: max_blur_pool2d(INPUT, backend=backend),
        lambda backend: adaptive_blur_pool2d(INPUT, torch.rand(1, 72, 5, 4), backend=backend),
        lambda backend: kernels.use_backend(backend).__enter__(),
    ],
    ids=['blur', 'max', 'adaptive', 'block'],
)
def test_unknown_backend_is_refused(call):
    with pytest.raises(ValueError, match="backend must be one of 'auto', 'eager', 'triton', got 'cuda'"):
        call(backend='cuda')


@needs_triton
def test_layers_follow_the_backend_in_force(used):
    layers = [BlurPool2d(8), MaxBlurPool2d(3, padding=1), AdaptiveBlurPool2d(8, groups=2)]
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    outputs = []
    for name in ('eager', 'triton'):
        with kernels.use_backend(name):
            outputs += [layer.eval().to(device)(INPUT.to(device)) for layer in layers]
        launched = ['blur_pool', 'max_blur_pool', 'adaptive_blur_pool'] if name == 'triton' else []
        assert list(dict.fromkeys(used)) == launched
    for plain, fused in zip(outputs[:3], outputs[3:], strict=True):
        torch.testing.assert_close(plain, fused)


EAGER = {
    'blur': (BlurPool2d(8), lambda x, backend: blur_pool2d(x, backend=backend)),
    'max': (MaxBlurPool2d(3, padding=1), lambda x, backend: max_blur_pool2d(x, 3, padding=1, backend=backend)),
    'adaptive': (
        AdaptiveBlurPool2d(8).eval(),
        lambda x, backend: adaptive_blur_pool2d(x, x[:, :1, ::2, ::2].repeat(1, 72, 1, 1), backend=backend),
    ),
    'low cut': (FrequencyLowCutPool2d(8), None),
    'filtered polyphase': (AdaptivePolyphasePool2d(8, filt_size=3), None),
}


def operators(output):
    """The names of all nodes of a graph."""
    names, nodes = set(), [output.grad_fn]
    while nodes:
        node = nodes.pop()
        names.add(node.name())
        nodes += [parent for parent, _ in node.next_functions if parent is not None]
    return names


@pytest.mark.parametrize('kind', ['layer', 'function'])
@pytest.mark.parametrize('op', EAGER)
def test_eager_is_the_reference_in_operators_of_torch(op, kind):
    """No function of ours is in its graph, where 'auto' has nothing else; values and gradients agree."""
    layer, function = EAGER[op]
    if kind == 'function' and function is None:
        pytest.skip('takes no backend')
    layer = copy.deepcopy(layer).double()
    input, graphs, results = torch.randn(2, 8, 9, 8, dtype=torch.float64, requires_grad=True), [], []
    for name in ('eager', 'auto'):
        with kernels.use_backend(name if kind == 'layer' else 'auto'):
            output = layer(input) if kind == 'layer' else function(input, name)
        graphs.append({name for name in operators(output) if name in OURS})
        results.append((output, *torch.autograd.grad(output.square().sum(), input)))
    assert not graphs[0] and graphs[1]
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@needs_triton
def test_a_cpu_takes_plain_operators_unless_told(used):
    blur_pool2d(INPUT)
    max_blur_pool2d(INPUT)
    adaptive_blur_pool2d(INPUT, torch.rand(1, 72, 5, 4))
    assert not used


def test_the_default_comes_back_after_an_error():
    with pytest.raises(KeyError), kernels.use_backend('eager'):
        raise KeyError
    assert not kernels.uses_reference()


@needs_triton
def test_inference_mode(used):
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    with torch.inference_mode():
        input = INPUT.to(device)
        torch.testing.assert_close(blur_pool2d(input, backend='triton'), blur_pool2d(input, backend='eager'))
    assert used


@needs_triton
def test_recorded_programs_take_plain_operators(used):
    layer = BlurPool2d(8)
    torch.testing.assert_close(torch.jit.trace(layer, INPUT)(INPUT), layer(INPUT))
    with kernels.use_backend('triton'), pytest.raises(ValueError, match='traced, compiled, exported or transformed'):
        torch.func.vmap(layer)(INPUT[None])
    assert not used


def test_nothing_imports_triton_before_it_is_needed():
    code = 'import sys, antialias_plugins.kernels; sys.exit("antialias_plugins.kernels.triton.tiles" in sys.modules)'
    subprocess.run([sys.executable, '-c', code], check=True)


def test_one_file_imports_triton():
    package = Path(kernels.__file__).parents[1]
    importers = [
        path for path in package.rglob('*.py') if re.search(r'^\s*(import|from) triton\b', path.read_text(), re.M)
    ]
    assert importers == [package / 'kernels' / 'triton' / 'tiles.py']


@pytest.mark.parametrize('filt_size', [1, 2, 3, 4, 7, 11])
def test_taps_are_repeated_averages_of_neighbours(filt_size):
    taps = [1.0]
    for _ in range(filt_size - 1):
        taps = [(left + right) / 2 for left, right in zip([0.0, *taps], [*taps, 0.0], strict=True)]
    assert backend.binomial_taps(filt_size).tolist() == taps


def test_taps_are_compared_again_after_a_change():
    filt = binomial_filter(3)
    assert backend.is_binomial(filt) and backend.is_binomial(filt)
    filt += 1
    assert not backend.is_binomial(filt)


@pytest.mark.parametrize('filt_size', [1, 3, 4, 7])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_taps_of_a_converted_layer_are_known(dtype, filt_size):
    assert backend.is_binomial(BlurPool2d(filt_size=filt_size).to(dtype).filt)


def test_learned_taps_are_not():
    assert not backend.is_binomial(binomial_filter(3).requires_grad_())
