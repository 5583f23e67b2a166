"""What other projects call the tensors of a whole segmentation network.

Its canonical names are those of mmseg: ``backbone.`` before the canonical name of the backbone alone, ``decode_head.``
before what `ProjectedASPPHead`, those that build on it, and mmseg's own heads call their modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Segmentor:
    """How a project names the modules of one family of segmentation networks.

    Attributes:
        name: what messages call it.
        signature: keys that occur together in no other layout.
        backbone: what the keys of the backbone begin with.
        modules: canonical name of every module outside the backbone; a key without one is the backbone's if it begins
            as those do, and keeps its name otherwise.
    """

    name: str
    signature: frozenset[str]
    backbone: str
    modules: Mapping[str, str] = field(repr=False)


def _deeplab_v3_plus(separable: bool) -> dict[str, str]:
    """VainF's head: ``convs`` are the 1x1, the three atrous branches and the pooled one, each with its norm behind."""
    names = {'aspp.convs.4.1': 'image_pool.1.conv', 'aspp.convs.4.2': 'image_pool.1.bn', 'classifier.3': 'conv_seg'}
    plain = {'aspp.convs.0': 'aspp_modules.0', 'aspp.project': 'bottleneck', 'project': 'c1_bottleneck'}
    spatial = {f'aspp.convs.{index}': f'aspp_modules.{index}' for index in (1, 2, 3)} | {'classifier': 'fusion'}
    for theirs, ours in spatial.items():
        if separable:
            names[f'{theirs}.0.body.0'] = f'{ours}.depthwise_conv.conv'
            names[f'{theirs}.0.body.1'] = f'{ours}.pointwise_conv.conv'
            names[f'{theirs}.1'] = f'{ours}.pointwise_conv.bn'
        else:
            plain[theirs] = ours
    for theirs, ours in plain.items():
        names |= {f'{theirs}.0': f'{ours}.conv', f'{theirs}.1': f'{ours}.bn'}
    return {f'classifier.{theirs}': f'decode_head.{ours}' for theirs, ours in names.items()}


def _deeplab_v3() -> dict[str, str]:
    """The head of DeepLabv3.pytorch: five branches, the pooled one last, then ``conv2`` over them."""
    branches = {f'aspp{index}': f'aspp_modules.{index - 1}' for index in (1, 2, 3, 4)} | {'aspp5': 'image_pool.1'}
    names = {'conv2': 'bottleneck.conv', 'bn2': 'bottleneck.bn', 'conv3': 'conv_seg'}
    for theirs, ours in branches.items():
        names |= {theirs: f'{ours}.conv', f'{theirs}_bn': f'{ours}.bn'}
    return {f'aspp.{theirs}': f'decode_head.{ours}' for theirs, ours in names.items()}


def _deeplab_xception() -> dict[str, str]:
    """The head of pytorch-deeplab-xception, whose ``last_conv`` holds two 3x3 convolutions and the classifier."""
    names = {'aspp.global_avg_pool.1': 'image_pool.1.conv', 'aspp.global_avg_pool.2': 'image_pool.1.bn'}
    for index in (1, 2, 3, 4):
        names[f'aspp.aspp{index}.atrous_conv'] = f'aspp_modules.{index - 1}.conv'
        names[f'aspp.aspp{index}.bn'] = f'aspp_modules.{index - 1}.bn'
    for theirs, ours in {'aspp': 'bottleneck', 'decoder': 'c1_bottleneck'}.items():
        names |= {f'{theirs}.conv1': f'{ours}.conv', f'{theirs}.bn1': f'{ours}.bn'}
    for theirs, ours in {
        0: 'fusion.0.conv',
        1: 'fusion.0.bn',
        4: 'fusion.2.conv',
        5: 'fusion.2.bn',
        8: 'conv_seg',
    }.items():
        names[f'decoder.last_conv.{theirs}'] = ours
    return {theirs: f'decode_head.{ours}' for theirs, ours in names.items()}


def _dual_super_resolution() -> dict[str, str]:
    """What Dootmaan/DSRL adds to that head: a second decoder, three stages that double, and the feature transform."""
    names = {'sr_decoder.conv1': 'low_level.conv', 'sr_decoder.bn1': 'low_level.bn', 'up_conv_last': 'upsampling.3'}
    for theirs, ours in {0: '0.conv', 1: '0.bn', 4: '2.conv', 5: '2.bn', 8: '4'}.items():
        names[f'sr_decoder.last_conv.{theirs}'] = f'decoder.{ours}'
    for stage in (1, 2, 3):
        up, block = f'upsampling.{stage - 1}.0', f'upsampling.{stage - 1}.1'
        names |= {f'up_sr_{stage}': up, f'up_edsr_{stage}.residual_upsampler.0': f'{block}.skip'}
        names |= {f'up_edsr_{stage}.conv.0': f'{block}.conv1', f'up_edsr_{stage}.conv.2': f'{block}.conv2'}
    branch = {theirs: f'sisr_head.{ours}' for theirs, ours in names.items()}
    return branch | {f'pointwise.{index}': f'feature_transform.{index}' for index in (0, 1)}


SEGMENTORS = (
    Segmentor('mmseg', frozenset({'decode_head.conv_seg.weight'}), 'backbone.', {}),
    Segmentor(
        'DeepLabV3Plus-Pytorch, separable',
        frozenset({'classifier.aspp.project.0.weight', 'classifier.classifier.0.body.0.weight'}),
        'backbone.',
        _deeplab_v3_plus(separable=True),
    ),
    Segmentor(
        'DeepLabV3Plus-Pytorch',
        frozenset({'classifier.aspp.project.0.weight', 'classifier.classifier.3.weight'}),
        'backbone.',
        _deeplab_v3_plus(separable=False),
    ),
    Segmentor('DeepLabv3.pytorch', frozenset({'aspp.aspp5.weight', 'aspp.conv3.weight'}), '', _deeplab_v3()),
    Segmentor(
        'Dootmaan/DSRL',
        frozenset({'aspp.aspp1.atrous_conv.weight', 'sr_decoder.conv1.weight', 'up_sr_3.weight'}),
        'backbone.',
        _deeplab_xception() | _dual_super_resolution(),
    ),
    Segmentor(
        'pytorch-deeplab-xception',
        frozenset({'aspp.aspp1.atrous_conv.weight', 'decoder.last_conv.8.weight'}),
        'backbone.',
        _deeplab_xception(),
    ),
)
