"""Dootmaan/DSRL's file in mmseg: every key, every number, and the outputs of both branches."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch.nn import functional as F

from antialias_plugins.checkpoints import CheckpointError, convert_state_dict
from antialias_plugins.openmmlab.segmentation.dual_super_resolution import captured_outputs, inference_weights
from tests.openmmlab.segmentation.published_deeplab import Published

CONFIGS = Path(__file__).parents[2] / 'configs' / 'dsrl'
LEAF = '{}_r101-d16_1xb4-744k_cityscapes-1024x1024.py'
BRANCH = ('sr_decoder.', 'up_sr_', 'up_edsr_', 'up_conv_last.', 'pointwise.')


class PublishedDualSuperResolution(Published):
    """Dootmaan/DSRL's network as a function of its state dict, on ResNet-50's blocks."""

    def __init__(self, width=1 / 16):
        super().__init__('resnet', 16, classes=19, width=width)

    def __call__(self, images):
        """Logits, image and transformed logits at twice the size of the images."""
        x, low = self.features(images)
        x = self.aspp(x)
        size = images.shape[2:]
        logits = F.interpolate(self.decoder(x, low), size=size, mode='bilinear', align_corners=True)
        logits = F.interpolate(logits, size=[2 * side for side in size], mode='bilinear', align_corners=True)
        return (
            logits,
            self.image(x, low),
            self.norm('pointwise.1', self.conv('pointwise.0', logits, 3, bias=True)).relu(),
        )

    def image(self, x, low):
        low = self.norm('sr_decoder.bn1', self.conv('sr_decoder.conv1', low, self.wide(48))).relu()
        x = torch.cat([F.interpolate(x, size=low.shape[2:], mode='bilinear', align_corners=True), low], 1)
        for index, channels in ((0, 256), (4, 128)):
            x = self.conv(f'sr_decoder.last_conv.{index}', x, self.wide(channels), 3)
            x = self.norm(f'sr_decoder.last_conv.{index + 1}', x).relu()
        x = self.conv('sr_decoder.last_conv.8', x, self.wide(64), bias=True)
        for stage, channels in ((1, 64), (2, 32), (3, 16)):
            x = self.residual(f'up_edsr_{stage}', self.double(f'up_sr_{stage}', x, self.wide(channels)))
        return self.conv('up_conv_last', x, 3, bias=True)

    def double(self, name, x, out):
        weight = self.tensor(f'{name}.weight', x, x.shape[1], out, 2, 2, low=-1, high=1)
        return F.conv_transpose2d(x, weight, self.tensor(f'{name}.bias', x, out, low=-1, high=1), stride=2)

    def residual(self, name, x):
        y = self.conv(f'{name}.conv.0', x, x.shape[1], 3, bias=True).relu()
        y = self.conv(f'{name}.conv.2', y, x.shape[1], 3, bias=True)
        return y + self.conv(f'{name}.residual_upsampler.0', x, x.shape[1])


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@pytest.fixture(scope='module')
def published():
    return PublishedDualSuperResolution()


def build(name='dsrl-dootmaan', tiny=True):
    """The network of a config, with a sixteenth of the channels."""
    config = Config.fromfile(CONFIGS / LEAF.format(name)).model
    config.backbone.pop('init_cfg', None)
    if tiny:
        config.backbone |= {'depth': 50, 'base_channels': 4, 'stem_channels': 4}
        config.decode_head |= {'in_channels': 128, 'channels': 16, 'c1_in_channels': 16, 'c1_channels': 3}
        if 'sisr_head' in config:
            config.sisr_head |= {'in_channels': 16, 'low_level_channels': 16, 'projection': 3, 'channels': (16, 8, 4)}
        if name == 'dsrl-dootmaan':
            config.sisr_head.upsampling.channels = (4, 2, 1)
    return MODELS.build(config)


@torch.no_grad()
def test_outputs_are_the_published_ones(published):
    model = build().double().eval()
    values, report = convert_state_dict(published.state, model)
    model.load_state_dict(values, strict=True)
    assert report.layout == 'Dootmaan/DSRL, plain keys'

    images = torch.randn(
        1, 3, 304, 320, dtype=torch.float64
    )  # 19 x 20 at stride 16: the rate of 18 reaches another pixel
    logits, image, transformed = published(images)

    torch.testing.assert_close(model(images), logits, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(model.feature_transform(logits), transformed, rtol=1e-10, atol=1e-10)
    maps = model.extract_feat(images)
    with captured_outputs(model, [model.sisr_head.source]) as captured:
        model.decode_head(maps)
    rebuilt, _ = model.sisr_head(maps, *captured.values())
    torch.testing.assert_close(rebuilt, image, rtol=1e-10, atol=1e-10)


def test_every_tensor_arrives_once_and_back(published):
    values, report = convert_state_dict(published.state, build())
    back = {key: key for key in report.loaded} | {new: old for old, new in report.renamed}
    assert {back[key] for key in values} == published.state.keys()
    assert all(torch.equal(values[key], published.state[back[key]]) for key in values)
    assert not (report.dropped or report.kept or report.zeroed or report.notes)


def test_size_is_the_published_one():
    with torch.device('meta'):
        model = build(tiny=False)
    parameters = dict(model.named_parameters())
    branch = [value for name, value in parameters.items() if name.startswith(('sisr_head.', 'feature_transform.'))]
    assert round(sum(value.numel() for value in parameters.values()) / 1e6, 2) == 60.49
    assert round(sum(value.numel() for value in branch) / 1e6, 3) == 1.146


def test_the_plain_network_needs_no_branch(published):
    values, report = convert_state_dict(published.state, build('deeplabv3plus'))
    assert {place.name for place in report.dropped} == {key for key in published.state if key.startswith(BRANCH)}
    dual, _ = convert_state_dict(published.state, build())
    assert inference_weights(dual).keys() == values.keys()
    assert all(torch.equal(values[key], dual[key]) for key in values)


def without(state, *beginnings):
    return {key: value for key, value in state.items() if not key.startswith(beginnings)}


@pytest.mark.parametrize(
    ('name', 'change', 'message'),
    [
        ('dsrl-dootmaan', lambda state: without(state, *BRANCH), 'sisr_head.low_level.conv.weight'),
        ('dsrl-dootmaan', lambda state: without(state, 'up_sr_2.bias'), 'sisr_head.upsampling.1.0.bias'),
        ('dsrl-dootmaan', lambda state: {**state, 'up_sr_4.weight': torch.zeros(1)}, 'up_sr_4.weight'),
        ('dsrl-paper', lambda state: state, 'sisr_head.upsampling.0.weight'),
        ('deeplabv3plus', lambda state: {**state, 'up_sr_4.weight': torch.zeros(1)}, 'up_sr_4.weight'),
    ],
    ids=['no-branch', 'missing', 'unknown', 'other-variant', 'unknown-in-plain'],
)
def test_other_files_are_refused(name, change, message, published):
    with pytest.raises(CheckpointError, match=message):
        convert_state_dict(change(published.state), build(name))
