"""pytorch-deeplab-xception's networks as plain functions of a state dict, in float64 and at any width.

They are written from a description of that project's layers, and share no code with the package: truth for the tests of
backbones, head and converter. What is called for the first time makes its tensors up, so the functions are the list of
keys and shapes as well.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

ASPP_RATES = {8: (12, 24, 36), 16: (6, 12, 18)}
RESNET_STAGES = {16: ((1, 1), (2, 1), (2, 1), (1, 2)), 8: ((1, 1), (2, 1), (1, 2), (1, 4))}  # stride, dilation
MOBILENET_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Published:
    """A network of the project.

    Args:
        backbone: 'resnet', 'mobilenet' or 'drn'.
        output_stride: 8 or 16; DRN's is 8.
        classes: number of classes.
        width: 1 for the published network, less for a narrower one; MobileNetV2 has but one width.
        blocks: residual blocks in each stage of 'resnet' and 'drn'.
        device: 'meta' for a state dict of shapes alone.
    """

    def __init__(
        self,
        backbone: str,
        output_stride: int,
        classes: int = 5,
        width: float = 1 / 16,
        blocks: tuple[int, ...] = (3, 4, 6, 3),
        device: str = 'cpu',
    ):
        self.backbone, self.output_stride, self.classes = backbone, output_stride, classes
        self.width, self.blocks = width, blocks
        self.state: dict[str, Tensor] = {}
        self.generator = torch.Generator().manual_seed(0)
        self(torch.zeros(1, 3, 32, 32, dtype=torch.float64, device=device))

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, classes, H, W) of images (N, 3, H, W)."""
        x, low = self.features(images)
        logits = self.decoder(self.aspp(x), low)
        return F.interpolate(logits, size=images.shape[2:], mode='bilinear', align_corners=True)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The last map and the low-level one."""
        return getattr(self, self.backbone)(images)

    def wide(self, channels: int) -> int:
        return max(1, round(channels * self.width))

    def tensor(self, name: str, x: Tensor, *shape: int, low: float, high: float) -> Tensor:
        if name not in self.state:
            values = x.new_empty(shape)
            self.state[name] = values.uniform_(low, high, generator=self.generator) if x.is_cpu else values
        assert self.state[name].shape == shape
        return self.state[name]

    def conv(self, name, x, out, kernel=1, stride=1, dilation=1, padding=None, groups=1, bias=False) -> Tensor:
        fan_in = x.shape[1] // groups * kernel**2
        bound = (6 / fan_in) ** 0.5
        weight = self.tensor(f'{name}.weight', x, out, x.shape[1] // groups, kernel, kernel, low=-bound, high=bound)
        bias = self.tensor(f'{name}.bias', x, out, low=-1, high=1) if bias else None
        padding = dilation * (kernel // 2) if padding is None else padding
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    def norm(self, name: str, x: Tensor) -> Tensor:
        channels = x.shape[1]
        weight = self.tensor(f'{name}.weight', x, channels, low=0.5, high=1.5)
        bias = self.tensor(f'{name}.bias', x, channels, low=-0.5, high=0.5)
        mean = self.tensor(f'{name}.running_mean', x, channels, low=-0.5, high=0.5)
        variance = self.tensor(f'{name}.running_var', x, channels, low=0.5, high=1.5)
        self.state.setdefault(f'{name}.num_batches_tracked', torch.tensor(7))
        return F.batch_norm(x, mean, variance, weight, bias, eps=1e-5)

    def bottleneck(self, name: str, x: Tensor, planes: int, stride: int, dilation: int) -> Tensor:
        y = self.norm(f'{name}.bn1', self.conv(f'{name}.conv1', x, planes)).relu()
        y = self.norm(f'{name}.bn2', self.conv(f'{name}.conv2', y, planes, 3, stride, dilation)).relu()
        y = self.norm(f'{name}.bn3', self.conv(f'{name}.conv3', y, 4 * planes))
        if stride > 1 or x.shape[1] != 4 * planes:
            x = self.norm(f'{name}.downsample.1', self.conv(f'{name}.downsample.0', x, 4 * planes, stride=stride))
        return (x + y).relu()

    def resnet(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm('backbone.bn1', self.conv('backbone.conv1', x, self.wide(64), 7, 2)).relu()
        x = F.max_pool2d(x, 3, 2, 1)
        maps = []
        for stage, (stride, dilation) in enumerate(RESNET_STAGES[self.output_stride]):
            for block in range(self.blocks[stage]):
                grid = 2**block if stage == 3 else 1  # the multi-grid 1, 2, 4
                name = f'backbone.layer{stage + 1}.{block}'
                x = self.bottleneck(name, x, self.wide(64 * 2**stage), 1 if block else stride, grid * dilation)
            maps.append(x)
        return maps[-1], maps[0]

    def drn(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm('backbone.layer0.1', self.conv('backbone.layer0.0', x, self.wide(16), 7)).relu()
        x = self.norm('backbone.layer1.1', self.conv('backbone.layer1.0', x, self.wide(16), 3)).relu()
        x = self.norm('backbone.layer2.1', self.conv('backbone.layer2.0', x, self.wide(32), 3, 2)).relu()
        maps = []
        for stage, (stride, dilation) in enumerate(((2, 1), (2, 1), (1, 2), (1, 4))):
            for block in range(self.blocks[stage]):
                name = f'backbone.layer{stage + 3}.{block}'
                x = self.bottleneck(name, x, self.wide(64 * 2**stage), 1 if block else stride, dilation)
            maps.append(x)
        x = self.norm('backbone.layer7.1', self.conv('backbone.layer7.0', x, self.wide(512), 3, dilation=2)).relu()
        x = self.norm('backbone.layer8.1', self.conv('backbone.layer8.0', x, self.wide(512), 3)).relu()
        return x, maps[0]

    def mobilenet(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Every tensor is stored twice: below ``features`` and below the half that its block belongs to."""
        x = self.conv('backbone.features.0.0', x, 32, 3, 2)
        x = F.relu6(self.norm('backbone.features.0.1', x))
        number, reached, rate = 1, 2, 1
        for expansion, channels, count, stride in MOBILENET_STAGES:
            if reached == self.output_stride:
                stride, dilation, rate = 1, rate, rate * stride
            else:
                dilation, reached = 1, reached * stride
            for block in range(count):
                x = self.inverted_residual(number, x, channels, expansion, 1 if block else stride, dilation)
                number += 1
            if channels == 24:
                low = x
        for key in [key for key in self.state if key.startswith('backbone.features.')]:
            half = 'low' if int(key.split('.')[2]) < 4 else 'high'
            self.state[key.replace('features', f'{half}_level_features')] = self.state[key]
        return x, low

    def inverted_residual(self, number, x, channels, expansion, stride, dilation) -> Tensor:
        name, inputs = f'backbone.features.{number}.conv', x
        y = F.pad(x, [dilation] * 4)  # in front of the expansion
        if expansion > 1:
            y = F.relu6(self.norm(f'{name}.1', self.conv(f'{name}.0', y, expansion * x.shape[1])))
        index = 3 if expansion > 1 else 0
        y = self.conv(f'{name}.{index}', y, y.shape[1], 3, stride, dilation, padding=0, groups=y.shape[1])
        y = F.relu6(self.norm(f'{name}.{index + 1}', y))
        y = self.norm(f'{name}.{index + 4}', self.conv(f'{name}.{index + 3}', y, channels))
        return inputs + y if stride == 1 and inputs.shape[1] == channels else y

    def aspp(self, x: Tensor) -> Tensor:
        channels = self.wide(256)
        branches = []
        for index, rate in enumerate((1, *ASPP_RATES[self.output_stride]), 1):
            y = self.conv(f'aspp.aspp{index}.atrous_conv', x, channels, 3 if index > 1 else 1, dilation=rate)
            branches.append(self.norm(f'aspp.aspp{index}.bn', y).relu())
        pooled = self.conv('aspp.global_avg_pool.1', x.mean((2, 3), keepdim=True), channels)
        branches.append(self.norm('aspp.global_avg_pool.2', pooled).relu().expand_as(branches[0]))
        return self.norm('aspp.bn1', self.conv('aspp.conv1', torch.cat(branches, 1), channels)).relu()

    def decoder(self, x: Tensor, low: Tensor) -> Tensor:
        channels = self.wide(256)
        low = self.norm('decoder.bn1', self.conv('decoder.conv1', low, self.wide(48))).relu()
        x = torch.cat([F.interpolate(x, size=low.shape[2:], mode='bilinear', align_corners=True), low], 1)
        x = self.norm('decoder.last_conv.1', self.conv('decoder.last_conv.0', x, channels, 3)).relu()
        x = self.norm('decoder.last_conv.5', self.conv('decoder.last_conv.4', x, channels, 3)).relu()
        return self.conv('decoder.last_conv.8', x, self.classes, bias=True)
