"""The maps that the modules of a network return."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack

from torch import Tensor, nn

_PASS_ON = (nn.Identity, nn.modules.dropout._DropoutNd)


def layer_maps(network: nn.Module, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
    """Return what modules return for one image, in the order of execution.

    Args:
        network: The network.
        image: Its input.
        names: Modules that return one tensor, once.
    """
    maps: dict[str, Tensor] = {}
    # An activation that works in place would overwrite the map.
    _run(network, image, names, lambda name, output: maps.update({name: output.clone()}))
    return maps


def map_shapes(network: nn.Module, image: Tensor) -> dict[str, list[tuple[int, ...] | None]]:
    """Return the shape of what every module returns, call by call; ``None`` for what is no map ``(N, C, H, W)``.

    Args:
        network: The network.
        image: Its input.
    """
    shapes: dict[str, list[tuple[int, ...] | None]] = {}

    def note(name: str, output: object) -> None:
        is_map = isinstance(output, Tensor) and output.ndim == 4
        shapes.setdefault(name, []).append(tuple(output.shape) if is_map else None)

    _run(network, image, [name for name, _ in network.named_modules() if name], note)
    return shapes


def outermost_layers(
    network: nn.Module, shapes: Mapping[str, Sequence[tuple[int, ...] | None]], prefix: str = ''
) -> Iterator[str]:
    """Return the outermost modules below a network that return a map; sequences of modules are taken apart.

    Args:
        network: The network.
        shapes: What its modules return, see `map_shapes`.
        prefix: Name of ``network`` within the whole one, with a dot at its end.
    """
    for child, module in network.named_children():
        name = prefix + child
        is_sequence = type(module).forward is nn.Sequential.forward
        if is_sequence or None in shapes.get(name, [None]):
            yield from outermost_layers(module, shapes, f'{name}.')
        elif not isinstance(module, _PASS_ON):
            yield name


def _run(network: nn.Module, image: Tensor, names: Collection[str], hear: Callable[[str, object], None]) -> None:
    modules = dict(network.named_modules())
    with ExitStack() as hooks:
        for name in names:

            def hook(module: nn.Module, args: tuple, output: object, name: str = name) -> None:
                hear(name, output)

            hooks.callback(modules[name].register_forward_hook(hook).remove)
        network(image)
