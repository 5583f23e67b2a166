"""The polyphase index that several layers of a network share."""

import threading
import weakref

import torch
from torch import Tensor

from antialias_plugins.kernels import is_transformed, static_shape


class PhaseLink:
    """Carries a selection from its source, the layer that makes it, to the followers, within one forward pass.

    A link is an ordinary attribute of its layers. Copied or pickled together, they share a new link as they shared the
    old one. It is empty: a selection is never copied. Selections are kept per thread and device, so that threads may
    share a network, and the replicas of `torch.nn.DataParallel` do not meet.

    Each thread has one selection per device, that of its latest forward pass. A pass that reads what another one of the
    same thread has published cannot be told apart where the batches are of one size; a follower placed before its
    source shows in the first pass. Under activation checkpointing put a source and its followers into the same segment,
    or none of them: a follower recomputed alone reads the selection of the latest pass, which is its own if each pass
    is followed by its backward pass. If that could be the pass of more than one thread, it is an error.

    Example:
        >>> import torch
        >>> link = PhaseLink()
        >>> link.publish(torch.tensor([3, 0]))
        >>> link.selection()
        tensor([3, 0])
    """

    def __init__(self) -> None:
        self._threads = _Threads(weakref.WeakSet(), threading.Lock())

    def publish(self, selection: Tensor) -> None:
        """Leave a selection for the followers.

        Args:
            selection: phases (N,) or weights (N, P), as `antialias_plugins.functional.select_component` takes them.
        """
        if not isinstance(selection, Tensor):
            raise ValueError(f'selection must be a tensor of phases or weights, got {selection!r}')
        task = _backward_pass()
        if task is None:
            setattr(self._threads.forward, str(selection.device), selection)
        else:
            self._threads.recomputed = task, str(selection.device), selection

    def selection(self, input: Tensor | None = None) -> Tensor:
        """Return what was published in this thread.

        Args:
            input: map (N, C, H, W) of the follower; the selection must be on its device and for N samples. Without it,
                the only selection there is.

        Returns:
            The tensor given to `publish`.

        Raises:
            RuntimeError: if there is no such selection, or a backward pass cannot tell which thread's it needs.
        """
        selection = self._only() if input is None else self._find(str(input.device))
        if selection is None:
            raise RuntimeError(
                'No selection was published: the layer that leads has to run before those that follow, in their thread.'
            )
        if input is not None and static_shape(selection)[0] != static_shape(input)[0]:
            raise RuntimeError(
                f'The selection was published for a batch of {len(selection)}, and the map that follows has '
                f'{len(input)}: the layer that leads did not run in this forward pass.'
            )
        return selection

    def clear(self) -> None:
        """Forget what was published in this thread."""
        vars(self._threads.forward).clear()

    def _find(self, device: str) -> Tensor | None:
        selection, task = getattr(self._threads.forward, device, None), _backward_pass()
        if task is None:
            return selection
        # Autograd recomputes what was on the CPU in the thread that asked for the gradient, anything else in its own.
        if self._threads.recomputed[:2] == (task, device):
            return self._threads.recomputed[2]
        return self._threads.only(device) if selection is None else selection

    def _only(self) -> Tensor | None:
        published = vars(self._threads.forward)
        if len(published) > 1:
            raise RuntimeError(f'Selections were published on {", ".join(published)}: ask with the map that follows.')
        return next(iter(published.values()), None)

    def __reduce__(self) -> tuple[type['PhaseLink'], tuple[()]]:
        """Copy and pickle without the selections."""
        return type(self), ()


def check_link(link: PhaseLink) -> PhaseLink:
    """Return `link` if it is one, else raise."""
    if not isinstance(link, PhaseLink):
        raise ValueError(f'link must be a PhaseLink, got {link!r}')
    return link


class _Published:
    """Selections of a thread, each an attribute named after its device.

    A dict would make `torch.compile` compile twice: the second pass would find a key that the first did not.
    """


class _Threads(threading.local):
    """What the thread that looks sees: Python calls ``__init__`` in each of them, with the same arguments.

    Attributes:
        forward: what was published in forward passes.
        recomputed: number of a backward pass, device, and what was published when it recomputed a segment.
    """

    def __init__(self, everyone: weakref.WeakSet, lock: threading.Lock) -> None:
        self.forward, self.recomputed = _Published(), (None, '', None)
        self.everyone, self.lock = everyone, lock
        with lock:
            everyone.add(self.forward)

    def only(self, device: str) -> Tensor | None:
        """Return the selection on a device if not more than one thread has published there."""
        with self.lock:
            selections = [vars(published)[device] for published in self.everyone if device in vars(published)]
        if len(selections) > 1:
            raise RuntimeError(
                f'Selections were published on {device} in {len(selections)} threads, and a layer that follows is '
                'recomputed without its source: put both into the same segment of activation checkpointing.'
            )
        return next(iter(selections), None)


def _backward_pass() -> int | None:
    """Number of the backward pass in which this is called, or None; a recorded program has none."""
    task = -1 if is_transformed() else torch._C._current_graph_task_id()
    return None if task == -1 else task
