"""Measure a case: agreement first, then memory, then time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lab.benchmark.agreement import (
    NETWORK_TOLERANCE,
    TOLERANCES,
    Agreement,
    draw_cotangent,
    evaluate,
    gradient_error,
    output_error,
)
from lab.benchmark.case import Case
from lab.benchmark.memory import peak_bytes
from lab.benchmark.saved import SavedBytes, count_saved_bytes
from lab.benchmark.timing import Timing, time_interleaved


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        device: ``'cpu'`` or ``'cuda'``.
        dtype: Type of parameters and input.
        channels_last: Memory format of both.
        timed: Whether to take times, or only what is the same on every machine.
        rounds: Turns of each implementation, as in `time_interleaved`.
        seconds: Length of a turn.
    """

    device: str = 'cpu'
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    timed: bool = True
    rounds: int = 5
    seconds: float = 0.1

    def place(self, tensor_or_module: Tensor | nn.Module) -> Tensor | nn.Module:
        """Return it on the device, in the type and in the memory format."""
        memory_format = torch.channels_last if self.channels_last else torch.contiguous_format
        return tensor_or_module.to(self.device, self.dtype).to(memory_format=memory_format)


@dataclass(frozen=True)
class Measurements:
    """What one implementation costs. Forward is in eval mode without gradients, training is forward and backward.

    Attributes:
        saved: What a forward pass in train mode keeps for backward.
        forward_peak: Bytes that a forward pass allocates at its peak, its output included.
        training_peak: The same of a forward and a backward pass, the gradients included.
        forward: Seconds of a forward pass, None if times are not taken.
        training: Seconds of a forward and a backward pass, None if times are not taken.
    """

    saved: SavedBytes
    forward_peak: int
    training_peak: int
    forward: Timing | None = None
    training: Timing | None = None


@dataclass(frozen=True)
class Result:
    """One implementation of one case.

    Attributes:
        suite: Of the case.
        group: Of the case.
        case: Its name.
        device: Where it ran.
        implementation: Its name.
        floor: Whether it computes another function.
        agreement: With the reference; None for a floor.
        measurements: None if it disagrees: what is wrong is not measured.
    """

    suite: str
    group: str
    case: str
    device: str
    implementation: str
    floor: bool
    agreement: Agreement | None
    measurements: Measurements | None


def measure_case(case: Case, settings: Settings) -> list[Result]:
    """Measure every implementation that agrees with the reference, and every floor.

    Args:
        case: What to compare.
        settings: How.

    Returns:
        One result for each implementation, in their order.
    """
    input = settings.place(case.make_input())
    agreements = check_agreement(case, input, settings)
    modules = {
        one.name: settings.place(one.build()) for one in case.implementations if one.floor or agreements[one.name].holds
    }
    measured = _measure(modules, input.requires_grad_(not case.network), settings)
    return [
        Result(
            *(case.suite, case.group, case.name, settings.device, one.name, one.floor),
            agreements.get(one.name),
            measured.get(one.name),
        )
        for one in case.implementations
    ]


def check_agreement(case: Case, input: Tensor, settings: Settings) -> dict[str, Agreement]:
    """Compare every implementation, floors apart, with the reference in float64.

    Args:
        case: What to compare.
        input: As `Settings.place` returns it.
        settings: The reference gets the weights as they are after rounding to this type.

    Returns:
        The agreements, by the names of the implementations.
    """
    expected = evaluate(settings.place(case.reference()).double(), input.double())
    tolerance = TOLERANCES[settings.dtype]
    agreements = {}
    for one in case.implementations:
        if one.floor:
            continue
        module = settings.place(one.build())
        actual = evaluate(module, input)
        output, gradient_tolerance = output_error(actual, expected), tolerance
        if case.network:
            actual, gradient_tolerance = evaluate(module.double(), input.double()), NETWORK_TOLERANCE
        gradient = gradient_error(actual, expected)
        agreements[one.name] = Agreement(output, gradient, tolerance, gradient_tolerance)
    return agreements


def _measure(modules: Mapping[str, nn.Module], input: Tensor, settings: Settings) -> dict[str, Measurements]:
    trainings = {name: _training_pass(module.train(), input) for name, module in modules.items()}
    saved = {name: count_saved_bytes(module, input) for name, module in modules.items()}
    training_peaks = {name: peak_bytes(run, input.device) for name, run in trainings.items()}
    training = _times(trainings, settings)
    forwards = {name: _forward_pass(module.eval(), input) for name, module in modules.items()}
    forward_peaks = {name: peak_bytes(run, input.device) for name, run in forwards.items()}
    forward = _times(forwards, settings)
    return {
        name: Measurements(saved[name], forward_peaks[name], training_peaks[name], forward[name], training[name])
        for name in modules
    }


def _times(runs: Mapping[str, Callable[[], object]], settings: Settings) -> Mapping[str, Timing | None]:
    if not settings.timed:
        return dict.fromkeys(runs)
    return time_interleaved(runs, settings.rounds, settings.seconds)


def _forward_pass(module: nn.Module, input: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            module(input)

    return run


def _training_pass(module: nn.Module, input: Tensor) -> Callable[[], None]:
    leaves = [tensor for tensor in (input, *module.parameters()) if tensor.requires_grad]
    cotangent = draw_cotangent(module(input))

    def run() -> None:
        torch.autograd.grad(module(input), leaves, cotangent)

    return run
