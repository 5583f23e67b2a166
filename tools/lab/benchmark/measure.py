"""Measurement of a case: agreement with the reference first, then memory, then time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lab.benchmark.case import Case
from lab.benchmark.cost import SavedBytes, Timing, count_saved_bytes, peak_bytes, time_interleaved

# Of the norm of the difference, relative to the norm.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
# Of the gradients of a whole network in float64, where roundings add up over some hundred operations.
NETWORK_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Values:
    """What a module computes in eval mode, in float64.

    Attributes:
        output: Of the forward pass.
        gradients: Of the product of output and cotangent, with respect to ``'input'`` and the parameters, by name.
    """

    output: Tensor
    gradients: Mapping[str, Tensor]


@dataclass(frozen=True)
class Agreement:
    """How far an implementation is from the reference.

    Attributes:
        output: Norm of the difference over the norm, infinite if the shapes differ.
        gradient: The same, the largest of the gradients'.
        tolerance: What is allowed of the output.
        gradient_tolerance: What is allowed of the gradients.
    """

    output: float
    gradient: float
    tolerance: float
    gradient_tolerance: float

    @property
    def holds(self) -> bool:
        """Whether both are within their tolerances."""
        return self.output <= self.tolerance and self.gradient <= self.gradient_tolerance

    def __str__(self) -> str:
        """Return the errors in one line."""
        output = f'output {self.output:.1e} (tolerance {self.tolerance:.0e})'
        return f'{output}, gradient {self.gradient:.1e} (tolerance {self.gradient_tolerance:.0e})'


def evaluate(module: nn.Module, input: Tensor) -> Values:
    """Run forward and backward in eval mode, where the statistics of norms do not depend on which positions are kept.

    Args:
        module: On the device and in the type of the input; left in eval mode.
        input: Of any floating type.
    """
    module.eval()
    input = input.detach().requires_grad_()
    leaves = {'input': input, **{name: p for name, p in module.named_parameters() if p.requires_grad}}
    with torch.enable_grad():
        output = module(input)
        gradients = torch.autograd.grad(output, list(leaves.values()), draw_cotangent(output))
    return Values(output.detach().double(), {k: g.double() for k, g in zip(leaves, gradients, strict=True)})


def draw_cotangent(output: Tensor) -> Tensor:
    """Draw what backward starts from: the same normal numbers at every call, or 1 for a loss.

    They are rounded to bfloat16, so that every type holds the same.
    """
    if output.dim() == 0:
        return torch.ones_like(output)
    return torch.randn(output.shape, generator=torch.Generator().manual_seed(2)).bfloat16().to(output)


def output_error(actual: Values, expected: Values) -> float:
    """Return the norm of the outputs' difference over the norm, infinite if the shapes differ."""
    return _error(actual.output, expected.output)


def gradient_error(actual: Values, expected: Values) -> float:
    """Return the largest of the gradients' errors: of the input's alone if the parameters have other names."""
    names = expected.gradients.keys() if actual.gradients.keys() == expected.gradients.keys() else ('input',)
    return max(_error(actual.gradients[name], expected.gradients[name]) for name in names)


def _error(actual: Tensor, expected: Tensor) -> float:
    if actual.shape != expected.shape:
        return float('inf')
    error = (actual - expected).norm() / expected.norm().clamp_min(torch.finfo(torch.float64).tiny)
    return float(error.nan_to_num(nan=float('inf')))


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
