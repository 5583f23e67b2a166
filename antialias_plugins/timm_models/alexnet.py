"""AlexNet, which timm does not have, antialiased from the start."""

import torch
from timm.layers import SelectAdaptivePool2d
from timm.models import checkpoint_seq
from torch import Tensor, nn

from antialias_plugins.layers import BlurPool2d, MaxBlurPool2d

FEATURES = ((64, 4, 'features.1'), (192, 8, 'features.4'), (256, 16, 'features.11'), (256, 32, 'features.12'))


class AlexNet(nn.Module):
    """Antialiased AlexNet with timm's interface and torchvision's state dict (``features.0`` to ``classifier.6``).

    From `One weird trick for parallelizing convolutional neural networks <https://arxiv.org/abs/1404.5997>`_
    (Krizhevsky, 2014) and `Making Convolutional Networks Shift-Invariant Again <https://arxiv.org/abs/1904.11486>`_
    (Zhang, 2019). It computes what ``antialiased_cnns.alexnet()`` does: of the first convolution's stride of 4, half
    moves behind its ReLU, into a filter. That package's ``pool_only=True`` forgets this ReLU; it is not reproduced.

    Args:
        num_classes: classes; 0 leaves the last linear layer out.
        in_chans: channels of the image.
        global_pool: how the map is brought to 6×6: ``'avg'`` (published), ``'max'`` or ``'avgmax'``. ``''``, with
            `num_classes` 0, averages, and returns the hidden features as a map of one pixel, as timm's VGG does.
        drop_rate: dropout before both hidden layers, which the published network trained with 0.5.
        filt_size: K of the filters.
        padding_mode: of the filters.
        stem: make the first convolution dense and let the filter behind it stride by 4.
        device: of the parameters.
        dtype: of the parameters.

    Shape:
        (N, in_chans, H, W) to (N, num_classes).

    Raises:
        ValueError: `global_pool`, `filt_size`, `padding_mode` or `stem` is not one of its values.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = 'avg',
        drop_rate: float = 0.0,
        filt_size: int = 4,
        padding_mode: str = 'reflect',
        stem: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(stem, bool):
            raise ValueError(
                f'stem must be True or False, as the stem of AlexNet has no filter of its own, got {stem!r}'
            )
        self.in_chans, self.drop_rate = in_chans, drop_rate
        self.num_features, self.head_hidden_size = 256, 4096
        self.grad_checkpointing = False
        to, filters = {'device': device, 'dtype': dtype}, {'filt_size': filt_size, 'padding_mode': padding_mode}
        self.features = nn.Sequential(
            nn.Conv2d(in_chans, 64, 11, stride=1 if stem else 2, padding=2, **to),
            nn.Sequential(nn.ReLU(), BlurPool2d(64, stride=4 if stem else 2, **filters)),
            MaxBlurPool2d(3, **filters),
            nn.Conv2d(64, 192, 5, padding=2, **to),
            nn.ReLU(),
            MaxBlurPool2d(3, **filters),
            nn.Conv2d(192, 384, 3, padding=1, **to),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1, **to),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1, **to),
            nn.ReLU(),
            MaxBlurPool2d(3, **filters),
        ).to(**to)
        self.feature_info = [dict(num_chs=c, reduction=s, module=name) for c, s, name in FEATURES]
        self.classifier = nn.Sequential(
            nn.Dropout(drop_rate),
            nn.Linear(256 * 6 * 6, 4096, **to),
            nn.ReLU(),
            nn.Dropout(drop_rate),
            nn.Linear(4096, 4096, **to),
            nn.ReLU(),
            nn.Identity(),
        )
        self.reset_classifier(num_classes, global_pool)

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Patterns that sort parameters into groups by depth."""
        return dict(stem=r'^features\.0', blocks=r'^features\.(\d+)')

    @torch.jit.ignore
    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the feature layers in the backward pass, or stop doing so."""
        self.grad_checkpointing = enable

    @torch.jit.ignore
    def get_classifier(self) -> nn.Module:
        """The last linear layer."""
        return self.classifier[6]

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put in a new last layer; `global_pool` None keeps the pooling as it is.

        Raises:
            ValueError: `global_pool` is not one of its values, or ``''`` with `num_classes` above 0.
        """
        global_pool = self.pool_type if global_pool is None else global_pool
        if global_pool not in ('avg', 'max', 'avgmax', '') or (num_classes > 0 and not global_pool):
            allowed = "'avg', 'max' or 'avgmax', or '' where num_classes is 0"
            raise ValueError(f'global_pool must be {allowed}, got {global_pool!r} with num_classes {num_classes}')
        self.num_classes, self.pool_type = num_classes, global_pool
        self.global_pool = SelectAdaptivePool2d(6, pool_type=global_pool or 'avg', flatten=True).train(self.training)
        hidden = self.classifier[4].weight
        head = nn.Linear(4096, num_classes, device=hidden.device, dtype=hidden.dtype) if num_classes else nn.Identity()
        self.classifier[6] = head.train(self.training)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) to the map (N, 256, about H/32, about W/32)."""
        if self.grad_checkpointing and not torch.jit.is_scripting():
            return checkpoint_seq(self.features, x)
        return self.features(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Map to logits, or with `pre_logits` to the (N, 4096) hidden features in front of the last layer."""
        x = self.global_pool(x)
        for layer in self.classifier[:6]:
            x = layer(x)
        if not self.pool_type:
            x = x[:, :, None, None]
        return x if pre_logits else self.classifier[6](x)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        return self.forward_head(self.forward_features(x))
