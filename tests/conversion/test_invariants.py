"""What no conversion may change, on the ResNet family of every host (the table: ``pytest … -rP``)."""

import copy
import pickle

import pytest
import torch
from torch import nn

from antialias_plugins import convert_antialias, plan_antialias, revert_antialias
from antialias_plugins.layers import AdaptiveBlurPool2d, BlurPool2d
from tests.conversion.networks import HOSTS, NETWORKS, build, outputs

SIZES = {'even': (48, 64), 'odd': (49, 67)}


def image(size: str) -> torch.Tensor:
    return torch.rand(1, 3, *SIZES[size], dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def largest_error(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    assert [a.shape for a in actual] == [e.shape for e in expected]
    return max(((a - e).abs().max() / e.abs().max()).item() for a, e in zip(actual, expected, strict=True))


@pytest.fixture(params=[name for name in NETWORKS if name.partition('-')[0] in HOSTS])
def name(request) -> str:
    return request.param


def test_resnets_keep_their_invariants(name):
    model = build(name)
    state, parameters = copy.deepcopy(model.state_dict()), dict(model.named_parameters())
    expected = {size: outputs(model, image(size)) for size in SIZES}
    modes = [module.training for module in model.modules()]

    convert_antialias(model, 'lpf1', avgpool='keep')
    errors = {size: largest_error(outputs(model, image(size)), expected[size]) for size in SIZES}
    copied = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    errors['copy'] = largest_error(outputs(copied, image('odd')), expected['odd'])
    revert_antialias(model)
    errors['reverted'] = largest_error(outputs(model, image('odd')), expected['odd'])
    assert [module.training for module in model.modules()] == modes

    convert_antialias(model, 'lpf4')
    assert list(model.state_dict()) == list(state)
    assert all(parameter is parameters[key] for key, parameter in model.named_parameters())
    model.load_state_dict(state, strict=True)
    different = largest_error(outputs(model, image('even')), expected['even'])
    sites = sum(isinstance(module, BlurPool2d) for module in model.modules())
    print(f'| {name} | {sites} | {errors["even"]:.0e} | {errors["odd"]:.0e} | {len(state)} of {len(state)} |')

    assert max(errors.values()) <= 1e-12
    assert different > 1e-3, 'the filter changes nothing: is it there?'


def test_adaptive_filters_add_only_their_own_keys(name):
    model = build(name)
    state = model.state_dict()
    convert_antialias(model, 'ddac3')
    report = model.load_state_dict(state, strict=False)
    assert not report.unexpected_keys
    assert report.missing_keys
    assert all('aa.conv.' in key or 'aa.bn.' in key for key in report.missing_keys)
    outputs(model, image('odd'))


@pytest.mark.parametrize('name', ['torchvision-resnet18', 'timm-resnet50', 'timm-resnet50d', 'mmseg-ResNetV1c-50-d8'])
def test_everything_about_a_module_survives(name):
    model = build(name)
    model.train()
    stem = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    stem.weight.requires_grad = False
    calls = []
    hooked = dict(model.named_modules())['layer2.0.conv2']
    hooked.register_forward_hook(lambda *_: calls.append(1))
    flags = {key: parameter.requires_grad for key, parameter in model.named_parameters()}
    modules = {key: (module, type(module)) for key, module in model.named_modules() if not key.endswith('.aa')}

    convert_antialias(model, 'ddac3')

    calls.clear()
    model.train()
    model(image('even').repeat(2, 1, 1, 1))
    assert calls == [1]
    assert all(parameter.requires_grad == flags.get(key, True) for key, parameter in model.named_parameters())
    survivors = dict(model.named_modules())
    assert all(survivors[key] is module and isinstance(module, cls) for key, (module, cls) in modules.items())
    layers = [m for m in model.modules() if isinstance(m, AdaptiveBlurPool2d)]
    assert layers
    assert all(layer.training and layer.conv.weight.dtype == torch.float64 for layer in layers)


@pytest.mark.parametrize('name', ['timm-resnet18', 'timm-resnet50d'])
@pytest.mark.parametrize('stem', [False, True], ids=['', 'stem'])
def test_feature_maps_keep_their_sizes_and_values(name, stem):
    model = NETWORKS[name](features_only=True, num_classes=0).double().eval()
    expected = outputs(model, image('odd'))
    convert_antialias(model, 'lpf1', avgpool='keep', stem=stem)
    assert largest_error(outputs(model, image('odd')), expected) <= 1e-12


@pytest.mark.parametrize('convert_first', [True, False], ids=['convert-sync', 'sync-convert'])
def test_sync_batch_norm_conversion_keeps_the_filters(convert_first):
    """With a norm as attachment point, the replacement of the norm would drop the filter without a word."""
    model = build('torchvision-resnet50')
    if convert_first:
        expected = outputs(convert_antialias(model, 'lpf4'), image('even'))
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    else:
        model = convert_antialias(nn.SyncBatchNorm.convert_sync_batchnorm(model), 'lpf4')
        expected = outputs(convert_antialias(build('torchvision-resnet50'), 'lpf4'), image('even'))
    assert largest_error(outputs(model, image('even')), expected) == 0


def test_statistics_do_not_move():
    model = build('timm-resnet18').train()
    before = copy.deepcopy(model.state_dict())
    plan_antialias(model, 'ddac3')
    convert_antialias(model, 'lpf4')
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_random_state_belongs_to_the_caller():
    model = build('torchvision-resnet18')
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    plan_antialias(model, 'ddac3')
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize('pool', ['lpf3', 'ddac3'])
def test_checkpointed_blocks_learn_the_same(pool):
    """With activation checkpointing the filter runs again in backward."""
    pytest.importorskip('mmseg')
    gradients = []
    for with_cp in (False, True):
        model = build('mmseg-ResNet-50-cp' if with_cp else 'mmseg-ResNet-50')
        torch.manual_seed(0)
        convert_antialias(model, pool)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(parameter.numel()))
        model.train()
        sum(y.square().mean() for y in model(image('even'))).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(checkpointed, plain, rtol=1e-9, atol=1e-12)
