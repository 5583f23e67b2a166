"""A state dict in the layout of any project, in that of a network."""

import warnings
from collections.abc import Iterable, Mapping

import torch
from torch import Size, Tensor, nn

from antialias_plugins.checkpoints.computation import differences
from antialias_plugins.checkpoints.copies import without_copies
from antialias_plugins.checkpoints.errors import CheckpointError
from antialias_plugins.checkpoints.layouts import ADAPTIVE, BRANCH, HEAD, LINEAR, canonical_names
from antialias_plugins.checkpoints.report import CheckpointReport, shorten
from antialias_plugins.conversion import AntialiasWarning, LeftAlone
from antialias_plugins.patterns import matching_names

Names = dict[str, str | None]


def convert_state_dict(
    state_dict: Mapping[str, Tensor], model: nn.Module, *, skip: Iterable[str] = ()
) -> tuple[dict[str, Tensor], CheckpointReport]:
    """Give every tensor of `state_dict` the name and shape that it has in `model`; change neither.

    Known are the layouts of antialiased-cnns, DDAC, LPS, torchvision, timm and OpenMMLab. ResNets, ResNeXts, DenseNets,
    VGGs, MobileNetV2 and AlexNet are translated between them, antialiased or not; any other network takes its own keys
    only. So are the whole segmentation networks of DeepLabV3Plus-Pytorch (and DDAC's fork of it), DeepLabv3.pytorch and
    others in `segmentors`, for networks of mmseg.

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
        CheckpointError: keys are left over or missing, or shapes differ.
        ValueError: a pattern of `skip` matches nothing.

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
    state_dict: Mapping[str, Tensor], model: nn.Module, skip: Iterable[str], drop_filters: bool = False
) -> tuple[dict[str, Tensor], CheckpointReport]:
    """`convert_state_dict` without its warnings.

    Args:
        state_dict: tensors by name.
        model: the network that they are for.
        skip: patterns of the network's keys to leave as they are.
        drop_filters: leave out adaptive filters that the network does not have, where it otherwise raises.
    """
    state_dict, copies = without_copies(state_dict)
    own = model.state_dict()
    skipped = matching_names('skip', 'keys', skip, own)
    layout, theirs, ours = _names(state_dict, own)
    pairs, dropped, leftovers = _pair(theirs, ours, skipped, drop_filters)
    kept, zeroed, missing = _unpaired(ours, pairs, skipped, any(map(_is_adaptive, theirs.values())))
    misshapen = [key for key, old in pairs.items() if not _fits(state_dict[old].shape, own[key].shape, ours[key])]
    if leftovers or missing or misshapen:
        shapes = [(key, state_dict[pairs[key]].shape, own[key].shape) for key in misshapen]
        raise CheckpointError(_complaint(model, layout, leftovers, missing, shapes))
    values = {key: state_dict[old].reshape(own[key].shape) for key, old in pairs.items()}
    values |= {key: torch.zeros(own[key].shape, dtype=own[key].dtype) for key in zeroed}
    report = CheckpointReport(
        model=type(model).__name__,
        layout=layout,
        loaded=tuple(pairs),
        renamed=tuple((old, key) for key, old in pairs.items() if old != key),
        dropped=(*dropped, *copies),
        kept=tuple(kept),
        zeroed=tuple(zeroed),
        notes=tuple(differences(state_dict, layout, model)),
    )
    return values, report


def warn_of_notes(report: CheckpointReport) -> None:
    """Warn of every note of a report; to be called by public functions themselves, at whose caller it points."""
    for note in report.notes:
        warnings.warn(f'{report.model}: {note}', AntialiasWarning, stacklevel=3)


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


def _complaint(
    model: nn.Module,
    layout: str,
    leftovers: list[str],
    missing: list[str],
    shapes: list[tuple[str, Size, Size]],
) -> str:
    lines = [f'{type(model).__name__}: the weights (layout: {layout}) do not fit; nothing was loaded']
    if leftovers:
        lines.append(f'left over in the file: {shorten(leftovers)}')
    if missing:
        lines.append(f'missing in the file: {shorten(missing)}')
    if shapes:
        listed = shorten(f'{key} {tuple(stored)} in the file, {tuple(wanted)} here' for key, stored, wanted in shapes)
        lines.append(f'other shapes: {listed}{_advice([key for key, *_ in shapes])}')
    return '\n  '.join(lines)


def _advice(misshapen: list[str]) -> str:
    modules = {key.rpartition('.')[0] for key in misshapen}
    if all(map(_is_adaptive, misshapen)):
        return '; filt_size and groups of the adaptive filters must be those of the weights'
    if len(modules) == 1:
        return f"; skip=['{modules.pop()}.*'] leaves a head for other classes as it is"
    return ''
