"""Key layouts of other projects, as data: all that is particular to a project stands here.

The canonical names are those of torchvision's networks, with an adaptive filter called ``aa`` below the module that it
belongs to. Those of a whole segmentation network are mmseg's: ``backbone.`` before the canonical name of the backbone
alone, ``decode_head.`` before what `ProjectedASPPHead`, heads that build on it, and mmseg's own call their modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
        backbone: of a segmentor, what the keys of its backbone begin with; `modules` are then those outside it.
    """

    name: str
    signature: frozenset[str]
    modules: Mapping[str, str] = field(repr=False)
    backbone: str = ''


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


def _with_norms(places: Mapping[str, str], conv: str, norm: str) -> dict[str, str]:
    """Convolutions and their norms, which mmcv's `ConvModule` calls ``conv`` and ``bn``."""
    return {
        f'{theirs}{part}': f'{ours}.{name}'
        for theirs, ours in places.items()
        for part, name in ((conv, 'conv'), (norm, 'bn'))
    }


def _within(theirs: str, ours: str, modules: Mapping[str, str]) -> dict[str, str]:
    return {f'{theirs}{name}': f'{ours}{canonical}' for name, canonical in modules.items()}


def _deeplab_v3_plus(separable: bool) -> dict[str, str]:
    """VainF's head: ``convs`` are the 1x1, the three atrous branches and the pooled one, each with its norm behind."""
    dense = {'aspp.convs.0': 'aspp_modules.0', 'aspp.project': 'bottleneck', 'project': 'c1_bottleneck'}
    spatial = {f'aspp.convs.{index}': f'aspp_modules.{index}' for index in (1, 2, 3)} | {'classifier': 'fusion'}
    names = {'classifier.3': 'conv_seg', **_with_norms({'aspp.convs.4': 'image_pool.1'}, '.1', '.2')}
    if separable:
        names |= {f'{theirs}.0.body.0': f'{ours}.depthwise_conv.conv' for theirs, ours in spatial.items()}
        pointwise = {theirs: f'{ours}.pointwise_conv' for theirs, ours in spatial.items()}
        names |= _with_norms(pointwise, '.0.body.1', '.1') | _with_norms(dense, '.0', '.1')
    else:
        names |= _with_norms(dense | spatial, '.0', '.1')
    return _within('classifier.', 'decode_head.', names)


def _deeplab_v3() -> dict[str, str]:
    """The head of DeepLabv3.pytorch: five branches, the pooled one last, then ``conv2`` over them."""
    branches = {f'aspp{index}': f'aspp_modules.{index - 1}' for index in (1, 2, 3, 4)} | {'aspp5': 'image_pool.1'}
    names = _with_norms(branches, '', '_bn') | _with_norms({'': 'bottleneck'}, 'conv2', 'bn2') | {'conv3': 'conv_seg'}
    return _within('aspp.', 'decode_head.', names)


def _deeplab_xception() -> dict[str, str]:
    """The head of pytorch-deeplab-xception, whose ``last_conv`` holds two 3x3 convolutions and the classifier."""
    branches = {f'aspp.aspp{index}': f'aspp_modules.{index - 1}' for index in (1, 2, 3, 4)}
    names = {
        **_with_norms(branches, '.atrous_conv', '.bn'),
        **_with_norms({'aspp.global_avg_pool': 'image_pool.1'}, '.1', '.2'),
        **_with_norms({'aspp': 'bottleneck', 'decoder': 'c1_bottleneck'}, '.conv1', '.bn1'),
        **_with_norms({'decoder.last_conv': 'fusion.0'}, '.0', '.1'),
        **_with_norms({'decoder.last_conv': 'fusion.2'}, '.4', '.5'),
        'decoder.last_conv.8': 'conv_seg',
    }
    return _within('', 'decode_head.', names)


def _dual_super_resolution() -> dict[str, str]:
    """What Dootmaan/DSRL adds to that head: a second decoder, three stages that double, and the feature transform."""
    names = {
        **_with_norms({'sr_decoder': 'low_level'}, '.conv1', '.bn1'),
        **_with_norms({'sr_decoder.last_conv': 'decoder.0'}, '.0', '.1'),
        **_with_norms({'sr_decoder.last_conv': 'decoder.2'}, '.4', '.5'),
        **{'sr_decoder.last_conv.8': 'decoder.4', 'up_conv_last': 'upsampling.3'},
    }
    for stage in (1, 2, 3):
        up, block = f'upsampling.{stage - 1}.0', f'upsampling.{stage - 1}.1'
        names |= {f'up_sr_{stage}': up, f'up_edsr_{stage}.residual_upsampler.0': f'{block}.skip'}
        names |= {f'up_edsr_{stage}.conv.0': f'{block}.conv1', f'up_edsr_{stage}.conv.2': f'{block}.conv2'}
    return _within('', 'sisr_head.', names) | {f'pointwise.{index}': f'feature_transform.{index}' for index in (0, 1)}


SEGMENTORS = (
    Layout('mmseg', frozenset({'decode_head.conv_seg.weight'}), {}, 'backbone.'),
    Layout(
        'DeepLabV3Plus-Pytorch, separable',
        frozenset({'classifier.aspp.project.0.weight', 'classifier.classifier.0.body.0.weight'}),
        _deeplab_v3_plus(separable=True),
        'backbone.',
    ),
    Layout(
        'DeepLabV3Plus-Pytorch',
        frozenset({'classifier.aspp.project.0.weight', 'classifier.classifier.3.weight'}),
        _deeplab_v3_plus(separable=False),
        'backbone.',
    ),
    Layout('DeepLabv3.pytorch', frozenset({'aspp.aspp5.weight', 'aspp.conv3.weight'}), _deeplab_v3()),
    Layout(
        'Dootmaan/DSRL',
        frozenset({'aspp.aspp1.atrous_conv.weight', 'sr_decoder.conv1.weight', 'up_sr_3.weight'}),
        _deeplab_xception() | _dual_super_resolution(),
        'backbone.',
    ),
    Layout(
        'pytorch-deeplab-xception',
        frozenset({'aspp.aspp1.atrous_conv.weight', 'decoder.last_conv.8.weight'}),
        _deeplab_xception(),
        'backbone.',
    ),
)

# Names of single tensors that differ within one layout.
ALIASES: Rules = (
    # torchvision < 0.2.1 numbers the two layers of a dense layer.
    (r'(.+\.denselayer\d+\.(?:norm|conv))\.(\d)\.(\w+)', r'\1\2.\3'),
    # mmseg and mmcv call a group norm after its type, all others after what it takes the place of.
    (r'(.+\.)?gn(\d?)\.(\w+)', r'\1bn\2.\3'),
    # timm's name of what torchvision and OpenMMLab call relu, behind which a stem keeps its phase
    (r'act1\.aa\.(.+)', r'relu.aa.\1'),
)

# What a network computes without, or makes itself.
NOT_STORED = ('.filt', '.gumbel_tau')
