import pytest
import torch

from antialias_plugins.metrics import Instances

TWO, BOXES, MASKS = torch.ones(2), torch.ones(2, 4), torch.ones(2, 5, 6, dtype=torch.bool)


@pytest.mark.parametrize(
    ('arguments', 'kinds'),
    [((TWO, TWO, BOXES, MASKS), {'mask', 'box'}), ((TWO, TWO, BOXES), {'box'}), ((TWO, TWO, None, MASKS), {'mask'})],
    ids=['both', 'boxes', 'masks'],
)
def test_shapes(arguments, kinds):
    assert Instances(*arguments).shapes.keys() == kinds


def test_there_may_be_none():
    assert Instances(TWO[:0], TWO[:0], BOXES[:0], MASKS[:0]).shapes['mask'].shape == (0, 5, 6)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((TWO, TWO), 'boxes or masks must be given, got neither'),
        ((TWO[None], TWO, BOXES), r'scores must have shape \(1,\) for 1 scores, got \(1, 2\)'),
        ((TWO, TWO[:1], BOXES), r'labels must have shape \(2,\) for 2 scores, got \(1,\)'),
        ((TWO, TWO, BOXES[:, :3]), r'boxes must have shape \(2, 4\) for 2 scores, got \(2, 3\)'),
        ((TWO / 0, TWO, BOXES), r'scores must be finite, got \[inf, inf\]'),
        ((TWO, TWO, BOXES * torch.nan), r'boxes must be finite, got \[nan'),
        ((TWO, TWO, None, MASKS[:1]), r'masks must be boolean and of shape \(2, h, w\), got .* \(1, 5, 6\)'),
        ((TWO, TWO, None, MASKS[0]), r'masks must be boolean and of shape \(2, h, w\), got .* \(5, 6\)'),
        ((TWO, TWO, None, MASKS.float()), r'masks must be boolean .* got torch.float32 of shape'),
    ],
    ids=['neither', 'batch', 'labels', 'boxes', 'scores', 'nan', 'masks', 'mask', 'probabilities'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        Instances(*arguments)
