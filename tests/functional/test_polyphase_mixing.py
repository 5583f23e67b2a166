import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from antialias_plugins.functional import mixing_loss, undo_loss
from antialias_plugins.functional.polyphase_mixing import shift_map

BORDERS = pytest.mark.parametrize('border', ['zeros', 'circular'])


def shift_loop(input, shift, border):
    """Position by position."""
    output = torch.zeros_like(input)
    height, width = input.shape[2:]
    for i in range(height):
        for j in range(width):
            y, x = i - shift[0], j - shift[1]
            if border == 'circular' or (0 <= y < height and 0 <= x < width):
                output[:, :, i, j] = input[:, :, y % height, x % width]
    return output


@pytest.mark.parametrize('axes', [(3, 4), (3, 4, 5)], ids=['per-sample', 'per-channel'])
def test_mixing_loss_matches_the_loop(axes):
    weights = torch.randn(axes, dtype=torch.float64).softmax(1)
    mixtures = weights.numpy().reshape(3, 4, -1)
    losses = [1 - np.sqrt(sum(w * w for w in mixtures[n, :, c])) for n in range(3) for c in range(mixtures.shape[2])]
    torch.testing.assert_close(mixing_loss(weights).item(), np.mean(losses), rtol=0, atol=1e-15)
    assert gradcheck(mixing_loss, weights.requires_grad_())


def test_mixing_loss_is_least_for_one_component_and_greatest_for_the_average():
    one, average = torch.eye(9, dtype=torch.float64)[:1], torch.full((1, 9), 1 / 9, dtype=torch.float64)
    assert mixing_loss(one) == 0
    torch.testing.assert_close(mixing_loss(average).item(), 2 / 3)
    assert 0 < mixing_loss((one + average) / 2) < 2 / 3


@BORDERS
@pytest.mark.parametrize('shift', [(0, 0), (1, -2), (-3, 0), (7, -9)], ids=str)
def test_shifted_map_matches_the_loop(border, shift):
    input = torch.randn(2, 3, 5, 6)
    assert torch.equal(shift_map(input, torch.tensor(shift), border), shift_loop(input, shift, border))


@BORDERS
def test_undo_loss_is_the_distance_to_one_of_the_shifted_maps(border):
    """All shifts are drawn, and no others."""
    features, input = torch.randn(2, 3, 5, 6, dtype=torch.float64), torch.randn(2, 3, 5, 6, dtype=torch.float64)
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    expected = [(features - shift_loop(input, shift, border)).square().mean().item() for shift in shifts]
    drawn = [undo_loss(features, input, 1, border).item() for _ in range(200)]
    assert np.allclose(np.unique(np.round(drawn, 12)), np.sort(expected), rtol=0, atol=1e-11)


def test_gradient_reaches_the_features_alone():
    features, input = (torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    undo_loss(features, input, 0).backward()
    torch.testing.assert_close(features.grad, (2 * (features - input) / input.numel()).detach())
    assert input.grad is None


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'input': torch.rand(3, 4)}, r'input must be a floating-point tensor \(N, C, H, W\)'),
        ({'max_shift': -1}, 'max_shift must be an integer of at least 0, got -1'),
        ({'border': 'reflect'}, "border must be one of 'zeros', 'circular', got 'reflect'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        undo_loss(**{'features': torch.rand(1, 1, 4, 4), 'input': torch.rand(1, 1, 4, 4), **arguments})
