"""What the places of one network that must take the same polyphase component tell each other."""

import torch
from torch import Tensor


class PhaseLink:
    """Carries a selection from the layer that makes it to the layers that follow, within one forward pass.

    A link is an ordinary attribute of its layers. Copies and pickles of a network share a new link among their layers as
    the network did, and it is empty: a selection is never copied. Selections are kept per device, so that the replicas
    of `torch.nn.DataParallel` do not meet.

    A link holds one selection per device, that of the latest forward pass. A pass that reads what another one has
    published cannot be told apart where the batches are of one size; a follower placed before its leader shows in the
    first pass. Under activation checkpointing put a leader and its followers into the same segment, or none of them: a
    follower recomputed alone reads the selection of the latest pass, which is its own if each pass is followed by its
    backward pass.

    Example:
        >>> link = PhaseLink()
        >>> link.publish(torch.tensor([3, 0]))
        >>> link.selection()
        tensor([3, 0])
    """

    def __init__(self) -> None:
        self._selections: dict[torch.device, Tensor] = {}

    def publish(self, selection: Tensor) -> None:
        """Leave a selection for the followers.

        Args:
            selection: phases (N,) or weights (N, P), as `antialias_plugins.functional.select_component` takes them.
        """
        self._selections[selection.device] = selection

    def selection(self, input: Tensor | None = None) -> Tensor:
        """Return what was published.

        Args:
            input: map (N, C, H, W) of the follower; the selection must be on its device and for N samples. Without it,
                the only selection there is.

        Returns:
            The tensor given to `publish`.

        Raises:
            RuntimeError: if there is no such selection.
        """
        found = list(self._selections.values()) if input is None else [self._selections.get(input.device)]
        if len(found) > 1:
            raise RuntimeError('A selection was published on several devices: ask with the map that follows it.')
        if not found or found[0] is None:
            raise RuntimeError('No selection was published: the layer that leads has to run before those that follow.')
        if input is not None and len(found[0]) != len(input):
            raise RuntimeError(
                f'The selection was published for a batch of {len(found[0])}, the map that follows it has {len(input)}: '
                'the layer that leads did not run in this forward pass.'
            )
        return found[0]

    def clear(self) -> None:
        """Forget what was published."""
        self._selections.clear()

    def __reduce__(self) -> tuple[type['PhaseLink'], tuple[()]]:
        """Copy and pickle without the selections."""
        return type(self), ()
