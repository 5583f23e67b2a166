"""Operators by PyTorch, against those that mmcv compiled, or against float64 where mmcv has none for the CPU."""

import subprocess
import sys
from itertools import product

import pytest
import torch
from torch.nn.functional import one_hot, pad

from antialias_plugins.openmmlab import mmcv_ops

compiled = pytest.importorskip('mmcv._ext')
compiled = None if isinstance(compiled, mmcv_ops._Operators) else compiled
against_mmcv = pytest.mark.skipif(compiled is None, reason='mmcv was installed without its operators')
both_types = pytest.mark.parametrize('dtype', [torch.float32, torch.float64], ids=str)


def boxes(count, generator, size=30):
    corners = size * torch.rand(count, 2, generator=generator)
    return torch.cat([corners, corners + 1 + size * torch.rand(count, 2, generator=generator)], 1)


def assert_equal(ours, theirs, dtype=torch.float32):
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            one, other, rtol=tolerance, atol=tolerance * max([1, *other.abs().flatten().tolist()])
        )


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@against_mmcv
@pytest.mark.parametrize(('count', 'offset', 'threshold'), product([0, 1, 200], [0, 1], [0.3, 0.7]))
def test_nms(count, offset, threshold, generator):
    found, scores = boxes(count, generator), torch.rand(count, generator=generator)
    ours, theirs = (
        module.nms(found, scores, iou_threshold=threshold, offset=offset) for module in (mmcv_ops, compiled)
    )

    assert ours.tolist() == theirs.tolist()


@against_mmcv
@pytest.mark.parametrize(('method', 'offset', 'count'), [*product([0, 1, 2], [0, 1], [100]), (1, 0, 1), (2, 0, 0)])
def test_softnms(method, offset, count, generator):
    found, scores = boxes(count, generator), torch.rand(count, generator=generator)
    options = dict(iou_threshold=0.3, sigma=0.5, min_score=0.05, method=method, offset=offset)
    results = []
    for module in (mmcv_ops, compiled):
        dets = torch.zeros(count, 5)
        results.append((module.softnms(found, scores, dets, **options), dets))
    (ours, our_boxes), (theirs, their_boxes) = results

    assert ours.tolist() == theirs.tolist()
    assert_equal([our_boxes[: len(ours)]], [their_boxes[: len(theirs)]])


@against_mmcv
@both_types
@pytest.mark.parametrize(('aligned', 'sampling_ratio'), product([True, False], [0, 2]))
def test_roi_align(aligned, sampling_ratio, dtype, generator):
    maps = torch.randn(2, 3, 13, 17, generator=generator).to(dtype)
    rois = torch.cat([torch.arange(9)[:, None] % 2, boxes(9, generator, 40) - 5], 1).to(dtype)  # some reach outside
    grad = torch.randn(9, 3, 4, 5, generator=generator).to(dtype)
    options = dict(aligned_height=4, aligned_width=5, spatial_scale=0.25, pool_mode=1, aligned=aligned)
    options['sampling_ratio'] = sampling_ratio
    results = []
    for module in (mmcv_ops, compiled):
        output, grad_input, none = torch.zeros_like(grad), torch.zeros_like(maps), maps.new_zeros(0)
        module.roi_align_forward(maps, rois, output, none, none, **options)
        module.roi_align_backward(grad, rois, none, none, grad_input, **options)
        results.append((output, grad_input))

    assert_equal(*results, dtype)


def test_largest_of_a_region_is_refused():
    with pytest.raises(NotImplementedError, match="pool_mode of roi_align must be 'avg'"):
        options = dict(aligned_height=1, aligned_width=1, spatial_scale=1.0, sampling_ratio=0, aligned=True)
        mmcv_ops.roi_align_forward(*[torch.zeros(0)] * 5, pool_mode=0, **options)


@against_mmcv
@both_types
@pytest.mark.parametrize(('groups', 'deform_groups', 'stride', 'dilation'), [(1, 1, 1, 1), (2, 1, 2, 1), (1, 2, 1, 2)])
@pytest.mark.parametrize('modulated', [False, True])
def test_deform_conv(modulated, groups, deform_groups, stride, dilation, dtype, generator):
    def randn(*shape):
        return torch.randn(shape, generator=generator).to(dtype)

    maps, weight, bias = randn(2, 4, 9, 11), randn(6, 4 // groups, 3, 3), randn(6)
    height, width = ((side + 2 - 2 * dilation - 1) // stride + 1 for side in (9, 11))
    offset, mask = randn(2, 18 * deform_groups, height, width), randn(2, 9 * deform_groups, height, width).sigmoid()
    grad = randn(2, 6, height, width)
    none = [maps.new_empty(0), maps.new_empty(0)]
    results = []
    for module in (mmcv_ops, compiled):
        output, grads = torch.zeros_like(grad), [torch.zeros_like(one) for one in (maps, offset, weight, mask, bias)]
        if modulated:
            options = {f'{name}_{side}': value for side in 'hw' for name, value in _sides(stride, dilation).items()}
            options |= dict(group=groups, deformable_group=deform_groups, with_bias=True)
            inputs = maps, weight, bias, none[0], offset, mask
            module.modulated_deform_conv_forward(*inputs, output, none[1], **options)
            ordered = [grads[index] for index in (0, 2, 4, 1, 3)]
            module.modulated_deform_conv_backward(*inputs, none[1], *ordered, grad, **options)
        else:
            names = {'kernel': 'k', 'stride': 'd', 'pad': 'pad', 'dilation': 'dilation'}
            options = {
                f'{names[name]}{side}': value for side in 'HW' for name, value in _sides(stride, dilation).items()
            }
            options |= dict(group=groups, deformable_group=deform_groups, im2col_step=2)
            module.deform_conv_forward(maps, weight, offset, output, *none, **options)
            module.deform_conv_backward_input(maps, offset, grad, *grads[:2], weight, none[0], **options)
            module.deform_conv_backward_parameters(maps, offset, grad, grads[2], *none, scale=1, **options)
        results.append((output, *grads))

    assert_equal(*results, dtype)


def _sides(stride, dilation):
    return {'kernel': 3, 'stride': stride, 'pad': 1, 'dilation': dilation}


@both_types
@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid_focal_loss(weighted, dtype, generator):
    logits = 3 * torch.randn(40, 5, generator=generator).double()
    target = torch.randint(5 if weighted else 6, (40,), generator=generator)  # 5: none of the classes
    weight = torch.rand(5, generator=generator).double() if weighted else torch.zeros(0).double()
    x = logits.requires_grad_()
    probability, truth = x.sigmoid(), one_hot(target, 6)[:, :5]
    expected = -0.25 * truth * (1 - probability) ** 2 * probability.log()
    expected = expected - 0.75 * (1 - truth) * probability**2 * (1 - probability).log()
    expected = expected * weight[target][:, None] if weighted else expected
    (expected_grad,) = torch.autograd.grad(expected.sum(), x)
    output, grad = torch.zeros(40, 5, dtype=dtype), torch.zeros(40, 5, dtype=dtype)
    arguments = logits.detach().to(dtype), target, weight.to(dtype)

    mmcv_ops.sigmoid_focal_loss_forward(*arguments, output, gamma=2.0, alpha=0.25)
    mmcv_ops.sigmoid_focal_loss_backward(*arguments, grad, gamma=2.0, alpha=0.25)

    assert_equal([output, grad], [expected.detach().to(dtype), expected_grad.to(dtype)], dtype)


@both_types
@pytest.mark.parametrize('weighted', [False, True])
def test_softmax_focal_loss(weighted, dtype, generator):
    logits = torch.randn(40, 5, generator=generator).double().requires_grad_()
    target = torch.randint(5, (40,), generator=generator)
    target[::7] = -1  # does not count
    weight = torch.rand(5, generator=generator).double() if weighted else torch.zeros(0).double()
    right = logits.softmax(1)[torch.arange(40), target]
    expected = torch.where(target >= 0, -0.25 * (1 - right) ** 2 * right.log(), 0)
    expected = expected * weight[target] if weighted else expected
    (expected_grad,) = torch.autograd.grad(expected.sum(), logits)
    output, buff, grad = (torch.zeros(shape, dtype=dtype) for shape in [(40,), (40,), (40, 5)])
    arguments = logits.detach().softmax(1).to(dtype), target, weight.to(dtype)

    mmcv_ops.softmax_focal_loss_forward(*arguments, output, gamma=2.0, alpha=0.25)
    mmcv_ops.softmax_focal_loss_backward(*arguments, buff, grad, gamma=2.0, alpha=0.25)

    assert_equal([output, grad], [expected.detach().to(dtype), expected_grad.to(dtype)], dtype)


def test_carafe(generator):
    features = torch.randn(2, 4, 3, 5, generator=generator).double().requires_grad_()
    masks = torch.randn(2, 2 * 9, 6, 10, generator=generator).double().requires_grad_()
    wide = pad(features, (1, 1, 1, 1))
    expected = torch.stack(
        [
            (wide[n, c, y // 2 : y // 2 + 3, x // 2 : x // 2 + 3].flatten() * masks[n, 9 * (c // 2) :][:9, y, x]).sum()
            for n, c, y, x in product(range(2), range(4), range(6), range(10))
        ]
    ).view(2, 4, 6, 10)
    upstream = torch.randn(2, 4, 6, 10, generator=generator).double()
    expected_grads = torch.autograd.grad(expected, [features, masks], upstream)
    options = dict(kernel_size=3, group_size=2, scale_factor=2)
    output, kept, *grads = (torch.zeros_like(one) for one in (expected, features, features, masks))

    mmcv_ops.carafe_forward(features.detach(), masks.detach(), kept, *[None] * 2, output, **options)
    mmcv_ops.carafe_backward(upstream, kept, masks.detach(), *[None] * 4, *grads, **options)

    assert_equal([output, *grads], [expected.detach(), *expected_grads], torch.float64)


def test_multi_scale_deformable_attention(generator):
    shapes = torch.tensor([[4, 5], [2, 3]])
    value = torch.randn(1, 26, 2, 3, generator=generator).double().requires_grad_()
    places = torch.rand(1, 4, 2, 2, 2, 2, generator=generator).double().requires_grad_()
    attention = torch.rand(1, 4, 2, 2, 2, generator=generator).double().requires_grad_()
    starts = torch.tensor([0, 20])
    grads = [torch.zeros_like(one) for one in (value, places, attention)]
    upstream = torch.ones(1, 4, 6).double()
    inputs = value.detach(), shapes, starts, places.detach(), attention.detach()

    output = mmcv_ops.ms_deform_attn_forward(*inputs, im2col_step=64)
    mmcv_ops.ms_deform_attn_backward(*inputs, upstream, *grads, im2col_step=64)

    # The value at a place is bilinear between the centres of the pixels, and nothing outside.
    expected = torch.zeros(4, 2, 3).double()
    for query, head, level, point in product(range(4), range(2), range(2), range(2)):
        (height, width), start = shapes[level].tolist(), starts[level].item()
        x, y = places[0, query, head, level, point] * torch.tensor([width, height]) - 0.5
        for row, column in product(range(height), range(width)):
            share = (1 - (y - row).abs()).clamp(min=0) * (1 - (x - column).abs()).clamp(min=0)
            found = value[0, start + row * width + column, head]
            expected[query, head] += attention[0, query, head, level, point] * share * found
    expected_grads = torch.autograd.grad(expected.sum(), [value, places, attention])

    assert_equal([output[0], *grads], [expected.detach().view(4, 6), *expected_grads], torch.float64)


STAND_IN = """
import antialias_plugins.openmmlab.mmcv_ops
import mmcv.ops, torch
boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 29, 29]])
print(mmcv.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1].tolist())
try:
    mmcv.ops.nms_match(torch.zeros(2, 5), 0.5)
except NotImplementedError as error:
    print(error)
"""


@pytest.mark.skipif(compiled is not None, reason='mmcv was compiled')
def test_what_is_not_here_is_named_when_it_is_called():
    found = subprocess.run([sys.executable, '-c', STAND_IN], capture_output=True, text=True, check=True).stdout

    reason = "mmcv's operator nms_match must be compiled: this mmcv was installed without them"
    assert found.splitlines()[-2:] == ['[0, 2]', reason]


@against_mmcv
def test_compiled_operators_stay():
    assert sys.modules['mmcv._ext'] is compiled
