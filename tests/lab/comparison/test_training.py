import math

import pytest
import torch
import torch.nn.functional as F

from antialias_plugins.layers import LearnablePolyphasePool2d, mixing_losses
from lab.comparison import Method, Recipe
from lab.comparison.digits import digits
from lab.comparison.network import build_network
from lab.comparison.training import make_optimizer, step, train


def trained(name, recipe, seed=0):
    network, lines = build_network(Method(name), 0), []
    loss = train(network, digits(recipe)[0], recipe, seed, lines.append)
    return network, loss, lines


@pytest.mark.parametrize('name', ['baseline', 'lps3', 'tips'])
def test_the_seed_fixes_everything(name, recipe):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, loss, lines = trained(name, recipe)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    again, loss_again, _ = trained(name, recipe)
    other, _, _ = trained(name, recipe, seed=1)
    weights, weights_again, others = (network.fc.weight for network in (first, again, other))
    assert torch.equal(weights, weights_again)
    assert loss == loss_again
    assert not torch.equal(weights, others)
    assert lines == [f'epoch 1/1, loss {loss:.3f}']


def test_it_learns():
    _, loss, _ = trained('baseline', Recipe(epochs=4, train_images=256))
    assert loss < math.log(10) / 2  # half of what guessing costs


def test_learnable_layers_cool_down(recipe):
    network, _, _ = trained('lps3', recipe)
    temperatures = {m.temperature for m in network.modules() if isinstance(m, LearnablePolyphasePool2d)}
    assert temperatures == {0.5}  # half of two steps done: between 1 and 1/4 on a logarithmic scale


def test_the_rate_falls_along_a_cosine(recipe, monkeypatch):
    rates = []
    original = torch.optim.SGD.step

    def spy(optimizer, *args):
        rates.append(optimizer.param_groups[0]['lr'])
        return original(optimizer, *args)

    monkeypatch.setattr(torch.optim.SGD, 'step', spy)
    train(build_network(Method('baseline'), 0), digits(recipe)[0], recipe, 0)
    assert rates == pytest.approx([0.05, 0.025])


@pytest.mark.parametrize(('progress', 'undo_weight'), [(0.0, 0.0), (0.39, 0.0), (0.4, 0.35), (1.0, 0.35)])
def test_losses_of_tips(recipe, progress, undo_weight):
    network = build_network(Method('tips'), 0).train()
    images, labels = digits(recipe)[0]
    task = F.cross_entropy(network(images[:8]), labels[:8])
    torch.manual_seed(0)
    network(images[:8])
    mixture, undo = mixing_losses(network)
    torch.manual_seed(0)
    loss = step(network, make_optimizer(network, recipe), images[:8], labels[:8], progress)
    torch.testing.assert_close(loss, (0.65 * task + mixture + undo_weight * undo).detach())
