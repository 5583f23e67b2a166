"""Recomputed maps: the same to the last bit as maps that were kept, and less memory."""

import copy
import logging
import pickle
import warnings

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from antialias_plugins import AntialiasWarning, convert_antialias, revert_antialias
from antialias_plugins.conversion.recompute import Recomputed, SegmentRun
from lab.benchmark import count_saved_bytes
from tests.conversion.networks import NETWORKS


class Block(nn.Module):
    """A convolution that downsamples, and whatever lies between it and the next one."""

    def __init__(self, *between: nn.Module, channels: int = 8) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, channels, 3, 2, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.between = nn.ModuleList(between)
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x):
        y = self.norm(self.down(x))
        for module in self.between:
            y = module(y)
        return self.last(self.act(y))


class Functional(Block):
    def forward(self, x):
        return self.last(F.relu(self.norm(self.down(x))))


class Whole(nn.Module):
    """Ends in a function, so that the filter hangs on the module as a whole."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8)

    def forward(self, x):
        return F.silu(self.norm(self.conv(x)))


class TrainsOtherwise(Block):
    """Does something in train mode that a pass in eval mode does not show."""

    def forward(self, x):
        y = self.norm(self.down(x))
        return self.last(self.act(2 * y if self.training else y))


class Borrows(nn.Module):
    """Computes with a parameter that it does not own, as a sharded module does."""

    def __init__(self, parameter):
        super().__init__()
        self.borrowed = [parameter]

    def forward(self, x):
        return x * self.borrowed[0]


def small(block: type[nn.Module] = Block, *args: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), block(*args))


def pair(model: nn.Module, pool: str = 'lpf3', **options) -> tuple[nn.Module, nn.Module]:
    """The network with its maps kept, and recomputed; the same weights, the same filters."""
    kept, recomputed = (convert_antialias(copy.deepcopy(model), pool, recompute=r, **options) for r in (False, True))
    recomputed.load_state_dict(kept.state_dict())
    return kept, recomputed


def loss_of(model: nn.Module, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    outputs = model(x)
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    return sum(output.float().square().mean() for output in outputs)


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_same(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Equal to the last bit."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


def assert_same_step(kept: nn.Module, recomputed: nn.Module, x: torch.Tensor) -> None:
    for model in (kept, recomputed):
        model.zero_grad()
        loss_of(model, x).backward()
    assert_same(gradients(recomputed), gradients(kept))
    assert_same(recomputed.state_dict(), kept.state_dict())


def graph_nodes(tensor: torch.Tensor) -> list[str]:
    names, seen, stack = [], set(), [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            names.append(node.name())
            stack += [source for source, _ in node.next_functions]
    return names


def recomputed_segments(model: nn.Module, x: torch.Tensor) -> int:
    return graph_nodes(loss_of(model, x)).count(f'{Recomputed.__name__}Backward')


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 33, 32)


# the number of segments with fixed filters, and with adaptive ones
STEPS = {
    'torchvision-resnet18': ((3, 7), NETWORKS['torchvision-resnet18']),
    'torchvision-resnet50': ((3, 7), lambda: torchvision.models.resnet50(num_classes=5, width_per_group=8)),
    'torchvision-mobilenet_v2': ((4, 4), lambda: torchvision.models.mobilenet_v2(num_classes=5, width_mult=0.5)),
    'timm-resnet26d': ((3, 7), lambda: timm.create_model('resnet26d', num_classes=5, base_width=16)),
    'timm-mobilenetv2_050': ((4, 4), lambda: timm.create_model('mobilenetv2_050', num_classes=5)),
    'mmseg-ResNetV1c-50': ((3, 7), NETWORKS['mmseg-ResNetV1c-50']),
    'mmseg-ResNet-50-caffe': ((3, 7), NETWORKS['mmseg-ResNet-50-caffe']),
    'mmseg-ResNet-50-cp': ((3, 7), NETWORKS['mmseg-ResNet-50-cp']),
}


@pytest.mark.parametrize(
    ('name', 'pool'),
    [
        ('torchvision-resnet18', 'lpf4'),
        ('torchvision-resnet50', 'ddac3'),
        ('torchvision-mobilenet_v2', 'lpf4'),
        ('timm-resnet26d', 'ddac3'),
        ('timm-mobilenetv2_050', 'ddac3'),
        ('mmseg-ResNetV1c-50', 'lpf4'),
        ('mmseg-ResNet-50-caffe', 'ddac3'),
        ('mmseg-ResNet-50-cp', 'lpf4'),
        ('mmseg-ResNet-50-cp', 'ddac3'),
    ],
)
def test_training_is_the_same_to_the_last_bit(name, pool):
    """Losses, gradients, weights and running statistics, over three steps."""
    segments, build = STEPS[name]
    kept, recomputed = models = pair(build(), pool)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9) for model in models]
    images = torch.rand(3, 2, 3, 33, 48)
    for step, x in enumerate(images):
        losses = []
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            losses.append(loss_of(model, x, step))
            losses[-1].backward()
        assert torch.equal(*losses)
        assert_same(gradients(recomputed), gradients(kept))
        for optimizer in optimizers:
            optimizer.step()
        assert_same(recomputed.state_dict(), kept.state_dict())
    if not name.endswith('cp'):  # which checkpoints the whole block
        assert recomputed_segments(recomputed, images[0]) == segments[pool == 'ddac3']


@pytest.mark.parametrize(('name', 'pool'), [('resnet18', 'ddac3'), ('resnet50', 'lpf4')])
def test_saves_no_more_than_the_network_before_its_conversion(name, pool):
    build, x = getattr(torchvision.models, name), torch.rand(1, 3, 112, 112)

    def saved(model: nn.Module) -> int:
        counted = count_saved_bytes(model, x)
        return counted.activations + counted.input

    assert saved(convert_antialias(build(), pool, recompute=True)) <= 1.02 * saved(build())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
def test_autocast_of_the_forward_pass_is_that_of_the_repetition(dtype, image):
    kept, recomputed = pair(small(), 'ddac3')
    for model in (kept, recomputed):
        with torch.autocast('cpu', dtype):
            loss = loss_of(model, image)
        loss.backward()  # outside, as it should be
    assert_same(gradients(recomputed), gradients(kept))


BETWEEN = {
    'dropout': nn.Dropout(0.3),
    'identity': nn.Identity(),
    'composite': nn.Sequential(nn.BatchNorm2d(8), nn.Identity()),
    'group norm': nn.GroupNorm(2, 8),
    'frozen norm': nn.BatchNorm2d(8).requires_grad_(False),
}


@pytest.mark.parametrize('between', BETWEEN)
def test_whatever_lies_between(between, image):
    kept, recomputed = pair(small(Block, BETWEEN[between]))
    assert_same_step(kept, recomputed, image)
    assert_same_step(kept, recomputed, image)  # the random state is where it would be
    assert recomputed_segments(recomputed, image) == 1


@pytest.mark.parametrize('build', [lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 2), Whole()), lambda: Block(channels=3)])
def test_filter_on_a_whole_block_and_segment_in_the_network_itself(build, image):
    kept, recomputed = pair(build(), stem=True)
    assert_same_step(kept, recomputed, image)
    assert recomputed_segments(recomputed, image) >= 1


def test_statistics_move_once(image):
    model = convert_antialias(small(), recompute=True)
    loss_of(model, image).backward()
    assert model[2].norm.num_batches_tracked == 1


def test_eval_mode(image):
    kept, recomputed = (model.eval() for model in pair(small(), 'ddac3'))
    assert_same_step(kept, recomputed, image)


def test_nothing_is_noted_without_gradients(image, monkeypatch):
    model = convert_antialias(small(), recompute=True)
    monkeypatch.setattr(SegmentRun, '__init__', lambda *_: pytest.fail('noted'))
    with torch.no_grad():
        model(image)


def test_mode_may_change_before_backward(image):
    kept, recomputed = pair(small(Block, nn.Dropout(0.3)))
    for model in (kept, recomputed):
        loss = loss_of(model, image)
        model.eval()
        loss.backward()
        assert not any(module.training for module in model.modules())
    assert_same(gradients(recomputed), gradients(kept))


def test_two_passes_before_backward(image):
    kept, recomputed = pair(small(Block, nn.Dropout(0.3)))
    for model in (kept, recomputed):
        (loss_of(model, image, seed=1) + loss_of(model, image.flip(-1), seed=2)).backward()
    assert_same(gradients(recomputed), gradients(kept))
    assert_same(recomputed.state_dict(), kept.state_dict())


def test_backward_twice_through_one_graph(image):
    kept, recomputed = pair(small())
    for model in (kept, recomputed):
        loss = loss_of(model, image)
        loss.backward(retain_graph=True)
        loss.backward()
    assert_same(gradients(recomputed), gradients(kept))


def test_gradient_of_the_gradient(image):
    kept, recomputed = pair(small().double(), 'ddac3')
    images = [image.double().requires_grad_() for _ in range(2)]
    for model, x in zip((kept, recomputed), images, strict=True):
        (slope,) = torch.autograd.grad(loss_of(model, x), x, create_graph=True)
        slope.square().sum().backward()
    rounding = {'rtol': 1e-10, 'atol': 1e-15}  # the terms of a sum come in another order
    torch.testing.assert_close(gradients(recomputed), gradients(kept), **rounding)
    torch.testing.assert_close(images[1].grad, images[0].grad, **rounding)


@pytest.mark.parametrize('use_reentrant', [False, True], ids=['graph', 'reentrant'])
def test_inside_a_checkpoint(use_reentrant, image):
    kept, recomputed = pair(small(Block, nn.Dropout(0.3)))
    for model in (kept, recomputed):
        x = image.clone().requires_grad_()
        loss = loss_of(lambda x, model=model: checkpoint(model, x, use_reentrant=use_reentrant), x)
        loss.backward()
    assert_same(gradients(recomputed), gradients(kept))
    assert_same(recomputed.state_dict(), kept.state_dict())


def test_saved_tensors_are_seen_by_hooks(image):
    kept, recomputed = pair(small())
    for model in (kept, recomputed):
        with torch.autograd.graph.save_on_cpu():
            loss = loss_of(model, image)
        loss.backward()
    assert_same(gradients(recomputed), gradients(kept))


def test_weights_changed_before_backward_are_an_error(image):
    model = convert_antialias(small(), recompute=True)
    loss = loss_of(model, image)
    with torch.no_grad():
        model[2].norm.weight.add_(1)
    with pytest.raises(RuntimeError, match='modified by an inplace operation'):
        loss.backward()


def test_error_between_leaves_nothing_open(image):
    kept, recomputed = pair(small())
    handle = recomputed[2].act.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recomputed(image)
    handle.remove()
    recomputed.load_state_dict(kept.state_dict())  # the norm had seen the image
    assert_same_step(kept, recomputed, image)


def test_norm_exchanged_after_the_conversion(image):
    kept, recomputed = pair(small())
    for model in (kept, recomputed):
        model[2].norm = nn.InstanceNorm2d(8, track_running_stats=True)
    assert_same_step(kept, recomputed, image)
    assert recomputed_segments(recomputed, image) == 1


def test_hooks_take_part(image):
    kept, recomputed = pair(small())
    for model in (kept, recomputed):
        model[2].norm.register_forward_hook(lambda *args: args[-1] * 2)
        model[2].down.register_full_backward_hook(lambda _, grads, __: (grads[0] * 3,))
        model[2].down.weight.register_hook(lambda grad: grad + 1)
    assert_same_step(kept, recomputed, image)


def test_other_readers_have_their_gradient(image):
    """A map inside that is held, and read, elsewhere."""
    kept, recomputed = pair(small().double())
    for model in (kept, recomputed):
        held = []
        model[2].norm.register_forward_hook(lambda *args, held=held: held.append(args[-1].clone()))
        loss = loss_of(model, image.double())
        (loss + held[0].sin().sum()).backward()
    torch.testing.assert_close(gradients(recomputed), gradients(kept), rtol=1e-10, atol=1e-10)


def test_copies_and_pickles_stand_alone(image):
    kept, recomputed = pair(small())
    for other in (copy.deepcopy(recomputed), pickle.loads(pickle.dumps(recomputed))):
        with torch.no_grad():
            kept_weight = recomputed[2].down.weight.clone()
            recomputed[2].down.weight.zero_()  # of no concern to the copy
        assert [type(module) for module in other.modules()] == [type(module) for module in recomputed.modules()]
        assert_same_step(copy.deepcopy(kept), other, image)
        with torch.no_grad():
            recomputed[2].down.weight.copy_(kept_weight)


@pytest.mark.parametrize('name', ['torchvision-resnet18', 'timm-resnet26d'])
def test_revert(name):
    model = NETWORKS[name.replace('26d', '50')]()
    before = [(type(module), set(vars(module))) for module in model.modules()]
    convert_antialias(model, 'lpf3', recompute=True)
    loss_of(model, torch.rand(2, 3, 64, 64)).backward()
    revert_antialias(model)
    assert [(type(module), set(vars(module))) for module in model.modules()] == before


def test_data_parallel(image, tmp_path):
    kept, recomputed = pair(small(), 'ddac3')
    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        for model in (kept, recomputed):
            parallel = DistributedDataParallel(model)
            loss_of(parallel, image).backward()
    finally:
        torch.distributed.destroy_process_group()
    assert_same(gradients(recomputed), gradients(kept))


def test_functional_call(image):
    """Parameters that are the network's own only during the forward pass."""
    kept, recomputed = pair(small())
    found = []
    for model in (kept, recomputed):
        tensors = {name: (p.detach() + 0.1).requires_grad_() for name, p in model.named_parameters()}
        loss = loss_of(lambda x, m=model, t=tensors: torch.func.functional_call(m, t, (x,)), image)
        found.append(dict(zip(tensors, torch.autograd.grad(loss, list(tensors.values())), strict=True)))
    assert_same(*found)


def test_compiled_network_keeps_its_maps(image):
    """The compiler sees one graph, and decides itself what to compute again."""
    kept, recomputed = pair(small())
    torch.compiler.reset()
    compiled = torch.compile(recomputed, backend='aot_eager', fullgraph=True)
    loss_of(kept, image).backward()
    loss_of(compiled, image).backward()
    torch.testing.assert_close(gradients(recomputed), gradients(kept))


def test_maps_are_kept_where_a_repetition_differs(image):
    kept, recomputed = pair(small(TrainsOtherwise))
    with pytest.warns(AntialiasWarning, match='2: down, norm, act do not give the same .* maps are kept'):
        assert_same_step(kept, recomputed, image)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert_same_step(kept, recomputed, image)
    assert recomputed_segments(recomputed, image) == 0


def test_maps_are_kept_where_a_parameter_is_borrowed(image):
    kept, recomputed = (
        convert_antialias(small(Block, Borrows(nn.Parameter(torch.ones(1)))), 'lpf3', recompute=r)
        for r in (False, True)
    )
    recomputed.load_state_dict(kept.state_dict())
    with pytest.warns(AntialiasWarning, match='compute with parameters that are not their own: their maps are kept'):
        assert_same_step(kept, recomputed, image)
    borrowed = [model[2].between[0].borrowed[0] for model in (kept, recomputed)]
    assert torch.equal(*(parameter.grad for parameter in borrowed))
    assert borrowed[0].grad != 0


@pytest.mark.parametrize(
    ('build', 'pool', 'reason'),
    [
        (lambda: small(Functional), 'lpf3', 'a function, not a module, runs before its filter'),
        (lambda: small(Block), 'aps2', 'its filter chooses a phase, which others may follow'),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.MaxPool2d(2)), 'lpf3', 'no single convolution was made dense'),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 1, 2)), 'lpf3', 'no activation lies before'),
    ],
    ids=['function', 'polyphase', 'pool', 'linear'],
)
def test_what_cannot_be_recomputed_is_said(build, pool, reason, caplog):
    caplog.set_level(logging.DEBUG, 'antialias_plugins')
    with pytest.warns(AntialiasWarning, match=f'recompute has nothing to do: {reason}'):
        convert_antialias(build(), pool, recompute=True)
    assert 'not recomputed' in caplog.text


def test_timm_and_openmmlab_pass_it_on():
    model = timm.create_model('resnet18_lpf4', num_classes=5, recompute=True)
    assert recomputed_segments(model, torch.rand(2, 3, 64, 64)) == 3
    pytest.importorskip('mmseg')
    registry = pytest.importorskip('mmengine.registry')
    config = {'type': 'Antialiased', 'base': 'mmseg.ResNet', 'depth': 18, 'base_channels': 8}
    model = registry.MODELS.build({**config, 'pool': 'lpf4', 'convert': {'recompute': True}})
    assert recomputed_segments(model, torch.rand(2, 3, 64, 64)) == 3
