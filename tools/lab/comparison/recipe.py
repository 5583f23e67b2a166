"""How every network is trained, whatever its filters."""

from dataclasses import dataclass

IMAGES = 1797
"""Size of scikit-learn's digits."""


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum, the learning rate falling along a cosine; no augmentation.

    Without augmentation by shifts a network is as invariant as its architecture makes it.

    Args:
        epochs: passes over the training images, at least 1.
        batch_size: from 2 to the number of training images; a last batch that is smaller is left out.
        learning_rate: at the beginning, greater than 0.
        momentum: from 0 to below 1.
        weight_decay: of the weights of convolutions and of the classifier, at least 0.
        train_images: the first images of the data set, at least 2.
        test_images: its last images, at least 1.

    Raises:
        ValueError: If an argument is outside its range.
    """

    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    train_images: int = 1200
    test_images: int = 597

    def __post_init__(self) -> None:
        for name, least in {'epochs': 1, 'train_images': 2, 'test_images': 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f'{name} must be at least {least}, got {getattr(self, name)}')
        if self.train_images + self.test_images > IMAGES:
            total = f'{self.train_images} + {self.test_images}'
            raise ValueError(f'train_images and test_images must be at most {IMAGES} together, got {total}')
        if not 2 <= self.batch_size <= self.train_images:
            raise ValueError(f'batch_size must be between 2 and {self.train_images} images, got {self.batch_size}')
        if not (self.learning_rate > 0 and 0 <= self.momentum < 1 and self.weight_decay >= 0):
            rule = 'learning_rate must be above 0, momentum in [0, 1) and weight_decay at least 0'
            raise ValueError(f'{rule}, got {self.learning_rate}, {self.momentum} and {self.weight_decay}')
