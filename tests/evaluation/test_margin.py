import pytest
import torch

from antialias_plugins.evaluation.margin import label_margins, top_margin


def test_top_margin_by_hand():
    assert top_margin(torch.tensor([[1.0, 4.0, 2.5], [3.0, 3.0, 0.0]])).tolist() == [[1.5], [0.0]]


@pytest.mark.parametrize('rank', [1, 2, 5])
def test_sign_says_whether_the_label_is_among_the_top(rank):
    logits, labels = torch.randn(50, 8), torch.randint(8, (50,))
    expected = [
        int(label) in sorted(range(8), key=lambda k: -row[k])[:rank]
        for row, label in zip(logits.tolist(), labels, strict=True)
    ]
    assert (label_margins(logits, labels, (rank,)) > 0).flatten().tolist() == expected


def test_size_is_the_distance_to_the_rank():
    margins = label_margins(torch.tensor([[4.0, 3.0, 1.0, 0.0]]), torch.tensor([1]), ranks=(1, 2, 3))
    assert margins.tolist() == [[-1.0, 2.0, 3.0]]
