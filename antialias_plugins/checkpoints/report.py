"""Report of a checkpoint: what became of every tensor of a file and of a network."""

from collections.abc import Iterable
from dataclasses import dataclass

from antialias_plugins.conversion import LeftAlone

_SHOWN = 6


@dataclass(frozen=True)
class CheckpointReport:
    """What was loaded, under which names, and what was not. Prints as a short summary.

    Attributes:
        model: class name of the network.
        layout: the layout that was recognised in the file.
        loaded: keys of the network that got a value.
        renamed: (key in the file, key in the network) of those that are called otherwise.
        dropped: keys of the file that the network does not need, with the reason.
        kept: keys of the network that are as they were, with the reason.
        zeroed: counters of batches (``num_batches_tracked``) that the file lacks and that were set to 0.
        notes: what the network computes otherwise than the one that the weights come from.
    """

    model: str
    layout: str
    loaded: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...] = ()
    dropped: tuple[LeftAlone, ...] = ()
    kept: tuple[LeftAlone, ...] = ()
    zeroed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.summary()]
        lines += [f'note: {note}' for note in self.notes]
        lines += _by_reason('NOT LOADED', self.kept)
        lines += _by_reason('dropped', self.dropped)
        if self.zeroed:
            lines.append(f'set to 0, not in the file: {shorten(self.zeroed)}')
        if self.renamed:
            modules = dict.fromkeys((old.rpartition('.')[0], new.rpartition('.')[0]) for old, new in self.renamed)
            lines.append(f'renamed: {shorten((f"{old} -> {new}" for old, new in modules), "; ")}')
        return '\n'.join(lines)

    def summary(self) -> str:
        """One line: how many tensors, and what became of them."""
        counts = f'{len(self.loaded)} loaded ({len(self.renamed)} renamed), {len(self.dropped)} dropped'
        return f'{self.model} from {self.layout}: {counts}, {len(self.kept)} not loaded'


def shorten(names: Iterable[str], separator: str = ', ') -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = [f'and {len(names) - _SHOWN} more'] if len(names) > _SHOWN else []
    return separator.join([*names[:_SHOWN], *more])


def _by_reason(title: str, places: tuple[LeftAlone, ...]) -> list[str]:
    reasons = dict.fromkeys(place.reason for place in places)
    named = {reason: [place.name for place in places if place.reason == reason] for reason in reasons}
    return [f'{title}: {len(names)}, {reason}: {shorten(names)}' for reason, names in named.items()]
