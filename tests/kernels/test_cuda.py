"""What only a GPU can show: sizes of real networks, the same bits in every run, and nothing allocated in passing."""

import pytest
import torch
import torch.nn.functional as F

from antialias_plugins import kernels
from antialias_plugins.functional import adaptive_blur_pool2d, blur_pool2d, max_blur_pool2d

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')

LAYOUTS = [torch.contiguous_format, torch.channels_last]
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
SHAPES = [(4, 64, 112, 112), (2, 256, 65, 129), (3, 510, 28, 28), (8, 2048, 7, 7)]


def logits_of(input):
    return F.avg_pool2d(input, 2, ceil_mode=True)[:, :1].repeat(1, 18, 1, 1) * torch.randn(18, 1, 1, device='cuda')


FUNCTIONS = {
    'blur': lambda x, backend: blur_pool2d(x, 4, 2, 'reflect', backend=backend),
    'max': lambda x, backend: max_blur_pool2d(x, 3, 2, 1, 3, 'circular', backend=backend),
    'group': lambda x, backend: adaptive_blur_pool2d(x, logits_of(x.detach()).to(x.dtype), groups=2, backend=backend),
    'joint': lambda x, backend: adaptive_blur_pool2d(
        x, logits_of(x).to(x.dtype), groups=2, softmax='joint', backend=backend
    ),
}


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


def run(function, input, backend):
    leaf = input.detach().requires_grad_()
    torch.manual_seed(0)
    output = function(leaf, backend)
    grad = torch.sin(torch.arange(output.numel(), device='cuda')).view(output.shape).to(output.dtype)
    return output.detach(), *torch.autograd.grad(output, leaf, grad)


@pytest.mark.parametrize('layout', LAYOUTS, ids=str)
@pytest.mark.parametrize('dtype', DTYPES, ids=str)
@pytest.mark.parametrize('function', FUNCTIONS.values(), ids=FUNCTIONS)
def test_agrees_with_plain_operators_in_float64(function, dtype, layout, shape):
    input = torch.randn(shape, device='cuda', dtype=dtype).to(memory_format=layout)
    for actual, wanted in zip(run(function, input, 'triton'), run(function, input.double(), 'eager'), strict=True):
        assert actual.dtype == dtype
        # Logits are rounded to the type of the map, and their gradient is added to the map's: a few roundings.
        bound = 8 * torch.finfo(dtype).eps * wanted.abs().max().clamp_min(1)
        assert (actual.double() - wanted).abs().max() <= bound


@pytest.mark.parametrize('layout', LAYOUTS, ids=str)
@pytest.mark.parametrize('function', FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_run_gives_the_same_bits(function, layout):
    input = torch.randn(2, 64, 56, 57, device='cuda').to(memory_format=layout)
    first = run(function, input, 'triton')
    for _ in range(5):
        assert all(map(torch.equal, first, run(function, input, 'triton')))


def test_a_gpu_takes_triton_by_itself():
    input = torch.randn(2, 64, 56, 56, device='cuda')
    assert kernels.uses_triton(input, 4)
    assert torch.equal(blur_pool2d(input), blur_pool2d(input, backend='triton'))


@pytest.mark.parametrize('name', ['blur', 'max'])
def test_forward_allocates_its_output_alone(name):
    input = torch.randn(4, 64, 112, 112, device='cuda')
    FUNCTIONS[name](input, 'triton')
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    output = FUNCTIONS[name](input, 'triton')
    assert torch.cuda.max_memory_allocated() - before <= output.nbytes + 2**20


def test_another_device_than_the_current_one():
    if torch.cuda.device_count() < 2:
        pytest.skip('needs two GPUs')
    input = torch.randn(1, 8, 9, 8, device='cuda:1')
    torch.testing.assert_close(blur_pool2d(input, backend='triton'), blur_pool2d(input, backend='eager'))


def test_offsets_beyond_32_bits():
    if torch.cuda.mem_get_info()[0] < 12 * 2**30:
        pytest.skip('needs 12 GiB of free memory')
    input = torch.randn(2**31 // (64 * 128 * 128) + 2, 64, 128, 128, device='cuda', dtype=torch.bfloat16)
    for function in (FUNCTIONS['blur'], FUNCTIONS['max']):
        assert torch.equal(function(input, 'triton')[-1:], function(input[-1:], 'triton'))
