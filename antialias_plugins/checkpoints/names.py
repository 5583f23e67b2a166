"""Canonical names of tensors: those of one name, in a file and in a network, are the same tensor."""

import re
from collections.abc import Iterable, Iterator, Mapping

from antialias_plugins.checkpoints.layouts import ALIASES, LAYOUTS, NOT_STORED, SEGMENTORS, SEQUENTIALS, Rules

# The keys of torchvision's networks, which timm and OpenMMLab often share.
PLAIN = 'plain keys'

# Canonical names of linear layers that timm writes as convolutions over the whole of their input.
LINEAR = frozenset({'classifier.0.weight', 'classifier.3.weight'})

# What a network without a classifier lacks.
HEAD = re.compile(r'fc\.|classifier\.|features\.18\.[01]\.')

# What a segmentor of dual super-resolution lacks once it is trained.
BRANCH = re.compile(r'sisr_head\.|feature_transform\.')

# The parameters of an adaptive filter, or of a learnable choice.
ADAPTIVE = re.compile(r'(?:.+\.)?aa\.(?:adaptive\.)?(?:conv\d?|bn)\.\w+')

_READER = re.compile(r'(layer\d+\.\d+)\.conv([23])\.aa\.(.+)')


def canonical_names(keys: Iterable[str]) -> tuple[str, dict[str, str | None]]:
    """Recognise the layout of a state dict by all its keys, and translate them.

    Returns:
        What the layout is called, and the canonical name of every key; None for a fixed filter.
    """
    keys = dict.fromkeys(keys)
    segmentor = next((layout for layout in SEGMENTORS if layout.signature <= keys.keys()), None)
    if segmentor is None:
        return _names_of_network(keys)
    heads = {key: _with_modules(key, segmentor.modules) for key in keys}
    within = {
        key.removeprefix(segmentor.backbone): key
        for key, name in heads.items()
        if name == key and key.startswith(segmentor.backbone)
    }
    layout, names = _names_of_network(dict.fromkeys(within))
    backbone = {within[key]: name and f'backbone.{name}' for key, name in names.items()}
    return f'{segmentor.name}, {layout}', {
        key: backbone[key] if key in backbone else _rename(name, ALIASES) for key, name in heads.items()
    }


def _names_of_network(keys: Mapping[str, None]) -> tuple[str, dict[str, str | None]]:
    name, names = _translate(keys)
    blocks = {key.removesuffix('.conv3.weight') for key in keys if key.endswith('.conv3.weight')}
    return name, {key: new and _in_slot(_rename(new, ALIASES), blocks) for key, new in names}


def _translate(keys: Mapping[str, None]) -> tuple[str, Iterator[tuple[str, str | None]]]:
    for scheme in SEQUENTIALS:
        filters = {match[1] for key in keys if (match := re.fullmatch(scheme.filter, key))}
        if filters and scheme.signature <= keys.keys():
            indices = _by_parent(filters)
            return scheme.name, ((key, _without_filters(key, indices, scheme.rules)) for key in keys)
    for layout in LAYOUTS:
        if layout.signature <= keys.keys():
            return layout.name, ((key, _with_modules(key, layout.modules)) for key in keys)
    return PLAIN, ((key, key) for key in keys)


def _without_filters(key: str, filters: Mapping[str, list[int]], rules: Rules) -> str | None:
    """Count every index of a key without the filters in front of it."""
    if key.endswith(NOT_STORED):
        return None
    parts = key.split('.')
    counted = []
    for depth, part in enumerate(parts):
        if re.fullmatch('[0-9]{1,9}', part):
            siblings = filters.get('.'.join(parts[:depth]), ())
            part = str(int(part) - sum(index < int(part) for index in siblings))
        counted.append(part)
    return _rename('.'.join(counted), rules)


def _by_parent(filters: set[str]) -> dict[str, list[int]]:
    """The indices of filters in the sequences that hold them."""
    found: dict[str, list[int]] = {}
    for name in filters:
        parent, _, index = name.rpartition('.')
        if re.fullmatch('[0-9]{1,9}', index):
            found.setdefault(parent, []).append(int(index))
    return found


def _with_modules(key: str, modules: Mapping[str, str]) -> str:
    """Rename the innermost module of a key that has another name."""
    module, rest = key, []
    while module and module not in modules:
        module, _, last = module.rpartition('.')
        rest.insert(0, last)
    return '.'.join([modules[module], *rest]) if module else key


def _rename(key: str, rules: Rules) -> str:
    matches = ((re.fullmatch(pattern, key), replacement) for pattern, replacement in rules)
    return next((match.expand(replacement) for match, replacement in matches if match), key)


def _in_slot(key: str, bottlenecks: set[str]) -> str:
    """A filter on a block's last convolution is the one that timm's blocks keep in a slot of their own."""
    match = _READER.fullmatch(key)
    if match is None or (match[2] == '2' and match[1] in bottlenecks):
        return key
    return f'{match[1]}.aa.{match[3]}'
