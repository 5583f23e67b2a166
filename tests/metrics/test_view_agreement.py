from itertools import combinations
from math import exp

import pytest
import torch

from antialias_plugins.metrics import ViewAgreement, classification_agreement, mean_absolute_change


def one_hot(*classes):
    return torch.eye(4)[list(classes)]


@pytest.mark.parametrize(
    ('classes', 'label', 'expected'),
    [
        ((1, 1), 1, (True, True, True)),
        ((1, 1), 2, (True, False, False)),
        ((1, 2), 2, (False, True, False)),
        ((1, 2), 3, (False, False, False)),
        ((0, 0, 0), 0, (True, True, True)),
        ((0, 0, 3), 0, (False, True, False)),
        ((1, 2), None, (False, None, None)),
    ],
    ids=['right', 'wrong', 'half-right', 'both-wrong', 'three-right', 'two-of-three', 'no-label'],
)
def test_by_hand(classes, label, expected):
    agreement = classification_agreement(one_hot(*classes), label)
    assert (agreement.agree, agreement.any_correct, agreement.all_correct) == expected


def test_probability_change_by_hand():
    # The first view's top class is 0. Its probability is e/(e + 3) in the first view and 1/(e + 3) in the second.
    expected = (exp(1) - 1) / (exp(1) + 3)
    assert classification_agreement(one_hot(0, 2)).probability_change == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize('label', [None, 2], ids=['top', 'true'])
@pytest.mark.parametrize('views', [2, 3, 6])
def test_mean_absolute_change_matches_a_loop(views, label):
    probabilities = torch.randn(views, 5, dtype=torch.float64).softmax(1)
    watched = int(probabilities[0].argmax()) if label is None else label
    values = [row[watched].item() for row in probabilities]
    changes = [abs(a - b) for a, b in combinations(values, 2)]
    assert mean_absolute_change(probabilities, label).item() == pytest.approx(sum(changes) / len(changes), abs=1e-15)


def test_identical_views():
    assert classification_agreement(torch.randn(1, 7).expand(4, 7)) == ViewAgreement(True, None, None, 0.0)


@pytest.mark.parametrize(
    ('logits', 'label', 'message'),
    [
        (torch.zeros(1, 4), None, r'logits must have shape \(V, N\) with at least two views, got \(1, 4\)'),
        (torch.zeros(2), None, r'logits must have shape .* got \(2,\)'),
        (torch.tensor([[0.0, torch.nan], [0.0, 1.0]]), None, 'logits must be finite, got 1 that are not'),
        (torch.zeros(2, 4), 4, 'label must be one of 4 classes, got 4'),
        (torch.zeros(2, 4), -1, 'label must be one of 4 classes, got -1'),
    ],
    ids=['one-view', 'vector', 'nan', 'large-label', 'negative-label'],
)
def test_bad_argument(logits, label, message):
    with pytest.raises(ValueError, match=message):
        classification_agreement(logits, label)
