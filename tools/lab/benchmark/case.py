"""Cases of the benchmark: implementations of one function at one shape."""

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

OURS = 'ours'


@dataclass(frozen=True)
class Implementation:
    """One way to compute the function of a case.

    Attributes:
        name: ``'ours'``, or whose it is.
        build: Returns the module, on the CPU and in float32, with the same weights at every call.
        floor: Whether it is something cheaper that computes another function, such as the network before its
            conversion: what the others are held against. It is not checked for agreement.
    """

    name: str
    build: Callable[[], nn.Module]
    floor: bool = False


@dataclass(frozen=True)
class Case:
    """Implementations of one function at one shape.

    Attributes:
        suite: ``'layers'``, ``'compiled'``, ``'networks'`` or ``'step'``.
        group: The function, such as ``'blur_pool2d K=3 S=2'``. Ratios are averaged over the cases of a group.
        name: The shape, or whatever else tells it from the other cases of its group.
        make_input: Returns the input, on the CPU and in float32, the same at every call.
        reference: Builds the plain module that defines the function. It is run in float64.
        implementations: The first is ours.
        network: Whether it is a whole network: backward ends at the parameters, not the input; and because rounding
            sends a ReLU near 0 either way, gradients agree in float64 only.
    """

    suite: str
    group: str
    name: str
    make_input: Callable[[], Tensor]
    reference: Callable[[], nn.Module]
    implementations: tuple[Implementation, ...]
    network: bool = False

    @property
    def title(self) -> str:
        """Suite, group and name; what `select` matches."""
        return f'{self.suite}/{self.group}/{self.name}'


def select(cases: Iterable[Case], pattern: str) -> list[Case]:
    """Return the cases whose title contains a shell-style pattern, in order.

    Raises:
        ValueError: If there is none.
    """
    cases = list(cases)
    chosen = [case for case in cases if fnmatch.fnmatchcase(case.title, f'*{pattern}*')]
    if not chosen:
        titles = '\n'.join(f'  {case.title}' for case in cases)
        raise ValueError(f'only must match the title of a case, got {pattern!r}; the titles are\n{titles}')
    return chosen
