import torch
from torch import nn

from lab.comparison import Method
from lab.comparison.measures import measure_costs, measure_quality
from lab.comparison.training import Labelled, digits


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


def test_what_can_be_counted(recipe, monkeypatch):
    def build(method, seed):
        layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
        return nn.Sequential(*layers)

    monkeypatch.setattr('lab.comparison.measures.build_network', build)
    costs = measure_costs([Method('baseline'), Method('lpf3')], digits(recipe)[0], recipe, 1, 0.001)
    assert list(costs) == ['baseline', 'lpf3']
    for cost in costs.values():
        assert cost.parameters == 4 * 9 + 4 + 4 * 10 + 10
        # What ReLU returns, (4, 32, 32), and what the linear layer reads, (4,): the image is no activation.
        assert cost.saved == 4 * (4 * 32 * 32 + 4)
        assert cost.step > cost.image > 0
        assert min(cost.step_spread, cost.image_spread) >= 0


def test_filters_cost_something(recipe):
    torch.manual_seed(0)
    baseline, adaptive = measure_costs(
        [Method('baseline'), Method('ddac3')], digits(recipe)[0], recipe, 1, 0.001
    ).values()
    assert adaptive.saved > baseline.saved
    assert adaptive.parameters > baseline.parameters
