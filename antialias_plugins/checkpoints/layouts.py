"""What other projects call the same tensors.

The keys of a file and those of a network are both translated into canonical names: those of torchvision's networks,
with an adaptive filter called ``aa`` below the module that it belongs to. Tensors with the same canonical name are the
same. All that is particular to a project stands in this file, and for whole segmentation networks in `segmentors`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from antialias_plugins.checkpoints.segmentors import SEGMENTORS, Segmentor

# The keys of torchvision's networks, which timm and OpenMMLab often share.
PLAIN = 'plain keys'

Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sequentials:
    """How a project puts filters into a network: as members of a `torch.nn.Sequential`, so that its keys shift.

    Attributes:
        name: what messages call it.
        filter: pattern of the keys of a filter, whose first group is the filter's name.
        rules: what is left to rename (pattern, replacement) once the indices are counted without the filters.
        signature: keys that must occur.
    """

    name: str
    filter: str
    rules: Rules
    signature: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Layout:
    """How a project names the modules of one family of networks.

    Attributes:
        name: what messages call it.
        signature: keys that occur together in no other layout.
        modules: canonical name of every module that is called otherwise.
    """

    name: str
    signature: frozenset[str]
    modules: Mapping[str, str] = field(repr=False)


# layer2.0.conv3 is Sequential(filter, convolution) in both: layer2.0.conv3.0.weight once the filter is not counted.
_UNWRAPPED = (r'(layer\d+\.\d+\.conv\d)\.0\.(\w+)', r'\1.\2')

# The layers of learnable_polyphase_sampling, whose max pool holds the one behind the stem too, and their parts.
_LPS_LAYERS = (
    (r'maxpool\.0', 'relu'),
    (r'maxpool\.2', 'maxpool'),
    (r'(layer\d+\.\d+)\.conv\d\.0', r'\1'),
    (r'(layer\d+\.\d+\.downsample\.0)', r'\1'),
)
_LPS_PARTS = ((r'component_selection\.get_logits', 'aa'), ('_antialias_layer', 'aa.adaptive'))

SEQUENTIALS = (
    Sequentials(
        'LPS',
        r'(.+)\.component_selection\.gumbel_tau',
        (
            *(
                (rf'core\.{layer}\.{part}\.(?P<parameter>.+)', rf'{name}.{aa}.\g<parameter>')
                for layer, name in _LPS_LAYERS
                for part, aa in _LPS_PARTS
            ),
            (rf'core\.{_UNWRAPPED[0]}', _UNWRAPPED[1]),
            (r'core\.(.+)', r'\1'),
        ),
        signature=frozenset({'core.conv1.weight'}),
    ),
    Sequentials(
        'DDAC',
        r'(maxpool\.\d+|layer\d+\.\d+\.(?:conv\d|downsample)\.\d+)\.(?:conv|bn)\.\w+',
        (
            (r'maxpool\.\d+\.((?:conv|bn)\.\w+)', r'maxpool.aa.\1'),
            (r'(layer\d+\.\d+)\.conv\d\.0\.((?:conv|bn)\.\w+)', r'\1.aa.\2'),
            (r'(layer\d+\.\d+\.downsample\.0)\.((?:conv|bn)\.\w+)', r'\1.aa.\2'),
            _UNWRAPPED,
        ),
    ),
    Sequentials(  # its MobileNetV2 has no dropout in front of the linear layer
        'antialiased-cnns',
        r'(.+)\.filt',
        ((r'classifier\.0\.(\w+)', r'classifier.1.\1'),),
        signature=frozenset({'features.18.0.weight', 'classifier.0.weight'}),
    ),
    Sequentials('antialiased-cnns', r'(.+)\.filt', (_UNWRAPPED,)),
)


def _mobilenet_v2(block: str, first: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """The modules of the inverted residuals, which torchvision numbers throughout and others by stage and block."""
    places = [(stage, index) for stage, depth in enumerate((1, 2, 3, 4, 3, 3, 1)) for index in range(depth)]
    names = {}
    for number, (stage, index) in enumerate(places, 1):
        name = block.format(stage=stage, level=stage + 1, index=index, number=number)
        for theirs, canonical in (others if stage else first).items():
            names[f'{name}.{theirs}'] = f'features.{number}.conv.{canonical}'
    return names


LAYOUTS = (
    Layout(
        'timm vgg',
        frozenset({'features.0.weight', 'pre_logits.fc1.weight'}),
        {'pre_logits.fc1': 'classifier.0', 'pre_logits.fc2': 'classifier.3', 'head.fc': 'classifier.6'},
    ),
    Layout(
        'timm mobilenetv2',
        frozenset({'conv_stem.weight', 'blocks.0.0.conv_dw.weight', 'blocks.1.0.conv_pwl.weight'}),
        {
            **{'conv_stem': 'features.0.0', 'bn1': 'features.0.1'},
            **_mobilenet_v2(
                'blocks.{stage}.{index}',
                {'conv_dw': '0.0', 'bn1': '0.1', 'conv_pw': '1', 'bn2': '2'},
                {
                    **{'conv_pw': '0.0', 'bn1': '0.1', 'conv_dw': '1.0', 'bn2': '1.1', 'aa': '1.2.aa'},
                    **{'conv_pwl': '2', 'bn3': '3'},
                },
            ),
            **{'conv_head': 'features.18.0', 'bn2': 'features.18.1', 'classifier': 'classifier.1'},
        },
    ),
    Layout(  # as in torchvision at first: a convolution, its norm and its activation are not grouped
        'flat MobileNetV2',
        frozenset({'features.1.conv.3.weight', 'features.2.conv.6.weight'}),
        _mobilenet_v2(
            'features.{number}.conv',
            {'0': '0.0', '1': '0.1', '3': '1', '4': '2'},
            {'0': '0.0', '1': '0.1', '3': '1.0', '4': '1.1', '6': '2', '7': '3'},
        ),
    ),
    Layout(
        'OpenMMLab MobileNetV2',
        frozenset({'conv1.conv.weight', 'layer1.0.conv.0.conv.weight', 'layer7.0.conv.2.conv.weight'}),
        {
            **{'conv1.conv': 'features.0.0', 'conv1.bn': 'features.0.1'},
            **_mobilenet_v2(
                'layer{level}.{index}.conv',
                {'0.conv': '0.0', '0.bn': '0.1', '1.conv': '1', '1.bn': '2'},
                {
                    **{'0.conv': '0.0', '0.bn': '0.1', '1.conv': '1.0', '1.bn': '1.1', '1.activate': '1.2'},
                    **{'2.conv': '2', '2.bn': '3'},
                },
            ),
            **{'conv2.conv': 'features.18.0', 'conv2.bn': 'features.18.1'},
        },
    ),
)

# Canonical names of linear layers that timm writes as convolutions over the whole of their input.
LINEAR = frozenset({'classifier.0.weight', 'classifier.3.weight'})

# What a network without a classifier lacks.
HEAD = re.compile(r'fc\.|classifier\.|features\.18\.[01]\.')

# What a segmentor of dual super-resolution lacks once it is trained.
BRANCH = re.compile(r'sisr_head\.|feature_transform\.')

# The parameters of an adaptive filter, or of a learnable choice.
ADAPTIVE = re.compile(r'(?:.+\.)?aa\.(?:adaptive\.)?(?:conv\d?|bn)\.\w+')

# What a network computes without, or makes itself.
NOT_STORED = ('.filt', '.gumbel_tau')

_OLD_DENSENET = ((r'(.+\.denselayer\d+\.(?:norm|conv))\.(\d)\.(\w+)', r'\1\2.\3'),)

# mmseg and mmcv call a group norm after its type, all others after what it takes the place of.
_GROUP_NORM = ((r'(.+\.)?gn(\d?)\.(\w+)', r'\1bn\2.\3'),)

# timm's name of what torchvision and OpenMMLab call relu, behind which a stem keeps its phase
_STEM = ((r'act1\.aa\.(.+)', r'relu.aa.\1'),)

_READER = re.compile(r'(layer\d+\.\d+)\.conv([23])\.aa\.(.+)')


def canonical_names(keys: Iterable[str]) -> tuple[str, dict[str, str | None]]:
    """Recognise the layout of a state dict and translate its keys.

    Args:
        keys: all keys of the state dict.

    Returns:
        What the layout is called, and the canonical name of every key; None for a fixed filter.
    """
    keys = dict.fromkeys(keys)
    for segmentor in SEGMENTORS:
        if segmentor.signature <= keys.keys():
            return _names_of_segmentor(segmentor, keys)
    return _names_of_network(keys)


def _names_of_segmentor(segmentor: Segmentor, keys: Mapping[str, None]) -> tuple[str, dict[str, str | None]]:
    heads = {key: _with_modules(key, segmentor.modules) for key in keys}
    within = {
        key.removeprefix(segmentor.backbone): key
        for key, name in heads.items()
        if name == key and key.startswith(segmentor.backbone)
    }
    layout, names = _names_of_network(dict.fromkeys(within))
    backbone = {within[key]: name and f'backbone.{name}' for key, name in names.items()}
    return f'{segmentor.name}, {layout}', {
        key: backbone[key] if key in backbone else _rename(name, _GROUP_NORM) for key, name in heads.items()
    }


def _names_of_network(keys: Mapping[str, None]) -> tuple[str, dict[str, str | None]]:
    name, names = _translate(keys)
    blocks = {key.removesuffix('.conv3.weight') for key in keys if key.endswith('.conv3.weight')}
    renamed = {key: new and _rename(_rename(_rename(new, _OLD_DENSENET), _GROUP_NORM), _STEM) for key, new in names}
    return name, {key: new and _in_slot(new, blocks) for key, new in renamed.items()}


def _translate(keys: Mapping[str, None]) -> tuple[str, Iterator[tuple[str, str | None]]]:
    for scheme in SEQUENTIALS:
        filters = {match[1] for key in keys if (match := re.fullmatch(scheme.filter, key))}
        if filters and scheme.signature <= keys.keys():
            return scheme.name, ((key, _without_filters(key, filters, scheme.rules)) for key in keys)
    for layout in LAYOUTS:
        if layout.signature <= keys.keys():
            return layout.name, ((key, _with_modules(key, layout.modules)) for key in keys)
    return PLAIN, ((key, key) for key in keys)


def _without_filters(key: str, filters: set[str], rules: Rules) -> str | None:
    """Count every index of a key without the filters in front of it."""
    if key.endswith(NOT_STORED):
        return None
    parts = key.split('.')
    counted = [
        str(int(part) - sum('.'.join([*parts[:depth], str(index)]) in filters for index in range(int(part))))
        if part.isdigit()
        else part
        for depth, part in enumerate(parts)
    ]
    return _rename('.'.join(counted), rules)


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
