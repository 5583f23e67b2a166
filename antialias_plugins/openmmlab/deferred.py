"""Types whose library is imported when the first of them is built."""

from importlib import import_module
from typing import Any

from mmengine.registry import Registry


def register_deferred(registry: Registry, name: str, module: str) -> None:
    """Register the class ``name`` of ``module``, without importing the module yet.

    A config builds it like any other type; what the registry holds is a function that imports, then builds.

    Args:
        registry: One of mmengine's root registries, where the configs of every OpenMMLab package find the name.
        name: Name of the class, and of the type in a config.
        module: Full name of the module.

    Raises:
        KeyError: The registry has the name already.
    """

    def build(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    build.__name__, build.__doc__ = name, f'Build `{module}.{name}`.'
    registry.register_module(name=name, module=build)
