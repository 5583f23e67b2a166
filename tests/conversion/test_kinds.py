"""Kinds of networks that other libraries have, each against a twin written by hand: dense, filtered, sliced.

A place that is to be filtered calls ``self.filter``, which is nothing in the network itself and the filter in its twin.
"""

import copy
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import ops

from antialias_plugins import UnsupportedModelError, convert_antialias, plan_antialias, revert_antialias
from antialias_plugins.conversion.trace import trace


def blur3(x):
    """Binomial filter of three taps behind reflected borders, every second pixel of it."""
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype) / 4
    weight = (taps[:, None] * taps).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), weight, groups=x.shape[1])[:, :, ::2, ::2]


class Kind(nn.Module):
    """An encoder; what is special lies in `body`."""

    is_twin = False

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.conv = nn.Conv2d(8, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(8, 4, 3, padding=1)

    def filter(self, x):
        return blur3(x) if self.is_twin else x

    def encode(self, x):
        return self.filter(self.relu(self.norm(self.conv(self.first(x)))))

    def forward(self, x):
        return self.head(self.encode(x))


class Masked(Kind):
    """Makes a mask, and an encoding of positions, of the size of its map, and hands them on beside it."""

    def __init__(self, make):
        super().__init__()
        self.make, self.backbone = make, Backbone(self)

    def forward(self, x):
        y, mask = self.backbone[0](x)
        return self.head(y * mask + torch.arange(y.shape[-1]))


class Backbone(list):
    """Holds a module that is registered with its parts only."""

    def __init__(self, net):
        super().__init__()
        net.joiner = Joiner(net)
        self.append(net.joiner)


class Joiner(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = [net]

    def forward(self, x):
        y = self.net[0].encode(x)
        return y, self.net[0].make(y)


class Written(Kind):
    """Writes its map into zeros, part by part."""

    def encode(self, x):
        y, padded = super().encode(x), torch.zeros(x.shape[0], 8, 40, 40, dtype=x.dtype)
        padded[:, :4, :32, :32] = y[:, :4]
        padded[:, 4:].narrow(2, 0, 32)[..., :32].copy_(y[:, 4:])
        return padded


BOXES = torch.tensor([[0.0, 0.0, 20.0, 20.0], [5.0, 3.0, 40.0, 30.0]], dtype=torch.float64)


class Regions(Kind):
    """Pools regions of its map."""

    def __init__(self, pool):
        super().__init__()
        self.pool = pool

    def forward(self, x):
        y = self.encode(x)
        if isinstance(self.pool, ops.MultiScaleRoIAlign):
            y = self.pool({'0': y, '1': y[..., :16, :16]}, [BOXES], [(64, 64)])
        else:
            y = self.pool(y, [BOXES])
        return self.head(y)


class Shared(Kind):
    """One activation for all places, behind which a gate reads too."""

    def __init__(self):
        super().__init__()
        self.norm2 = nn.BatchNorm2d(8)

    def forward(self, x):
        y = self.relu(self.norm2(self.first(x)))
        y = self.relu(self.norm(self.filter(self.conv(y))))
        return self.head(y * F.adaptive_avg_pool2d(y, 1).sigmoid())


class Frozen(nn.Module):
    """A batch norm that does not learn, written as a scale and an offset."""

    def __init__(self):
        super().__init__()
        for name, values in {'weight': (0.5, 1.5), 'bias': (-1, 1), 'mean': (-1, 1), 'var': (0.5, 1.5)}.items():
            self.register_buffer(name, torch.empty(8).uniform_(*values))

    def forward(self, x):
        weight, bias, mean, var = (it.reshape(1, -1, 1, 1) for it in (self.weight, self.bias, self.mean, self.var))
        scale = weight * (var + 1e-5).rsqrt()
        return x * scale + (bias - mean * scale)


class Channels(nn.Module):
    """A layer norm over the channels, written by hand or around torch's."""

    def __init__(self, by_hand):
        super().__init__()
        self.weight, self.bias, self.by_hand = nn.Parameter(torch.rand(8) + 0.5), nn.Parameter(torch.rand(8)), by_hand

    def forward(self, x):
        if not self.by_hand:
            x = F.layer_norm(x.permute(0, 2, 3, 1), (8,), self.weight, self.bias)
            return x.permute(0, 3, 1, 2)
        mean = x.mean(1, keepdim=True)
        var = (x - mean).pow(2).mean(1, keepdim=True)
        return self.weight[:, None, None] * ((x - mean) / torch.sqrt(var + 1e-6)) + self.bias[:, None, None]


class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.rand(8, 1, 1))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class Behind(Kind):
    """A norm or an activation that is a function, or a module that nobody knows: the filter goes behind it."""

    def __init__(self, norm, act):
        super().__init__()
        self.norm, self.act = norm, act

    def encode(self, x):
        return self.filter(self.act(self.norm(self.conv(self.first(x)))))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, hidden, mask=None, *, scale):
        return self.conv(hidden) * scale


class Arguments(Kind):
    """Calls the modules that hold filters with keywords, or with more than a map."""

    def __init__(self, call):
        super().__init__()
        self.block, self.call = Block(), call
        self.up = nn.ConvTranspose2d(8, 8, 3, 2, 1)

    def encode(self, x):
        y = self.filter(F.relu(self.norm(self.conv(input=self.first(x)))))
        return self.call(self, y)


class Sized(nn.Module):
    """Stateless, takes maps of 32 pixels only, and one argument by keyword."""

    def forward(self, x, *, slope):
        if x.shape[-1] != 32:
            raise ValueError('a map of 32 pixels is needed')
        return F.leaky_relu(x, slope)


class Stateless(Kind):
    def __init__(self):
        super().__init__()
        self.act = Sized()

    def encode(self, x):
        y = self.filter(self.relu(self.norm(self.conv(self.first(x)))))
        return self.act(y, slope=0.5)


class Dict(Kind):
    def forward(self, batch):
        return {'out': super().forward(batch['image'])}


KINDS = {
    'mask of ones': lambda: Masked(lambda y: torch.ones(y.shape[-2:])),
    'mask of zeros': lambda: Masked(lambda y: 1 - torch.zeros_like(y[:, :1])),
    'mask in full': lambda: Masked(lambda y: torch.full((1, 1, 32, 32), 2.0).bool()),
    'mask of NumPy': lambda: Masked(lambda y: torch.ones(y.shape[-2:]).numpy().sum() * y.new_ones(1)),
    'written in place': Written,
    'RoIAlign': lambda: Regions(ops.RoIAlign(7, 0.5, 2)),
    'RoIPool': lambda: Regions(ops.RoIPool(7, 0.5)),
    'MultiScaleRoIAlign': lambda: Regions(ops.MultiScaleRoIAlign(['0', '1'], 7, 2)),
    'shared activation': Shared,
    'block(x, None, scale=2)': lambda: Arguments(lambda net, y: net.block(y, None, scale=2.0)),
    'block(hidden=x, scale=2)': lambda: Arguments(lambda net, y: net.block(hidden=y, scale=2.0)),
    'up(x, output_size)': lambda: Arguments(lambda net, y: net.up(y, output_size=[64, 64])),
    'stateless with a keyword': Stateless,
    'swish in the forward': lambda: Behind(nn.BatchNorm2d(8), lambda x: x * torch.sigmoid(x)),
    'swish with a parameter': lambda: Behind(nn.BatchNorm2d(8), Swish()),
    'hard swish by hand': lambda: Behind(nn.BatchNorm2d(8), lambda x: x * F.relu6(x + 3) / 6),
    'mish by hand': lambda: Behind(nn.BatchNorm2d(8), lambda x: x * F.softplus(x).tanh()),
    'leaky by a choice': lambda: Behind(nn.BatchNorm2d(8), lambda x: torch.where(x > 0, x, 0.1 * x)),
    'leaky by a maximum': lambda: Behind(nn.BatchNorm2d(8), lambda x: torch.maximum(x, x * 0.1)),
    'frozen norm': lambda: Behind(Frozen(), torch.relu),
    'channels by hand': lambda: Behind(Channels(True), F.gelu),
    'channels last': lambda: Behind(Channels(False), F.silu),
}


def image(size=64):
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def build(kind):
    torch.manual_seed(0)
    model = KINDS[kind]().double().eval()
    if isinstance(model.norm, nn.BatchNorm2d):
        nn.init.uniform_(model.norm.running_mean, -0.5, 0.5)
    return model


def values_and_gradients(model, x):
    x = x.clone().requires_grad_()
    y = model(x)
    y = y['out'] if isinstance(y, dict) else y
    model.zero_grad()
    y.pow(2).sum().backward()
    return [y.detach(), x.grad, *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize('kind', KINDS)
def test_a_kind_is_filtered_as_its_twin(kind):
    model, twin = build(kind), build(kind)
    twin.conv.stride, twin.is_twin = (1, 1), True
    x, plain = image(), build(kind)
    convert_antialias(model, 'lpf3', stem=True, example_input=x)
    torch.testing.assert_close(values_and_gradients(model, x), values_and_gradients(twin, x), rtol=1e-9, atol=1e-11)
    revert_antialias(model)
    torch.testing.assert_close(values_and_gradients(model, x), values_and_gradients(plain, x), rtol=0, atol=0)


def test_a_filter_before_its_activation_is_noted():
    (site,) = plan_antialias(build('shared activation'), 'lpf3', stem=True).sites
    assert (site.position, site.note) == ('after conv', 'before the activation')


class Unknown(nn.Module):
    """Opaque to a trace, with a parameter."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return torch.from_numpy(x.detach().numpy().clip(0) * self.gain.item())


def test_a_filter_before_what_may_be_an_activation_is_noted():
    (site,) = plan_antialias(Behind(nn.BatchNorm2d(8), Unknown()).double(), stem=True).sites
    assert (site.position, site.note) == ('after conv', 'before act, which may be an activation')


@pytest.mark.parametrize('kind', ['RoIAlign', 'RoIPool', 'MultiScaleRoIAlign'])
def test_a_pool_of_regions_is_named(kind):
    plan = plan_antialias(build(kind), 'lpf3', stem=True, example_input=image())
    assert 'pools regions of the map' in {place.reason for place in plan.skipped}


EXAMPLES = {
    'tensor': image(),
    'arguments': (image(),),
    'keywords': {'x': image()},
    'a side': 48,
    'a size': (40, 48),
    'a shape': (2, 3, 40, 48),
    'function': lambda model: model(image(48)),
    'function of a part': lambda model: model.head(model.encode(image(48))),
}


@pytest.mark.parametrize('form', EXAMPLES)
def test_forms_of_the_example(form):
    torch.manual_seed(0)
    model = Kind().double().eval()
    expected = model(image())
    plan = plan_antialias(model, stem=True, example_input=EXAMPLES[form])
    assert [site.position for site in plan.sites] == ['after relu']
    convert_antialias(model, 'lpf1', stem=True, example_input=EXAMPLES[form])
    torch.testing.assert_close(model(image()), expected)


def test_a_dict_may_be_the_only_argument():
    model = Dict().double().eval()
    expected = model({'image': image()})
    convert_antialias(model, 'lpf1', stem=True, example_input=({'image': image()},))
    torch.testing.assert_close(model({'image': image()}), expected)


@pytest.mark.parametrize(
    ('example', 'message'),
    [
        ([image()], r'a function of the network, got a list; an only argument that is a list is written \(\[...\],\)'),
        ('image', 'got a str'),
        (True, 'got a bool'),
        (0, 'got 0'),
        ((0, 224), r'size of positive integers, got \(0, 224\)'),
        (nn.Conv2d(3, 3, 1), 'got a Conv2d'),
    ],
    ids=['list', 'word', 'flag', 'zero', 'zero height', 'module'],
)
def test_what_is_no_example_is_said(example, message):
    with pytest.raises(ValueError, match=f'example_input must be a .*{message}'):
        plan_antialias(Kind(), example_input=example)


@pytest.mark.parametrize(
    ('example', 'message'),
    [
        ({'y': image()}, r'fails on shape \[\(2, 3, 64, 64\)\] with TypeError: .*unexpected keyword'),
        (lambda model: None, 'holds no tensor, so nothing can be compared'),
        (lambda model: model(image()[:, :2]), 'fails in your function with RuntimeError'),
    ],
    ids=['keyword', 'nothing', 'channels'],
)
def test_an_example_that_does_not_run_is_said(example, message):
    with pytest.raises(UnsupportedModelError, match=rf'example_input: .*{message}'):
        convert_antialias(Kind().double(), example_input=example)


def test_an_example_is_not_changed_by_the_network():
    class InPlace(Kind):
        def forward(self, x):
            return super().forward(x.sub_(0.5))

    x = image()
    convert_antialias(InPlace().double().eval(), stem=True, example_input=x)
    torch.testing.assert_close(x, image(), rtol=0, atol=0)


class Detector(Kind):
    """Boxes at the largest scores, less those that overlap: any rounding may turn an order or a number."""

    def forward(self, x):
        scores = super().forward(x)[0, 0].flatten()
        rounding = 1e-9 * self.conv.stride[0]  # stands for that of a dense convolution
        noise = ((scores + rounding) * 1e10).round().long() % 97
        order = noise.argsort()[:50]
        corners = torch.stack([order % 32, order // 32], 1).to(x.dtype)
        boxes = torch.cat([corners, corners + 4], 1)
        kept = ops.nms(boxes, scores[order], 0.3)
        return [{'boxes': boxes[kept], 'scores': scores[order][kept]}]


def test_what_is_chosen_by_values_need_not_be_the_same():
    torch.manual_seed(0)
    model = Detector().double().eval()
    graph = trace(model, image())
    assert graph.chosen == [0, 1]
    assert (1024,) in {tuple(tensor.shape) for tensor in graph.evidence}
    twin = copy.deepcopy(model)
    convert_antialias(model, 'lpf1', stem=True, example_input=image())
    assert not torch.equal(model(image())[0]['boxes'], twin(image())[0]['boxes'])


def test_what_it_is_chosen_from_must_be_the_same():
    class Wrong(Detector):
        def encode(self, x):
            return super().encode(x) * self.conv.stride[0]

    with pytest.raises(UnsupportedModelError, match='computes something else: what it chooses boxes or regions from'):
        convert_antialias(Wrong().double().eval(), stem=True, example_input=image())


class BehindAChoice(Kind):
    """A place behind a choice: there the outputs themselves have to be the same."""

    def forward(self, x):
        chosen = x[:, :, x.mean((0, 1, 3)).argsort()]
        return super().forward(chosen) * self.conv.stride[0]


def test_behind_a_choice_the_outputs_must_be_the_same():
    with pytest.raises(UnsupportedModelError, match='something else: output 1'):
        convert_antialias(BehindAChoice().double().eval(), stem=True, example_input=image())


class Opaque(nn.Module):
    def forward(self, x):
        return torch.from_numpy(x.numpy()[..., ::2, ::2].copy())


def test_what_cannot_be_looked_into_can_be_skipped():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), Opaque(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    message = re.escape('1 (Opaque): makes the map smaller by an operation that cannot be looked into')
    with pytest.raises(UnsupportedModelError, match=message):
        convert_antialias(model, stem=True)
    plan = plan_antialias(model, stem=True, skip=['1'])
    assert ([site.roots for site in plan.sites], str(plan.skipped[0])) == ([('2',)], '1: skip asks for it')


def lazy():
    return nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, 2))


def quantised():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, 2))
    model[1] = torch.ao.nn.qat.Conv2d(8, 8, 3, 2, qconfig=torch.ao.quantization.default_qat_qconfig)
    return model


def scripted_part():
    return nn.Sequential(nn.Conv2d(3, 8, 3), torch.jit.script(nn.Conv2d(8, 8, 3, 2)))


NOT_YET = {
    'lazy': (lazy, 'Sequential .*: 0 is a LazyConv2d: run the network once'),
    'scripted': (scripted_part, 'Sequential .*: 1 is a .*Script.*: convert before torch.jit or torch.compile'),
    'compiled': (
        lambda: torch.compile(Kind()),
        'OptimizedModule .*: it is a .*: convert before torch.jit or torch',
    ),
    'quantised': (quantised, 'Sequential .*: 1 is a Conv2d: convert before quantising'),
    'parallel': (lambda: nn.DataParallel(Kind()), 'it is a DataParallel: convert its module, before it is wrapped'),
    'averaged': (
        lambda: torch.optim.swa_utils.AveragedModel(Kind()),
        'it is a AveragedModel: convert the network, before it is copied',
    ),
    '3-D': (lambda: nn.Sequential(nn.Conv3d(3, 8, 3, 2)), r'its convolutions are 3-D, and only those of maps \(N, C'),
    '1-D': (lambda: nn.Sequential(nn.Conv1d(3, 8, 3, 2)), r'its convolutions are 1-D, and only those of maps \(N, C'),
}


@pytest.mark.filterwarnings('ignore:.*deprecated')
@pytest.mark.parametrize('case', NOT_YET)
@pytest.mark.parametrize('function', [plan_antialias, convert_antialias])
def test_what_has_to_be_done_first_is_one_line(case, function):
    build, message = NOT_YET[case]
    model = build()
    before = [*map(type, model.modules())]
    with pytest.raises(UnsupportedModelError, match=message) as info:
        function(model)
    assert '\n' not in str(info.value)
    assert [*map(type, model.modules())] == before


class Strides(Kind):
    """Strides beside its map, in whatever way."""

    def __init__(self, stride, *modules):
        super().__init__()
        self.stride, self.parts = stride, nn.ModuleList(modules)

    def forward(self, x):
        y = self.encode(x)
        return self.head(y), self.stride(y, *self.parts)


STRIDES = {
    'rows': (Strides(lambda y: y[:, :, ::2]), 'getitem: takes every 2nd position of an axis'),
    'channels last': (Strides(lambda y: y.permute(0, 2, 3, 1)[:, 0::3, 0::3]), 'getitem: takes every 3rd position'),
    'F.unfold': (Strides(lambda y: F.unfold(y, 2, stride=2)), 'unfold: takes windows of the map'),
    'Tensor.unfold': (Strides(lambda y: y.unfold(2, 2, 2)), 'unfold: takes windows of the map'),
    'nn.Unfold': (Strides(lambda y, it: it(y), nn.Unfold(2, stride=2)), 'parts.0.unfold: takes windows'),
    'Conv1d': (Strides(lambda y, it: it(y.flatten(2)), nn.Conv1d(8, 8, 3, 2)), 'parts.0: strides in 1 dimension: only'),
    'Conv3d': (Strides(lambda y, it: it(y[:, None]), nn.Conv3d(1, 8, 3, 2)), 'parts.0: strides in 3 dimensions: only'),
    'conv1d': (Strides(lambda y: F.conv1d(y.flatten(2), y.new_ones(1, 8, 2), stride=2)), 'conv1d: strides in 1 dim'),
    'MaxPool1d': (
        Strides(lambda y, it: it(y.flatten(2)), nn.MaxPool1d(2)),
        'parts.0.max_pool1d: strides in 1',
    ),
    'avg_pool3d': (Strides(lambda y: F.avg_pool3d(y, 2)), 'avg_pool3d: strides in 3 dimensions: only maps'),
    'ConvTranspose2d': (Strides(lambda y, it: it(y), nn.ConvTranspose2d(8, 2, 2, 2)), 'parts.0: enlarges the map'),
    'conv_transpose2d': (
        Strides(lambda y: F.conv_transpose2d(y, y.new_ones(8, 2, 2, 2), stride=2)),
        'conv_transpose2d: enlarges the map, transposed',
    ),
    'PixelShuffle': (Strides(lambda y, it: it(y), nn.PixelShuffle(2)), 'parts.0.pixel_shuffle: enlarges the map by'),
    'pixel_unshuffle': (Strides(lambda y: F.pixel_unshuffle(y, 2)), 'pixel_unshuffle: reduces the map without'),
    'pool of one pixel': (Strides(lambda y: F.max_pool2d(y, 1, 2)), 'max_pool2d: takes every other pixel: the window'),
    'pool of the map': (Strides(lambda y, it: it(y), nn.AvgPool2d(16)), 'parts.0: pools the whole map'),
}


@pytest.mark.parametrize('case', STRIDES)
def test_whatever_strides_is_named(case):
    model, message = STRIDES[case]
    plan = plan_antialias(model, stem=True, example_input=torch.rand(1, 3, 32, 32))
    assert [site.roots for site in plan.sites] == [('conv',)]
    assert [str(place) for place in plan.skipped if message in str(place)], str(plan)


def test_what_does_not_stride_is_not_named():
    dense = nn.ModuleList([nn.ConvTranspose2d(8, 2, 3), nn.Conv1d(8, 2, 3)])
    model = Strides(lambda y, *parts: (parts[0](y), parts[1](y.flatten(2)), y[:, 1:, ..., None, :5], F.fold), *dense)
    assert not plan_antialias(model, stem=True).skipped
