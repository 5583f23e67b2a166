import copy
import pickle

import numpy as np
import pytest
import timm
import torch
from torch import nn

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d, UnsupportedModelError
from antialias_plugins.conversion import is_antialiased, revert_antialias
from antialias_plugins.testing import shift_equivariance_error

SIBLINGS = {
    'resnet18_lpf4': 'resnet18',
    'resnet18_ddac3': 'resnet18',
    'densenet121_lpf2': 'densenet121',
    'mobilenet_v2_lpf5': 'mobilenetv2_100',
    'resnet50_aps2': 'resnet50',
    'resnet18_lps3': 'resnet18',
}
NETWORKS = [
    'resnet18_lpf4',
    'resnet18_ddac3',
    'densenet121_lpf2',
    'mobilenet_v2_lpf5',
    'alexnet_lpf4',
    'resnet18_aps3',
    'resnet18_lps2',
]


def images(side=96, channels=3, batch=2):
    return torch.rand(batch, channels, side, side, generator=torch.Generator().manual_seed(0))


def train_step(model, inputs):
    """One step of gradient descent: every parameter gets a gradient, and the loss goes down."""
    optimizer, losses = torch.optim.SGD(model.train().parameters(), lr=1e-3), []
    for _ in range(2):
        torch.manual_seed(0)  # layers that draw noise draw the same one
        outputs = model(inputs)
        losses.append(sum(output.square().mean() for output in (outputs if isinstance(outputs, list) else [outputs])))
        optimizer.zero_grad()
        losses[-1].backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
    assert losses[1] < losses[0]


@pytest.mark.parametrize('name', SIBLINGS)
def test_state_dict_is_that_of_the_sibling(name):
    model, sibling = timm.create_model(name, num_classes=10), timm.create_model(SIBLINGS[name], num_classes=10)
    missing, unexpected = model.load_state_dict(sibling.state_dict(), strict=False)
    assert not unexpected
    assert {key for key in missing if '.aa.' not in f'.{key}'} == set()
    assert bool(missing) == ('ddac' in name or 'lps' in name)


@pytest.mark.parametrize('name', NETWORKS)
def test_classes_channels_and_head(name):
    model = timm.create_model(name, num_classes=7, in_chans=1, global_pool='max', drop_rate=0.3).eval()
    logits = model(images(channels=1))
    assert logits.shape == (2, 7) and (model.num_classes, model.in_chans) == (7, 1)
    features = model.forward_features(images(channels=1))
    assert features.shape[1] == model.num_features
    assert model.forward_head(features, pre_logits=True).shape == (2, model.head_hidden_size)
    torch.testing.assert_close(model.forward_head(features), logits)
    model.reset_classifier(5)
    assert model(images(channels=1)).shape == (2, 5) and model.get_classifier().out_features == 5


@pytest.mark.parametrize('name', SIBLINGS)
def test_features_are_shaped_like_those_of_the_sibling(name):
    model, sibling = (timm.create_model(n, features_only=True).eval() for n in (name, SIBLINGS[name]))
    assert [tuple(m.shape) for m in model(images())] == [tuple(m.shape) for m in sibling(images())]
    for trait in ('channels', 'reduction', 'module_name'):
        assert getattr(model.feature_info, trait)() == getattr(sibling.feature_info, trait)()
    assert {key for key in model.state_dict() if '.aa.' not in f'.{key}'} == set(sibling.state_dict())


def test_features_of_alexnet():
    model = timm.create_model('alexnet_lpf4', features_only=True)
    maps = model(images(256))
    assert [m.shape[1] for m in maps] == model.feature_info.channels() == [64, 192, 256, 256]
    assert model.feature_info.reduction() == [4, 8, 16, 32]


@pytest.mark.parametrize(
    ('name', 'feature_cls'),
    [
        ('resnet18_ddac3', 'getter'),
        ('mobilenet_v2_lpf4', 'hook'),
        ('densenet121_lpf4', 'dict'),
        ('alexnet_lpf4', 'list'),
    ],
)
def test_features_that_are_asked_for(name, feature_cls):
    model = timm.create_model(name, features_only=True, out_indices=(1, 3), feature_cls=feature_cls, in_chans=1)
    maps = model(images(channels=1))
    channels = [m.shape[1] for m in (maps.values() if isinstance(maps, dict) else maps)]
    assert channels == model.feature_info.channels() and len(channels) == 2


@pytest.mark.parametrize(
    ('name', 'output_stride'),
    [('resnet18_ddac3', 8), ('resnet18_lpf4', 16), ('mobilenet_v2_lpf3', 16), ('resnet18_lps2', 8)],
)
def test_output_stride(name, output_stride):
    model = timm.create_model(name, features_only=True, output_stride=output_stride, out_indices=(1, 2, 3, 4))
    assert [m.shape[-1] for m in model(images())] == [96 // min(r, output_stride) for r in (4, 8, 16, 32)]
    assert model.feature_info.reduction() == [min(r, output_stride) for r in (4, 8, 16, 32)]
    train_step(model, images())


@pytest.mark.parametrize(
    ('name', 'dilated', 'filters'),
    [
        ('resnet18_lpf4', None, 3),
        ('resnet18_lpf4', 'blur', 7),
        ('resnet18_ddac3', None, 7),
        ('resnet18_ddac3', 'skip', 3),
    ],
)
def test_filters_of_dilated_stages(name, dilated, filters):
    model = timm.create_model(name, output_stride=8, dilated=dilated, num_classes=10)
    layers = [m for m in model.modules() if isinstance(m, (BlurPool2d, AdaptiveBlurPool2d))]
    assert len(layers) == filters
    strided = timm.create_model(name, num_classes=10)
    assert (model.state_dict().keys() == strided.state_dict().keys()) == (name.endswith('lpf4') or filters == 7)


@pytest.mark.parametrize('name', ['densenet121_lpf2', 'mobilenet_v2_lpf5', 'alexnet_lpf4', 'resnet18_aps3'])
def test_a_training_step(name):
    train_step(timm.create_model(name, num_classes=10), images())


@pytest.mark.parametrize(
    'name', ['resnet18_ddac3', 'densenet121_lpf2', 'mobilenet_v2_lpf5', 'alexnet_lpf4', 'resnet18_lps2']
)
def test_checkpointing_changes_no_gradient(name):
    model, gradients = timm.create_model(name, num_classes=10), []
    for enable in (False, True):
        torch.manual_seed(0)
        model.zero_grad()
        model.set_grad_checkpointing(enable)
        model.forward_features(images(80)).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    for expected, actual in zip(*gradients, strict=True):
        torch.testing.assert_close(actual, expected)


def strided_places(model):
    """Convolutions and pools that subsample by themselves, without a filter of ours."""
    return {
        name
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d))
        and module.stride not in (1, (1, 1))
        and 'aa' not in name.split('.')
        and not hasattr(module, 'aa')
    }


@pytest.mark.parametrize(
    ('name', 'stem'),
    [
        ('resnet50_lpf4', 'conv1'),
        ('resnet18_ddac3', 'conv1'),
        ('densenet121_lpf4', 'features.conv0'),
        ('mobilenet_v2_lpf4', 'conv_stem'),
        ('alexnet_lpf4', 'features.0'),
    ],
)
def test_nothing_aliases_but_the_stem(name, stem):
    assert strided_places(timm.create_model(name, num_classes=10)) == {stem}
    assert strided_places(timm.create_model(name, num_classes=10, stem=True)) == set()


def test_skip_path_that_timm_leaves_aliased():
    left = strided_places(timm.create_model('resnetblur50', num_classes=10))
    assert {'layer2.0.downsample.0', 'layer3.0.downsample.0', 'layer4.0.downsample.0'} <= left


@pytest.mark.parametrize('filt_size', [2, 5])
def test_sizes_round_up(filt_size):
    model = timm.create_model(f'resnet18_lpf{filt_size}', features_only=True)
    for side in (64, 97, 99, 100):
        with torch.no_grad():
            sides = [m.shape[-1] for m in model(images(side, batch=1))]
        stem, pooled = -(-side // 2), -(-side // 2) // 2  # the published max of 2×2 has no padding
        assert sides == [stem, pooled, -(-pooled // 2), -(-pooled // 4), -(-pooled // 8)]


@pytest.mark.parametrize(
    ('name', 'arguments', 'message'),
    [
        ('resnet18_lpf4', {'padding_mode': 'mirror'}, "padding_mode must be one of .* got 'mirror'"),
        ('alexnet_lpf4', {'padding_mode': 'mirror'}, "padding_mode must be one of .* got 'mirror'"),
        ('resnet18_lpf4', {'dilated': 'keep'}, "dilated must be 'skip' or 'blur', got 'keep'"),
        ('resnet18_ddac3', {'softmax': 'all'}, "softmax must be one of .* got 'all'"),
        ('resnet18_lpf4', {'aa_layer': 'avg'}, "aa_layer must be left out: .* got 'avg'"),
    ],
)
def test_unknown_values_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        timm.create_model(name, **arguments)


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(UnsupportedModelError, match='groups must divide the number of channels, got 7 groups for 64'):
        timm.create_model('resnet18_ddac3', groups=7)


@pytest.mark.parametrize(
    ('name', 'argument'),
    [
        ('resnet18_lpf4', 'softmax'),
        ('densenet121_lpf4', 'groups'),
        ('mobilenet_v2_lpf4', 'dilated'),
        ('vgg11_lpf4', 'stem'),
        ('alexnet_lpf4', 'output_stride'),
    ],
)
def test_arguments_without_a_meaning_are_refused(name, argument):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{argument}'"):
        timm.create_model(name, **{argument: 8})


@pytest.mark.parametrize('name', ['resnet18_ddac3', 'mobilenet_v2_lpf5', 'densenet121_lpf2'])
def test_copies_compute_the_same(name):
    model = timm.create_model(name, num_classes=10, exportable=True).eval()
    expected = model(images())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(images()), expected)


def test_a_network_can_be_taken_back_to_its_sibling():
    model, sibling = (timm.create_model(n, num_classes=10).eval() for n in ('resnet18_lpf4', 'resnet18'))
    assert is_antialiased(model)
    sibling.load_state_dict(model.state_dict())
    torch.testing.assert_close(revert_antialias(model)(images()), sibling(images()))


@pytest.mark.parametrize('method', ['lpf4', 'ddac3'])
def test_features_flicker_less_than_those_of_the_sibling(method):
    options = {'features_only': True, 'out_indices': (2,), 'padding_mode': 'circular'}
    model = timm.create_model(f'resnet18_{method}', **options).eval()
    sibling = timm.create_model('resnet18', features_only=True, out_indices=(2,)).eval()
    ours, theirs = (
        shift_equivariance_error(lambda x, net=net: net(x)[0], images(128), shifts=[4], stride=8, margin=4)
        for net in (model, sibling)
    )
    assert ours < theirs


@pytest.mark.parametrize(('softmax', 'output_stride'), [('joint', 32), ('group', 8)])
def test_an_adaptive_filter_is_the_published_formula(softmax, output_stride):
    """One site of a network, with stride 2 or in its dilated form with 1, against loops in float64."""
    model = timm.create_model('resnet18_ddac3', softmax=softmax, output_stride=output_stride, num_classes=10)
    layer = model.double().eval().get_submodule('layer3.0.aa')
    nn.init.uniform_(layer.bn.weight, 0.5, 1.5)
    layer.bn.running_mean.uniform_(-0.5, 0.5)
    seen = {}
    layer.register_forward_hook(lambda module, args, output: seen.update(input=args[0], output=output))
    with torch.no_grad():
        model(images(64, batch=1).double())
    stride = 2 if output_stride == 32 else 1
    expected = published_filter(seen['input'][0].numpy(), layer, 8, stride, softmax)
    np.testing.assert_allclose(seen['output'][0].numpy(), expected, rtol=0, atol=1e-12)


def published_filter(maps, layer, groups, stride, softmax):
    """y_c(p) = Σ_t w_{g(c),t}(p) · x_c(S·p + t), w the softmax of normalised logits, over a map (C, H, W)."""
    kernel, bn = layer.conv.weight.detach().numpy(), layer.bn
    scale = (bn.weight / (bn.running_var + bn.eps).sqrt()).detach().numpy()
    shift = bn.bias.detach().numpy() - bn.running_mean.numpy() * scale
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), 'reflect')
    channels, height, width = maps.shape
    output = np.empty((channels, -(-height // stride), -(-width // stride)))
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            window = padded[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
            odds = np.exp(np.einsum('ocuv,cuv->o', kernel, window) * scale + shift).reshape(groups, 3, 3)
            total = odds.sum() if softmax == 'joint' else odds.sum((1, 2), keepdims=True)
            taps = np.repeat(odds / total, channels // groups, axis=0)
            output[:, i, j] = (taps * window).sum((1, 2))
    return output
