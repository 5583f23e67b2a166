import pytest

from lab.comparison import Recipe


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'epochs': 0}, 'epochs must be at least 1, got 0'),
        ({'test_images': 0}, 'test_images must be at least 1, got 0'),
        ({'train_images': 1700}, r'at most 1797 together, got 1700 \+ 597'),
        ({'batch_size': 1}, 'batch_size must be between 2 and 1200 images, got 1'),
        ({'train_images': 16}, 'batch_size must be between 2 and 16 images, got 32'),
        ({'learning_rate': 0.0}, 'learning_rate must be above 0'),
        ({'momentum': 1.0}, 'got 0.05, 1.0 and 0.0005'),
    ],
    ids=['epochs', 'test', 'overlap', 'batch', 'few-images', 'learning-rate', 'momentum'],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**options)
