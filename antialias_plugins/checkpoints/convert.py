"""Conversion of state dicts from any known layout to that of a network, and the report of every tensor."""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Size, Tensor, nn

from antialias_plugins.checkpoints.names import ADAPTIVE, BRANCH, HEAD, LINEAR, canonical_names
from antialias_plugins.checkpoints.read import CheckpointError
from antialias_plugins.conversion import AntialiasWarning, LeftAlone
from antialias_plugins.layers import AdaptiveBlurPool2d
from antialias_plugins.utils import matching_names

Names = dict[str, str | None]

_SHOWN = 6

# The MobileNetV2 of pytorch-deeplab-xception keeps its layers in one list, and again in the two halves that it runs.
_COPY = re.compile(r'(.*)(?:low|high)_level_features\.(.+)')


@dataclass(frozen=True)
class CheckpointReport:
    """What was loaded, under which names, and what was not. Prints as a short summary.

    Attributes:
        model: class name of the network.
        layout: the layout that was recognised in the file.
        loaded: keys of the network that got a value.
        renamed: (key in the file, key in the network) of those that are called otherwise.
        dropped: keys of the file that the network does not need, with the reason.
        kept: keys of the network that are as they were, with the reason.
        zeroed: counters of batches (``num_batches_tracked``) that the file lacks and that were set to 0.
        notes: what the network computes otherwise than the one that the weights come from.
    """

    model: str
    layout: str
    loaded: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...] = ()
    dropped: tuple[LeftAlone, ...] = ()
    kept: tuple[LeftAlone, ...] = ()
    zeroed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.summary()]
        lines += [f'note: {note}' for note in self.notes]
        lines += _by_reason('NOT LOADED', self.kept)
        lines += _by_reason('dropped', self.dropped)
        if self.zeroed:
            lines.append(f'set to 0, not in the file: {_shorten(self.zeroed)}')
        if self.renamed:
            modules = dict.fromkeys((old.rpartition('.')[0], new.rpartition('.')[0]) for old, new in self.renamed)
            lines.append(f'renamed: {_shorten((f"{old} -> {new}" for old, new in modules), "; ")}')
        return '\n'.join(lines)

    def summary(self) -> str:
        """One line: how many tensors, and what became of them."""
        counts = f'{len(self.loaded)} loaded ({len(self.renamed)} renamed), {len(self.dropped)} dropped'
        return f'{self.model} from {self.layout}: {counts}, {len(self.kept)} not loaded'


def convert_state_dict(
    state_dict: Mapping[str, Tensor], model: nn.Module, *, skip: Iterable[str] = ()
) -> tuple[dict[str, Tensor], CheckpointReport]:
    """Give every tensor of `state_dict` the name and shape that it has in `model`; change neither.

    Known are the layouts of antialiased-cnns, DDAC, LPS, torchvision, timm and OpenMMLab. ResNets, ResNeXts, DenseNets,
    VGGs, MobileNetV2 and AlexNet are translated between them, antialiased or not; any other network takes its own keys
    only. So are the whole segmentation networks of DeepLabV3Plus-Pytorch (and DDAC's fork of it), DeepLabv3.pytorch and
    others in `layouts`, for networks of mmseg.

    Every key of the file is used, or its loss reported: fixed filters are not stored, and a network without a head has
    no use for one. Every key of the network gets a value, but for adaptive filters where the weights were trained
    without, and for what `skip` names. ``num_batches_tracked``, which files of torch < 0.4.1 lack, becomes 0.

    Args:
        state_dict: tensors by name, as `read_checkpoint` returns them.
        model: the network that they are for.
        skip: patterns of the network's keys (``'fc.*'``) to leave as they are.

    Returns:
        Tensors by the network's keys, and the report.

    Raises:
        CheckpointError: keys are left over or missing, shapes differ, or values are of another kind (integers where the
            network has fractions) or beyond its range.
        ValueError: an argument is of another type, or a pattern of `skip` matches nothing.

    Warns:
        AntialiasWarning: all fits, but the network does not compute what the weights were trained for.

    Example:
        >>> import torchvision
        >>> from antialias_plugins import convert_antialias
        >>> model = convert_antialias(torchvision.models.resnet18(), 'ddac3')
        >>> converted, report = convert_state_dict(torchvision.models.resnet18().state_dict(), model)
        >>> report.summary()
        'ResNet from plain keys: 122 loaded (0 renamed), 0 dropped, 42 not loaded'
    """
    values, report = match(state_dict, model, skip)
    warn_of_notes(report)
    return values, report


def match(
    state_dict: Mapping[str, Tensor],
    model: nn.Module,
    skip: Iterable[str] = (),
    drop_filters: bool = False,
    trained_shapes: Mapping[str, Size] | None = None,
    argument: str = 'model',
) -> tuple[dict[str, Tensor], CheckpointReport]:
    """`convert_state_dict` without its warnings.

    `drop_filters` drops adaptive filters that the network lacks; `trained_shapes` are the shapes of those of its keys
    that had another one when it was trained; `argument` is what the network is called in messages.
    """
    check_network(argument, model)
    if not isinstance(state_dict, Mapping) or not all(isinstance(key, str) for key in state_dict):
        raise ValueError(f'state_dict must be tensors by name, got {type(state_dict).__name__}')
    if foreign := [key for key, value in state_dict.items() if not isinstance(value, Tensor)]:
        raise ValueError(f'state_dict must hold tensors, got {type(state_dict[foreign[0]]).__name__} as {foreign[0]!r}')
    state_dict, copies = _without_copies(state_dict)
    own = model.state_dict()
    extra = [LeftAlone(key, 'no tensor') for key, value in own.items() if not isinstance(value, Tensor)]
    own = {key: value for key, value in own.items() if isinstance(value, Tensor)}
    shapes = {key: tensor.shape for key, tensor in own.items()} | dict(trained_shapes or {})
    skipped = matching_names('skip', 'keys', skip, own)
    layout, theirs, ours = _names(state_dict, own)
    pairs, dropped, leftovers = _pair(theirs, ours, skipped, drop_filters)
    kept, zeroed, missing = _unpaired(ours, pairs, skipped, any(map(_is_adaptive, theirs.values())))
    misshapen = [key for key, old in pairs.items() if not _fits(state_dict[old].shape, shapes[key], ours[key])]
    mistyped = [
        f'{key} {_type(state_dict[old])} in the file, {_type(own[key])} here'
        for key, old in pairs.items()
        if key not in misshapen and not _can_hold(own[key], state_dict[old])
    ]
    if leftovers or missing or misshapen or mistyped:
        different = [(key, state_dict[pairs[key]].shape, shapes[key]) for key in misshapen]
        raise CheckpointError(_complaint(model, layout, leftovers, missing, different, mistyped))
    values = {key: state_dict[old].reshape(shapes[key]) for key, old in pairs.items()}
    values |= {key: torch.zeros(own[key].shape, dtype=own[key].dtype) for key in zeroed}
    report = CheckpointReport(
        model=type(model).__name__,
        layout=layout,
        loaded=tuple(pairs),
        renamed=tuple((old, key) for key, old in pairs.items() if old != key),
        dropped=(*dropped, *copies),
        kept=(*kept, *extra),
        zeroed=tuple(zeroed),
        notes=(*_differences(state_dict, layout, model), *_not_finite(values)),
    )
    return values, report


def warn_of_notes(report: CheckpointReport) -> None:
    """Warn of every note of a report; to be called by public functions themselves, at whose caller it points."""
    for note in report.notes:
        warnings.warn(f'{report.model}: {note}', AntialiasWarning, stacklevel=3)


def _without_copies(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[LeftAlone]]:
    """The tensors without those that the file holds a second time, and the names of these."""
    kept, copies = dict(state_dict), []
    for key in state_dict:
        original = _COPY.sub(r'\1features.\2', key)
        if original == key or original not in state_dict:
            continue
        one, other = state_dict[key], state_dict[original]
        if _type(one) != _type(other) or not torch.equal(one, other):
            raise CheckpointError(f'{key} and {original} are one tensor of the network and differ in the file')
        del kept[key]
        copies.append(LeftAlone(key, 'stored under another name as well'))
    return kept, copies


def _names(state_dict: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[str, Names, Names]:
    """The layout of the file, and common names for its keys and those of the network."""
    layout, theirs = canonical_names(state_dict)
    stored = {key for key in state_dict if key in own or not key.endswith('.filt')}
    if stored == own.keys():
        return layout, {key: key if key in own else None for key in state_dict}, {key: key for key in own}
    return layout, theirs, canonical_names(own)[1]


def _pair(
    theirs: Names, ours: Names, skipped: set[str], drop_filters: bool
) -> tuple[dict[str, str], list[LeftAlone], list[str]]:
    """Keys of the network with their keys in the file; keys of the file that have no use; and those left over."""
    places = {name: key for key, name in ours.items() if name is not None}
    pairs: dict[str, str] = {}
    dropped, leftovers = [], []
    for old, name in theirs.items():
        key = places.get(name)
        if name is None:
            reason = 'temperature of the training' if old.endswith('.gumbel_tau') else 'fixed filter, not stored'
            dropped.append(LeftAlone(old, reason))
        elif key in skipped:
            dropped.append(LeftAlone(old, 'skip asks for it'))
        elif key is not None and key not in pairs:
            pairs[key] = old
        elif key is None and HEAD.match(name):
            dropped.append(LeftAlone(old, 'the network has no such head'))
        elif key is None and BRANCH.match(name):
            dropped.append(LeftAlone(old, 'the network has no such branch, which only its training needed'))
        elif key is None and drop_filters and _is_adaptive(name):
            dropped.append(LeftAlone(old, 'the network has no adaptive filter here'))
        else:
            leftovers.append(old)
    return pairs, dropped, leftovers


def _unpaired(
    ours: Names, pairs: Mapping[str, str], skipped: set[str], adaptive: bool
) -> tuple[list[LeftAlone], list[str], list[str]]:
    """Keys of the network to keep, counters to set to zero, and keys that are missing in the file."""
    kept, zeroed, missing = [], [], []
    for key in (key for key in ours if key not in pairs):
        if key in skipped:
            kept.append(LeftAlone(key, 'skip asks for it'))
        elif ours[key] is None:
            kept.append(LeftAlone(key, 'fixed filter, not in the file'))
        elif _is_adaptive(ours[key]) and not adaptive:
            kept.append(LeftAlone(key, 'adaptive filter, which the file lacks: it stays untrained'))
        elif key.endswith('num_batches_tracked'):
            zeroed.append(key)
        else:
            missing.append(key)
    return kept, zeroed, missing


def _is_adaptive(name: str | None) -> bool:
    return name is not None and ADAPTIVE.fullmatch(name) is not None


def _fits(stored: Size, wanted: Size, name: str | None) -> bool:
    return stored == wanted or (name in LINEAR and stored[:1] == wanted[:1] and stored.numel() == wanted.numel())


def check_network(argument: str, value: Any) -> None:
    """Make sure that an argument is a network."""
    if not isinstance(value, nn.Module):
        raise ValueError(f'{argument} must be a torch.nn.Module, got {type(value).__name__}')


def _type(tensor: Tensor) -> str:
    layout = '' if tensor.layout == torch.strided else f', {str(tensor.layout).removeprefix("torch.")}'
    return f'{str(tensor.dtype).removeprefix("torch.")}{layout}'


def _can_hold(own: Tensor, stored: Tensor) -> bool:
    """Whether values are, but for rounding, the same in a tensor of the network."""
    if any(it.is_quantized or it.layout != torch.strided for it in (own, stored)):
        return False
    kind, other = _kind(own), _kind(stored)
    if kind != other and (kind, other) != ('integers', 'fractions'):  # counters may be kept as whole fractions
        return False
    if stored.is_meta or own.dtype == stored.dtype:
        return True
    cast = stored.to(own.dtype)
    if kind == 'integers':
        return torch.equal(cast.to(stored.dtype), stored)
    return torch.equal(_finite(cast), _finite(stored))


def _kind(tensor: Tensor) -> str:
    if tensor.dtype == torch.bool or tensor.dtype.is_complex:
        return 'bits' if tensor.dtype == torch.bool else 'complex'
    return 'fractions' if tensor.dtype.is_floating_point else 'integers'


def _not_finite(values: Mapping[str, Tensor]) -> Iterator[str]:
    names = [key for key, it in values.items() if it.dtype.is_floating_point and not it.is_meta]
    if names := [key for key in names if not _finite(values[key]).all()]:
        yield f'the weights hold values that are not finite: {_shorten(names)}'


def _finite(tensor: Tensor) -> Tensor:
    return torch.isfinite(tensor if tensor.dtype.itemsize > 1 else tensor.float())  # float8 lacks the operator


def _complaint(
    model: nn.Module,
    layout: str,
    leftovers: list[str],
    missing: list[str],
    shapes: list[tuple[str, Size, Size]],
    types: list[str],
) -> str:
    lines = [f'{type(model).__name__}: the weights (layout: {layout}) do not fit; nothing was loaded']
    if leftovers:
        lines.append(f'left over in the file: {_shorten(leftovers)}')
    if missing:
        lines.append(f'missing in the file: {_shorten(missing)}')
    if shapes:
        listed = _shorten(f'{key} {tuple(stored)} in the file, {tuple(wanted)} here' for key, stored, wanted in shapes)
        lines.append(f'other shapes: {listed}{_advice([key for key, *_ in shapes])}')
    if types:
        lines.append(f'other kinds of numbers: {_shorten(types)}')
    return '\n  '.join(lines)


def _advice(misshapen: list[str]) -> str:
    modules = {key.rpartition('.')[0] for key in misshapen}
    if all(map(_is_adaptive, misshapen)):
        return '; filt_size and groups of the adaptive filters must be those of the weights'
    if len(modules) == 1:
        return f"; skip=['{modules.pop()}.*'] leaves a head for other classes as it is"
    return ''


def _differences(state_dict: Mapping[str, Tensor], layout: str, model: nn.Module) -> Iterator[str]:
    """What `model` computes otherwise than the network that a file comes from; keys and shapes alone do not tell."""
    adaptive = [module for module in model.modules() if isinstance(module, AdaptiveBlurPool2d)]
    own = {f'{name}.filt': getattr(module, 'filt', None) for name, module in model.named_modules()}
    trained, present = _widths(state_dict), _widths({name: taps for name, taps in own.items() if taps is not None})
    taps, own_taps = (' and '.join(map(str, sorted(set(widths)))) for widths in (trained, present))
    if layout.endswith('LPS') and present and not trained and not adaptive:
        yield f'the weights were trained without filters; the network has filters of {own_taps} taps'
    elif trained and set(present) != set(trained) and not adaptive:
        has = f'filters with {own_taps}' if present else "has no filters (convert_antialias(model, 'lpf4'))"
        yield f'the weights were trained with filters of {taps} taps; the network {has}'
    elif trained and len(present) != len(trained) and not adaptive:
        hint = ''
        if layout.endswith('LPS') and len(present) == len(trained) + 1:
            hint = " (convert_antialias(..., stem='lps1') leaves out that of the stem)"
        elif len(present) < len(trained):
            hint = " (convert_antialias(..., dilated='blur') keeps those of dilated stages)"
        yield f'the weights were trained with {len(trained)} filters; the network has {len(present)}{hint}'
    if layout.endswith(('DDAC', 'LPS')) and {module.softmax for module in adaptive} == {'group'}:
        yield "the weights were trained with softmax='joint'; the filters of the network have softmax='group'"
    backbone = getattr(model, 'backbone', model)
    window = getattr(getattr(backbone, 'maxpool', None), 'kernel_size', None)
    if any(re.match(r'(backbone\.)?maxpool\.1\.', key) for key in state_dict) and window not in (None, 2, (2, 2)):
        yield (
            'the weights were trained with a max pool of 2x2 pixels without padding; that of the network is larger '
            "(convert_antialias(..., maxpool='published'))"
        )
    if layout == 'pytorch-deeplab-xception, flat MobileNetV2' and getattr(backbone, 'padding', None) != 'block':
        yield (
            'the weights were trained with padding in front of every block; that of the network is inside '
            "(DilatedMobileNetV2(padding='block'))"
        )


def _widths(tensors: Mapping[str, Tensor]) -> list[int]:
    """Widths K of the fixed filters among some tensors; one of a single tap is none."""
    filters = [tensor for name, tensor in tensors.items() if name.rpartition('.')[2] == 'filt']
    widths = [tensor.shape[-1] for tensor in filters if tensor.ndim]
    return [width for width in widths if width > 1]


def _shorten(names: Iterable[str], separator: str = ', ') -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = [f'and {len(names) - _SHOWN} more'] if len(names) > _SHOWN else []
    return separator.join([*names[:_SHOWN], *more])


def _by_reason(title: str, places: tuple[LeftAlone, ...]) -> list[str]:
    reasons = dict.fromkeys(place.reason for place in places)
    named = {reason: [place.name for place in places if place.reason == reason] for reason in reasons}
    return [f'{title}: {len(names)}, {reason}: {_shorten(names)}' for reason, names in named.items()]
