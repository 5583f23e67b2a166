"""How the super-resolution branch turns its features into an image.

None of these layers is normalized. They begin with weights that keep the variance of what passes, and the last with 0,
the mean colour of the data set. Under PyTorch's own initialization the variance shrinks in every layer, and gradients
with it: the branch learns a mean colour and no more.

N: batch, C: channels, H, W: height and width of the features, R: factor of the enlargement.
"""

from collections.abc import Sequence

from torch import Tensor, nn


class SubPixelUpsampling(nn.Sequential):
    """Convolutions, of which the last predicts all pixels of a square of the image at once, and the shuffle.

    The sub-pixel convolution of `Real-Time Single Image and Video Super-Resolution
    <https://arxiv.org/abs/1609.05158>`_ with its layers: 5×5 to 64, tanh, 3×3 to 32, tanh, 3×3 to 3 R².

    Args:
        in_channels: Channels C of the features.
        factor: Enlargement R.
        channels: Channels of the first two convolutions.

    Shape:
        ``(N, C, H, W)`` to ``(N, 3, R H, R W)``.
    """

    def __init__(self, in_channels: int, factor: int, channels: tuple[int, int] = (64, 32)) -> None:
        first, second = channels
        super().__init__(
            nn.Conv2d(in_channels, first, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(first, second, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(second, 3 * factor**2, 3, padding=1),
            nn.PixelShuffle(factor),
        )
        for index in (0, 2):
            _initialize(self[index], 'tanh')
        _begin_with_zero(self[4])


class TransposedUpsampling(nn.Sequential):
    """Stages that each double the size, and a 1×1 convolution to the image.

    The layers of `Dootmaan/DSRL <https://github.com/Dootmaan/DSRL>`_: a stage is a 2×2 transposed convolution of
    stride 2 and a residual block of two 3×3 convolutions, as in EDSR but with a 1×1 convolution as its skip.

    Args:
        in_channels: Channels C of the features.
        factor: Enlargement R, two to the power of the number of stages.
        channels: Channels after each stage.

    Shape:
        ``(N, C, H, W)`` to ``(N, 3, R H, R W)``.

    Raises:
        ValueError: If ``factor`` does not fit the number of stages.
    """

    def __init__(self, in_channels: int, factor: int, channels: Sequence[int] = (64, 32, 16)) -> None:
        if factor != 2 ** len(channels):
            raise ValueError(f'factor must be 2 to the power of the {len(channels)} stages, got {factor}')
        stages = [
            nn.Sequential(nn.ConvTranspose2d(before, after, 2, stride=2), ResidualBlock(after))
            for before, after in zip([in_channels, *channels], channels, strict=False)
        ]
        super().__init__(*stages, nn.Conv2d(channels[-1], 3, 1))
        _begin_with_zero(self[-1])
        for before, (double, _) in zip([in_channels, *channels], stages, strict=False):
            # Windows do not overlap: a pixel has one tap in each channel, of which PyTorch's fans know nothing.
            nn.init.normal_(double.weight, std=before**-0.5)
            nn.init.zeros_(double.bias)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a ReLU between them, beside a 1×1 convolution; the former begin with no effect.

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels, channels, 1, bias=False)
        _initialize(self.conv1, 'relu')
        _initialize(self.skip, 'linear')
        _begin_with_zero(self.conv2)

    def forward(self, input: Tensor) -> Tensor:
        """Return a map of the shape of the input."""
        return self.conv2(self.relu(self.conv1(input))) + self.skip(input)


def _initialize(layer: nn.Conv2d, nonlinearity: str) -> None:
    """Keep the variance through the layer and the nonlinearity that follows."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity=nonlinearity)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _begin_with_zero(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
