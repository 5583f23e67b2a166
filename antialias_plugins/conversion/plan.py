"""What is asked of a conversion, what it would do place by place, and how it says that it cannot."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from antialias_plugins.conversion.examples import Example, check_example
from antialias_plugins.functional.arguments import check_count, check_flag
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
    min_channels: int = 0

    def __post_init__(self) -> None:
        for name, (*others, last) in _WORDS.items():
            word = getattr(self, name)
            if not isinstance(word, str) or word not in (*others, last):
                words = f'{", ".join(map(repr, others))} or {last!r}'
                raise ValueError(f'{name} must be {words}, got {word!r}')
        check_flag('recompute', self.recompute)
        check_count('min_channels', self.min_channels, minimum=0)
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
class Cost:
    """What a filter costs, or what several do, in excess of the network as it was, at the size of the example.

    Attributes:
        macs: multiply-adds of convolutions and matrix products, in one forward pass.
        kept: bytes of the maps that are kept for the backward pass of a training step; less than none where a map
            need no longer be kept.
        parameters: numbers that learn.
    """

    macs: int = 0
    kept: int = 0
    parameters: int = 0

    def __add__(self, other: 'Cost') -> 'Cost':
        """The cost of both."""
        return Cost(self.macs + other.macs, self.kept + other.kept, self.parameters + other.parameters)

    def columns(self) -> tuple[str, str, str]:
        """Millions of multiply-adds, MB that are kept, thousands of parameters."""
        return f'{self.macs / 1e6:.1f}', f'{self.kept / 1e6:.2f}', f'{self.parameters / 1e3:.1f}'


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
        cost: what it costs.
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
    cost: Cost = Cost()

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

    Beside each place the table has what its filter costs, in excess of the network as it was: MMAC, millions of
    multiply-adds; MB that are kept for the backward pass; kparam, thousands of parameters, if any filter has some.

    Attributes:
        model: class name of the network.
        layer: the filter, as it was asked for; a site names its own where it has another.
        sites: the places that get a filter.
        skipped: the places that stay as they are.
        unsupported: the places that should get a filter and cannot.
        example: what the network was run on, in words.
    """

    model: str
    layer: str
    sites: tuple[Site, ...]
    skipped: tuple[LeftAlone, ...] = ()
    unsupported: tuple[LeftAlone, ...] = ()
    example: str = ''

    @property
    def cost(self) -> Cost:
        """What all filters cost."""
        return sum((site.cost for site in self.sites), Cost())

    def __str__(self) -> str:
        rows = [('place', 'kind', 'stride', 'channels', 'MMAC', 'MB', 'kparam', 'filter')]
        for site in self.sites:
            stride = 'x'.join(str(s) for s in dict.fromkeys(site.stride))
            own = site.layer if site.layer != self.layer else ''
            notes = ''.join(f' ({note})' for note in (own, site.note) if note)
            row = ' + '.join(site.roots), site.kind, stride, str(site.channels), *site.cost.columns()
            rows.append((*row, site.position + notes))
        if not self.cost.parameters:
            rows = [(*row[:6], *row[7:]) for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ['  '.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        macs, kept, parameters = self.cost.columns()
        costs = f'costs: {macs} MMAC, {kept} MB kept for backward, {parameters} kparam, {self.example}'
        lines = [self.summary(), *table, costs] if self.sites else [self.summary()]
        for title, places in (('left as it is', self.skipped), ('unsupported', self.unsupported)):
            lines += [f'{title}: {place}' for place in places]
        return '\n'.join(lines)

    def summary(self) -> str:
        """One line: how many places, and what becomes of them."""
        counts = f'{len(self.sites)} filtered, {len(self.skipped)} left as they are'
        return f'{self.model} with {self.layer}: {counts}, {len(self.unsupported)} unsupported'
