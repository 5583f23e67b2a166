"""Base of all metrics: a record per image, means with their intervals, and results with named figures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from itertools import zip_longest
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from antialias_plugins.metrics.inputs import as_integer, as_tensor, in_evaluation
from antialias_plugins.metrics.intervals import Interval, MeanShare, format_percent

Predict = Callable[[Tensor], Tensor]
Record = TypeVar('Record')
Outcome = TypeVar('Outcome', bound='Result')


class Result:
    """What a metric has found over all images, or a report over all layers: named figures. Prints as text.

    Attributes:
        parts: Fields of each figure by its name: mean, interval and number of images, or one `MeanShare`.
        titles: What the main figures are called in print, by their names.
        note: What a reader has to know of the figures; empty if there is nothing.
    """

    parts: ClassVar[Mapping[str, Sequence[str]]] = {}
    titles: ClassVar[Mapping[str, str]] = {}
    note = ''

    @property
    def figures(self) -> dict[str, MeanShare]:
        """All that was measured, by the names under which it is logged: mean, interval and number of images."""
        values = {name: [getattr(self, part) for part in parts] for name, parts in self.parts.items()}
        found = {name: given for name, given in values.items() if given[0] is not None}
        return {name: given[0] if len(given) == 1 else MeanShare(*given) for name, given in found.items()}

    def table(self, names: Sequence[str] = ()) -> str | None:
        """Write further figures as a table in Markdown, by names of classes; ``None`` if there are none."""
        return None


@dataclass(frozen=True)
class MeanResult(Result):
    """Mean over images, and perhaps further figures; shares in [0, 1] with 95 % intervals, see `mean_interval`.

    Attributes:
        mean: Mean over images of the main figure.
        interval: Lower and upper limit of its interval; ``None`` for a single image or group of images.
        images: Number of images.
        note: Says so if all predictions are of one class, which is consistent and good for nothing.
    """

    mean: float
    interval: Interval | None
    images: int
    _: KW_ONLY
    note: str = ''

    def __str__(self) -> str:
        first, second, *_ = self.parts
        text, further = f'{self.titles[first]} {self.figures[first]}', self.figures.get(second)
        if further is not None:
            text += f', {self.titles[second]} {format_percent(further.mean, further.interval)}'
        return self.with_note(text)

    def with_note(self, text: str) -> str:
        """Return a text with the note behind it, if there is one."""
        return f'{text}; note: {self.note}' if self.note else text


class Look(NamedTuple):
    """What a metric finds in one image: what `PerImageMetric.update` returns and keeps, and the predicted classes."""

    found: Any
    record: Any
    classes: frozenset[int] = frozenset()


class _Entry(NamedTuple):
    record: Any
    classes: frozenset[int]
    group: Hashable


@dataclass(eq=False)
class PerImageMetric(ABC, Generic[Record, Outcome]):
    """Keeps what was measured on each image, by the image's index, until `compute` is called.

    So an image that is seen twice counts once, on one process or, after `merge`, on several, and the order of the
    images does not matter. A metric is a dataclass of its options. Only metrics with the same options merge, but for
    those that change nothing of the result, which are fields with ``compare=False``. Networks are measured in
    evaluation mode: those that ``predict`` is, holds or refers to are put into it meanwhile, and every module back.
    """

    _entries: dict[int, _Entry] = field(default_factory=dict, init=False, repr=False)

    @abstractmethod
    def compute(self) -> Outcome:
        """Return the figures over all images so far; raise `ValueError` if there are none."""

    @abstractmethod
    def _look(self, index: int, image: Tensor, predict: Callable[[Tensor], Any], label: Any) -> Look:
        """Measure one image."""

    @torch.no_grad()
    def update(
        self,
        index: int,
        image: Tensor,
        predict: Callable[[Tensor], Any],
        label: Any = None,
        *,
        group: Hashable = None,
    ) -> Any:
        """Measure one image; keep and return what was found.

        Args:
            index: The image's index in its data set, at least 0.
            image: The image, ``(C, H, W)``.
            predict: Maps a batch of its views to predictions, as for the function whose name the metric has.
            label: Its label, as for that function.
            group: What it belongs to, see `mean_interval`; for all images or for none.
        """
        index = as_integer('index', index, 0)
        with in_evaluation(predict):
            look = self._look(index, as_tensor('image', image), predict, label)
        return self._keep(index, look, group)

    def _keep(self, index: int, look: Look, group: Hashable) -> Any:
        self._entries[index] = _Entry(look.record, look.classes, group)
        return look.found

    def measure(
        self,
        predict: Callable[[Tensor], Any],
        images: Iterable[Tensor],
        labels: Iterable | None = None,
        groups: Iterable[Hashable] | None = None,
    ) -> Outcome:
        """Update with all images, numbered from 0, and compute; labels and groups, if any, are one per image."""
        given = {'labels': labels, 'groups': groups}
        for name, values in {'images': images, **given}.items():
            if (values is not None or name == 'images') and not isinstance(values, Iterable):
                raise ValueError(f'{name} must hold one per image, got {values!r:.200}')
        end = object()
        columns = [images, *(() if values is None else values for values in given.values())]
        for index, (image, *row) in enumerate(zip_longest(*columns, fillvalue=end)):
            options = {name: value for name, value in zip(given, row, strict=True) if given[name] is not None}
            for name, value in options.items():
                if (value is end) != (image is end) or value is None:
                    raise ValueError(f'{name} must hold one per image, got too {"many" if image is end else "few"}')
            if image is not end:
                self.update(index, image, predict, options.get('labels'), group=options.get('groups'))
        return self.compute()

    def reset(self) -> None:
        """Forget all images."""
        self._entries = {}

    def merge(self, other: 'PerImageMetric[Record, Outcome]') -> None:
        """Add the images of ``other`` that are not here yet; raise `ValueError` if its class or settings differ."""
        if type(other) is not type(self):
            raise ValueError(f'other must be a {type(self).__name__}, got a {type(other).__name__}')
        if other._settings != self._settings:
            raise ValueError(f'other must have the same settings {self._settings}, got {other._settings}')
        self._entries = other._entries | self._entries

    @property
    def _settings(self) -> dict[str, object]:
        return {option.name: getattr(self, option.name) for option in fields(self) if option.init and option.compare}

    def _measured(self) -> dict[int, Record]:
        """What was kept of each image, by its index."""
        if not self._entries:
            raise ValueError('images must hold at least one image, got none')
        return {index: entry.record for index, entry in self._entries.items()}

    def _mean(self, shares: Mapping[int, float]) -> MeanShare:
        """Average one share per image, by its index, over the images that have one."""
        groups = [self._entries[index].group for index in shares]
        without = sum(entry.group is None for entry in self._entries.values())
        if 0 < without < len(self._entries):
            raise ValueError(f'group must be given for all images or for none, got {without} without')
        return MeanShare.of(list(shares.values()), None if without else groups)

    def _note(self) -> str:
        """What is to be said of all predictions."""
        classes = frozenset[int]().union(*(entry.classes for entry in self._entries.values()))
        if len(self._entries) < 2 or len(classes) != 1:
            return ''
        return f'all predictions are of one class, {next(iter(classes))}'


def options_of(owner: type) -> dict[str, Any]:
    """Return the options of a metric, or of what it is made from, with their defaults."""
    return {option.name: option.default for option in fields(owner) if option.init}
