import pytest

from lab.comparison import Recipe


@pytest.fixture
def recipe():
    """Two steps on few images."""
    return Recipe(epochs=1, batch_size=16, train_images=32, test_images=16)
