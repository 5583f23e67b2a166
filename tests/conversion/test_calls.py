"""Converted networks are called, differentiated, traced and placed as the networks that they were."""

import copy

import pytest
import torch
import torchvision
from torch import fx, nn
from torch.autograd import forward_ad
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from antialias_plugins import UnsupportedModelError, convert_antialias, plan_antialias
from antialias_plugins.layers import BlurPool2d, FrequencyLowCutPool2d
from tests.pairs import pairwise

POOLS = ('lpf4', 'ddac3', 'flc', 'aps3', 'lps3', 'tips')


RECOMPUTED = pytest.mark.parametrize(
    ('pool', 'recompute'),
    [*((pool, False) for pool in POOLS), ('lpf4', True), ('ddac3', True)],
    ids=lambda value: value if isinstance(value, str) else 'recomputed' if value else 'kept',
)


def resnet(pool=None, **options):
    model = torchvision.models.resnet18(num_classes=10).eval()
    return convert_antialias(model, pool, example_input=torch.rand(1, 3, 64, 64), **options) if pool else model


def plain(ceil_mode=True):
    """Takes maps without a batch axis: no batch norm, and nothing that counts axes from the front."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 1, 2),
        nn.MaxPool2d(3, 2, 1, ceil_mode=ceil_mode),
        nn.AvgPool2d(2, ceil_mode=True),
    )


@pytest.mark.parametrize(
    ('pool', 'option'), pairwise(POOLS, ['avgpool=replace', 'avgpool=keep', 'avgpool=published', 'padding=circular'])
)
def test_a_map_without_a_batch_axis_is_a_batch_of_one(pool, option):
    is_circular = 'circular' in option
    model, x = plain(not is_circular).eval(), torch.rand(3, 64, 48 if is_circular else 62)
    assert model(x).dim() == 3
    convert_antialias(model, pool, stem=True, example_input=x[None], **dict([option.split('=')]))
    torch.testing.assert_close(model(x), model(x[None])[0], rtol=0, atol=1e-6)


@RECOMPUTED
def test_forward_mode_agrees_with_backward_mode(pool, recompute):
    """v J u, computed in both orders."""
    model = resnet(pool, recompute=recompute).double()
    x, u = torch.randn(2, 2, 3, 64, 64, dtype=torch.float64)
    with forward_ad.dual_level():
        output, tangent = forward_ad.unpack_dual(model(forward_ad.make_dual(x, u)))
    x.requires_grad_()
    expected = model(x)
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad((expected * v).sum(), x)
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close((tangent * v).sum(), (gradient * u).sum(), rtol=1e-9, atol=1e-9)


@RECOMPUTED
def test_fx_traces_it_into_the_modules_of_the_network_that_it_was(pool, recompute):
    model, x = resnet(pool, recompute=recompute), torch.rand(2, 3, 64, 64)
    traced = fx.symbolic_trace(model)
    for sides in ((64, 64), (65, 50)):
        x = torch.rand(2, 3, *sides)
        torch.testing.assert_close(traced(x), model(x), rtol=0, atol=1e-6)
    called = [str(node.target) for node in traced.graph.nodes if node.op == 'call_module']
    before = [str(node.target) for node in fx.symbolic_trace(resnet()).graph.nodes if node.op == 'call_module']
    assert [name for name in called if not name.endswith('.aa')] == before
    torch.testing.assert_close(copy.deepcopy(traced)(x), model(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize('pool', POOLS)
def test_features_are_extracted_by_the_names_of_before(pool):
    model, names = resnet(pool), ['maxpool', 'layer2.0.conv2', 'layer2.0.downsample', 'layer3', 'fc']
    assert {name for name in get_graph_node_names(resnet())[1]} <= {*get_graph_node_names(model)[1]}
    x, seen = torch.rand(2, 3, 64, 64), {}
    features = create_feature_extractor(model, names)(x)
    for name in names:
        model.get_submodule(name).register_forward_hook(lambda _, args, out, name=name: seen.update({name: out}))
    model(x)
    for name in names:
        torch.testing.assert_close(features[name], seen[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize('context', [False, True], ids=['model', 'model and context'])
@pytest.mark.parametrize('pool', POOLS)
def test_converted_on_the_meta_device_and_loaded(pool, context):
    expected, x = resnet(pool), torch.rand(2, 3, 64, 64)
    with torch.device('meta'):
        model = torchvision.models.resnet18(num_classes=10).eval()
        if context:
            convert_antialias(model, pool)
    if not context:
        convert_antialias(model, pool)
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    model.load_state_dict(expected.state_dict(), assign=True)
    assert torch.equal(model(x), expected(x))
    model.to_empty(device='cpu').load_state_dict(expected.state_dict())
    assert torch.equal(model(x), expected(x))


def test_converted_in_a_default_device_that_is_not_its_own():
    x = torch.rand(2, 3, 64, 64)
    model = resnet('lpf4')
    with torch.device('meta'):
        other = convert_antialias(torchvision.models.resnet18(num_classes=10).to_empty(device='cpu').eval(), 'lpf4')
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


WRONG = {
    'identity': (lambda c, s: nn.Identity(), r'gives shape \(1, 128, 33, 34\)'),
    'stride': (lambda c, s: BlurPool2d(c, 3, 3), r'gives shape \(1, 128, 11, 12\)'),
    'rounds down': (lambda c, s: nn.AvgPool2d(s), r'gives shape \(1, 128, 16, 17\)'),
    'channels': (lambda c, s: nn.Conv2d(c, 2 * c, 1, s), r'gives shape \(1, 256, 17, 17\)'),
    'flat': (lambda c, s: nn.Flatten(), r'gives shape \(1, 143616\)'),
    'no tensor': (lambda c, s: nn.AdaptiveMaxPool2d((17, 17), return_indices=True), r'gives \(tensor'),
    'fails': (lambda c, s: nn.Linear(3, 3), 'fails with RuntimeError'),
    'no module': (lambda c, s: torch.relu, 'pool must build a torch.nn.Module'),
    'class': ({'type': nn.Dropout2d}, 'cannot be built'),
}


@pytest.mark.parametrize('name', WRONG)
def test_a_filter_that_does_not_do_what_it_is_for_is_refused(name):
    pool, message = WRONG[name]
    model = torchvision.models.resnet18(num_classes=10)
    before, state = repr(model), copy.deepcopy(model.state_dict())
    with pytest.raises((UnsupportedModelError, ValueError), match=message) as raised:
        convert_antialias(model, pool)
    if name != 'class':
        assert 'layer2.0.conv1' in str(raised.value)
        assert 'layer2.0.conv1' in str(plan_antialias(model, pool))
    assert repr(model) == before
    torch.testing.assert_close(dict(model.state_dict()), dict(state), rtol=0, atol=0)


def test_a_filter_of_ones_own_that_strides_as_asked_is_taken():
    model = resnet(lambda c, s: nn.Sequential(FrequencyLowCutPool2d(c, s), nn.BatchNorm2d(c)))
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 10)
    assert model.layer2[0].conv2.aa[1].num_batches_tracked == 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'skip': 3}, 'skip must be a list of name patterns, got 3'),
        ({'skip': [3]}, r'skip must be a list of name patterns, got \[3\]'),
        ({'extra': len}, 'extra must be a list of name patterns, got <built-in'),
        ({'extra': None}, 'extra must be a list of name patterns, got None'),
        ({'recompute': 'yes'}, "recompute must be True or False, got 'yes'"),
        ({'example_input': [1]}, 'example_input must be a tensor, .*, got a list'),
        ({'maxpool': ['keep']}, r"maxpool must be 'keep' or 'published', got \['keep'\]"),
        ({'padding': None}, "padding must be 'keep', 'pools' or 'circular', got None"),
        ({'stem': 1}, 'stem must be True, False or a filter of its own, got 1'),
    ],
    ids=lambda value: '-'.join(value) if isinstance(value, dict) else '',
)
def test_options_are_checked_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        convert_antialias(plain(), 'lpf3', **arguments)
