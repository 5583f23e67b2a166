"""How clearly a choice is made, against margins that were worked out by hand."""

import pytest
import torch
from torch import nn

from antialias_plugins import AdaptivePolyphasePool2d, LearnablePolyphasePool2d
from antialias_plugins.layers import PhaseLink
from lab.parity import parity
from lab.parity.margins import smallest_margin


def maps(*components):
    """Images of 2×2 pixels, whose four components are their pixels."""
    return torch.tensor(components).reshape(-1, 1, 2, 2)


@pytest.mark.parametrize(
    ('image', 'margin'),
    [
        (maps([1.0, -4.0, 3.0, 2.0]), 0.25),
        (maps([1.0, 2.0, 2.0, 0.0]), 0),
        (maps([0.0, 0.0, 0.0, 0.0]), 0),
        (maps([1.0, 4.0, 3.0, 2.0], [0.0, 9.0, 10.0, 0.0]), 0.1),
    ],
    ids=['one', 'tie', 'nothing', 'the closest of two'],
)
def test_margins_of_norms(image, margin):
    assert smallest_margin(AdaptivePolyphasePool2d(), image) == pytest.approx(margin, rel=1e-12)


@torch.no_grad()
def test_margins_of_learned_scores():
    torch.manual_seed(0)
    layer, image = LearnablePolyphasePool2d(3).double().eval(), torch.rand(1, 3, 8, 8, dtype=torch.float64)
    components = [image[:, :, a::2, b::2] for a in (0, 1) for b in (0, 1)]
    pad = [nn.functional.pad(c, (1, 1, 1, 1), 'circular') for c in components]
    hidden = [nn.functional.pad(layer.conv1(c).relu(), (1, 1, 1, 1), 'circular') for c in pad]
    scores = sorted(float(layer.conv2(h).mean()) for h in hidden)
    expected = (scores[-1] - scores[-2]) / max(map(abs, scores))
    assert smallest_margin(layer, image) == pytest.approx(expected, rel=1e-9)


class Block(nn.Module):
    """Two branches that are subsampled and meet; on the second all components tie."""

    def __init__(self):
        super().__init__()
        self.main, self.skip = AdaptivePolyphasePool2d(), AdaptivePolyphasePool2d()

    def forward(self, image):
        return self.main(image) + self.skip(torch.zeros_like(image))


def test_who_follows_chooses_nothing():
    block, link = Block(), PhaseLink()
    assert smallest_margin(block, maps([1.0, -4.0, 3.0, 2.0])) == 0
    block.main.lead(link)
    block.skip.follow(link)
    assert smallest_margin(block, maps([1.0, -4.0, 3.0, 2.0])) == 0.25


def test_without_a_choice_nothing_is_close():
    assert smallest_margin(nn.ReLU(), torch.zeros(1, 1, 2, 2)) == float('inf')


def test_images_are_drawn_until_every_choice_is_clear(monkeypatch):
    first, second = maps([1.0, 1.0 + 2e-7, 0.0, 0.0]), maps([1.0, 2.0, 0.0, 0.0])
    monkeypatch.setattr(parity, 'example_images', lambda seed: [second, first if seed < 3 else second])
    assert parity.decisive_images(AdaptivePolyphasePool2d())[1] is second
    monkeypatch.setattr(parity, 'example_images', lambda seed: [first])
    with pytest.raises(ValueError, match=r'must choose its components by a margin of 1e-06'):
        parity.decisive_images(AdaptivePolyphasePool2d())
