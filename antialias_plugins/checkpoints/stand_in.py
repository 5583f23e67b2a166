"""What a file is read with in the place of Python objects that are not loaded."""

from typing import Any


class StandIn:
    """In the place of an object that a file refers to: keeps what it is made of, and runs nothing.

    Attributes:
        arguments: what the object is made from.
        state: what is set on it then, or None.
    """

    state: Any = None

    def __new__(cls, *arguments: Any) -> 'StandIn':
        """Keep the arguments."""
        self = super().__new__(cls)
        self.arguments = arguments
        return self

    def __init__(self, *arguments: Any) -> None:
        """Take them, and do nothing."""

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state


def make_stand_in(name: str) -> type[StandIn]:
    """A class that stands in for a class or function.

    Args:
        name: its name, with that of its module.
    """
    module, _, name = name.rpartition('.')
    return type(name, (StandIn,), {'__module__': module})
