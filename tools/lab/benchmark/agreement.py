"""Whether two implementations compute the same."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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
