import pytest
import torch

from antialias_plugins.metrics import PairAgreement, segmentation_consistency


def full(value, size=(3, 4)):
    return torch.full(size, value)


@pytest.mark.parametrize(
    ('pred_b', 'agreeing'),
    [(full(1), 12), (full(2), 0), (torch.tensor([[1, 2, 2, 2]] * 3), 3)],
    ids=['all', 'none', 'first-column'],
)
def test_same_place(pred_b, agreeing):
    assert segmentation_consistency(full(1), pred_b, (0, 0), (0, 0)) == PairAgreement(agreeing, 12)


@pytest.mark.parametrize(
    ('offset_a', 'offset_b', 'pixels'),
    [((0, 0), (1, 2), 4), ((1, 2), (0, 0), 4), ((2, 0), (0, 3), 1), ((5, 7), (5, 6), 9)],
    ids=['diagonal', 'swapped', 'antidiagonal', 'far-away'],
)
def test_overlap_is_found_by_place(offset_a, offset_b, pixels):
    world = torch.arange(200).view(10, 20)  # every pixel its own class
    crops = [world[y : y + 3, x : x + 4] for y, x in (offset_a, offset_b)]
    assert segmentation_consistency(*crops, offset_a, offset_b) == PairAgreement(pixels, pixels)


def test_one_pixel_off_is_no_agreement():
    world = torch.arange(200).view(10, 20)
    crops = world[0:3, 0:4], world[1:4, 2:6]
    assert segmentation_consistency(*crops, (0, 0), (1, 1)).agreeing == 0


def test_labels_select_pixels():
    label = torch.tensor([[255, 255, 255, 255, 255], [255, 0, 0, 255, 255], [255, 255, 0, 255, 255]])
    pred_b = torch.tensor([[1, 2], [2, 1]])
    agreement = segmentation_consistency(full(1, (2, 2)), pred_b, (1, 1), (1, 1), label)
    assert agreement == PairAgreement(agreeing=2, pixels=4, labelled_agreeing=2, labelled_pixels=3)
    assert agreement.share == 1 / 2
    assert agreement.labelled_share == 2 / 3


def test_all_ignored_has_no_labelled_share():
    agreement = segmentation_consistency(full(1), full(1), (0, 0), (0, 0), full(7), ignore_index=7)
    assert (agreement.share, agreement.labelled_share) == (1.0, None)


def brute_force(pred_a, pred_b, offset_a, offset_b, label, ignore_index):
    """Pixel by pixel of the image, with dictionaries from place to class."""
    seen_a, seen_b = (
        {(offset[0] + i, offset[1] + j): pred[i, j].item() for i in range(pred.shape[0]) for j in range(pred.shape[1])}
        for pred, offset in ((pred_a, offset_a), (pred_b, offset_b))
    )
    both = seen_a.keys() & seen_b.keys()
    labelled = {place for place in both if label[place] != ignore_index}
    return PairAgreement(
        sum(seen_a[place] == seen_b[place] for place in both),
        len(both),
        sum(seen_a[place] == seen_b[place] for place in labelled),
        len(labelled),
    )


@pytest.mark.parametrize('dtype', [torch.int64, torch.uint8, torch.float32], ids=str)
def test_matches_brute_force(dtype):
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        preds = torch.randint(3, (2, 6, 7), generator=generator).to(dtype)
        offsets = [tuple(pair) for pair in torch.randint(6, (2, 2), generator=generator).tolist()]
        label = torch.randint(4, (11, 12), generator=generator)
        arguments = (*preds, *offsets, label, 3)
        assert segmentation_consistency(*arguments) == brute_force(*arguments)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((full(1), full(1, (3, 5)), (0, 0), (0, 0)), r'same shape \(h, w\), got \(3, 4\) and \(3, 5\)'),
        ((full(1, (2, 3, 4)), full(1, (2, 3, 4)), (0, 0), (0, 0)), r'same shape \(h, w\)'),
        ((full(1), full(1), (0, -1), (0, 0)), r'must not be negative, got \(0, -1\)'),
        ((full(1), full(1), (0, 0), (3, 0)), r'must let crops of size \(3, 4\) overlap'),
        (
            (full(1), full(1), (0, 1), (0, 2), full(0, (3, 4))),
            r'label must .* at least \(3, 5\), got \(3, 4\)',
        ),
    ],
    ids=['sizes', 'batch', 'negative', 'apart', 'label'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        segmentation_consistency(*arguments)
