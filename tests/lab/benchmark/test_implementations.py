import pytest
import torch

from lab.benchmark.implementations import PlainBlurPool2d, UnfoldAdaptiveBlurPool2d
from lab.benchmark.layers import distinct_in_windows


def test_plain_blur_of_a_ramp():
    """Output 1 of K = 4 lies between inputs 2 and 3: (1 + 6 + 9 + 4) / 8."""
    ramp = torch.arange(8.0).expand(1, 2, 8, 8)
    assert PlainBlurPool2d(2)(ramp)[0, 1, 1].tolist() == [0.75, 2.5, 4.5, 6.25]


@pytest.mark.parametrize(('filt_size', 'stride', 'groups'), [(3, 2, 2), (3, 1, 4), (5, 2, 1)])
def test_unfold_is_a_loop_over_positions_and_taps(filt_size, stride, groups):
    layer = UnfoldAdaptiveBlurPool2d(4, filt_size, stride, groups).double().eval()
    x = torch.rand(2, 4, 6, 7, dtype=torch.float64)
    with torch.no_grad():
        actual = layer(x)
        padded = torch.nn.functional.pad(x, [filt_size // 2] * 4, 'reflect')
        logits = layer.bn(layer.conv(padded))
    expected = torch.zeros_like(actual)
    taps = filt_size**2
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, actual.shape)).tolist():
        group, row, column = c * groups // 4, stride * i, stride * j
        weights = logits[n, group * taps : (group + 1) * taps, row, column].softmax(0)
        window = padded[n, c, row : row + filt_size, column : column + filt_size]
        expected[n, c, i, j] = (weights * window.flatten()).sum()
    assert (actual - expected).abs().max() < 1e-14


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_no_window_holds_a_value_twice(dtype):
    x = distinct_in_windows((2, 3, 11, 8))
    windows = x.to(dtype).float().unfold(2, 3, 1).unfold(3, 3, 1).flatten(-2).sort(-1).values
    assert (windows.diff(dim=-1) > 0).all()
    assert torch.equal(x.to(dtype).float(), x)
