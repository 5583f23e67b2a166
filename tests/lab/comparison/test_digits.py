import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from lab.comparison import Recipe
from lab.comparison.digits import digits


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
