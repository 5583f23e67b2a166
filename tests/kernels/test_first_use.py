"""Kernels that are compared with the reference before they are relied on, here in Triton's interpreter."""

import importlib
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from antialias_plugins.functional import adaptive_blur_pool2d, blur_pool2d, max_blur_pool2d
from antialias_plugins.kernels import backend, first_use, use_backend, uses_reference

pytest.importorskip('antialias_plugins.kernels.triton.tiles', reason='Triton has no release for this platform')
LOGITS = torch.rand(1, 36, 4, 3)
OPS = {
    'blur_pool2d': lambda x: blur_pool2d(x, 3),
    'max_blur_pool2d': lambda x: max_blur_pool2d(x, 2, filt_size=3),
    'adaptive_blur_pool2d': lambda x: adaptive_blur_pool2d(x, LOGITS.to(x), groups=4),
}
INPUT = torch.rand(1, 4, 8, 6)


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    """A CPU is taken for a GPU of which nothing is known."""
    monkeypatch.setattr(backend, '_is_on_gpu', lambda input: True)
    monkeypatch.setattr(first_use, '_verdicts', {})


@pytest.fixture(params=OPS)
def op(request):
    return request.param


@pytest.fixture
def spoil(monkeypatch, op):
    """Give the kernel of an op another result, and return the list of the maps that reached it."""

    def apply(change=lambda output: output):
        reached = []
        module = importlib.import_module(f'antialias_plugins.kernels.triton.{op.removesuffix("2d")}')
        name = 'blur_pool2d' if op == 'blur_pool2d' else op.removesuffix('2d').title().replace('_', '')
        original = getattr(module, name)
        call = getattr(original, 'apply', original)

        def spoiled(map, *arguments):
            reached.append(map)
            return change(call(map, *arguments))

        monkeypatch.setattr(module, name, spoiled if call is original else SimpleNamespace(apply=spoiled))
        return reached

    return apply


class Doubled(torch.autograd.Function):
    """A map whose gradient comes back twice as large."""

    @staticmethod
    def forward(ctx, map):
        return map.clone()

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


def fail(output):
    raise RuntimeError('out of resources')


FAULTS = {
    'values': (lambda output: output * 1.001, 'computes values that are off by'),
    'nan': (lambda output: output * float('nan'), 'computes values that are off by nan'),
    'shape': (lambda output: output[..., :1], 'fails: RuntimeError'),
    'gradient': (Doubled.apply, 'computes gradients of map 1 that are off by'),
    'error': (fail, 'fails: RuntimeError: out of resources'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_kernel_that_is_wrong_is_named_once_and_not_used(op, fault, spoil):
    change, message = FAULTS[fault]
    reached = spoil(change)
    with pytest.warns(RuntimeWarning, match=f"Triton's kernel of {op}, for float32 .* on cpu and .*, {message}"):
        output = OPS[op](INPUT)
    with use_backend('eager'):
        expected = OPS[op](INPUT)
    torch.testing.assert_close(output, expected)
    OPS[op](INPUT)  # a second warning would be an error
    assert len(reached) == 1


def test_a_kernel_that_agrees_is_used_and_tried_once(op, spoil):
    reached = spoil()
    for _ in range(3):
        OPS[op](INPUT)
    assert len(reached) == 4
    with use_backend('triton'):  # nobody asks
        first_use._verdicts.clear()
        OPS[op](INPUT)
    assert len(reached) == 5 and not first_use._verdicts


@pytest.mark.parametrize(
    'other',
    [INPUT.bfloat16(), INPUT.double(), INPUT.contiguous(memory_format=torch.channels_last)],
    ids=['bfloat16', 'float64', 'channels_last'],
)
def test_every_type_and_memory_format_is_tried(op, spoil, other):
    if op == 'adaptive_blur_pool2d' and other.dtype == torch.float32:
        pytest.skip('pads into one memory format')
    reached = spoil()
    OPS[op](INPUT)
    OPS[op](other)
    assert [map.dtype for map in reached] == [torch.float32] * 2 + [other.dtype] * 2
    assert len(first_use._verdicts) == 2


class Operators(TorchDispatchMode):
    """Counts the operators that the caller would see."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


class Functions(TorchFunctionMode):
    """Counts the functions of torch that the caller would see."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('mode', ['no_grad', 'inference_mode', 'enable_grad'])
def test_the_trial_leaves_no_trace(op, mode):
    """Neither in random states, nor in what a checkpoint or a counter of operations sees."""
    saved, counts, state = [], [], torch.get_rng_state()
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda kept: saved.append(kept) or kept, lambda kept: kept)
    with getattr(torch, mode)(), hooks:
        for _ in range(2):
            saved.clear()
            with Operators() as operators, Functions() as functions, torch.autocast('cpu', torch.bfloat16):
                OPS[op](INPUT.clone())
            counts.append((len(saved), operators.count, functions.count))
    assert counts[0] == counts[1]
    assert first_use._verdicts and all(first_use._verdicts.values())
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_is_tried_while_a_graph_is_captured(op, spoil, monkeypatch):
    reached = spoil()
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, 'is_available', lambda: True)
        patch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: True)
        OPS[op](INPUT)
        assert not reached and not first_use._verdicts
    OPS[op](INPUT)
    assert len(reached) == 2


@pytest.mark.parametrize(('value', 'expected'), [('eager', 'True'), (None, 'False')])
def test_the_environment_chooses(value, expected, monkeypatch):
    monkeypatch.delenv('ANTIALIAS_PLUGINS_BACKEND', raising=False)
    if value is not None:
        monkeypatch.setenv('ANTIALIAS_PLUGINS_BACKEND', value)
    code = 'from antialias_plugins.kernels import uses_reference; print(uses_reference(), uses_reference("auto"))'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [expected, 'False']


def test_an_unknown_word_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv('ANTIALIAS_PLUGINS_BACKEND', 'cuda')
    run = subprocess.run([sys.executable, '-c', 'import antialias_plugins'], capture_output=True, text=True)
    assert "ValueError: ANTIALIAS_PLUGINS_BACKEND must be one of 'auto', 'eager', 'triton', got 'cuda'" in run.stderr


def test_overlapping_threads_keep_their_choice_and_leave_none():
    """The first thread leaves its block while the second is still in one of its own."""
    first_in, second_in, first_out = (threading.Event() for _ in range(3))
    seen = {}

    def first():
        with use_backend('eager'):
            first_in.set()
            second_in.wait(10)
            seen['first, inside'] = uses_reference()
        first_out.set()

    def second():
        first_in.wait(10)
        with use_backend('auto'):
            second_in.set()
            first_out.wait(10)
            seen['second, inside'] = uses_reference()
        seen['second, outside'] = uses_reference()

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == {'first, inside': True, 'second, inside': False, 'second, outside': False}
    assert not uses_reference()


def test_a_thread_without_a_choice_follows_the_block_that_started_it():
    seen = []
    with use_backend('eager'):
        thread = threading.Thread(target=lambda: seen.append(uses_reference()))
        thread.start()
        thread.join(10)
    assert seen == [True]
