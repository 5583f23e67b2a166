"""What a plan says that filters cost, against counters of another library on the network before and after."""

import pytest
import timm
import torch
import torchvision
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from antialias_plugins import convert_antialias, plan_antialias
from antialias_plugins.conversion.plan import Cost
from tests.conversion.networks import THIN_TIMM

models = torchvision.models
NETWORKS = {
    'resnet18': lambda: models.resnet18(),
    'mobilenet_v3_small': lambda: models.mobilenet_v3_small(),
    'densenet121': lambda: models.densenet121(),
    'convnext_tiny': lambda: models.convnext_tiny(),
    'shufflenet_v2_x0_5': lambda: models.shufflenet_v2_x0_5(),
    'squeezenet1_1': lambda: models.squeezenet1_1(),
    'timm resnet50d': lambda: timm.create_model('resnet50d', **THIN_TIMM),
    'timm nf_resnet26': lambda: timm.create_model('nf_resnet26'),
}


def count(model, x):
    """Multiply-adds in eval mode, bytes that a training step keeps beside the parameters, and these."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(x)
    own, kept = {id(parameter) for parameter in model.parameters()}, {}

    def keep(tensor):
        if id(tensor) not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.train()(x)
    del loss
    sizes = [tensor.untyped_storage().nbytes() for tensor in kept.values()]
    return Cost(counter.get_total_flops() // 2, sum(sizes), sum(it.numel() for it in model.parameters()))


@pytest.mark.parametrize(
    ('name', 'pool'),
    [
        *((name, 'lpf3') for name in NETWORKS),
        *((name, 'ddac3') for name in ('resnet18', 'mobilenet_v3_small', 'squeezenet1_1', 'timm nf_resnet26')),
    ],
)
def test_costs_are_those_that_counters_count(name, pool):
    model, x = NETWORKS[name](), torch.rand(2, 3, 48, 48)
    before = count(model, x)
    plan = plan_antialias(model, pool, example_input=x, stem=True)
    after = count(convert_antialias(model, pool, example_input=x, stem=True), x)
    assert plan.cost == Cost(*(getattr(after, it) - getattr(before, it) for it in ('macs', 'kept', 'parameters')))


def test_the_cost_of_a_place_by_hand():
    """From 16x16 to 32x32 pixels of 64 to 128 channels; norm and activation keep the dense map, 16 taps a number."""
    plan = plan_antialias(models.resnet18(), 'lpf4')
    cost = next(site.cost for site in plan.sites if site.roots == ('layer2.0.conv1',))
    macs = (32 * 32 - 16 * 16) * 128 * 64 * 9 + 16 * 128 * 16 * 16
    kept = 2 * (32 * 32 - 16 * 16) * 128 + 16 * 16 * 128
    assert cost == Cost(macs, 4 * kept, 0)
    assert plan.cost == sum((site.cost for site in plan.sites), Cost())


def test_a_learned_filter_has_a_column_of_its_own():
    lines = str(plan_antialias(models.resnet18(), 'ddac3')).splitlines()
    assert lines[1].split() == ['place', 'kind', 'stride', 'channels', 'MMAC', 'MB', 'kparam', 'filter']
    assert 'kparam' not in str(plan_antialias(models.resnet18(), 'lpf3')).splitlines()[1]


def test_min_channels_is_a_shorthand_of_skip():
    plan = plan_antialias(models.resnet18(), min_channels=128)
    assert {site.channels for site in plan.sites} == {128, 256, 512}
    assert [str(place) for place in plan.skipped[1:]] == [
        'maxpool: 64 channels are fewer than min_channels=128',
        'layer2.0.downsample.0: 64 channels are fewer than min_channels=128',
    ]
    model = convert_antialias(models.resnet18(), min_channels=128)
    assert not hasattr(model.maxpool, 'aa')
