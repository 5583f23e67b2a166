"""Networks by name in mmseg's and mmpretrain's wrappers, from configs that import the plug-in."""

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData

import antialias_plugins  # noqa: F401  registers the names

SEGMENTOR = """
custom_imports = dict(imports=['antialias_plugins'], allow_failed_imports=False)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
    backbone=dict(
        type='TIMMBackbone',
        model_name='{name}',
        features_only=True,
        pretrained=False,
        out_indices=(1, 2, 3, 4),
        output_stride=16,
    ),
    decode_head=dict(
        type='FCNHead',
        in_index=3,
        in_channels={channels},
        channels=8,
        num_convs=1,
        num_classes=3,
        loss_decode=dict(type='CrossEntropyLoss'),
    ),
)
"""

CLASSIFIERS = """
custom_imports = dict(imports=['antialias_plugins'], allow_failed_imports=False)
backbone = dict(
    type='ImageClassifier',
    backbone=dict(type='TIMMBackbone', model_name='{name}', pretrained=False),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels={channels}),
)
features = dict(
    type='ImageClassifier',
    backbone=dict(
        type='TIMMBackbone', model_name='{name}', features_only=True, out_indices=(-1,), pretrained=False
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels={channels}),
)
timm_classifier = dict(type='TimmClassifier', model_name='{name}', num_classes=3)
"""

NETWORKS = [('resnet18_ddac3', 512), ('resnet50_lpf4', 2048), ('mobilenet_v2_lpf4', 320)]


def read(tmp_path, text, **values):
    (tmp_path / 'config.py').write_text(text.format(**values))
    return Config.fromfile(tmp_path / 'config.py')


def train_step(model, data):
    optimizer = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.01)))
    first = next(model.parameters())  # a gradient that gets there has passed every filter
    before = first.detach().clone()
    losses = model.train().train_step(data, optimizer)
    assert losses['loss'].isfinite()
    assert not torch.equal(first, before)


@pytest.mark.parametrize(('name', 'channels'), NETWORKS)
def test_mmseg(tmp_path, name, channels):
    structures = pytest.importorskip('mmseg.structures', exc_type=ImportError)
    init_default_scope('mmseg')
    model = MODELS.build(read(tmp_path, SEGMENTOR, name=name, channels=channels).model)
    sides = [tuple(m.shape[2:]) for m in model.backbone(torch.rand(1, 3, 64, 96))]
    assert sides == [(16, 24), (8, 12), (4, 6), (4, 6)]
    label = PixelData(data=torch.randint(0, 3, (1, 64, 64)))
    samples = [structures.SegDataSample(gt_sem_seg=label, metainfo={'img_shape': (64, 64)}) for _ in range(2)]
    train_step(model, {'inputs': [torch.rand(3, 64, 64)] * 2, 'data_samples': samples})


@pytest.mark.parametrize('wrapper', ['backbone', 'features', 'timm_classifier'])
@pytest.mark.parametrize(('name', 'channels'), NETWORKS)
def test_mmpretrain(tmp_path, wrapper, name, channels):
    structures = pytest.importorskip('mmpretrain.structures', exc_type=ImportError)
    init_default_scope('mmpretrain')
    if name == 'mobilenet_v2_lpf4' and wrapper == 'backbone':
        channels = 1280  # a whole MobileNetV2 ends with another convolution
    model = MODELS.build(read(tmp_path, CLASSIFIERS, name=name, channels=channels)[wrapper])
    assert model(torch.rand(2, 3, 64, 64))[0].shape[-1] in (channels, 3)
    samples = [structures.DataSample().set_gt_label(index) for index in range(2)]
    train_step(model, {'inputs': torch.rand(2, 3, 64, 64), 'data_samples': samples})


@pytest.mark.parametrize('scope', ['mmseg', 'mmpretrain'])
def test_checkpoint_of_the_whole_network(tmp_path, scope):
    pytest.importorskip(f'{scope}.structures', exc_type=ImportError)
    init_default_scope(scope)
    network = timm.create_model('resnet18_lps3').eval()
    torch.save(network.state_dict(), tmp_path / 'best.pth')
    options = {'features_only': True, 'pretrained': False, 'out_indices': (4,)}
    config = {'type': 'TIMMBackbone', 'model_name': 'resnet18_lps3', **options}
    backbone = MODELS.build({**config, 'checkpoint_path': str(tmp_path / 'best.pth')})
    backbone.eval()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(backbone(images)[0], network.forward_features(images))
