import pytest
import torch

from antialias_plugins.openmmlab.segmentation.shift_equivariant import CircularConv2d


@pytest.mark.parametrize('dilation', [1, 2, 5, 12])
def test_it_is_the_sum_over_moved_maps(dilation):
    """A tap at offset o reads the map rolled by -o, however often that goes around."""
    conv = CircularConv2d(2, 3, 3, padding=dilation, dilation=dilation).double()
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    y, expected = conv(x), conv.bias.reshape(1, 3, 1, 1)
    for row in range(3):
        for column in range(3):
            moved = x.roll(((1 - row) * dilation, (1 - column) * dilation), (2, 3))
            expected = expected + torch.einsum('oi,nihw->nohw', conv.weight[:, :, row, column], moved)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    probe = torch.randn_like(y)
    gradients = [torch.autograd.grad((z * probe).sum(), (x, conv.weight), retain_graph=True) for z in (y, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('options', [dict(padding=1), dict(padding=2, stride=2), dict(kernel_size=2), dict(padding=0)])
def test_what_changes_the_size_is_refused(options):
    with pytest.raises(ValueError, match='must keep the size of the map, got CircularConv2d'):
        CircularConv2d(2, 3, **dict(kernel_size=3, dilation=2, padding=2) | options)
