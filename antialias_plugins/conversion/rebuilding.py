"""Guards of blocks that can merge their parallel branches into one convolution, as RepVGG's."""

from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.attach import override
from antialias_plugins.conversion.plan import Site, UnsupportedModelError

# how timm and mmpretrain call the method that merges the parallel branches of a block
_REBUILDERS = ('fuse', 'reparameterize', 'switch_to_deploy')


class Refusal:
    """Takes the place of a method that would drop a filter without a word."""

    def __init__(self, name: str, method: str) -> None:
        self.name, self.method = name, method

    def __call__(self) -> None:
        """Refuse."""
        reason = 'would drop a filter with the convolution it hangs on: call it before converting'
        raise UnsupportedModelError(f'{self.name}.{self.method}() {reason}')


def guard_rebuilding(model: nn.Module, site: Site) -> None:
    """Keep the blocks around a site right that can merge their parallel branches into one convolution.

    Where the filter hangs on a convolution that would go, the block refuses. Elsewhere, it has to know that its new
    convolution no longer strides.
    """
    for name, block in model.named_modules():
        methods = [method for method in _REBUILDERS if callable(getattr(block, method, None))]
        if not name or not methods or not any(root.startswith(f'{name}.') for root in site.roots):
            continue
        if site.carrier.startswith(f'{name}.') and ops.is_conv(model.get_submodule(site.carrier)):
            override(block, **{method: Refusal(name, method) for method in methods})
            continue
        if site.kind == ops.CONV and ops.stride_of(block) == site.stride:
            override(block, stride=(1, 1) if isinstance(block.stride, tuple) else 1)
        branches = [root.removeprefix(f'{name}.') for root in site.roots if root.startswith(f'{name}.')]
        block._aa_branches = [*vars(block).get('_aa_branches', ()), *branches]
