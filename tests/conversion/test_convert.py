"""Options of the conversion, what it refuses, and that a refusal leaves no trace."""

import copy
import logging
import re
import warnings

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn.utils import parametrize

from antialias_plugins import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    AntialiasWarning,
    BlurPool2d,
    UnsupportedModelError,
    convert_antialias,
    plan_antialias,
    revert_antialias,
)


class Residual(nn.Module):
    """A network that downsamples in every way that can be right or wrong."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.conv = nn.Conv2d(8, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.head(self.relu(self.norm(self.conv(self.stem(x)))))


class RunsTwice(Residual):
    def forward(self, x):
        return self.conv(super().forward(x).repeat(1, 2, 1, 1))


class Functional(Residual):
    def forward(self, x):
        return torch.max_pool2d(super().forward(x), 2)


class Flat(Residual):
    """Reads a dense size by hand."""

    def forward(self, x):
        y = self.relu(self.norm(dense := self.conv(self.stem(x))))
        return nn.functional.interpolate(self.head(y), size=dense.shape[-2:])


class Opaque(Residual):
    def forward(self, x):
        return torch.from_numpy(super().forward(x).detach().numpy()[..., ::2, ::2].copy())


def opaque() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 1), Opaque())


class Halving(nn.MaxPool2d):
    def forward(self, x):
        return super().forward(x) / 2


class PadsByStride(nn.Conv2d):
    def forward(self, x):
        return nn.functional.conv2d(nn.functional.pad(x, (3 - self.stride[0], 0) * 2), self.weight, None, self.stride)


def snapshot(model: nn.Module) -> tuple:
    modules = tuple((name, type(m), getattr(m, 'stride', None), m.training) for name, m in model.named_modules())
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
    return modules, hooks, tuple(model.state_dict())


def pads_by_stride() -> nn.Module:
    model = Residual()
    model.conv = PadsByStride(8, 8, 3, 2)
    return model


def hidden() -> nn.Module:
    """Something has replaced the forward of the modules that could carry the filter."""
    model = Residual()
    for module in (model.relu, model.head):
        module.forward = module.forward
    return model


UNSUPPORTED = {
    'hidden': (hidden, r'conv \(Conv2d\): no module starts or ends .* but relu, whose forward something else has'),
    'twice': (RunsTwice, r'conv \(Conv2d\): runs 2 times in one forward pass'),
    'functional': (Functional, 'max_pool2d: a function, not a module, does the striding'),
    'pool': (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), Halving(2)), r'1 \(Halving\): .*does more than its base class'),
    'padding': (pads_by_stride, r'conv \(PadsByStride\): its own forward cannot be made dense: it pads by its stride'),
    'opaque': (opaque, r'1 \(Opaque\): makes the map smaller by an operation that cannot be looked into'),
    'shape': (
        Flat,
        r'computes something else: outputs of shapes \[\(1, 4, 64, 64\)\] in place of \[\(1, 4, 32, 32\)\]',
    ),
}


@pytest.mark.parametrize('case', UNSUPPORTED)
def test_an_unsupported_network_is_left_as_it_was(case):
    build, message = UNSUPPORTED[case]
    model = build().train()
    before = snapshot(model)
    with pytest.raises(UnsupportedModelError, match=message):
        convert_antialias(model, 'ddac3')
    assert snapshot(model) == before


def test_one_error_lists_every_place():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), hidden(), pads_by_stride())
    model[1].stem, model[2].stem = nn.Conv2d(8, 8, 1), nn.Conv2d(4, 8, 1)
    with pytest.raises(UnsupportedModelError) as info:
        convert_antialias(model)
    assert [reason.partition(' ')[0] for reason in info.value.reasons] == [
        '2.conv',
        '1.conv',
    ]  # roots first, then attachment points


def test_warn_converts_the_rest():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), hidden(), nn.MaxPool2d(2))
    model[1].stem = nn.Conv2d(8, 8, 1)
    with pytest.warns(AntialiasWarning, match='not antialiased: 1.conv'):
        convert_antialias(model, on_unsupported='warn')
    assert model[1].conv.stride == (2, 2)
    assert isinstance(model[2].aa, BlurPool2d)


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: nn.Conv2d(3, 4, 3), 'nothing that could be filtered downsamples'),
        (lambda: timm.create_model('vit_tiny_patch16_224', img_size=128), 'nothing that could be filtered downsamples'),
        (lambda: convert_antialias(torchvision.models.resnet18()), 'is antialiased already: revert_antialias'),
        (lambda: nn.Sequential(convert_antialias(torchvision.models.resnet18())), 'is antialiased already'),
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.Linear(5, 5)), r'must run on it, and fails on shape'),
    ],
    ids=['dense', 'transformer', 'converted', 'converted part', 'fails'],
)
def test_nothing_to_convert_is_an_error(build, message):
    model = build()
    before = snapshot(model)
    with pytest.raises(UnsupportedModelError, match=message):
        convert_antialias(model)
    assert snapshot(model) == before


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'pool': 'dac3'}, 'did you mean ddac3'),
        ({'pool': 'ddac4'}, 'must be odd'),
        ({'maxpool': 'publish'}, "maxpool must be 'keep' or 'published', got 'publish'"),
        ({'stem': 'lsp1'}, "stem must be True, False or a filter of its own, got 'lsp1': pool must be one of lpf"),
        ({'stem': 1}, 'stem must be True, False or a filter of its own, got 1'),
        ({'stem': None}, 'stem must be True, False or a filter of its own, got None'),
        ({'avgpool': None}, "avgpool must be 'replace', 'keep' or 'published', got None"),
        ({'dilated': True}, "dilated must be 'skip' or 'blur', got True"),
        ({'on_unsupported': 'ignore'}, "on_unsupported must be 'raise' or 'warn', got 'ignore'"),
        ({'skip': 'layer1'}, "skip must be a list of name patterns, got the string 'layer1'"),
        ({'skip': ['layer5.*']}, "skip must name convolutions or pools of the network, 'layer5.*' matches none"),
        ({'extra': ['relu']}, "extra must name convolutions or pools of the network, 'relu' matches none"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_a_wrong_argument_is_named(arguments, message):
    model = torchvision.models.resnet18()
    before = snapshot(model)
    with pytest.raises(ValueError, match=message.replace('*', r'\*')):
        convert_antialias(model, **arguments)
    assert snapshot(model) == before


def test_groups_of_a_shorthand_follow_the_channels():
    model = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), Grow())
    plan = plan_antialias(model, 'ddac3')
    convert_antialias(model, 'ddac3')
    assert [site.note for site in plan.sites] == ['6 groups'] * len(plan.sites)
    assert {it.groups for it in model.modules() if isinstance(it, AdaptiveBlurPool2d)} == {6}


def test_channels_that_do_not_divide_name_the_place():
    with pytest.raises(UnsupportedModelError, match=r'conv .*groups must divide .* 12 channels'):
        convert_antialias(nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), Grow()), dict(type='AdaptiveBlurPool2d', groups=8))


class Grow(Residual):
    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.norm = nn.Identity(), nn.Conv2d(12, 12, 3, 2, 1), nn.BatchNorm2d(12)
        self.head = nn.Conv2d(12, 4, 1)


def test_a_pool_that_fails_while_building_leaves_the_network_as_it_was():
    model, count = torchvision.models.resnet18(), iter(range(12))

    def build(channels, stride):
        if next(count) == 9:
            raise RuntimeError('out of filters')
        return BlurPool2d(channels, 3, stride)

    before = snapshot(model)
    with pytest.raises(RuntimeError, match='out of filters'):
        convert_antialias(model, build)
    assert snapshot(model) == before


def test_stem_filters_the_first_convolution_too():
    model = torchvision.models.resnet18()
    names = [site.roots for site in plan_antialias(model, 'lpf3', stem=True).sites]
    assert names[:2] == [('conv1',), ('maxpool',)]


@pytest.mark.parametrize(
    'stem',
    ['aps1', {'type': 'AdaptivePolyphasePool2d'}, AdaptivePolyphasePool2d, lambda c, s: AdaptivePolyphasePool2d(c, s)],
    ids=['shorthand', 'config', 'class', 'callable'],
)
def test_stem_takes_a_filter_of_its_own(stem):
    model = convert_antialias(torchvision.models.resnet18(), 'lpf3', stem=stem)
    assert type(model.relu.aa) is AdaptivePolyphasePool2d
    assert (model.relu.aa.filt_size, model.relu.aa.stride, model.relu.aa.channels) == (1, (2, 2), 64)
    assert [type(m) for name, m in model.named_modules() if name.endswith('aa')][1:] == [BlurPool2d] * 7


def test_plan_names_the_filter_of_the_stem():
    lines = str(plan_antialias(torchvision.models.resnet18(), 'lpf3', stem='lps1')).splitlines()
    assert lines[0] == 'ResNet with lpf3: 8 filtered, 0 left as they are, 0 unsupported'
    assert re.fullmatch(r'conv1 +conv +2 +64( +-?[\d.]+){3} +after relu \(lps1\)', lines[2])
    assert all('(' not in line for line in lines[3:10])


def test_a_dense_convolution_in_front_of_the_stem_is_no_stem():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
    sites = plan_antialias(model, 'lpf3', stem='lpf5', extra=['0']).sites
    assert [(site.layer, site.is_stem) for site in sites] == [('lpf3', False), ('lpf5', True)]


def test_published_max_window():
    model = convert_antialias(torchvision.models.resnet18(), 'lpf4', maxpool='published')
    assert (model.maxpool.kernel_size, model.maxpool.padding) == (2, 0)
    x = torch.rand(2, 64, 56, 56)
    expected = BlurPool2d(64, 4, 2)(nn.functional.max_pool2d(x, 2, 1))
    torch.testing.assert_close(model.maxpool(x), expected)
    revert_antialias(model)
    assert (model.maxpool.kernel_size, model.maxpool.stride, model.maxpool.padding) == (3, 2, 1)


def test_skip_takes_patterns_and_predicates():
    by_pattern = plan_antialias(torchvision.models.resnet18(), skip=['maxpool', '*.downsample.*'])
    by_predicate = plan_antialias(
        torchvision.models.resnet18(), skip=lambda name, m: isinstance(m, nn.MaxPool2d) or 'downsample' in name
    )
    assert by_pattern == by_predicate
    assert [site.roots for site in by_pattern.sites] == [(f'layer{i}.0.conv1',) for i in (2, 3, 4)]


def test_extra_filters_a_dense_convolution_at_its_own_stride():
    model = torchvision.models.resnet18()
    plan = plan_antialias(model, extra=['layer1.0.conv1'])
    site = next(site for site in plan.sites if site.roots == ('layer1.0.conv1',))
    assert (site.stride, site.position) == ((1, 1), 'before layer1.0.conv2')


def test_any_stride_and_callable():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, (2, 1), 1), nn.ReLU())
    convert_antialias(model, lambda channels, stride: BlurPool2d(channels, 5, stride, 'circular'))
    assert (model[3].aa.stride, model[3].aa.filt_size, model[3].aa.channels) == ((2, 1), 5, 8)


def test_a_statistics_norm_is_noted():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.ReLU())
    assert plan_antialias(model).sites[0].note == '2: statistics of the denser map'


def test_a_parametrized_module_carries_nothing():
    model = torchvision.models.resnet18()
    parametrize.register_parametrization(model.layer2[0].conv2, 'weight', nn.Identity())
    with pytest.raises(UnsupportedModelError, match=r'layer2.0.conv1 \(Conv2d\): no module starts or ends'):
        convert_antialias(model)


def test_revert_keeps_what_was_learned():
    model = torchvision.models.resnet18(num_classes=5)
    original = snapshot(model)
    convert_antialias(model, 'ddac3')
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.rand(2, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    learned = {key: value.clone() for key, value in model.state_dict().items() if '.aa.' not in key}
    revert_antialias(model)
    assert snapshot(model) == original
    assert all(torch.equal(value, learned[key]) for key, value in model.state_dict().items())
    with pytest.raises(UnsupportedModelError, match='is not antialiased: there is nothing to revert'):
        revert_antialias(model)


def test_revert_works_on_a_copy_and_on_a_part():
    model = convert_antialias(timm.create_model('resnet18', num_classes=5), 'lpf3')
    revert_antialias(copy.deepcopy(model))
    assert isinstance(model.layer2[0].aa, BlurPool2d)
    revert_antialias(model.layer2)
    assert isinstance(model.layer2[0].aa, nn.Identity)
    assert isinstance(model.layer3[0].aa, BlurPool2d)


@pytest.mark.parametrize('pool', ['lpf3', 'ddac3'])
def test_filters_in_frozen_stages_are_announced(pool):
    model = torchvision.models.resnet18()
    for parameter in model.layer2.parameters():
        parameter.requires_grad = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        convert_antialias(model, pool)
    messages = [str(w.message) for w in caught if issubclass(w.category, AntialiasWarning)]
    expected = 'layer2.0.conv2, layer2.0.downsample.0 lie in frozen stages and would never learn'
    assert [expected in message for message in messages] == ([True] if pool == 'ddac3' else [])


def test_norm_eval_is_announced():
    model = torchvision.models.resnet18()
    model.norm_eval = True
    with pytest.warns(AntialiasWarning, match='norm_eval keeps the norms of its filters in eval mode'):
        convert_antialias(model, 'ddac3')


def test_dtype_mode_and_channels_follow_the_network():
    model = timm.create_model('resnet18', in_chans=1, num_classes=5).bfloat16().train()
    model.layer3.eval()
    convert_antialias(model, 'ddac3')
    layers = {name: m for name, m in model.named_modules() if isinstance(m, AdaptiveBlurPool2d)}
    assert len(layers) == 7
    assert all(layer.conv.weight.dtype == torch.bfloat16 for layer in layers.values())
    assert {layer.training for name, layer in layers.items() if name.startswith('layer3')} == {False}
    assert {layer.training for name, layer in layers.items() if name.startswith('layer4')} == {True}


def test_an_overridden_forward_carries_nothing():
    """A forward set on the instance would hide the filter."""
    model = torchvision.models.resnet18()
    conv = model.layer2[0].conv2
    conv.forward = conv.forward
    model.maxpool.forward = model.maxpool.forward
    with pytest.raises(UnsupportedModelError) as info:
        convert_antialias(model)
    assert [reason.partition(' ')[0] for reason in info.value.reasons] == ['maxpool', 'layer2.0.conv1']


@pytest.mark.parametrize(('function', 'passes'), [(plan_antialias, 1), (convert_antialias, 2)])
def test_forward_passes(function, passes):
    """One is traced, and one shows that the values are what they were."""
    model, calls = torchvision.models.resnet18(), []
    model.register_forward_hook(lambda *_: calls.append(1))
    function(model, 'lpf4')
    assert len(calls) == passes


def test_the_plan_is_logged(caplog):
    with caplog.at_level(logging.DEBUG, logger='antialias_plugins'):
        convert_antialias(torchvision.models.resnet18(), 'lpf4')
    assert 'ResNet with lpf4: 7 filtered, 1 left as they are, 0 unsupported' in caplog.text


def test_a_network_without_values_is_converted():
    with torch.device('meta'):
        model = torchvision.models.resnet18()
    expected = convert_antialias(torchvision.models.resnet18(), 'ddac3').state_dict()
    actual = convert_antialias(model, 'ddac3').state_dict()
    assert {key: value.shape for key, value in actual.items()} == {key: value.shape for key, value in expected.items()}
    assert all(value.is_meta for value in actual.values())
