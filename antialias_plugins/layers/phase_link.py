"""The polyphase index that several layers of a network share."""

from torch import Tensor

from antialias_plugins.kernels import static_shape


class PhaseLink:
    """Carries a selection from its source, the layer that makes it, to the followers, within one forward pass.

    A link is an ordinary attribute of its layers. Copied or pickled together, they share a new link as they shared the
    old one. It is empty: a selection is never copied. Selections are kept per device, so that the replicas of
    `torch.nn.DataParallel` do not meet.

    A link holds one selection per device, that of the latest forward pass. A pass that reads what another one has
    published cannot be told apart where the batches are of one size; a follower placed before its source shows in the
    first pass. Under activation checkpointing put a source and its followers into the same segment, or none of them: a
    follower recomputed alone reads the selection of the latest pass, which is its own if each pass is followed by its
    backward pass.

    Example:
        >>> import torch
        >>> link = PhaseLink()
        >>> link.publish(torch.tensor([3, 0]))
        >>> link.selection()
        tensor([3, 0])
    """

    # A selection is an attribute named after its device. A dict would make `torch.compile` compile twice: the second
    # pass would find a key that the first did not.

    def publish(self, selection: Tensor) -> None:
        """Leave a selection for the followers.

        Args:
            selection: phases (N,) or weights (N, P), as `antialias_plugins.functional.select_component` takes them.
        """
        setattr(self, str(selection.device), selection)

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
        selection = self._only() if input is None else getattr(self, str(input.device), None)
        if selection is None:
            raise RuntimeError('No selection was published: the layer that leads has to run before those that follow.')
        if input is not None and static_shape(selection)[0] != static_shape(input)[0]:
            raise RuntimeError(
                f'The selection was published for a batch of {len(selection)}, and the map that follows has '
                f'{len(input)}: the layer that leads did not run in this forward pass.'
            )
        return selection

    def clear(self) -> None:
        """Forget what was published."""
        vars(self).clear()

    def _only(self) -> Tensor | None:
        if len(vars(self)) > 1:
            raise RuntimeError(f'Selections were published on {", ".join(vars(self))}: ask with the map that follows.')
        return next(iter(vars(self).values()), None)

    def __reduce__(self) -> tuple[type['PhaseLink'], tuple[()]]:
        """Copy and pickle without the selections."""
        return type(self), ()
