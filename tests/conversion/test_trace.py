import pytest
import torch
from torch import nn
from torch.nn import functional as F

from antialias_plugins.conversion.examples import default_example, evaluating


class Folding(nn.Module):
    """Folds blocks of 2x2 pixels into channels before its convolution, as YOLOX's backbone does."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(12, 4, 3)

    def forward(self, x):
        return self.conv(F.pixel_unshuffle(x, 2))


class FixedSize(nn.Conv2d):
    """Takes images of 256 pixels only, as a transformer with position embeddings does."""

    def forward(self, x):
        return super().forward(x) + torch.zeros(254, 254)


class Attention(nn.Linear):
    """Gathers its biases once for all evaluations, as LeViT's attention does in mmpretrain."""

    def train(self, mode=True):
        super().train(mode)
        if mode and hasattr(self, 'gathered'):
            del self.gathered
        else:
            self.gathered = self.bias[:2]
        return self

    def forward(self, x):
        return F.linear(x, self.weight[:2], self.bias[:2] if self.training else self.gathered)


class Freezing(nn.Sequential):
    """Freezes its first layer in `train`, as OpenMMLab's backbones do."""

    def train(self, mode=True):
        super().train(mode)
        self[0].requires_grad_(False)
        return self


@pytest.mark.parametrize(
    ('model', 'channels', 'side'),
    [
        (nn.Conv2d(3, 4, 3), 3, 128),
        (nn.Conv2d(1, 4, 3), 1, 128),
        (nn.Conv2d(12, 4, 3), 12, 128),
        (Folding(), 3, 128),
        (FixedSize(3, 4, 3), 3, 256),
        (nn.Identity(), 3, 128),
        (nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(5, 4, 3)), 4, 128),
    ],
    ids=['photographs', 'grey', 'many bands', 'folded', 'fixed size', 'no convolution', 'runs on none'],
)
def test_default_example_is_one_that_the_network_runs_on(model, channels, side):
    dtype = next((p.dtype for p in model.double().parameters()), torch.float32)
    example = default_example(model.train())

    assert (tuple(example.shape), example.dtype) == ((1, channels, side, side), dtype)
    assert model.training


def test_evaluating_gives_every_module_its_own_flag_back():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()).eval())
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == [True, True, False, False]


def test_tensors_derived_in_train_are_there_and_go_again():
    layer = Attention(3, 4)
    x = torch.rand(1, 3)
    with evaluating(layer):
        torch.testing.assert_close(layer(x), nn.Linear.forward(layer, x)[:, :2])
    assert layer.training
    assert not hasattr(layer, 'gathered')


def test_nothing_is_frozen_that_its_owner_has_thawed():
    model = Freezing(nn.Linear(1, 1)).requires_grad_(True)
    with evaluating(model):
        pass
    assert model[0].weight.requires_grad
