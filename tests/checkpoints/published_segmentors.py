"""The published DeepLabs, from their description: state dicts with their keys, and what they compute, as functions.

Nothing here knows mmseg. A state dict with random values is all there is of a network; `stem` and `width` shrink it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
GROUPS, ADAPTIVE_GROUPS = 4, 8
# The taps of [1, 2, 1] / 4 in both directions.
BINOMIAL = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64).outer(torch.tensor([1.0, 2.0, 1.0]).double()) / 16


class StateDict(dict):
    """A state dict that is filled layer by layer, as its network would be built."""

    def __init__(self, norm: str = 'bn', dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.norm_type, self.dtype = norm, dtype

    def conv(self, name: str, out: int, channels: int, size: int = 1, bias: bool = False) -> None:
        self[f'{name}.weight'] = torch.randn(out, channels, size, size, dtype=self.dtype) / (channels**0.5 * size)
        if bias:
            self[f'{name}.bias'] = torch.randn(out, dtype=self.dtype)

    def norm(self, name: str, channels: int, batch: bool = False) -> None:
        self[f'{name}.weight'] = 0.5 + torch.rand(channels, dtype=self.dtype)
        self[f'{name}.bias'] = torch.randn(channels, dtype=self.dtype) / 4
        if batch or self.norm_type == 'bn':
            self[f'{name}.running_mean'] = torch.randn(channels, dtype=self.dtype) / 4
            self[f'{name}.running_var'] = 0.5 + torch.rand(channels, dtype=self.dtype)
            self[f'{name}.num_batches_tracked'] = torch.tensor(7)

    def filter(self, name: str, method: str, channels: int) -> None:
        if method == 'lpf3':
            self[f'{name}.filt'] = BINOMIAL.expand(channels, 1, 3, 3).to(self.dtype)
        if method == 'ddac3':
            self.conv(f'{name}.conv', 9 * ADAPTIVE_GROUPS, channels, 3)
            self.norm(f'{name}.bn', 9 * ADAPTIVE_GROUPS, batch=True)


def _blocks(depth: int) -> Iterator[tuple[str, int, int]]:
    """Name, stage and number of every block."""
    for stage, count in enumerate(DEPTHS[depth]):
        yield from ((f'layer{stage + 1}.{index}', stage, index) for index in range(count))


def resnet_weights(state: StateDict, prefix: str, method: str, depth: int, width: int) -> None:
    """Fill in a ResNet of bottlenecks, whose filters are members of sequences as in DDAC's code."""
    state.conv(f'{prefix}conv1', width, 3, 7)
    state.norm(f'{prefix}bn1', width)
    state.filter(f'{prefix}maxpool.1', method, width)
    channels = width
    for name, stage, index in _blocks(depth):
        inner, name = width * 2**stage, prefix + name
        filtered = bool(method) and stage > 0 and index == 0
        state.conv(f'{name}.conv1', inner, channels)
        state.norm(f'{name}.bn1', inner)
        state.conv(f'{name}.conv2', inner, inner, 3)
        state.norm(f'{name}.bn2', inner)
        state.filter(f'{name}.conv3.0', method if filtered else '', inner)
        state.conv(f'{name}.conv3.1' if filtered else f'{name}.conv3', 4 * inner, inner)
        state.norm(f'{name}.bn3', 4 * inner)
        if index == 0:
            state.filter(f'{name}.downsample.0', method if filtered else '', channels)
            state.conv(f'{name}.downsample.{int(filtered)}', 4 * inner, channels)
            state.norm(f'{name}.downsample.{1 + filtered}', 4 * inner)
        channels = 4 * inner


def resnet(state: StateDict, prefix: str, x: Tensor, method: str, rates: tuple[int, ...], depth: int) -> list[Tensor]:
    """Maps of the four stages, the last at the stride of the third with `rates` as dilations of its blocks."""
    x = _norm(state, f'{prefix}bn1', _conv(state, f'{prefix}conv1', x, stride=2, padding=3)).relu()
    x = _filter(state, f'{prefix}maxpool.1', F.max_pool2d(x, 2, 1), 2) if method else F.max_pool2d(x, 3, 2, 1)
    maps = []
    for name, stage, index in _blocks(depth):
        name, stride = prefix + name, 2 if stage in (1, 2) and index == 0 else 1
        rate = rates[index] if stage == 3 else 1
        filtered = bool(method) and stage > 0 and index == 0
        y = _norm(state, f'{name}.bn1', _conv(state, f'{name}.conv1', x)).relu()
        dense = dict(padding=rate, dilation=rate, stride=1 if filtered else stride)
        y = _norm(state, f'{name}.bn2', _conv(state, f'{name}.conv2', y, **dense)).relu()
        if filtered:
            y = _filter(state, f'{name}.conv3.0', y, stride)
            x = _filter(state, f'{name}.downsample.0', x, stride)
        y = _norm(state, f'{name}.bn3', _conv(state, f'{name}.conv3.1' if filtered else f'{name}.conv3', y))
        if index == 0:
            x = _conv(state, f'{name}.downsample.{int(filtered)}', x, stride=1 if filtered else stride)
            x = _norm(state, f'{name}.downsample.{1 + filtered}', x)
        x = (x + y).relu()
        maps[stage:] = [x]
    return maps


def deeplab_v3_plus_weights(
    method: str = '', classes: int = 19, depth: int = 101, width: int = 64, separable: bool = False, **options
) -> StateDict:
    """A `state_dict` of DeepLabV3Plus-Pytorch, antialiased as DDAC's fork of it is."""
    state, inner, low = StateDict(**options), 4 * width, width * 3 // 4
    resnet_weights(state, 'backbone.', method, depth, width)

    def spatial(name: str, channels: int) -> None:
        if separable:
            state.conv(f'{name}.0.body.0', channels, 1, 3)
            state.conv(f'{name}.0.body.1', inner, channels)
        else:
            state.conv(f'{name}.0', inner, channels, 3)
        state.norm(f'{name}.1', inner)

    head = 'classifier.'
    state.conv(f'{head}project.0', low, 4 * width)
    state.norm(f'{head}project.1', low)
    state.conv(f'{head}aspp.convs.0.0', inner, 32 * width)
    state.norm(f'{head}aspp.convs.0.1', inner)
    for index in (1, 2, 3):
        spatial(f'{head}aspp.convs.{index}', 32 * width)
    state.conv(f'{head}aspp.convs.4.1', inner, 32 * width)
    state.norm(f'{head}aspp.convs.4.2', inner)
    state.conv(f'{head}aspp.project.0', inner, 5 * inner)
    state.norm(f'{head}aspp.project.1', inner)
    spatial(f'{head}classifier', low + inner)
    state.conv(f'{head}classifier.3', classes, inner, bias=True)
    return state


def deeplab_v3_plus(state: StateDict, x: Tensor, method: str = '', depth: int = 101) -> Tensor:
    """Logits at the size of `x`."""
    low, *_, deep = resnet(state, 'backbone.', x, method, (1, 2, 2), depth)
    head = 'classifier.'

    def spatial(name: str, x: Tensor, rate: int) -> Tensor:
        dense = dict(padding=rate, dilation=rate)
        if f'{name}.0.weight' in state:
            y = _conv(state, f'{name}.0', x, **dense)
        else:
            y = _conv(state, f'{name}.0.body.1', _conv(state, f'{name}.0.body.0', x, groups=x.shape[1], **dense))
        return _norm(state, f'{name}.1', y).relu()

    branches = [_norm(state, f'{head}aspp.convs.0.1', _conv(state, f'{head}aspp.convs.0.0', deep)).relu()]
    branches += [spatial(f'{head}aspp.convs.{index}', deep, 6 * index) for index in (1, 2, 3)]
    pooled = _conv(state, f'{head}aspp.convs.4.1', deep.mean((2, 3), keepdim=True))
    branches.append(_norm(state, f'{head}aspp.convs.4.2', pooled).relu().expand_as(branches[0]))
    deep = _norm(state, f'{head}aspp.project.1', _conv(state, f'{head}aspp.project.0', torch.cat(branches, 1))).relu()
    low = _norm(state, f'{head}project.1', _conv(state, f'{head}project.0', low)).relu()
    deep = F.interpolate(deep, low.shape[2:], mode='bilinear', align_corners=False)
    logits = _conv(state, f'{head}classifier.3', spatial(f'{head}classifier', torch.cat([low, deep], 1), 1))
    return F.interpolate(logits, x.shape[2:], mode='bilinear', align_corners=False)


def deeplab_v3_weights(classes: int = 21, depth: int = 101, width: int = 64, **options) -> StateDict:
    """A `state_dict` of DeepLabv3.pytorch."""
    state, inner = StateDict(**options), 4 * width
    resnet_weights(state, '', '', depth, width)
    for index in range(1, 6):
        state.conv(f'aspp.aspp{index}', inner, 32 * width, 3 if index in (2, 3, 4) else 1)
    for index in range(1, 6):
        state.norm(f'aspp.aspp{index}_bn', inner)
    state.conv('aspp.conv2', inner, 5 * inner)
    state.norm('aspp.bn2', inner)
    state.conv('aspp.conv3', classes, inner, bias=True)
    return state


def deeplab_v3(state: StateDict, x: Tensor, rates: tuple[int, ...] = (1, 2, 2), depth: int = 101) -> Tensor:
    """Logits at the size of `x`; with group norm, all convolutions but the last are standardised."""
    deep = resnet(state, '', x, '', rates, depth)[-1]
    branches = []
    for index in range(1, 6):
        rate = 6 * (index - 1) if index in (2, 3, 4) else 1
        y = deep if index < 5 else deep.mean((2, 3), keepdim=True)
        y = _conv(state, f'aspp.aspp{index}', y, dilation=rate, padding=rate if index in (2, 3, 4) else 0)
        branches.append(_norm(state, f'aspp.aspp{index}_bn', y).relu().expand(-1, -1, *deep.shape[2:]))
    y = _norm(state, 'aspp.bn2', _conv(state, 'aspp.conv2', torch.cat(branches, 1))).relu()
    y = F.conv2d(y, state['aspp.conv3.weight'], state['aspp.conv3.bias'])
    return F.interpolate(y, x.shape[2:], mode='bilinear', align_corners=True)


def _conv(state: StateDict, name: str, x: Tensor, **geometry: int) -> Tensor:
    weight = state[f'{name}.weight']
    if state.norm_type == 'gn':
        std, mean = torch.std_mean(weight, (1, 2, 3), keepdim=True)
        weight = (weight - mean) / (std + 1e-5)
    return F.conv2d(x, weight, state.get(f'{name}.bias'), **geometry)


def _norm(state: StateDict, name: str, x: Tensor) -> Tensor:
    weight, bias = state[f'{name}.weight'], state[f'{name}.bias']
    if f'{name}.running_var' in state:
        return F.batch_norm(x, state[f'{name}.running_mean'], state[f'{name}.running_var'], weight, bias)
    return F.group_norm(x, GROUPS, weight, bias)


def _filter(state: StateDict, name: str, x: Tensor, stride: int) -> Tensor:
    """Binomial or, with one softmax over all groups, adaptive."""
    channels, (height, width) = x.shape[1], x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1), mode='reflect')
    if f'{name}.filt' in state:
        return F.conv2d(padded, state[f'{name}.filt'], stride=stride, groups=channels)
    logits = _norm(state, f'{name}.bn', F.conv2d(padded, state[f'{name}.conv.weight']))
    taps = logits.softmax(1).unflatten(1, (ADAPTIVE_GROUPS, 9)).repeat_interleave(channels // ADAPTIVE_GROUPS, 1)
    patches = F.unfold(padded, 3).view(-1, channels, 9, height, width)
    return (taps * patches).sum(2)[..., ::stride, ::stride]
