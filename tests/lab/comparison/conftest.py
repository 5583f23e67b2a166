import pytest

from lab.comparison import Recipe


@pytest.fixture
def recipe():
    """Two steps on few images."""
    return Recipe(epochs=1, train_images=64, test_images=16)
