import logging
from functools import partial

import pytest
import timm
import torch
import torchvision
from torch import nn

from antialias_plugins import convert_antialias, fuse_for_inference
from antialias_plugins.deployment import plain_modules, plan_fusion, quantization_config
from tests.conversion.networks import NETWORKS as RESNETS
from tests.conversion.networks import build as build_resnet


class Linear(nn.Module):
    """A convolution that downsamples without an activation: the filter comes between it and its norm."""

    def __init__(self):
        super().__init__()
        self.stem, self.other = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1, 2)
        self.conv, self.norm = nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.stem(x)
        return self.norm(self.conv(x)) + self.other(x)


class ReadTwice(nn.Sequential):
    def forward(self, x):
        y = self[0](x)
        return self[1](y) + y


class Standardised(nn.Conv2d):
    """Its weights are not those that it computes with."""

    def forward(self, x):
        weight = self.weight / self.weight.std((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, None, self.stride, self.padding)


def unsettle(model: nn.Module) -> nn.Module:
    """Norms in which nothing is 0 or 1, in float64 and eval mode."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    model.double().eval()
    return model


def small(build, *args, pool=None, **kwargs) -> nn.Module:
    model = build(*args, **kwargs)
    return unsettle(convert_antialias(model, pool, stem=True) if pool else model)


def error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return ((actual - expected).abs().max() / expected.abs().max()).item()


def count_norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


MODELS = {
    'torchvision-resnet18': partial(torchvision.models.resnet18, num_classes=5),
    'torchvision-resnet50': partial(torchvision.models.resnet50, num_classes=5, width_per_group=8),
    'torchvision-mobilenet_v2': partial(torchvision.models.mobilenet_v2, num_classes=5, width_mult=0.5),
    'timm-resnet26d': partial(timm.create_model, 'resnet26d', num_classes=5, base_width=16),
    'timm-mobilenetv2_050': partial(timm.create_model, 'mobilenetv2_050', num_classes=5),
    'timm-tf_mobilenetv3_small_minimal_100': partial(
        timm.create_model, 'tf_mobilenetv3_small_minimal_100', num_classes=5
    ),
    'linear': Linear,
}


@pytest.mark.parametrize(
    ('name', 'pool'),
    [
        ('torchvision-resnet18', None),
        *((name, pool) for name in ('torchvision-resnet18', 'linear') for pool in ('lpf4', 'ddac3')),
        *((name, 'lpf4') for name in MODELS if name.endswith(('resnet50', 'mobilenetv2_050', 'minimal_100'))),
        *((name, 'ddac3') for name in MODELS if name.endswith(('mobilenet_v2', 'resnet26d'))),
    ],
)
def test_outputs_are_those_of_the_network(name, pool):
    model = small(MODELS[name], pool=pool)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fused = fuse_for_inference(model, torch.rand(1, 3, 33, 32, dtype=torch.float64))
    for height in (64, 65):
        x = torch.rand(1, 3, height, 64, dtype=torch.float64)
        with torch.no_grad():
            assert error(fused(x), model(x)) <= 1e-12
    assert count_norms(fused) == (1 if (name, pool) == ('linear', 'ddac3') else 0)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize('name', [name for name in RESNETS if name.startswith('mmseg-ResNetV1c-50')])
def test_openmmlab(name):
    model = convert_antialias(build_resnet(name), 'ddac3')
    x = torch.rand(1, 3, 65, 64, dtype=torch.float64)
    fused = fuse_for_inference(model, x)
    with torch.no_grad():
        assert all(error(a, e) <= 1e-12 for a, e in zip(fused(x), model(x), strict=True))
    assert count_norms(fused) == 0


def test_float32_is_good_to_its_rounding():
    """Each of 21 layers rounds its weights once; the adaptive filter's softmax passes errors on as they are."""
    model = small(MODELS['torchvision-resnet18'], pool='ddac3')
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert error(fuse_for_inference(model.float(), x)(x).double(), model.double()(x.double())) <= 1e-5


@pytest.mark.parametrize(
    ('layer', 'folds'),
    [
        (dict(type='BlurPool2d', filt_size=4), True),
        (dict(type='BlurPool2d', filt_size=4, padding_mode='zeros'), False),
        (dict(type='AdaptiveBlurPool2d', filt_size=3, groups=1), False),
    ],
    ids=['constant stays constant', 'border of zeros', 'adaptive'],
)
def test_through_a_filter(layer, folds):
    model = small(Linear, pool=layer)
    plan = plan_fusion(model)
    assert tuple(vars(plan.folds[-1]).values()) == ('norm', 'conv', 'conv.aa') if folds else plan.left[0].name == 'norm'
    if folds:
        assert '| norm | conv | conv.aa |' in str(plan)


@pytest.mark.parametrize(
    ('model', 'reason'),
    [
        (nn.Sequential(nn.BatchNorm2d(3)), '0: follows input, which is no convolution'),
        (ReadTwice(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), '1: something else reads 0'),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)), '1: takes its statistics'),
        (nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4)), '1: 0 is a Standardised, which may change'),
        (nn.Sequential(*[nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)] * 2), '1: runs more than once'),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), 'it has no batch norm'),
    ],
    ids=['no convolution', 'read twice', 'no statistics', 'other weights', 'shared', 'no norm'],
)
def test_what_cannot_be_folded_is_said(model, reason):
    with pytest.raises(ValueError, match=f'must have something to fold.*{reason}'):
        fuse_for_inference(model.eval())


def test_hooked_norm_stays():
    model = unsettle(nn.Sequential(Linear(), nn.Conv2d(8, 3, 1), Linear()))
    model[0].norm.register_forward_hook(lambda *_: None)
    assert count_norms(fuse_for_inference(model)) == 1
    assert '0.norm: has forward hooks' in str(plan_fusion(model))


@pytest.mark.parametrize('part', ['', 'layer1.0.bn2'])
def test_train_mode_is_an_error(part):
    model = torchvision.models.resnet18().eval()
    model.get_submodule(part).training = True
    with pytest.raises(ValueError, match=f'must be in eval mode.*; {part or "it"} is in train mode'):
        fuse_for_inference(model)


def test_plan_is_logged(caplog):
    model = small(Linear)
    with caplog.at_level(logging.INFO, 'antialias_plugins'):
        fuse_for_inference(model)
    assert str(plan_fusion(model)) in caplog.text


def test_copy_does_not_recompute():
    def build(recompute: bool) -> nn.Module:
        block = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), block)
        return fuse_for_inference(unsettle(convert_antialias(model, recompute=recompute)))

    assert [type(module) for module in build(True).modules()] == [type(module) for module in build(False).modules()]


@pytest.mark.parametrize('function', [fuse_for_inference, plan_fusion, plain_modules, quantization_config])
@pytest.mark.filterwarnings('ignore:`torch.jit:FutureWarning')
def test_only_modules_as_they_were_written(function):
    with pytest.raises(TypeError, match=r'model must be a torch\.nn\.Module, got str'):
        function('resnet18')
    compiled = torch.jit.trace(nn.ReLU().eval(), torch.rand(1)), torch.compile(nn.ReLU().eval())
    for model in compiled:
        with pytest.raises(ValueError, match=r'model must be as it was before torch\.jit or torch\.compile, got'):
            function(model)


@pytest.mark.parametrize('function', [fuse_for_inference, plan_fusion])
def test_an_example_is_a_tensor_or_arguments(function):
    with pytest.raises(ValueError, match=r'example_input must be a tensor or a tuple of arguments, got \[1\]'):
        function(small(Linear), [1])
