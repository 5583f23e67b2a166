import torch
from torch import nn

from lab.comparison.digits import Labelled
from lab.comparison.quality import measure_quality


class Brightest(nn.Module):
    """Tells whether the brightest pixel lies in the lower half."""

    def forward(self, images):
        row = images.flatten(1).argmax(1) // images.shape[3]
        return nn.functional.one_hot((row >= 16).long(), 2).float()


class Sum(nn.Module):
    """Tells whether anything is there; blind to every shift that leaves the dot inside."""

    def forward(self, images):
        total = images.sum((1, 2, 3))
        return torch.stack([1 - total, total], 1)


def dots(row, count=300):
    images = torch.zeros(count, 1, 32, 32)
    images[:, :, row, 16] = 1
    return Labelled(images, torch.ones(count, dtype=torch.long))


def test_what_no_shift_changes():
    quality = measure_quality(Sum(), dots(16))
    for shifted in (quality.translated, quality.circular):
        assert (shifted.accuracy, shifted.consistency, shifted.probability_change) == (1, 1, 0)
    assert quality.accuracy == 1


def test_shares_against_the_distribution_of_shifts():
    # The dot at row 16 moves to rows 16 - d, d uniform on -4, ..., 3: below the middle for 5 of 8 values of d.
    quality = measure_quality(Brightest(), dots(16))
    assert quality.accuracy == 1
    assert abs(quality.translated.accuracy - 5 / 8) < 0.08
    assert abs(quality.translated.consistency - (5 / 8) ** 2 - (3 / 8) ** 2) < 0.1
    assert abs(quality.circular.accuracy - 1 / 2) < 0.08
    assert abs(quality.circular.consistency - 1 / 2) < 0.1


def test_translations_bring_in_black_and_never_wrap():
    # The dot at row 0 moves to rows 4, ..., -3: it is left in 5 of 8 cases.
    quality = measure_quality(Sum(), dots(0))
    assert abs(quality.translated.accuracy - 5 / 8) < 0.08
    assert quality.circular.accuracy == 1


def test_network_is_evaluated():
    network = nn.Sequential(Sum(), nn.Dropout(1.0))
    assert measure_quality(network.train(), dots(16, 4)).accuracy == 1
    assert not network.training
