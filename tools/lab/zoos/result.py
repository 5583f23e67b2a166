"""What came out of antialiasing one config."""

from dataclasses import asdict, dataclass
from typing import Any

from lab.coverage import Outcome

# of several backbones, the one for which the config fails decides
_WORST_FIRST = (Outcome.WRONG, Outcome.REFUSED, Outcome.NOT_RUN, Outcome.NOT_APPLICABLE, Outcome.CONVERTED)


@dataclass(frozen=True)
class BackboneResult:
    """One backbone of a config.

    Attributes:
        key: where the config has it: ``'model.backbone'``.
        type: its type, with its scope where the config gives one.
        digest: tells backbones apart that differ in any option but their initial weights.
        outcome: as in :class:`~lab.coverage.Result`.
        reason: why it was not converted.
        filters: their number.
    """

    key: str
    type: str
    digest: str
    outcome: Outcome
    reason: str = ''
    filters: int = 0


@dataclass(frozen=True)
class ConfigResult:
    """One config of a zoo.

    Attributes:
        library: ``'mmseg'``, ``'mmdet'`` or ``'mmpretrain'``.
        name: its path in the zoo, without suffix.
        outcome: that of its backbones; without any ``NOT_RUN`` if the config itself cannot be read, ``REFUSED`` if its
            backbone is out of reach, ``NOT_APPLICABLE`` if it has none.
        reason: why it was not converted.
        backbones: what was built of it.
        model: what became of the whole model; empty where it was not tried.
    """

    library: str
    name: str
    outcome: Outcome
    reason: str = ''
    backbones: tuple[BackboneResult, ...] = ()
    model: str = ''

    @classmethod
    def of(cls, library: str, name: str, backbones: tuple[BackboneResult, ...]) -> 'ConfigResult':
        """The result of a config whose backbones were built; at least one."""
        worst = min(backbones, key=lambda backbone: _WORST_FIRST.index(backbone.outcome))
        return cls(library, name, worst.outcome, worst.reason, backbones)

    @property
    def key(self) -> str:
        """``library/folder/name``, which is unique."""
        return f'{self.library}/{self.name}'

    @property
    def type(self) -> str:
        """Types of its backbones; empty if it has none."""
        return ' + '.join(backbone.type for backbone in self.backbones)

    def to_json(self) -> dict[str, Any]:
        """The result in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> 'ConfigResult':
        """The result that :meth:`to_json` wrote."""
        backbones = (BackboneResult(**it | {'outcome': Outcome(it['outcome'])}) for it in row['backbones'])
        return cls(**row | {'outcome': Outcome(row['outcome']), 'backbones': tuple(backbones)})
