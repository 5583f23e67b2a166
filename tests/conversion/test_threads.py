"""Networks, layers and functions that threads share: each gets, to the last bit, what it would get alone.

``THREAD_PASSES=200 pytest tests/conversion/test_threads.py`` runs more passes than the few of every day.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.checkpoint import checkpoint

from antialias_plugins import convert_antialias, functional
from antialias_plugins.layers import (
    AdaptivePolyphasePool2d,
    BlurPool2d,
    LearnablePolyphasePool2d,
    MaxBlurPool2d,
    PhaseLink,
    PolyphaseUnpool2d,
)
from antialias_plugins.layers.pool import resolve_pool

THREADS, PASSES = 8, int(os.environ.get('THREAD_PASSES', 2))


class Branches(nn.Module):
    """A main path that chooses, a skip path that follows, and a decoder that puts the map back."""

    def __init__(self, layer, **options):
        super().__init__()
        link = PhaseLink()
        self.main, self.skip, self.unpool = layer(8, **options), layer(8, **options), PolyphaseUnpool2d(link)
        self.main.lead(link)
        self.skip.follow(link)

    def forward(self, x):
        return self.unpool(self.main(x.sin()) + self.skip(x))


def resnet(pool, **options):
    model = torchvision.models.resnet18(num_classes=10).eval()
    return convert_antialias(model, pool, example_input=torch.rand(1, 3, 64, 64), **options)


POOLS = ('lpf4', 'ddac3', 'flc', 'aps1', 'aps3', 'lps1', 'lps3', 'tips')
EXACT = {'stem': True, 'padding': 'circular'}
LAYERS = {pool: lambda pool=pool: resolve_pool(pool)(8, (2, 2)).eval() for pool in POOLS}
LAYERS |= {
    'max': lambda: MaxBlurPool2d(3, 2, 1),
    'circular': lambda: BlurPool2d(8, padding_mode='circular'),
    'aps-linked': lambda: Branches(AdaptivePolyphasePool2d, filt_size=3),
    'aps-ddac-linked': lambda: Branches(AdaptivePolyphasePool2d, filt_size=3, adaptive={'groups': 2}).eval(),
    'lps-linked': lambda: Branches(LearnablePolyphasePool2d).eval(),
    'lps-mixing-linked': lambda: Branches(LearnablePolyphasePool2d, sampling='softmax').train(),
}
FUNCTIONS = {
    'blur_pool2d': functional.blur_pool2d,
    'max_blur_pool2d': lambda x: functional.max_blur_pool2d(x, 3, 2, 1),
    'adaptive_blur_pool2d': lambda x: functional.adaptive_blur_pool2d(x, x.repeat(1, 9, 1, 1)[..., ::2, ::2]),
    'low_cut_pool2d': functional.low_cut_pool2d,
    'adaptive_polyphase_pool2d': lambda x: functional.adaptive_polyphase_pool2d(x)[0],
}
NETWORKS = {
    **{pool: lambda pool=pool: resnet(pool) for pool in ('lpf4', 'ddac3', 'flc', 'tips')},
    **{pool: lambda pool=pool: resnet(pool, **EXACT) for pool in ('aps3', 'lps3')},
    'recomputed': lambda: resnet('ddac3', recompute=True),
}


def different(function, inputs):
    """How many of `THREADS` times `PASSES` results, computed side by side, are not those that are computed alone."""
    alone, start = [function(x) for x in inputs], threading.Barrier(len(inputs))

    def run(x, expected):
        start.wait()
        return sum(not same(function(x), expected) for _ in range(PASSES))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(inputs)) as pool:
            return sum(pool.map(run, inputs, alone))
    finally:
        sys.setswitchinterval(interval)


def same(actual, expected):
    return all(map(torch.equal, actual, expected))


def maps(*shape):
    return list(torch.randn(THREADS, 1, *shape))


def gradients(model):
    """A function that gives the gradients of an input and of the parameters, and stores them nowhere."""
    parameters = list(model.parameters())

    def differentiate(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(model(x).square().sum(), (x, *parameters), allow_unused=True)

    return lambda x: [grad for grad in differentiate(x) if grad is not None]


@pytest.mark.parametrize('name', LAYERS)
def test_layers(name):
    layer = LAYERS[name]()
    assert different(layer, maps(8, 12, 10)) == 0
    assert different(gradients(layer), maps(8, 12, 10)) == 0


@pytest.mark.parametrize('name', FUNCTIONS)
def test_functions(name):
    assert different(FUNCTIONS[name], [torch.randn(1, 8, 12 + side, 10) for side in range(THREADS)]) == 0


@pytest.mark.parametrize('name', NETWORKS)
def test_networks(name):
    model, images = NETWORKS[name](), maps(3, 64, 64)
    with torch.no_grad():
        assert different(model, images) == 0
    if name in ('aps3', 'recomputed'):
        assert different(gradients(model), images) == 0


@pytest.mark.parametrize('reentrant', [False, True], ids=['saved-tensors', 'reentrant'])
def test_checkpoints(reentrant):
    network = Branches(AdaptivePolyphasePool2d, filt_size=3)
    run = gradients(network)
    network.forward = lambda x, forward=network.forward: checkpoint(forward, x, use_reentrant=reentrant)
    if reentrant:
        run = lambda x: leaf_gradient(network, x)  # noqa: E731
    assert different(run, maps(8, 12, 10)) == 0


def leaf_gradient(network, x):
    x = x.clone().requires_grad_()
    network(x).square().sum().backward()
    return [x.grad]


@pytest.mark.parametrize('pool', ['aps3', 'lps3'])
def test_another_pass_between_the_layer_that_leads_and_the_one_that_follows(pool):
    model, (one, other), passes = resnet(pool, **EXACT), torch.randn(2, 8, 3, 64, 64), []

    def pause(*_):
        if not passes:
            passes.append(threading.Thread(target=model, args=(other,)))
            passes[0].start()
            passes[0].join()

    with torch.no_grad():
        expected = model(one)
        model.layer2[0].downsample.register_forward_pre_hook(pause)
        assert torch.equal(model(one), expected)
    assert passes


def test_a_layer_that_leads_in_another_thread_is_missed():
    network, x = Branches(AdaptivePolyphasePool2d), torch.rand(1, 8, 6, 6)
    thread = threading.Thread(target=network.main, args=(x,))
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match='the layer that leads has to run before those that follow, in their thread'):
        network.skip(x)


def test_conversions_at_the_same_time_make_one_class():
    for _ in range(PASSES):
        fresh = type('Fresh', (nn.Conv2d,), {})
        models = [nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), fresh(8, 8, 1, 2)) for _ in range(THREADS)]
        start = threading.Barrier(THREADS)

        def convert(model, start=start):
            start.wait()
            return type(convert_antialias(model, 'lpf3', stem=True, example_input=torch.rand(1, 3, 8, 8))[2])

        with ThreadPoolExecutor(THREADS) as pool:
            assert len(set(pool.map(convert, models))) == 1
