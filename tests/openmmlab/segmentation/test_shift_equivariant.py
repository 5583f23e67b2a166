"""DeepLabV3+ commutes with circular shifts exactly, and fails to where one of its parts is an ordinary one."""

import copy
import pickle

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from antialias_plugins.layers import PhaseLink, PolyphasePool2d, PolyphaseUnpool2d
from antialias_plugins.metrics import mean_segmentation_consistency
from antialias_plugins.openmmlab.segmentation.shift_equivariant import CircularConv2d

SHIFTS = ((1, 0), (0, 1), (3, -7), (5, 16), (-13, 30))
ENCODERS = {
    'r18-aps3-d16': (18, 'aps3', (1, 2, 2, 1)),
    'r18-lps3-d32': (18, 'lps3', (1, 2, 2, 2)),
    'r50-aps1-d32': (50, 'aps1', (1, 2, 2, 2)),
    'r50-lps2-d16': (50, 'lps2', (1, 2, 2, 1)),
    'r18-linf-d16': (18, dict(type='AdaptivePolyphasePool2d', filt_size=5, norm='linf'), (1, 2, 2, 1)),
}
SINGLE = ('r18-lps3-d32', 'r50-aps1-d32')  # those that are tested in single precision too


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')
    torch.manual_seed(0)


def config(depth=18, pool='aps3', strides=(1, 2, 2, 1), convert=None, head=None, **options):
    expansion = 4 if depth == 50 else 1
    return dict(
        type='ShiftEquivariantEncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=dict(
            type='Antialiased',
            base='ResNet',
            pool=pool,
            convert=dict(stem=True, padding='circular') if convert is None else convert,
            depth=depth,
            stem_channels=8,
            base_channels=8,
            strides=strides,
            dilations=(1, 1, 1, 2 // strides[3]),
        ),
        decode_head=dict(
            type='PolyphaseASPPHead',
            in_channels=64 * expansion,
            in_index=3,
            channels=8,
            c1_in_channels=8 * expansion,
            c1_channels=4,
            dilations=(1, 2, 6),
            num_classes=5,
            norm_cfg=dict(type='BN'),
        )
        | (head or {}),
        **{'test_cfg': dict(mode='whole')} | options,
    )


def build(*args, dtype=torch.float64, **kwargs):
    """A network in eval mode whose weights keep the variance; under torch's own, deep maps are all but constant."""
    model = MODELS.build(config(*args, **kwargs)).to(dtype).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return model


def error(model, images, shifts=SHIFTS):
    """The largest deviation from the shifted logits, relative to the largest logit."""
    with torch.no_grad():
        logits = model(images)
        moved = (model(images.roll(shift, (2, 3))) - logits.roll(shift, (2, 3)) for shift in shifts)
        return max(float(difference.abs().max() / logits.abs().max()) for difference in moved)


def images(height=64, width=96, count=2, dtype=torch.float64):
    return torch.randn(count, 3, height, width, dtype=dtype)


# In float32 a logit is the end of a chain of some 25 convolutions (57 in ResNet-50), whose sums may be taken in another
# order after a shift: 57 roundings of 2^-24 that add up, times a condition number of about 10.
@pytest.mark.parametrize(
    ('depth', 'pool', 'strides', 'dtype', 'rounding'),
    [
        *(pytest.param(*encoder, torch.float64, 1e-12, id=f'{name}-f64') for name, encoder in ENCODERS.items()),
        *(pytest.param(*ENCODERS[name], torch.float32, 4e-5, id=f'{name}-f32') for name in SINGLE),
    ],
)
def test_logits_and_classes_move_with_the_image(depth, pool, strides, dtype, rounding):
    model = build(depth, pool, strides, dtype=dtype)
    batch = images(dtype=dtype)
    with torch.no_grad():
        logits = model(batch)
        model.decode_head.conv_seg.bias -= logits.mean((0, 2, 3))  # no class wins everywhere
    assert logits.shape == (2, 5, 64, 96)
    assert error(model, batch) <= rounding

    def predict(views):
        with torch.no_grad():
            classes = model(views).argmax(1)
        assert len(classes.unique()) > 2
        return classes

    result = mean_segmentation_consistency(predict, batch, max_shift=64, circular=True)
    assert float(result.mean) == 1.0


@pytest.mark.parametrize(
    'broken', ['borders of the encoder', 'borders of the head', 'phases of the decoder', 'skip paths']
)
def test_every_part_is_needed(broken):
    model = build()
    if broken == 'borders of the encoder':
        model.backbone.layer3[0].conv1.padding_mode = 'zeros'
    elif broken == 'borders of the head':
        conv = model.decode_head.fusion.conv
        conv.forward = lambda x: nn.functional.conv2d(x, conv.weight, padding=1)
    elif broken == 'skip paths':
        model.backbone.layer2[0].downsample[0].aa.leads = True
    else:
        for unpool in model.decode_head.unpools:
            unpool.link = PhaseLink()
            unpool.link.publish(torch.zeros(2, dtype=torch.long))
    assert error(model, images()) > 1e-4


def test_unpooling_runs_through_the_layers_in_reverse():
    model = build(50, 'aps3')
    leaders = [model.backbone.get_submodule(name) for name in ('relu', 'maxpool', 'layer2.0.conv3', 'layer3.0.conv3')]
    links = [next(m for m in module.modules() if isinstance(m, PolyphasePool2d)).link for module in leaders]
    assert [unpool.link for unpool in model.decode_head.unpools] == links[::-1]
    assert [unpool.stride[0] for unpool in model.decode_head.unpools] == [2, 2, 2, 2]
    assert model.output_stride == (16, 16)


@pytest.mark.parametrize(
    'copied',
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: ExponentialMovingAverage(model).module,
    ],
    ids=['copy', 'pickle', 'average'],
)
def test_copies_are_connected_to_themselves(copied):
    model, batch = build(pool='lps3'), images()
    expected = model(batch)
    other = copied(model)
    model(images())
    assert torch.equal(other(batch), expected)
    links = [{m.link for m in each.modules() if isinstance(m, PolyphaseUnpool2d)} for each in (model, other)]
    assert len(links[0]) == len(links[1]) == 4
    assert not links[0] & links[1]
    assert error(other, batch, SHIFTS[2:3]) <= 1e-12


def test_state_dict_is_that_of_the_backbone_and_of_the_plain_head():
    settings = config(pool='lps3')
    plain = MODELS.build(settings['decode_head'] | {'type': 'ProjectedASPPPlusHead'})
    keys = [f'backbone.{key}' for key in MODELS.build(settings['backbone']).state_dict()]
    assert list(MODELS.build(settings).state_dict()) == keys + [f'decode_head.{key}' for key in plain.state_dict()]


def test_training_reaches_every_parameter():
    """LPS's layers too: in train mode their weights enter the maps on the way down and the logits on the way up."""
    model = build(pool='lps3').train()
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(5, (1, 64, 96)))) for _ in range(2)]
    losses = model.loss(images(), samples)
    losses['decode.loss_ce'].backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize(
    ('options', 'message'),
    {
        'plain backbone': (dict(pool='lpf3'), 'backbone must have polyphase layers'),
        'strided stem': (
            dict(convert=dict(padding='circular')),
            r'must subsample by polyphase layers only.*a map of \(8, 8\) .* \(8, 8\) in all',
        ),
        'zeros': (dict(convert=dict(stem=True)), "must be circular.*got padding_mode='zeros' in conv1"),
        'high map': (dict(head=dict(in_index=1, in_channels=16)), r'in_index be one of its smallest.*\(16, 16\)'),
        'another head': (dict(head=dict(type='ProjectedASPPPlusHead')), 'decode_head must be a PolyphaseASPPHead, got'),
        'windows': (dict(test_cfg=dict(mode='slide')), "test_cfg.mode must be 'whole', got 'slide'"),
        'neck': (
            dict(neck=dict(type='FPN', in_channels=[8], out_channels=8, num_outs=1)),
            'neck must be None, got FPN',
        ),
        'conv_cfg': (dict(head=dict(conv_cfg=dict(type='Conv2d'))), 'conv_cfg must be None'),
    }.values(),
    ids=lambda value: None if isinstance(value, dict) else value.split('.')[0],
)
def test_what_cannot_be_exact_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(config(**options))


def test_sides_must_be_multiples_of_the_output_stride():
    with pytest.raises(ValueError, match=r'multiples of the output stride \(16, 16\).*got \(64, 90\)'):
        build()(images(64, 90))


def test_low_level_map_must_lie_on_the_way():
    head = build().decode_head
    with pytest.raises(ValueError, match=r'on the way of 4 unpoolings from \(4, 6\), got \(12, 12\)'):
        head([torch.zeros(1, 8, 12, 12).double(), *[torch.zeros(1, 64, 4, 6).double()] * 3])


@pytest.mark.parametrize('dilation', [1, 2, 5, 12])
def test_circular_convolution_is_the_sum_over_moved_maps(dilation):
    """A tap at offset o reads the map rolled by -o, however often that goes around."""
    conv = CircularConv2d(2, 3, 3, padding=dilation, dilation=dilation).double()
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    y, expected = conv(x), conv.bias.reshape(1, 3, 1, 1)
    for row in range(3):
        for column in range(3):
            moved = x.roll(((1 - row) * dilation, (1 - column) * dilation), (2, 3))
            expected = expected + torch.einsum('oi,nihw->nohw', conv.weight[:, :, row, column], moved)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    probe = torch.randn_like(y)
    gradients = [torch.autograd.grad((z * probe).sum(), (x, conv.weight), retain_graph=True) for z in (y, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('options', [dict(padding=1), dict(padding=2, stride=2), dict(kernel_size=2), dict(padding=0)])
def test_circular_convolution_that_changes_the_size_is_refused(options):
    with pytest.raises(ValueError, match='must keep the size of the map, got CircularConv2d'):
        CircularConv2d(2, 3, **dict(kernel_size=3, dilation=2, padding=2) | options)
