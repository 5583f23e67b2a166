"""What is asked of a conversion, what it would do place by place, and how it says that it cannot."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from antialias_plugins.conversion.examples import Example, check_example
from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.layers.pool import Pool, PoolFactory, resolve_pool

_POSITION = {'pre': 'before', 'post': 'after', 'slot': 'in', 'pool': 'in'}
# the options that are words
_WORDS = {
    'on_unsupported': ('raise', 'warn'),
    'maxpool': ('keep', 'published'),
    'avgpool': ('replace', 'keep', 'published'),
    'dilated': ('skip', 'blur'),
    'padding': ('keep', 'pools', 'circular'),
}


class AntialiasWarning(UserWarning):
    """A conversion that was done, but not as its caller may expect."""


class UnsupportedModelError(RuntimeError):
    """A network that cannot be converted as asked; it has been left as it was.

    Attributes:
        reasons: one line for every place that stands in the way.
    """

    def __init__(self, summary: str, reasons: Sequence[str] = ()) -> None:
        self.summary = summary
        self.reasons = tuple(reasons)
        super().__init__('\n  '.join([summary, *self.reasons]))

    def __reduce__(self) -> tuple:
        return type(self), (self.summary, self.reasons)


@dataclass(frozen=True)
class Options:
    """The options of a conversion, checked; :func:`antialias_plugins.convert_antialias` says what they mean.

    Raises:
        ValueError: one of them is not one of its values.
    """

    example_input: Example | None = None
    stem: bool | Pool = False
    maxpool: str = 'keep'
    avgpool: str = 'replace'
    dilated: str = 'skip'
    padding: str = 'keep'
    skip: Iterable[str] | Callable[[str, nn.Module], bool] = ()
    extra: Iterable[str] = ()
    recompute: bool = False
    on_unsupported: str = 'raise'

    def __post_init__(self) -> None:
        for name, (*others, last) in _WORDS.items():
            word = getattr(self, name)
            if not isinstance(word, str) or word not in (*others, last):
                words = f'{", ".join(map(repr, others))} or {last!r}'
                raise ValueError(f'{name} must be {words}, got {word!r}')
        check_flag('recompute', self.recompute)
        check_example(self.example_input)
        if not isinstance(self.stem, bool):
            object.__setattr__(self, 'stem', resolve_stem(self.stem))
        for name in ('skip', 'extra'):
            patterns = getattr(self, name)
            if name == 'skip' and callable(patterns):
                continue
            if isinstance(patterns, str):
                raise ValueError(f'{name} must be a list of name patterns, got the string {patterns!r}')
            words = tuple(patterns) if isinstance(patterns, Iterable) else (patterns,)
            if not all(isinstance(word, str) for word in words):
                raise ValueError(f'{name} must be a list of name patterns, got {patterns!r}')
            object.__setattr__(self, name, words)

    def pool_at(self, is_stem: bool, pool: PoolFactory) -> PoolFactory:
        """The filter of a place: that of all others, unless the stem has one of its own."""
        return self.stem if is_stem and isinstance(self.stem, PoolFactory) else pool


def resolve_stem(stem: Pool) -> PoolFactory:
    """Make a factory of the option `stem` where it is a filter of its own; a ValueError names the option."""
    try:
        return resolve_pool(stem)
    except (TypeError, ValueError) as error:
        raise ValueError(f'stem must be True, False or a filter of its own, got {stem!r}: {error}') from error


@dataclass(frozen=True)
class Site:
    """One place where the network downsamples, and the filter it gets.

    Attributes:
        roots: fully qualified names of the operations whose stride the filter takes over; several when parallel
            branches share one filter.
        kind: ``'conv'``, ``'max pool'`` or ``'avg pool'``.
        stride: (vertical, horizontal) stride of the filter; (1, 1) in a dilated stage.
        channels: channels of the map that is filtered.
        carrier: fully qualified name of the attachment point, the module that the filter hangs on.
        mode: how: ``'pre'`` filters its input, ``'post'`` its output, ``'slot'`` replaces an empty ``aa``,
            ``'pool'`` replaces the subsampling of a pool.
        layer: the filter, as it was asked for.
        note: what else changes; empty in the ordinary case.
        same: those of the roots that pad as TensorFlow's 'same' does, which keep the padding of their stride.
        is_stem: whether it is a first downsampling convolution.
        takes_statistics: whether a norm before the filter computes its statistics from the denser map.
    """

    roots: tuple[str, ...]
    kind: str
    stride: tuple[int, int]
    channels: int
    carrier: str
    mode: str
    layer: str
    note: str = ''
    same: tuple[str, ...] = ()
    is_stem: bool = False
    takes_statistics: bool = False

    @property
    def position(self) -> str:
        """Where the filter runs, in words."""
        return f'{_POSITION[self.mode]} {self.carrier}'


@dataclass(frozen=True)
class LeftAlone:
    """A place that stays as it is, with the reason."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f'{self.name}: {self.reason}'


@dataclass(frozen=True)
class AntialiasPlan:
    """Every place where a network downsamples. Prints as a table.

    Attributes:
        model: class name of the network.
        layer: the filter, as it was asked for; a site names its own where it has another.
        sites: the places that get a filter.
        skipped: the places that stay as they are.
        unsupported: the places that should get a filter and cannot.
    """

    model: str
    layer: str
    sites: tuple[Site, ...]
    skipped: tuple[LeftAlone, ...] = ()
    unsupported: tuple[LeftAlone, ...] = ()

    def __str__(self) -> str:
        rows = [('place', 'kind', 'stride', 'channels', 'filter')]
        for site in self.sites:
            stride = 'x'.join(str(s) for s in dict.fromkeys(site.stride))
            own = site.layer if site.layer != self.layer else ''
            notes = ''.join(f' ({note})' for note in (own, site.note) if note)
            rows.append((' + '.join(site.roots), site.kind, stride, str(site.channels), site.position + notes))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ['  '.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines = [self.summary(), *table]
        for title, places in (('left as it is', self.skipped), ('unsupported', self.unsupported)):
            lines += [f'{title}: {place}' for place in places]
        return '\n'.join(lines)

    def summary(self) -> str:
        """One line: how many places, and what becomes of them."""
        counts = f'{len(self.sites)} filtered, {len(self.skipped)} left as they are'
        return f'{self.model} with {self.layer}: {counts}, {len(self.unsupported)} unsupported'
