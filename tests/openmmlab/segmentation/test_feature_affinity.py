import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from antialias_plugins.openmmlab.segmentation.losses import FeatureAffinityLoss, feature_affinity_loss


def naive(features, references, stride, normalized):
    """The definition for one image, pixel by pixel; plain numbers in, a tensor out."""
    matrices = []
    for maps in (features, references):
        rows, columns = (side // stride for side in maps.shape[1:])
        pixels = []
        for y in range(rows):
            for x in range(columns):
                window = maps[:, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]
                pixel = [sum(channel.flatten()) / stride**2 for channel in window]
                length = sum(value**2 for value in pixel) ** 0.5 if normalized else 1.0
                pixels.append([value / length for value in pixel])
        matrices.append([[sum(a * b for a, b in zip(p, q, strict=True)) for q in pixels] for p in pixels])
    pairs = [(s, r) for rows in zip(*matrices, strict=True) for s, r in zip(*rows, strict=True)]
    return sum(abs(s - r) for s, r in pairs) / len(pairs)


@pytest.mark.parametrize('normalized', [True, False], ids=['normalized', 'raw'])
@pytest.mark.parametrize(
    ('height', 'width', 'stride'),
    [(2, 3, 1), (5, 7, 2), (4, 4, 4)],
    ids=['every-pixel', 'with-a-rest', 'one-pixel'],
)
def test_value_and_gradient_are_those_of_the_definition(height, width, stride, normalized, monkeypatch):
    monkeypatch.setattr('antialias_plugins.openmmlab.segmentation.losses._ROWS', 4)
    maps = [torch.randn(2, channels, height, width, dtype=torch.float64, requires_grad=True) for channels in (3, 2)]
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64)

    losses = feature_affinity_loss(*maps, stride, normalized)
    expected = torch.stack([naive(a, b, stride, normalized) for a, b in zip(*maps, strict=True)])

    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-14)
    ours, theirs = (torch.autograd.grad((weights * value).sum(), maps) for value in (losses, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_equal_maps_up_to_a_factor():
    features = torch.randn(1, 4, 6, 6)
    assert feature_affinity_loss(features, features, stride=2) == 0
    torch.testing.assert_close(
        feature_affinity_loss(features, 5 * features, stride=2), torch.zeros(1), atol=1e-6, rtol=0
    )
    assert feature_affinity_loss(features, 5 * features, stride=2, normalized=False) > 0.1


@pytest.mark.parametrize(('reduction', 'expected'), [('mean', 0.25), ('sum', 1.0)])
def test_reduction_over_the_batch(reduction, expected):
    # Four images of two pixels, [1, 0] against [1, 1]: of the four affinities three differ by one.
    features, references = torch.tensor([1.0, 0.0]).expand(4, 1, 1, 2), torch.ones(4, 1, 1, 2)
    loss = FeatureAffinityLoss(1, normalized=False, reduction=reduction, loss_weight=1 / 3)
    torch.testing.assert_close(loss(features, references), torch.tensor(expected))


def test_features_that_are_all_zero():
    features = torch.relu(torch.tensor([[-1.0, -2.0], [0.0, 3.0]]).expand(1, 3, 2, 2)).requires_grad_()
    loss = feature_affinity_loss(features, torch.ones(1, 2, 2, 2), stride=1)
    # Only the affinity of the last pixel to itself is 1, as all are between equal features.
    torch.testing.assert_close(loss, torch.tensor([15 / 16]))
    (gradient,) = torch.autograd.grad(loss.sum(), features)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=['float16', 'bfloat16'])
def test_half_types_are_computed_in_float32(dtype):
    maps = [torch.randn(2, 3, 8, 8).to(dtype) for _ in range(2)]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = feature_affinity_loss(*maps, stride=2)
    torch.testing.assert_close(losses, feature_affinity_loss(*(x.float() for x in maps), stride=2), rtol=0, atol=0)


class LargestTensor(TorchDispatchMode):
    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numel = max(self.numel, result.numel())
        return result


def test_the_matrices_never_exist_as_a_whole():
    side = 64
    maps = [torch.randn(1, 3, side, side, requires_grad=True) for _ in range(2)]
    kept = []
    with LargestTensor() as largest:
        with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
            loss = feature_affinity_loss(*maps, stride=1).sum()
        loss.backward()
    assert largest.numel <= side**4 / 8
    assert sum(kept) < side**4 / 8


@pytest.mark.parametrize(
    ('references', 'stride', 'message'),
    [
        (
            torch.ones(1, 3, 4, 5),
            1,
            r'references must have the batch and size of features, \(1, 4, 4\), got \(1, 4, 5\)',
        ),
        (
            torch.ones(2, 3, 4, 4),
            1,
            r'references must have the batch and size of features, \(1, 4, 4\), got \(2, 4, 4\)',
        ),
        (torch.ones(1, 3, 4, 4), 5, r'features must have at least stride = 5 pixels on a side, got \(4, 4\)'),
    ],
    ids=['size', 'batch', 'stride'],
)
def test_maps_that_do_not_fit(references, stride, message):
    with pytest.raises(ValueError, match=message):
        feature_affinity_loss(torch.ones(1, 3, 4, 4), references, stride)


@pytest.mark.parametrize(
    ('options', 'message'),
    [({'stride': 0}, 'stride must be positive, got 0'), ({'reduction': 'max'}, "must be 'mean' or 'sum', got 'max'")],
    ids=['stride', 'reduction'],
)
def test_options_that_do_not_exist(options, message):
    with pytest.raises(ValueError, match=message):
        FeatureAffinityLoss(**options)


def test_repr_shows_the_options():
    assert repr(FeatureAffinityLoss(16, False, 'sum', 0.5)) == (
        "FeatureAffinityLoss(stride=16, normalized=False, reduction='sum', loss_weight=0.5)"
    )
