import pytest
import torch
from torch import nn

from antialias_plugins.metrics import diagonal_sweep


def top_left(views):
    """Logits that only the first two pixels of a view decide."""
    return torch.stack([views[:, 0, 0, 0], views[:, 0, 0, 1], torch.full((len(views),), -9.0)], 1)


@pytest.mark.parametrize('label', [None, 1], ids=['top', 'true'])
@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_matches_a_loop(circular, label):
    image = torch.randn(1, 12, 15, dtype=torch.float64)
    sweep = diagonal_sweep(top_left, image, label, max_shift=5, crop_size=(6, 7), circular=circular)
    # The central 11x12 begins at (0, 1), the central 6x7 at (3, 4).
    top, left = (3, 4) if circular else (0, 1)
    for step in range(6):
        columns = [(step + 1) % 7, step % 7] if circular else [step + 1, step]
        row = step % 6 if circular else step
        second, first = (image[0, top + row, left + column].exp().item() for column in columns)
        total = first + second + torch.tensor(-9.0, dtype=torch.float64).exp().item()
        if step == 0 and label is None:
            label = 0 if first > second else 1
        watched, other = (first, second) if label == 0 else (second, first)
        assert sweep.probability[step].item() == pytest.approx(watched / total, abs=1e-12)
        assert sweep.best_other[step].item() == pytest.approx(other / total, abs=1e-12)
        assert sweep.prediction[step] == (0 if first > second else 1)


def test_published_number_of_crops():
    shapes = []
    diagonal_sweep(lambda x: shapes.append(tuple(x.shape)) or torch.zeros(len(x), 2), torch.zeros(3, 256, 256))
    assert shapes == [(33, 3, 224, 224)]


@pytest.mark.parametrize(('stride', 'flat'), [(1, True), (2, False)])
def test_circular_sweep_is_flat_without_subsampling(stride, flat):
    torch.manual_seed(0)
    convolution = nn.Conv2d(1, 8, 3, stride, padding=1, padding_mode='circular')
    network = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    sweep = diagonal_sweep(network, torch.randn(1, 8, 8, dtype=torch.float64), max_shift=8, crop_size=8, circular=True)
    assert (float(sweep.probability.max() - sweep.probability.min()) < 1e-12) == flat


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(image=torch.zeros(1, 9, 20)), 'image must be at least 10x10, got 9x20'),
        (dict(max_shift=0), r'max_shift must be between 1 and .* \(8, 8\), got 0'),
        (dict(max_shift=9), r'max_shift must be between 1 and .* \(8, 8\), got 9'),
        (dict(label=-1), 'label must be one of 3 classes, got -1'),
        (dict(predict=lambda x: x), r'predict must return logits of shape \(3, N\), N > 1, got \(3, 1, 8, 8\)'),
        (dict(predict=lambda x: torch.full((len(x), 2), torch.nan)), 'predict must return finite logits'),
    ],
    ids=['small-image', 'no-shift', 'shift', 'label', 'maps', 'nan'],
)
def test_bad_argument(changes, message):
    arguments = dict(predict=top_left, image=torch.zeros(1, 20, 20), max_shift=2, crop_size=8) | changes
    with pytest.raises(ValueError, match=message):
        diagonal_sweep(**arguments)
