"""Check of one network's conversion against what no conversion may change, and its result."""

import copy
import re
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins.conversion import (
    AntialiasPlan,
    LeftAlone,
    UnsupportedModelError,
    convert_antialias,
    plan_antialias,
    revert_antialias,
)
from lab.coverage.baseline import Baseline, outputs, run_baseline
from lab.coverage.libraries import Network
from lab.coverage.strides import strided_places


class Outcome(str, Enum):
    """What the conversion made of an architecture."""

    CONVERTED = 'converted'
    REFUSED = 'refused'
    WRONG = 'wrong'
    NOT_APPLICABLE = 'not applicable'
    NOT_RUN = 'not run'


@dataclass(frozen=True)
class Result:
    """One row of the coverage table.

    Attributes:
        library: ``'timm'``, ``'torchvision'``, ``'mmseg'`` or ``'mmpretrain'``.
        module: the library's module that defines the architecture.
        name: the network that was checked.
        members: number of networks that it represents.
        outcome: ``WRONG`` if a promise is broken, ``NOT_APPLICABLE`` if there is nothing to filter, ``NOT_RUN`` if the
            network itself could not be built or run.
        reason: why it was not converted, or which promise is broken.
        sites: number of filters.
        kinds: what they filter.
        left: places left as they are: number of places by reason.
        sides: sides of the images that it was checked on.
        dtype: floating type that it was checked in.
        error: largest difference between ``lpf1`` and the original, relative to the largest value; None where
            statistics of the denser map forbid the comparison.
        seconds: duration of one conversion.
    """

    library: str
    module: str
    name: str
    members: int
    outcome: Outcome
    reason: str = ''
    sites: int = 0
    kinds: tuple[str, ...] = ()
    left: tuple[tuple[str, int], ...] = ()
    sides: tuple[int, ...] = ()
    dtype: str = ''
    error: float | None = None
    seconds: float | None = None

    @property
    def key(self) -> str:
        """``library/module/name``, which is unique."""
        return f'{self.library}/{self.module}/{self.name}'

    def to_json(self) -> dict[str, Any]:
        """The row in JSON's types."""
        return asdict(self) | {'outcome': self.outcome.value}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> 'Result':
        """The row that :meth:`to_json` wrote."""
        tuples = {'kinds': tuple(row['kinds']), 'left': tuple(map(tuple, row['left'])), 'sides': tuple(row['sides'])}
        return cls(**row | tuples | {'outcome': Outcome(row['outcome'])})


TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-3}

_IN_SHORT = {
    'the first downsampling convolution': 'stem',
    'reduces the map without a strided convolution or pool': 'neither convolution nor pool',
}


def check_network(network: Network, members: int = 1) -> Result:
    """Build a network with random weights, convert it, and check what the conversion promises.

    1. With ``lpf1`` and ``avgpool='keep'`` it computes what it did, unless its plan says that statistics are taken
       over the denser map.
    2. Its state dict loads into the ``lpf4`` network with ``strict=True``; the outputs keep their shapes and change.
    3. No convolution or pool strides in that network that the plan does not name.
    4. Reverted, or refused, it computes what it did to the last bit.

    Everything on two sizes, the second one odd if the network takes any, and in float64 if it runs in that.

    Args:
        network: what to build.
        members: number of networks that it represents.

    Returns:
        Its row of the table. Nothing is raised: an error of the network or of the conversion is the row's reason.
    """
    result = Result(network.library, network.module, network.name, members, Outcome.NOT_RUN)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the library's own
        try:
            model = network.build()
            baseline = run_baseline(model, network.channels, network.side)
        except Exception as error:  # a row of the table, not the end of it
            return replace(result, reason=in_words(error))
    sides = tuple(x.shape[-1] for x in baseline.inputs)
    result = replace(result, sides=sides, dtype=str(baseline.inputs[0].dtype).removeprefix('torch.'))
    try:
        return _check(model, baseline, result)
    except Exception as error:  # an error in the conversion is a row too, of the worst kind
        return replace(result, outcome=Outcome.WRONG, reason=in_words(error))


def _check(model: nn.Module, baseline: Baseline, result: Result) -> Result:
    state = copy.deepcopy(model.state_dict())
    plan = plan_antialias(model, 'lpf4', example_input=baseline.inputs[0])
    kinds = tuple(dict.fromkeys(site.kind for site in plan.sites))
    left = tuple(Counter(map(in_short, plan.skipped)).items())
    result = replace(result, sites=len(plan.sites), kinds=kinds, left=left)
    if not plan.sites and not plan.unsupported:
        return replace(result, outcome=Outcome.NOT_APPLICABLE)
    if plan.unsupported:
        return _check_refusal(model, plan, baseline, result)
    takes_statistics = any('statistics of the denser map' in site.note for site in plan.sites)
    error = None if takes_statistics else _identity_error(model, baseline)
    seconds, broken = _check_filters(model, state, plan, baseline)
    if error is not None and not error <= TOLERANCE[baseline.inputs[0].dtype]:
        broken.insert(0, f'lpf1 differs from the original by {error:.0e}')
    outcome = Outcome.WRONG if broken else Outcome.CONVERTED
    return replace(result, outcome=outcome, reason='; '.join(broken), error=error, seconds=round(seconds, 2))


def _check_refusal(model: nn.Module, plan: AntialiasPlan, baseline: Baseline, result: Result) -> Result:
    """A network that is refused has to be left as it was."""
    try:
        convert_antialias(model, 'lpf4', example_input=baseline.inputs[0])
    except UnsupportedModelError:
        if not _is_unchanged(model, baseline):
            return replace(result, outcome=Outcome.WRONG, reason='refused, and changed nevertheless')
    else:
        return replace(result, outcome=Outcome.WRONG, reason='converted, against its plan')
    share = f'{len(plan.unsupported)} of {len(plan.unsupported) + len(plan.sites)} places'
    reasons = '; '.join(map(str, plan.unsupported))
    return replace(result, outcome=Outcome.REFUSED, sites=0, reason=f'{share}: {reasons}')


def _identity_error(model: nn.Module, baseline: Baseline) -> float:
    """Largest difference to the original, relative to its largest value, with filters that only subsample."""
    convert_antialias(model, 'lpf1', avgpool='keep', example_input=baseline.inputs[0])
    try:
        pairs = zip(baseline.inputs, baseline.outputs, strict=True)
        return max(_difference(outputs(model, x), expected) for x, expected in pairs)
    finally:
        revert_antialias(model)


def _check_filters(
    model: nn.Module, state: dict[str, Tensor], plan: AntialiasPlan, baseline: Baseline
) -> tuple[float, list[str]]:
    """Seconds that a conversion with a real filter takes, and the promises that it breaks."""
    start = time.perf_counter()
    convert_antialias(model, 'lpf4', example_input=baseline.inputs[0])
    seconds = time.perf_counter() - start
    model.load_state_dict(state, strict=True)
    broken = list(_broken_promises(model, plan, baseline))
    revert_antialias(model)
    if not _is_unchanged(model, baseline):
        broken.append('reverted, it is not the network that it was')
    return seconds, broken


def _broken_promises(model: nn.Module, plan: AntialiasPlan, baseline: Baseline) -> Iterator[str]:
    differences = []
    for x, expected in zip(baseline.inputs, baseline.outputs, strict=True):
        actual = outputs(model, x)
        if [y.shape for y in actual] != [y.shape for y in expected]:
            yield f'its outputs have other shapes on an image of {x.shape[-1]} pixels'
        else:
            differences.append(_difference(actual, expected))
    if differences and not max(differences) > 1e-6:
        yield 'the filters change nothing'
    unnamed = strided_places(model, baseline.inputs[0]) - _named(model, plan)
    if unnamed:
        yield f'strides without being in the plan: {", ".join(sorted(unnamed))}'


def _named(model: nn.Module, plan: AntialiasPlan) -> set[str]:
    """The modules in which the plan leaves a place as it is; of a function, that which calls it."""
    modules = dict(model.named_modules())
    return {place.name if place.name in modules else place.name.rpartition('.')[0] for place in plan.skipped}


def _is_unchanged(model: nn.Module, baseline: Baseline) -> bool:
    return _difference(outputs(model, baseline.inputs[0]), baseline.outputs[0]) == 0


def _difference(actual: list[Tensor], expected: list[Tensor]) -> float:
    """Largest difference of any tensor, relative to its largest value; NaN where a value is."""
    pairs = [(a, e) for a, e in zip(actual, expected, strict=True) if e.numel()]
    errors = [(a - e).abs().max() / (e.abs().max() if e.any() else 1) for a, e in pairs]
    return float(torch.stack(errors).max()) if errors else 0.0


def in_short(place: LeftAlone) -> str:
    """Why a place is left as it is, in a few words."""
    reason = re.split(r'[:(]', place.reason)[0].strip()
    return 'fixed filter of its own' if place.name.endswith('fixed filter') else _IN_SHORT.get(reason, reason)


def in_words(error: Exception) -> str:
    """An error on one line."""
    return f'{type(error).__name__}: {" ".join(str(error).split())}'
