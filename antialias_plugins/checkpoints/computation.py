"""Does a network compute what its weights were trained for? Keys and shapes alone do not tell."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from antialias_plugins.layers import AdaptiveBlurPool2d


def differences(state_dict: Mapping[str, Tensor], layout: str, model: nn.Module) -> list[str]:
    """List in words what `model` computes otherwise than the network that a file comes from.

    Args:
        state_dict: tensors by their names in the file.
        layout: the layout that was recognised in them.
        model: the network that they fit into.
    """
    notes = []
    adaptive = [module for module in model.modules() if isinstance(module, AdaptiveBlurPool2d)]
    trained = _widths(state_dict)
    present = _widths(dict(model.named_buffers()))
    if layout.endswith('LPS') and present and not trained and not adaptive:
        notes.append(f'the weights were trained without filters; the network has filters of {_list(present)} taps')
    elif trained and set(present) != set(trained) and not adaptive:
        has = f'filters with {_list(present)}' if present else "has no filters (convert_antialias(model, 'lpf4'))"
        notes.append(f'the weights were trained with filters of {_list(trained)} taps; the network {has}')
    elif trained and len(present) != len(trained) and not adaptive:
        hint = "dilated='blur') keeps those of dilated stages" if len(present) < len(trained) else ''
        if layout.endswith('LPS') and len(present) == len(trained) + 1:
            hint = "stem='lps1') leaves out that of the stem"
        notes.append(
            f'the weights were trained with {len(trained)} filters; the network has {len(present)}'
            + (f' (convert_antialias(..., {hint})' if hint else '')
        )
    softmaxes = {module.softmax for module in adaptive}
    if layout.endswith(('DDAC', 'LPS')) and softmaxes == {'group'}:
        notes.append("the weights were trained with softmax='joint'; the filters of the network have softmax='group'")
    backbone = getattr(model, 'backbone', model)
    window = getattr(getattr(backbone, 'maxpool', None), 'kernel_size', None)
    if any(re.match(r'(backbone\.)?maxpool\.1\.', key) for key in state_dict) and window not in (None, 2, (2, 2)):
        notes.append(
            'the weights were trained with a max pool of 2x2 pixels without padding; that of the network is larger '
            "(convert_antialias(..., maxpool='published'))"
        )
    if layout == 'pytorch-deeplab-xception, flat MobileNetV2' and getattr(backbone, 'padding', None) != 'block':
        notes.append(
            'the weights were trained with padding in front of every block; that of the network is inside '
            "(DilatedMobileNetV2(padding='block'))"
        )
    return notes


def _widths(tensors: Mapping[str, Tensor]) -> list[int]:
    """Widths K of the fixed filters among some tensors; one of a single tap is none."""
    widths = [tensor.shape[-1] for name, tensor in tensors.items() if name.rpartition('.')[2] == 'filt']
    return [width for width in widths if width > 1]


def _list(widths: list[int]) -> str:
    return ' and '.join(map(str, sorted(set(widths))))
