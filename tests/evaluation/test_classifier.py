import pytest
import torch
from torch import nn
from torchvision.transforms import functional as transforms

from antialias_plugins.evaluation import Classifier
from antialias_plugins.evaluation.margin import top_margin

MEAN, STD = (0.1, 0.4, 0.7), (0.2, 0.3, 0.5)


class Spy(nn.Module):
    """Remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.seen = []

    def forward(self, images):
        self.seen.append(images)
        logits = self.linear(images.mean((2, 3)))
        self.dtype = logits.dtype
        return logits


class BatchNoise(nn.Module):
    """Adds to its logits what another order of summation would: a difference that depends on the batch size."""

    def forward(self, images):
        logits = images.mean((2, 3)).double()
        noise = 1e-6 * torch.tensor([[0.0, 1.0, 0.0]]) * (len(images) > 1)
        return (logits + noise * logits.abs().amax(1, keepdim=True)).float()


def pixels(count=5, size=8):
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8)


def test_normalises_like_torchvision():
    spy = Spy()
    images = pixels()
    Classifier(spy, MEAN, STD)(images, top_margin)
    expected = torch.stack([transforms.normalize(image.double() / 255, MEAN, STD) for image in images])
    torch.testing.assert_close(spy.seen[0].double(), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_mixed_precision(dtype):
    spy = Spy()
    logits = Classifier(spy, MEAN, STD, dtype=dtype)(pixels(), top_margin)
    assert (spy.dtype, logits.dtype) == (dtype, torch.float32)


@pytest.mark.parametrize('channels_last', [False, True])
def test_memory_format(channels_last):
    spy = Spy()
    Classifier(spy, MEAN, STD, channels_last=channels_last)(pixels(), top_margin)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    assert spy.seen[0].is_contiguous(memory_format=memory_format)


def test_evaluation_mode_without_gradient():
    spy = Spy()
    logits = Classifier(spy.train(), MEAN, STD)(pixels(), top_margin)
    assert not spy.training
    assert not logits.requires_grad


def nearly_tied():
    """Grey images, whose three logits are equal but for the noise."""
    return torch.arange(1, 13, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous()


@pytest.mark.parametrize('batch_size', [2, 3, 5, 12])
def test_batch_size_does_not_decide_ties(batch_size):
    classifier = Classifier(BatchNoise(), (0, 0, 0), (1, 1, 1))
    images = nearly_tied()
    alone = torch.cat([classifier(image[None], top_margin) for image in images])
    batched = torch.cat([classifier(part, top_margin) for part in images.split(batch_size)])
    assert torch.equal(batched, alone)
    noisy = torch.cat([BatchNoise()(part.float()) for part in images.split(batch_size)])
    assert not torch.equal(noisy.argmax(1), alone.argmax(1)), 'the noise must be able to decide'


def test_only_ties_are_computed_again():
    spy = Spy()
    spy.linear.weight.data = torch.eye(4, 3)
    spy.linear.bias.data.zero_()
    images = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    images[:, 0], images[2, 1] = 200, 200  # the first class wins everywhere but in number 2, where two are tied
    Classifier(spy, (0, 0, 0), (1, 1, 1))(images, top_margin)
    assert [len(seen) for seen in spy.seen] == [4, 1]
    assert torch.equal(spy.seen[1], spy.seen[0][2:3])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(dtype=torch.int8), 'dtype must be one of torch.float32, .* got torch.int8'),
        (dict(device='nowhere'), 'device must be one that this machine has, got nowhere'),
        (dict(device='cuda:99'), 'device must be one that this machine has, got cuda:99'),
    ],
    ids=['dtype', 'unknown-device', 'missing-device'],
)
def test_bad_argument(changes, message):
    with pytest.raises(ValueError, match=message):
        Classifier(Spy(), MEAN, STD, **changes)
