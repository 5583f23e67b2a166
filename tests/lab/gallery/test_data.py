from types import SimpleNamespace

import pytest
import torch

from lab.gallery import ClassSequence, follow_classes, typical_pixel

CLASSES = ('zero', 'one', 'two')


def network(probabilities):
    return SimpleNamespace(classes=CLASSES, probabilities=probabilities)


def test_what_stays_with_the_picture_does_not_flip():
    """Probabilities that the pixel alone decides: every view says the same of it."""
    frame = torch.randint(256, (3, 12, 15), dtype=torch.uint8)
    watched = torch.randint(3, (12, 15))
    sequence = follow_classes(network(lambda view: (view / 50.0).softmax(0)), frame, watched, 3)
    expected = (frame[:, 3:9, 3:12] / 50.0).softmax(0)
    assert sequence.prediction.shape == (4, 6, 9)
    assert sequence.flips.max() == 0
    for prediction, probability in zip(sequence.prediction, sequence.probability, strict=True):
        assert prediction.equal(expected.argmax(0))
        for row in range(6):
            for column in range(9):
                label = watched[3 + row, 3 + column]
                assert probability[row, column] == pytest.approx(expected[label, row, column].item())


def test_what_stays_with_the_window_flips():
    """The left columns of a window are class 1, whatever they show."""

    def probabilities(view):
        left = (torch.arange(view.shape[2]) < 4).float().expand(view.shape[1], -1)
        return torch.stack([1 - left, left, 0 * left])

    sequence = follow_classes(
        network(probabilities), torch.zeros(3, 9, 11, dtype=torch.uint8), torch.full((9, 11), 1), 2
    )
    # Column c of the part is column c + 2 - d of the window at shift d.
    assert sequence.prediction[:, 0].tolist() == [[1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0]]
    assert sequence.flips[0].tolist() == [0, 0, 2, 1, 0, 0, 0]
    assert sequence.probability.equal(sequence.prediction.float())


def test_a_pixel_that_nobody_watches_may_have_any_number():
    frame = torch.randint(256, (3, 8, 8), dtype=torch.uint8)
    sequence = follow_classes(network(lambda view: view.float().softmax(0)), frame, torch.full((8, 8), 255), 1)
    assert sequence.prediction.shape == (2, 6, 6)


def test_the_pixel_with_the_median_number_of_flips():
    prediction = torch.zeros(4, 2, 3, dtype=torch.int64)
    prediction[1:, 0, 0] = 1  # three flips, but not the watched class at first
    prediction[1, 0, 1] = 1
    prediction[1:, 1, 0] = 1
    prediction[1:3, 1, 2] = 1
    watched = torch.tensor([[2, 0, 0], [0, 0, 0]])
    first = ClassSequence(prediction, prediction.double())
    assert typical_pixel([first], watched) == (1, 2)
    blind = prediction.clone()
    blind[0, 1, 2] = 2  # a network that does not know that pixel
    assert typical_pixel([first, ClassSequence(blind, blind.double())], watched) != (1, 2)


def test_no_pixel_that_flips_is_an_error():
    still = torch.zeros(3, 2, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match='sequences must have a pixel that all know and the first loses at'):
        typical_pixel([ClassSequence(still, still.double())], still[0])
