"""What a forward pass keeps for backward, in bytes; exact, and the same on any machine."""

import weakref
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SavedBytes:
    """Bytes of the storages that autograd saves, each counted once and as a whole, however many views of it are saved.

    Attributes:
        activations: What the forward pass made, its output included: memory that backward costs.
        input: The storage of the input if it is saved. In a network something else keeps it alive more often than not.
        parameters: Parameters and buffers, which are alive anyway.
    """

    activations: int
    input: int
    parameters: int


@dataclass(eq=False)
class _Saved:
    """Lives as long as the graph that saved the tensor."""

    tensor: Tensor


def count_saved_bytes(module: nn.Module, input: Tensor) -> SavedBytes:
    """Run a forward pass and count what it saves, as long as the graph of its output keeps it.

    Tensors that a custom `torch.autograd.Function` keeps in attributes of its context, rather than by
    `save_for_backward`, are hidden from autograd and from this count; the peak of a pass has them.

    Args:
        module: In the mode, type and place of which to count.
        input: Its input; set ``requires_grad`` if backward goes to it.

    Returns:
        The bytes.
    """
    everything = weakref.WeakSet()

    def pack(tensor: Tensor) -> _Saved:
        saved = _Saved(tensor.detach())  # an output is part of the graph: that would keep itself alive
        everything.add(saved)
        return saved

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        output = module(input)
    storages = {_address(saved.tensor): saved.tensor.untyped_storage() for saved in everything}
    parameters = {_address(tensor) for tensor in (*module.parameters(), *module.buffers())}
    sums = dict.fromkeys(('activations', 'input', 'parameters'), 0)
    for address, storage in storages.items():
        kind = 'input' if address == _address(input) else 'parameters' if address in parameters else 'activations'
        sums[kind] += storage.nbytes()
    del output
    return SavedBytes(**sums)


def _address(tensor: Tensor) -> tuple[torch.device, int]:
    return tensor.device, tensor.untyped_storage().data_ptr()
