import json
import math

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmseg.models.losses import CrossEntropyLoss

from antialias_plugins.openmmlab.segmentation.losses import SoftmaxFocalLoss, softmax_focal_loss

WEIGHTS = [0.5, 2.0, 1.0, 4.0]


def reference(logits, labels, gamma, alpha, class_weight, variant, weight=None):
    """Pixel by pixel, with Python's floats."""
    losses, entropies, shares = [], [], []
    for n, row, column in np.ndindex(*labels.shape):
        label = labels[n, row, column].item()
        if label == 255:
            continue
        scores = [logits[n, c, row, column] for c in range(logits.shape[1])]
        probability = scores[label].exp() / sum(score.exp() for score in scores)
        factor = 1.0 if weight is None else weight[n, row, column].item()
        entropies.append(-probability.log())
        losses.append(factor * alpha * (1 - probability) ** gamma * -probability.log())
        shares.append(1.0 if class_weight is None else class_weight[label])
    if variant == 'published':
        mean = sum(share * entropy for share, entropy in zip(shares, entropies, strict=True)) / sum(shares)
        return alpha * (1 - (-mean).exp()) ** gamma * mean
    return sum(share * loss for share, loss in zip(shares, losses, strict=True)) / sum(shares)


def sample():
    logits = torch.randn(2, 4, 3, 5, dtype=torch.float64) * 2
    labels = torch.randint(4, (2, 3, 5))
    labels[0, 0, :3] = 255
    return logits, labels


@pytest.mark.parametrize('variant', ['pixel', 'published'])
@pytest.mark.parametrize('class_weight', [None, WEIGHTS], ids=['equal', 'weighted'])
@pytest.mark.parametrize('gamma', [0.0, 0.5, 2.0])
def test_value_and_gradient(gamma, class_weight, variant):
    logits, labels = sample()
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    weights = class_weight and torch.tensor(class_weight, dtype=torch.float64)

    loss = softmax_focal_loss(ours, labels, gamma, 0.5, weights, variant=variant)
    expected = reference(theirs, labels, gamma, 0.5, class_weight, variant)

    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    (gradient,), (expected_gradient,) = torch.autograd.grad(loss, ours), torch.autograd.grad(expected, theirs)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-15)


def test_weights_of_pixels():
    logits, labels = sample()
    weight = torch.rand(labels.shape, dtype=torch.float64)
    loss = softmax_focal_loss(logits, labels, weight=weight)
    torch.testing.assert_close(loss, reference(logits, labels, 2.0, 0.5, None, 'pixel', weight), rtol=1e-10, atol=0)


@pytest.mark.parametrize('class_weight', [None, WEIGHTS], ids=['equal', 'weighted'])
def test_without_focus_it_is_cross_entropy(class_weight):
    logits, labels = sample()
    weights = class_weight and torch.tensor(class_weight, dtype=torch.float64)
    loss = softmax_focal_loss(logits, labels, 0.0, 1.0, weights)
    expected = torch.nn.functional.cross_entropy(logits, labels, weights, ignore_index=255)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)


def test_without_focus_and_weights_it_is_the_loss_of_mmseg():
    logits, labels = sample()
    ours = SoftmaxFocalLoss(gamma=0, alpha=1)(logits, labels, ignore_index=255)
    theirs = CrossEntropyLoss(avg_non_ignore=True)(logits, labels, ignore_index=255)
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=0)  # mmseg adds float32's epsilon to the denominator


def test_the_published_variant_does_not_tell_easy_pixels_from_hard_ones():
    """Two pixels of one class, the second one's score far off: the mean entropy alone decides."""
    labels = torch.zeros(1, 1, 2, dtype=torch.long)
    easy_and_hard = torch.tensor([[0.99, 0.01]], dtype=torch.float64)
    both_between = easy_and_hard.prod().sqrt().expand(1, 2)
    logits = [torch.stack([p.log(), (1 - p).log()], 1)[:, :, None] for p in (easy_and_hard, both_between)]
    published = [softmax_focal_loss(x, labels, variant='published').item() for x in logits]
    pixel = [softmax_focal_loss(x, labels).item() for x in logits]
    assert published[0] == pytest.approx(published[1])
    assert pixel[0] > 1.2 * pixel[1]


@pytest.mark.parametrize('variant', ['pixel', 'published'])
@pytest.mark.parametrize('gamma', [0.0, 0.5, 2.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_nothing_labelled(variant, gamma, dtype):
    logits = torch.randn(1, 4, 2, 2, dtype=dtype, requires_grad=True)
    labels = torch.full((1, 2, 2), 255)
    loss = softmax_focal_loss(logits, labels, gamma, variant=variant)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize('variant', ['pixel', 'published'])
@pytest.mark.parametrize('gamma', [0.0, 0.5, 2.0])
@pytest.mark.parametrize('label', [0, 1], ids=['certain', 'certainly wrong'])
def test_gradients_are_finite_where_the_softmax_saturates(gamma, variant, label):
    logits = torch.tensor([300.0, -300.0]).reshape(1, 2, 1, 1).requires_grad_()
    loss = softmax_focal_loss(logits, torch.tensor([[[label]]]), gamma, variant=variant)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(0.5 * 600 * label)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize('suffix', ['npy', 'json'])
def test_class_weights_come_from_a_file(suffix, tmp_path):
    init_default_scope('mmseg')
    path = tmp_path / f'weights.{suffix}'
    if suffix == 'npy':
        np.save(path, np.array(WEIGHTS))
    else:
        path.write_text(json.dumps(WEIGHTS))
    loss = MODELS.build(dict(type='SoftmaxFocalLoss', class_weight=str(path), loss_weight=3.0))
    logits, labels = sample()

    expected = 3 * softmax_focal_loss(logits, labels, class_weight=torch.tensor(WEIGHTS, dtype=torch.float64))
    torch.testing.assert_close(loss(logits, labels), expected, rtol=1e-12, atol=0)
    assert loss.state_dict() == {}
    with torch.device('meta'):
        emptied = MODELS.build(dict(type='SoftmaxFocalLoss', class_weight=str(path), loss_weight=3.0))
    torch.testing.assert_close(emptied.to_empty(device='cpu')(logits, labels), expected, rtol=1e-12, atol=0)
    assert loss.loss_name == 'loss_focal'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(gamma=-1.0), 'gamma must be at least 0, got -1.0'),
        (dict(gamma=math.nan), 'gamma must be at least 0, got nan'),
        (dict(variant='mean'), "variant must be one of pixel, published, got 'mean'"),
        (dict(class_weight=torch.ones(3)), r'class_weight must have 4 values, got shape \(3,\)'),
        (dict(variant='published', weight=torch.ones(2, 3, 5)), "weight must be None for variant='published'"),
    ],
    ids=['negative', 'nan', 'variant', 'weights', 'pixels'],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        softmax_focal_loss(*sample(), **arguments)


@pytest.mark.parametrize('arguments', [dict(gamma=-1), dict(variant='mean')], ids=['gamma', 'variant'])
def test_a_wrong_loss_is_not_built(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        SoftmaxFocalLoss(**arguments)
