import pytest
import timm
import torch
from torch import nn

import antialias_plugins as aap
from antialias_plugins.layers import AdaptivePolyphasePool2d, PhaseLink, TranslationInvariantPolyphasePool2d
from antialias_plugins.metrics.downsampling import dense_map, observe

RESNET = ['conv1', 'maxpool'] + [f'layer{n}.0.{conv}' for n in (2, 3, 4) for conv in ('conv1', 'downsample.0')]
INVERTED = ['conv_stem'] + [f'blocks.{n}.0.conv_dw' for n in (1, 2, 3, 5)]


def resnet(pool=None, **options):
    torch.manual_seed(0)
    model = timm.create_model('resnet18', num_classes=3, aa_layer=None).double()
    return model if pool is None else aap.convert_antialias(model, pool, **options)


MODULES = {
    'blur3': aap.BlurPool2d(4, 3),
    'blur4-2x1': aap.BlurPool2d(4, 4, (2, 1), 'circular'),
    'max-blur': aap.MaxBlurPool2d(3, 2, 1),
    'max-blur-ceil': aap.MaxBlurPool2d(2, 3, 0, 5, ceil_mode=True),
    'adaptive': aap.AdaptiveBlurPool2d(4, 3, groups=2),
    'low-cut': aap.FrequencyLowCutPool2d(4),
    'conv': nn.Conv2d(4, 5, 3, 2, 1),
    'max': nn.MaxPool2d(3, 2, 1),
    'avg': nn.AvgPool2d(3, 2, 1),
}


@pytest.mark.parametrize('size', [(12, 14), (11, 13)], ids=str)
@pytest.mark.parametrize('name', MODULES)
def test_dense_map_subsampled_is_what_the_module_computes(name, size):
    module = MODULES[name].double().eval()
    before = dict(vars(module))
    maps = torch.randn(2, 4, *size, dtype=torch.float64)
    rows, columns = (module.stride,) * 2 if isinstance(module.stride, int) else module.stride
    dense = dense_map(module, maps)
    torch.testing.assert_close(dense[..., ::rows, ::columns], module(maps), rtol=1e-12, atol=1e-12)
    assert dense[..., 0].shape[-1] > module(maps)[..., 0].shape[-1]
    assert dict(vars(module)) == before


@pytest.mark.parametrize('filt_size', [1, 3])
@pytest.mark.parametrize('layer', [AdaptivePolyphasePool2d, TranslationInvariantPolyphasePool2d])
def test_one_of_the_components_of_the_dense_map_is_what_a_polyphase_layer_chooses_from(layer, filt_size):
    module, maps = layer(4, filt_size=filt_size).eval(), torch.randn(1, 4, 8, 8)
    expected = maps if filt_size == 1 else aap.functional.blur_pool2d(maps, filt_size, 1, module.padding_mode)
    torch.testing.assert_close(dense_map(module, maps), expected)
    if layer is AdaptivePolyphasePool2d:
        components = [expected[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
        assert any(torch.allclose(module(maps), component) for component in components)


def test_a_choice_that_others_follow_is_not_changed():
    module, link = AdaptivePolyphasePool2d(1), PhaseLink()
    module.lead(link)
    maps = torch.zeros(1, 1, 4, 4)
    maps[..., 1::2, 1::2] = 5
    module(maps)
    chosen = link.selection().clone()
    dense_map(module, maps)
    assert chosen.equal(link.selection()) and chosen.item() > 0


@pytest.mark.parametrize(
    ('network', 'names'),
    [
        (resnet, RESNET),
        (lambda: resnet('ddac3', maxpool='published'), RESNET),
        (lambda: resnet('flc'), RESNET),
        (lambda: resnet('aps1'), RESNET),
        (lambda: resnet('lpf3', stem=True), RESNET),
        (lambda: aap.convert_antialias(timm.create_model('mobilenetv2_050').double(), 'lpf3'), INVERTED),
    ],
    ids=['plain', 'ddac', 'flc', 'aps', 'stem', 'slots'],
)
def test_plain_and_antialiased_networks_have_the_same_places(network, names):
    network, image = network().eval(), torch.randn(1, 3, 32, 32, dtype=torch.float64)
    keys, kinds = list(network.state_dict()), [type(module) for module in network.modules()]
    expected = network(image)
    observed, places, _ = observe(network, image)
    assert {place.name for place in places} >= set(names)
    assert len({place.name for place in places}) == len(places)
    torch.testing.assert_close(observed.eval()(image), expected, rtol=1e-10, atol=1e-12)
    assert list(network.state_dict()) == keys
    assert [type(module) for module in network.modules()] == kinds


def test_what_filters_is_named():
    image = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    places = observe(resnet('lpf3', skip=['layer4.0.conv1']), image)[1]
    filters = {place.name: place.filter for place in places}
    assert filters['layer2.0.conv1'] == filters['maxpool'] == 'BlurPool2d(3)'
    assert filters['conv1'] == filters['layer4.0.conv1'] == ''
    assert {place.filter for place in observe(resnet(), image)[1]} == {''}


def test_blur_layers_that_a_network_came_with():
    network = timm.create_model('resnetblur18', num_classes=3)
    places = {place.name: place for place in observe(network, torch.randn(1, 3, 32, 32))[1]}
    assert (places['layer2.0.aa'].kind, places['layer2.0.aa'].filter) == ('filter', 'BlurPool2d(3)')
    assert places['layer2.0.downsample.0'].filter == ''


def test_a_dilated_stage_does_not_downsample():
    network = timm.create_model('resnet18_ddac3', output_stride=16)
    names = [place.name for place in observe(network, torch.randn(1, 3, 64, 64))[1]]
    assert not any(name.startswith('layer4') for name in names)
    assert 'layer3.0.conv1' in names
