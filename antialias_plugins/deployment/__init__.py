"""Networks for inference: folded norms, explicit padding for other runtimes, and int8."""

from antialias_plugins.deployment.fuse import FusionPlan, fuse_for_inference, plan_fusion
from antialias_plugins.deployment.padding import explicit_padding
from antialias_plugins.deployment.quantization import plain_modules, quantization_config, signal_to_noise

__all__ = [
    'FusionPlan',
    'explicit_padding',
    'fuse_for_inference',
    'plain_modules',
    'plan_fusion',
    'quantization_config',
    'signal_to_noise',
]


def __dir__() -> list[str]:
    return __all__
