"""Where the filter goes, against networks that were written antialiased by hand."""

import copy
from functools import reduce

import pytest
import timm
import torch
import torchvision
from torch import nn

from antialias_plugins import UnsupportedModelError, convert_antialias, plan_antialias
from antialias_plugins.functional import blur_pool2d
from tests.conversion.networks import HOSTS, THIN_TIMM, build, outputs, timm_resnet


def positions(model: nn.Module, **kwargs) -> dict[str, str]:
    return {' + '.join(site.roots): site.position for site in plan_antialias(model, **kwargs).sites}


SITES = {
    'torchvision-resnet18': {
        'maxpool': 'in maxpool',
        'layer2.0.conv1': 'before layer2.0.conv2',
        'layer2.0.downsample.0': 'before layer2.0.downsample.0',
    },
    'torchvision-resnet50': {'layer3.0.conv2': 'before layer3.0.conv3'},
    'timm-resnet18': {'layer2.0.conv1': 'in layer2.0.aa'},
    'timm-resnet50d': {'layer2.0.conv2': 'in layer2.0.aa', 'layer2.0.downsample.0': 'in layer2.0.downsample.0'},
    'timm-legacy_seresnext26_32x4d': {'pool0': 'in pool0', 'layer4.0.conv2': 'before layer4.0.conv3'},
    'mmseg-ResNet-50-caffe': {'layer2.0.conv1': 'before layer2.0.conv2'},
    'mmseg-ResNetV1c-50-d8': {'layer2.0.conv2': 'before layer2.0.conv3'},
    'mmseg-ResNetV1d-50': {'layer4.0.downsample.0': 'in layer4.0.downsample.0'},
    'mmpretrain-SEResNet-50': {'layer3.0.conv2': 'before layer3.0.conv3'},
}


@pytest.mark.parametrize('name', [name for name in SITES if name.partition('-')[0] in HOSTS])
def test_golden_sites(name):
    found = positions(build(name))
    assert {place: found[place] for place in SITES[name]} == SITES[name]


class HandWrittenBlock(torchvision.models.resnet.BasicBlock):
    """Zhang's block: convolve densely, filter behind the activation; filter before the skip path's 1×1."""

    def forward(self, x):
        if self.stride == 1:
            return super().forward(x)
        y = self.relu(self.bn1(nn.functional.conv2d(x, self.conv1.weight, padding=1)))
        y = self.bn2(self.conv2(blur_pool2d(y, 4, 2)))
        conv, norm = self.downsample
        return self.relu(y + norm(nn.functional.conv2d(blur_pool2d(x, 4, 2), conv.weight)))


def test_a_converted_network_is_the_hand_written_one():
    """A filter before the activation would pass every test of shapes, keys and identities."""
    model = build('torchvision-resnet18')
    x = torch.rand(1, 3, 65, 50, dtype=torch.float64)
    expected = convert_antialias(build('torchvision-resnet18'), 'lpf4')(x)
    model.maxpool.forward = lambda x: blur_pool2d(nn.functional.max_pool2d(x, 3, 1, 1), 4, 2)
    for block in model.modules():
        if isinstance(block, torchvision.models.resnet.BasicBlock):
            block.__class__ = HandWrittenBlock
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=0)


class Branches(nn.Module):
    """Two strided branches, their sum, an activation: RepVGG's training-time block."""

    def __init__(self, activation):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.wide, self.narrow = nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 1, 2)
        self.act = activation
        self.head = nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.act(self.wide(x) + self.narrow(x)))


def test_branches_that_join_before_an_activation_share_one_filter():
    assert positions(Branches(nn.ReLU())) == {'wide + narrow': 'after act'}


def test_branches_without_an_activation_are_filtered_each_for_itself():
    assert positions(Branches(nn.Identity())) == {'wide': 'after wide', 'narrow': 'before narrow'}


@pytest.mark.parametrize(
    'pool',
    [
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d(3, 2, 0, ceil_mode=True),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.MaxPool2d(2, 3, ceil_mode=True),
        nn.AvgPool2d(2, 2),
        nn.AvgPool2d(3, 2, 1),
        nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.AvgPool2d((3, 2), (2, 1), (1, 0)),
        nn.AvgPool2d(2, 2, divisor_override=3),
    ],
    ids=str,
)
@pytest.mark.parametrize('size', [(8, 8), (9, 7), (10, 13)], ids=str)
def test_pools_keep_sizes_and_values(pool, size):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), copy.deepcopy(pool)).double().eval()
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = model(x)
    convert_antialias(model, 'lpf1', avgpool='keep')
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize('size', [(8, 8), (9, 7), (10, 13)], ids=str)
@pytest.mark.parametrize('ceil_mode', [False, True], ids=['floor', 'ceil'])
def test_a_replaced_average_pool_keeps_its_size(ceil_mode, size):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AvgPool2d(2, 2, ceil_mode=ceil_mode))
    x = torch.rand(2, 3, *size)
    expected = model(x).shape
    assert convert_antialias(model, 'lpf4')(x).shape == expected


class Tail(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.stem, self.layer, self.head = nn.Conv2d(3, 4, 3, 2, 1), layer, nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.head(self.layer(self.stem(x)))


@pytest.mark.parametrize(
    ('layer', 'reason'),
    [
        (nn.AvgPool2d(5, 2, 2), 'layer: context pooling over 5 pixels'),
        (nn.Conv2d(4, 4, 4, 4), 'layer: stride 4: made dense it would cost 16 times as much'),
        (nn.PixelUnshuffle(2), 'layer.pixel_unshuffle: reduces the map without'),
        (timm.layers.BlurPool2d(4), 'layer.fixed filter: reduces the map without'),
    ],
    ids=['context', 'stride 4', 'unshuffle', 'filtered'],
)
def test_what_is_left_alone_is_said(layer, reason):
    model = Tail(layer)
    model.head = nn.Conv2d(16, 4, 1) if isinstance(layer, nn.PixelUnshuffle) else model.head
    plan = plan_antialias(model)
    assert not plan.sites
    reasons = [str(place) for place in plan.skipped]
    assert reasons[0].startswith('stem: the first downsampling convolution')
    assert any(r.startswith(reason) for r in reasons)


@pytest.mark.parametrize(
    'name', ['torchvision-resnet50-d8', 'timm-resnet26-d8', 'mmseg-ResNetV1c-50-d8', 'mmseg-ResNetV1d-50-d8']
)
def test_dilated_stages_keep_their_filters_and_the_keys_of_the_strided_network(name):
    dilated = build(name)
    strided = {
        'torchvision-resnet50-d8': 'torchvision-resnet50',
        'timm-resnet26-d8': None,
        'mmseg-ResNetV1c-50-d8': 'mmseg-ResNetV1c-50',
        'mmseg-ResNetV1d-50-d8': 'mmseg-ResNetV1d-50',
    }[name]
    reference = build(strided) if strided else timm_resnet('resnet26', **THIN_TIMM).double().eval()
    shapes = [y.shape for y in outputs(dilated, torch.rand(1, 3, 65, 48, dtype=torch.float64))]

    convert_antialias(reference, 'ddac3')
    convert_antialias(dilated, 'ddac3', dilated='blur')

    assert [y.shape for y in outputs(dilated, torch.rand(1, 3, 65, 48, dtype=torch.float64))] == shapes
    dilated.load_state_dict(reference.state_dict(), strict=True)


def test_dilated_stages_are_left_alone_by_default():
    model = build('torchvision-resnet50-d16')
    assert {place.partition('.')[0] for place in positions(model)} == {'maxpool', 'layer2', 'layer3'}
    blurred = positions(model, dilated='blur')
    assert blurred['layer4.0.conv2'] == 'before layer4.0.conv3'
    assert blurred['layer4.0.downsample.0'] == 'before layer4.0.downsample.0'


class Split(nn.Module):
    """Parallel strided branches behind one shared activation, as in Res2Net: joined at once, or one by one."""

    def __init__(self, scale: int = 3, pool: nn.Module | None = None, at_once: bool = True) -> None:
        super().__init__()
        self.at_once = at_once
        self.stem, self.relu, self.drop = nn.Conv2d(3, 4 * scale, 3, 2, 1), nn.ReLU(), nn.Identity()
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, 2, 1) for _ in range(scale - 1))
        self.pool = pool or nn.AvgPool2d(3, 2, 1)
        self.head = nn.Conv2d(4 * scale, 4, 3, padding=1)

    def forward(self, x):
        *parts, last = self.relu(self.stem(x)).split(4, 1)
        branches = [self.relu(conv(part)) for conv, part in zip(self.convs, parts, strict=True)]
        branches.append(self.pool(last))
        joined = torch.cat(branches, 1) if self.at_once else reduce(lambda a, b: torch.cat([a, b], 1), branches)
        return self.head(self.drop(joined))


@pytest.mark.parametrize('at_once', [True, False], ids=['at once', 'one by one'])
def test_branches_without_an_attachment_point_share_one_filter(at_once):
    model = Split(at_once=at_once).double()
    assert positions(model) == {'convs.0 + convs.1 + pool': 'before head'}
    x = torch.rand(1, 3, 40, 37, dtype=torch.float64)
    stem, relu, convs, head = model.stem, model.relu, model.convs, model.head
    *parts, last = relu(stem(x)).split(4, 1)
    branches = [relu(nn.functional.conv2d(p, c.weight, c.bias, padding=1)) for c, p in zip(convs, parts, strict=True)]
    average = nn.functional.avg_pool2d(last, 3, 1, 1)
    expected = head(torch.cat([blur_pool2d(branch, 4, 2) for branch in [*branches, average]], 1))
    torch.testing.assert_close(convert_antialias(model, 'lpf4')(x), expected, rtol=1e-12, atol=1e-12)


def test_branches_beside_a_map_that_is_not_dense_do_not_share():
    model = Split(pool=nn.AvgPool2d(11, 1))
    plan = plan_antialias(model, example_input=torch.rand(1, 3, 40, 40))
    assert [(site.position, site.note) for site in plan.sites] == [
        ('after convs.0', 'before the activation'),
        ('after convs.1', 'before the activation'),
    ]


class Parallel(nn.Module):
    """Parallel strided convolutions that are summed before one activation, on top of a number (MobileOne, RepVGG)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 1, 2)
        self.act, self.head = nn.ReLU(), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.act(0 + self.one(x) + self.two(x)))


def test_summed_branches_are_filtered_behind_the_activation():
    assert positions(Parallel()) == {'one + two': 'after act'}


class Conditional(nn.Module):
    """Computes the weight of its strided convolution from the input (CondConv)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.weight = nn.Conv2d(3, 4, 3, 2, 1), nn.Parameter(torch.rand(4, 4, 3, 3))

    def forward(self, x):
        x = self.stem(x)
        return nn.functional.conv2d(x, self.weight * x.mean(), stride=2, padding=1)


def test_a_computed_weight_is_no_fixed_filter():
    (place,) = plan_antialias(Conditional()).unsupported
    assert str(place).startswith('conv2d: a function, not a module, does the striding')


def test_a_pooling_function_can_be_left_by_name():
    class Pools(nn.Module):
        def forward(self, x):
            return nn.functional.max_pool2d(x, 3, 2)

    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Pools(), nn.MaxPool2d(2))
    with pytest.raises(UnsupportedModelError, match=r'1\.max_pool2d: a function'):
        convert_antialias(model)
    plan = plan_antialias(model, skip=['1.max_pool2d'])
    assert [site.roots for site in plan.sites] == [('2',)]
    assert '1.max_pool2d: skip asks for it' in map(str, plan.skipped)


@pytest.mark.parametrize('size', [(8, 8), (9, 7)], ids=str)
def test_the_published_average_pool_rounds_up(size):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AvgPool2d(2, 2)).double()
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = blur_pool2d(model[0](x), 4, 2)
    convert_antialias(model, 'lpf4', avgpool='published')
    torch.testing.assert_close(model(x), expected)
    assert model(x).shape[-2:] == tuple(-(-n // 2) for n in size)


def test_an_activation_is_one_on_any_map():
    """The map in front of the activation has no negative value, in this network and on this input."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU6(), nn.Conv2d(4, 4, 1))
    for conv in model[:2]:
        nn.init.constant_(conv.weight, 0.01)
        nn.init.zeros_(conv.bias)
    assert positions(model) == {'1': 'after 2'}


class PoolsByFunction(nn.Module):
    def __init__(self, **window) -> None:
        super().__init__()
        self.stem, self.window = nn.Conv2d(3, 4, 3, 2, 1), window

    def forward(self, x):
        return nn.functional.max_pool2d(self.stem(x), **self.window)


@pytest.mark.parametrize(
    ('window', 'strides'),
    [
        ({'kernel_size': 2}, True),
        ({'kernel_size': (3, 3), 'stride': [2, 2]}, True),
        ({'kernel_size': 3, 'stride': 2}, True),
        ({'kernel_size': 3, 'stride': 1}, False),
        ({'kernel_size': 4}, False),
    ],
    ids=['window', 'list', 'to one pixel', 'dense', 'global'],
)
def test_a_function_strides_by_its_arguments(window, strides):
    plan = plan_antialias(PoolsByFunction(**window), example_input=torch.rand(1, 3, 8, 8))
    assert [place.name for place in plan.unsupported] == (['max_pool2d'] if strides else [])


def test_only_convolutions_and_pools_stride():
    """A padding module that remembers a stride comes before the stem, which stays the first to downsample."""
    model = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1))
    model[0].stride = 2
    assert list(positions(model)) == ['3']


def test_a_network_that_folds_the_image_is_given_an_image():
    model = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2))
    model.in_chans = 3
    assert list(positions(model)) == ['3']
