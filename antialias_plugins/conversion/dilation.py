"""Stages of a ResNet that were built with dilation in place of a stride.

Such a stage no longer says where its stride was. DDAC's segmentation (https://arxiv.org/abs/2008.09604) keeps the
filter there, with stride 1, so that an antialiased ImageNet checkpoint still fits; this module finds the convolutions
to put it at.
"""

from collections.abc import Iterator

from torch import nn

from antialias_plugins.conversion import operators as ops


def dilated_roots(model: nn.Module) -> list[str]:
    """Names of the stride-1 convolutions (and poolings) that would be strided if their stage were not dilated.

    It knows residual networks by their shape: stages are sibling sequences of blocks, a block has ``conv1``, ``conv2``
    and a ``downsample`` path in the first place of its stage. A stage is dilated in place of a stride when it
    dilates more than the stage before and its first block does not stride.
    """
    roots: list[str] = []
    for prefix, parent in model.named_modules():
        before = 1
        for name, stage in parent.named_children():
            blocks = list(stage.children()) if isinstance(stage, (nn.Sequential, nn.ModuleList)) else []
            if not blocks or not all(map(_is_residual_block, blocks)):
                continue
            dilation = max(ops.pair(m.dilation)[0] for m in stage.modules() if ops.is_conv(m))
            if dilation > before and not _is_strided(blocks[0]):
                roots += (f'{prefix}.{name}.0.{root}'.lstrip('.') for root in _block_roots(blocks[0]))
            before = max(before, dilation)
    return roots


def _is_residual_block(module: nn.Module) -> bool:
    return hasattr(module, 'downsample') and all(
        isinstance(getattr(module, n, None), nn.Module) for n in ('conv1', 'conv2')
    )


def _is_strided(block: nn.Module) -> bool:
    return any(ops.is_conv(m) and ops.stride_of(m) != (1, 1) for m in block.modules())


def _block_roots(block: nn.Module) -> Iterator[str]:
    """The convolution that strides in an undilated block, on the main path and on the skip path."""
    is_bottleneck = isinstance(getattr(block, 'conv3', None), nn.Module)
    yield 'conv2' if is_bottleneck and getattr(block, 'style', 'pytorch') == 'pytorch' else 'conv1'
    if block.downsample is not None:
        pools_and_convs = (
            name
            for name, module in block.downsample.named_modules(prefix='downsample')
            if ops.is_conv(module) or isinstance(module, nn.AvgPool2d)
        )
        yield next(pools_and_convs)
