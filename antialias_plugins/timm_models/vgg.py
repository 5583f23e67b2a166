"""The head of torchvision's VGG in timm's: the published networks pool to 7×7 at every size of the image."""

from timm.models.vgg import ConvMlp
from torch import Tensor, nn
from torch.nn import functional as F


class PooledConvMlp(ConvMlp):
    """`timm.models.vgg.ConvMlp` that pools larger maps too; timm slides its 7×7 convolution over them."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, hidden, 1, 1)."""
        return super().forward(F.adaptive_avg_pool2d(x, self.input_kernel_size))


def pool_head(vgg: nn.Module) -> None:
    """Let a timm VGG pool to 7×7 in front of its head, in place; nothing else about it changes."""
    vgg.pre_logits.__class__ = PooledConvMlp
