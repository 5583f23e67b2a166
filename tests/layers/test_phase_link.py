import copy
import pickle
import threading

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.utils.checkpoint import checkpoint

from antialias_plugins.layers import AdaptivePolyphasePool2d, LearnablePolyphasePool2d, PhaseLink, PolyphaseUnpool2d


class Branches(nn.Module):
    """A block whose skip path follows its main path, and whose result is put back to where it came from."""

    def __init__(self, layer=LearnablePolyphasePool2d):
        super().__init__()
        link = PhaseLink()
        self.main, self.skip = layer(4), layer(4)
        self.main.lead(link)
        self.skip.follow(link)
        self.unpool = PolyphaseUnpool2d(link)

    def forward(self, input):
        return self.unpool(self.main(input.sin()) + self.skip(input))


def links(network):
    return [module.link for module in (network.main, network.skip, network.unpool)]


def test_what_was_published_is_returned():
    link, phases, weights = PhaseLink(), torch.tensor([1, 0]), torch.rand(3, 4)
    link.publish(phases)
    assert link.selection() is phases
    link.publish(weights)
    assert link.selection(torch.rand(3, 8, 5, 5)) is weights


def test_every_device_has_its_own():
    """As the replicas of a network do that `torch.nn.DataParallel` runs at the same time."""
    link, here, there = PhaseLink(), torch.tensor([1, 0]), torch.tensor([1, 0, 2], device='meta')
    link.publish(here)
    link.publish(there)
    assert link.selection(torch.rand(2, 8, 5, 5)) is here
    assert link.selection(torch.rand(3, 8, 5, 5, device='meta')) is there
    with pytest.raises(RuntimeError, match='published on cpu, meta: ask with the map that follows'):
        link.selection()


@pytest.mark.parametrize('input', [None, torch.rand(2, 3, 4, 4)], ids=['any', 'map'])
def test_nothing_published(input):
    link = PhaseLink()
    with pytest.raises(RuntimeError, match='No selection was published: the layer that leads has to run before'):
        link.selection(input)
    link.publish(torch.tensor([1, 0]))
    link.clear()
    with pytest.raises(RuntimeError, match='No selection was published'):
        link.selection(input)


def test_published_for_another_batch():
    link = PhaseLink()
    link.publish(torch.tensor([1, 0]))
    with pytest.raises(RuntimeError, match='published for a batch of 2, and the map that follows has 3'):
        link.selection(torch.rand(3, 8, 4, 4))


def test_follower_before_its_leader():
    network = Branches()
    with pytest.raises(RuntimeError, match='No selection was published'):
        network.skip(torch.rand(2, 4, 6, 6))


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=['copy', 'pickle'])
def test_copied_layers_share_a_link_of_their_own(copied):
    network = Branches().train()
    network(torch.rand(2, 4, 6, 6))  # publishes weights that are part of a graph, which cannot be copied
    twin = copied(network)
    assert len({id(link) for link in links(twin)}) == 1
    assert links(twin)[0] is not links(network)[0]
    with pytest.raises(RuntimeError, match='No selection was published'):
        links(twin)[0].selection()


@pytest.mark.parametrize('reentrant', [False, True], ids=['saved-tensors', 'reentrant'])
def test_recomputed_activations_give_the_same_gradients(reentrant):
    network, input = Branches().train(), torch.rand(2, 4, 6, 6)
    gradients = []
    for run in (network, lambda x: checkpoint(network, x, use_reentrant=reentrant)):
        leaves = (input.clone().requires_grad_(), *network.parameters())
        network.zero_grad()
        torch.manual_seed(0)
        run(leaves[0]).square().sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for actual, expected in zip(*gradients, strict=True):
        assert torch.equal(actual, expected)


class Recompute(torch.autograd.Function):
    """Asks a link for its selection in the backward pass, as a follower does that is recomputed alone."""

    @staticmethod
    def forward(ctx, x, link, found):
        ctx.link, ctx.found = link, found
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        ctx.found.append(ctx.link.selection(grad))
        return grad, None, None


@pytest.mark.parametrize('publishing', [1, 2])
def test_backward_in_a_thread_of_its_own_takes_the_only_selection_that_there_is(publishing):
    """As autograd's threads for other devices than the CPU."""
    link, x, found = PhaseLink(), torch.rand(2, 4, 3, 3, requires_grad=True), []
    published, done = threading.Barrier(publishing + 1), threading.Event()

    def publish(selection):
        link.publish(selection)
        published.wait()
        done.wait()  # a thread that has ended has no selection

    def differentiate():
        try:
            Recompute.apply(x, link, found).sum().backward()
        except RuntimeError as error:
            found.append(str(error))

    selections = [torch.tensor([phase, 3]) for phase in range(publishing)]
    threads = [threading.Thread(target=publish, args=(selection,)) for selection in selections]
    for thread in threads:
        thread.start()
    published.wait()
    backward = threading.Thread(target=differentiate)
    backward.start()
    backward.join()
    done.set()
    for thread in threads:
        thread.join()
    if publishing == 1:
        assert found[0] is selections[0]
    else:
        assert 'published on cpu in 2 threads, and a layer that follows is recomputed without its source' in found[0]


@pytest.mark.parametrize('layer', [AdaptivePolyphasePool2d, LearnablePolyphasePool2d])
def test_compiles_once(layer):
    torch._dynamo.reset()
    counter = CompileCounter()
    network = Branches(layer).eval()
    compiled = torch.compile(network, fullgraph=True, backend=counter)
    for _ in range(3):
        input = torch.rand(2, 4, 6, 6)
        torch.testing.assert_close(compiled(input), network(input))
    assert counter.frame_count == 1


def test_compiled_network_publishes_and_trains():
    torch._dynamo.reset()
    network, input = Branches().train(), torch.rand(2, 4, 6, 6)
    selections, gradients = [], []
    for run in (network, torch.compile(network, fullgraph=True, backend='aot_eager')):
        network.zero_grad()
        torch.manual_seed(0)
        run(input).square().sum().backward()
        selections.append(network.main.link.selection())
        gradients.append(network.main.conv1.weight.grad)
    torch.testing.assert_close(*selections)
    torch.testing.assert_close(*gradients)


def test_batched_by_a_transformation():
    network, input = Branches().eval(), torch.rand(3, 4, 6, 6)
    actual = torch.func.vmap(lambda sample: network(sample[None])[0])(input)
    torch.testing.assert_close(actual, network(input))
