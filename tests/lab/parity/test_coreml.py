import numpy as np
import pytest
import torch
from torch import nn

from lab.parity.coreml import OPERATORS, convert

MAP = torch.arange(12.0).reshape(1, 1, 3, 4)
ROW = torch.tensor([10.0, 11.0, 12.0])


@pytest.mark.parametrize(
    ('operator', 'operands', 'expected'),
    [
        ('slice_by_index', dict(x=ROW, begin=[0], end=[2], end_mask=[True]), ROW.numpy()),
        ('slice_by_index', dict(x=MAP, begin=[0, 0, 1, -3], end=[1, 1, 3, -1], stride=[1, 1, 2, 1]), [[[[5, 6]]]]),
        ('slice_by_index', dict(x=ROW, begin=[-1], end=[0], squeeze_mask=[True]), 12),
        ('gather', dict(x=ROW, indices=np.array([[-1, 0]]), axis=0, batch_dims=0), [[12, 10]]),
        ('gather', dict(x=MAP[0], indices=torch.tensor(2), axis=1), [[8, 9, 10, 11]]),
        ('pad', dict(x=ROW[None], pad=[0, 0, 1, 2], mode='constant', constant_val=7.0), [[7, 10, 11, 12, 7, 7]]),
        (
            'pad',
            dict(x=MAP, pad=[0] * 6 + [2, 1], mode='reflect', constant_val=0.0),
            np.pad(MAP, [(0, 0)] * 3 + [(2, 1)], 'reflect'),
        ),
        ('reshape', dict(x=MAP, shape=np.array([0, -1])), MAP.numpy().reshape(1, 12)),
        ('concat', dict(values=[torch.tensor(3), torch.tensor([4])], axis=0, interleave=False), [3, 4]),
        ('matmul', dict(x=MAP, y=MAP, transpose_x=False, transpose_y=True), MAP.numpy() @ MAP.numpy().swapaxes(2, 3)),
        ('floor_div', dict(x=torch.tensor([-3, 3]), y=2), [-2, 1]),
        ('expand_dims', dict(x=ROW, axes=[0, 2]), ROW.numpy()[None, :, None]),
        ('reduce_sum', dict(x=MAP, axes=[2, 3], keep_dims=False), [[66]]),
    ],
    ids=[
        'slice-mask',
        'slice-stride',
        'slice-squeeze',
        'gather',
        'gather-scalar',
        'pad',
        'pad-reflect',
        'reshape',
        'concat',
        'matmul',
        'floor-div',
        'expand',
        'sum',
    ],
)
def test_operators_by_hand(operator, operands, expected):
    assert np.array_equal(OPERATORS[operator](**operands), expected)


def test_an_unknown_operator_is_named():
    pytest.importorskip('coremltools')
    with pytest.raises(KeyError, match='operators of Core ML that are not known here: gelu'):
        convert(nn.Sequential(nn.Conv2d(3, 1, 1), nn.GELU()).eval(), torch.rand(2, 3, 8, 8), is_dynamic=True)
