"""Hosts that merge, fuse, wrap or hook parts of a network before or after it is converted."""

import copy
import functools
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from antialias_plugins import UnsupportedModelError, convert_antialias, revert_antialias


class Branches(nn.Module):
    """Two parallel convolutions that `switch_to_deploy` merges into one, of the block's own stride (as in RepVGG)."""

    def __init__(self, act: nn.Module, says_stride: bool = True) -> None:
        super().__init__()
        if says_stride:
            self.stride = 2
        self.one, self.two, self.act = nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), act

    def forward(self, x):
        return self.act(self.one(x) + (self.two(x) if self.two else 0))

    def switch_to_deploy(self):
        merged = nn.Conv2d(4, 4, 3, getattr(self, 'stride', self.one.stride), 1)
        merged.weight.data, merged.bias.data = self.one.weight + self.two.weight, self.one.bias + self.two.bias
        self.one, self.two = merged, None


@pytest.mark.parametrize('says_stride', [True, False], ids=['stride of the block', 'stride of the convolution'])
def test_merged_branches_do_not_stride_again(says_stride):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Branches(nn.ReLU(), says_stride))
    x = torch.rand(1, 3, 32, 32)
    convert_antialias(model)
    expected = model(x)
    model[1].switch_to_deploy()
    torch.testing.assert_close(model(x), expected)
    with pytest.raises(UnsupportedModelError, match=r'^1 has merged one, two since the conversion.* revert before'):
        revert_antialias(model)
    torch.testing.assert_close(model(x), expected)


def test_branches_that_carry_filters_refuse_to_be_merged():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Branches(nn.Identity()))
    convert_antialias(model)
    with pytest.raises(UnsupportedModelError, match=r'1\.switch_to_deploy\(\) would drop a filter .* call it before'):
        pickle.loads(pickle.dumps(model))[1].switch_to_deploy()
    revert_antialias(model)[1].switch_to_deploy()
    assert model[1].one.stride == (2, 2)


class Fusing(nn.Module):
    """A convolution, a norm and an activation that all such blocks share; fused, another method is its forward."""

    act = nn.SiLU()

    def __init__(self, channels, stride=1):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, 8, 3, stride, 1), nn.BatchNorm2d(8)
        self.act = type(self).act

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))

    def forward_fuse(self, x):
        return self.act(self.conv(x))


class Host(nn.Sequential):
    def fuse(self):
        for block in self:
            block.conv, block.forward = fuse_conv_bn_eval(block.conv, block.norm), block.forward_fuse
            del block.norm
        return self


def host():
    torch.manual_seed(0)
    model = Host(Fusing(3), Fusing(8, 2), Fusing(8), Fusing(8, 2)).double().eval()
    for block in model:
        nn.init.uniform_(block.norm.running_mean, -0.5, 0.5)
    return model


X = torch.rand(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    'copied', [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=['copy', 'pickle']
)
def test_filters_stay_when_a_host_fuses(copied):
    model = convert_antialias(host(), 'lpf3', stem=True)
    expected = model(X)
    fused = copied(copied(model).fuse())
    torch.testing.assert_close(fused(X), expected)
    with pytest.raises(UnsupportedModelError, match='1 has got another forward since the conversion'):
        revert_antialias(fused)
    torch.testing.assert_close(fused(X), expected)


def test_a_fused_host_is_converted():
    plain, expected = host().fuse(), convert_antialias(host(), 'lpf3', stem=True)(X)
    model = convert_antialias(copy.deepcopy(plain), 'lpf3', stem=True)
    torch.testing.assert_close(model(X), expected)
    torch.testing.assert_close(copy.deepcopy(model)(X), expected)
    torch.testing.assert_close(revert_antialias(model)(X), plain(X), rtol=0, atol=0)


class Adapter(nn.Module):
    """A low-rank update beside a layer, made as the layer is (LoRA)."""

    def __init__(self, layer):
        super().__init__()
        self.base_layer = layer
        self.down = type(layer)(layer.in_channels, 2, layer.kernel_size, layer.stride, layer.padding, bias=False)
        self.up = nn.Conv2d(2, layer.out_channels, 1, bias=False)

    def forward(self, x):
        return self.base_layer(x) + self.up(self.down(x))


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish(), nn.Conv2d(8, 4, 3, padding=1))
    return model.double().eval()


def adapted(model, *names):
    for name in names:
        model[name] = Adapter(model[name]).double()
    return model


def test_adapters_go_in_before_or_beside_filters():
    torch.manual_seed(0)
    model, x = adapted(network(), 0, 3), X.clone().requires_grad_()
    expected = model(x)
    gradient = torch.autograd.grad(expected.square().sum(), x)
    convert_antialias(model, 'lpf1', stem=True)
    torch.testing.assert_close(model(x), expected)
    torch.testing.assert_close(torch.autograd.grad(model(x).square().sum(), x), gradient)
    filtered = convert_antialias(network(), 'lpf3', stem=True)
    expected = filtered(X)
    adapted(filtered, 0)[0].up.weight.data.zero_()
    torch.testing.assert_close(filtered(X), expected)


def test_an_adapter_taken_out_takes_no_filter_along():
    model = convert_antialias(adapted(network(), 0, 3), 'lpf3', stem=True)
    for name in (0, 3):
        model[name].up.weight.data.zero_()
    expected = model(X)
    for name in (0, 3):
        model[name] = model[name].base_layer
    torch.testing.assert_close(model(X), expected)


def test_a_layer_with_a_filter_makes_no_others():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 4, 3, padding=1)).double()
    convert_antialias(model, 'lpf3', stem=True)
    with pytest.raises(
        UnsupportedModelError, match='AntialiasedConv2d holds a filter and makes no others of its class'
    ):
        adapted(model, 0)


def hook(module):
    """Wrap the forward of an instance, as libraries do that move weights between devices."""
    forward = module.forward
    module.forward = functools.wraps(forward)(functools.partial(lambda it, *args: forward(*args), module))
    return forward


def test_hooked_forwards_after_and_before():
    plain = network()
    model = convert_antialias(network(), 'lpf3', stem=True)
    expected = model(X)
    forwards = {module: hook(module) for module in model}
    torch.testing.assert_close(model(X), expected)
    with pytest.raises(
        UnsupportedModelError, match='2 has got another forward since the conversion, by a fusion or a ho'
    ):
        revert_antialias(model)
    for module, forward in forwards.items():
        module.forward = forward  # that of the class, now on the instance
    torch.testing.assert_close(revert_antialias(model)(X), plain(X), rtol=0, atol=0)
    hooked = network()
    for module in hooked:
        hook(module)
    with pytest.raises(
        UnsupportedModelError, match='but 2, whose forward something else has replaced: undo that, convert'
    ):
        convert_antialias(hooked, stem=True)


def test_a_convolution_with_a_forward_of_its_own_is_named():
    model = network()
    model[0].forward = lambda x: nn.Conv2d.forward(model[0], x) * model[0].stride[0]
    with pytest.raises(
        UnsupportedModelError, match='0 has a forward of its own on the instance: undo that, convert, and'
    ):
        convert_antialias(model, stem=True)
