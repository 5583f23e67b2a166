import math

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from antialias_plugins.layers import LearnablePolyphasePool2d, mixing_losses
from lab.comparison import Method, Recipe
from lab.comparison.method import build_network
from lab.comparison.training import digits, make_optimizer, step, train


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'epochs': 0}, 'epochs must be at least 1, got 0'),
        ({'test_images': 0}, 'test_images must be at least 1, got 0'),
        ({'train_images': 1700}, r'at most 1797 together, got 1700 \+ 597'),
        ({'batch_size': 1}, 'batch_size must be between 2 and 1200 images, got 1'),
        ({'train_images': 16}, 'batch_size must be between 2 and 16 images, got 32'),
        ({'learning_rate': 0.0}, 'learning_rate must be above 0'),
        ({'momentum': 1.0}, 'got 0.05, 1.0 and 0.0005'),
    ],
    ids=['epochs', 'test', 'overlap', 'batch', 'few-images', 'learning-rate', 'momentum'],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**options)


def test_first_images_train_and_last_ones_test():
    train, test = digits(Recipe(train_images=100, test_images=50))
    labels = torch.from_numpy(load_digits().target)
    assert torch.equal(train.labels, labels[:100])
    assert torch.equal(test.labels, labels[-50:])
    assert train.images.shape == (100, 1, 32, 32)
    assert test.images.shape == (50, 1, 32, 32)


def test_all_images_are_used_by_default_and_none_twice():
    train, test = digits(Recipe())
    assert torch.equal(torch.cat([train.labels, test.labels]), torch.from_numpy(load_digits().target))


def test_enlarged_four_times():
    # Bilinear samples of a field of 4 x 4 lie 3/8 and 1/8 off the pixel: their mean has 6/8 of it and 1/8 of each side.
    train, _ = digits(Recipe())
    small = torch.from_numpy(load_digits().images[:1200, None]).float() / 16
    taps = torch.tensor([1.0, 6.0, 1.0]) / 8
    expected = F.conv2d(F.pad(small, (1, 1, 1, 1), mode='replicate'), torch.outer(taps, taps)[None, None])
    torch.testing.assert_close(F.avg_pool2d(train.images, 4), expected)


def trained(name, recipe, seed=0):
    network, lines = build_network(Method(name), 0), []
    loss = train(network, digits(recipe)[0], recipe, seed, lines.append)
    return network, loss, lines


@pytest.mark.parametrize('name', ['lps3', 'tips'])
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
