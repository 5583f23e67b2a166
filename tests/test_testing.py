import pytest
import torch

from antialias_plugins.layers import BlurPool2d
from antialias_plugins.testing import shift_equivariance_error


@pytest.fixture
def noise():
    return torch.randn(2, 3, 16, 16, dtype=torch.float64)


@pytest.mark.parametrize('filt_size', [1, 3, 4, 7])
def test_circular_filter_at_stride_1_is_equivariant(noise, filt_size):
    layer = BlurPool2d(3, filt_size, 1, 'circular').double()
    errors = shift_equivariance_error(layer, noise, [1, 2, (0, 3), (-5, 1)])
    assert errors.shape == (4,)
    assert errors.max() < 1e-15


def test_multiples_of_the_stride_are_exact_for_subsampling(noise):
    errors = shift_equivariance_error(BlurPool2d(3, 1), noise, [2, (4, -2), 1], stride=2)
    assert errors[:2].tolist() == [0, 0]
    assert errors[2] > 0.5


def test_one_frequency_has_a_known_error():
    # Every second pixel of +1, -1, +1, ... is +1; moved by one pixel it is -1: the difference is twice the map.
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    assert shift_equivariance_error(BlurPool2d(1, 1), stripes, [(0, 1)], stride=2).item() == pytest.approx(2)


@pytest.mark.parametrize('frequency', [1, 3])
def test_a_slow_wave_does_not_alias(frequency):
    wave = torch.cos(2 * torch.pi * frequency * torch.arange(16.0).double() / 16).expand(1, 1, 16, 16)
    errors = shift_equivariance_error(BlurPool2d(1, 1), wave, [(0, 1), (0, 3)], stride=2)
    assert errors.max() < 1e-12


def test_a_wider_filter_is_more_equivariant_on_noise(noise):
    errors = [
        shift_equivariance_error(BlurPool2d(3, size, 2, 'circular').double(), noise, [1], stride=2).item()
        for size in (1, 3, 5, 7)
    ]
    assert errors == sorted(errors, reverse=True)


def test_margin_leaves_the_border_out(noise):
    layer = BlurPool2d(3, 3, 1, 'zeros').double()
    assert shift_equivariance_error(layer, noise, [1]).item() > 1e-2
    assert shift_equivariance_error(layer, noise, [1], margin=2).item() < 1e-15


def test_broken_module_is_not_called_equivariant(noise):
    assert shift_equivariance_error(lambda x: x * float('nan'), noise, [1]).isnan().all()


@pytest.mark.parametrize(
    ('stride', 'module_stride', 'message'),
    [
        (3, 3, r'sides of input must be multiples of stride \(3, 3\), got \(16, 16\)'),
        (2, 1, r'module must return maps of \(8, 8\) for stride \(2, 2\), got \(16, 16\)'),
    ],
    ids=['sides', 'module'],
)
def test_strides_that_do_not_fit_are_refused(noise, stride, module_stride, message):
    with pytest.raises(ValueError, match=message):
        shift_equivariance_error(BlurPool2d(3, 3, module_stride).double(), noise, [1], stride)
