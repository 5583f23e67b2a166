"""The two regularisers of learned mixtures of polyphase components. Shapes: N batch, C channels, H W sides."""

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.functional.arguments import check_choice, check_count, check_map, described, one_or_many

BORDERS = ('zeros', 'circular')


def mixing_loss(weights: Tensor) -> Tensor:
    """Penalise weights that are all alike, which would make the mixture an average pool.

    It is ``1 - |w|`` of the P weights of a mixture, from 0 (one component) to ``1 - P ** -0.5`` (the average).

    From `TIPS <https://arxiv.org/abs/2404.07410>`_ (Saha and Gokhale, 2025), where it is called L_FM ("known failure
    modes"); the formula is that of the authors' code.

    Args:
        weights: (N, P) or (N, P, C), of sum 1 over P.

    Returns:
        The mean over all mixtures.

    Raises:
        ValueError: if `weights` is none of these.

    Example:
        >>> mixing_loss(torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 1.0, 0.0]]))
        tensor(0.2500)
    """
    is_real = isinstance(weights, Tensor) and weights.is_floating_point()
    if not is_real or weights.dim() not in (2, 3) or not weights.shape[1]:
        raise ValueError(f'weights must be a floating-point tensor (N, P) or (N, P, C), got {described(weights)}')
    return (1 - torch.linalg.vector_norm(weights, dim=1)).mean()


@one_or_many('input')
def undo_loss(features: Tensor, input: Tensor, max_shift: int = 2, border: str = 'zeros') -> Tensor:
    """Ask features to predict the map they were computed from, shifted at random.

    It is the mean squared difference; no gradient reaches `input` through it.

    From `TIPS <https://arxiv.org/abs/2404.07410>`_ (Saha and Gokhale, 2025), where it is called L_undo ("learn to undo
    standard shift"); the formula is that of the authors' code, which means to stop that gradient but does not.

    Args:
        features: (N, C, H, W) or (C, H, W).
        input: the map, of the same shape.
        max_shift: the shifts of both axes are uniform on the integers from ``-max_shift`` to `max_shift`, the same for
            all samples, drawn from the generator of the device.
        border: what comes in at the border, ``'zeros'`` or ``'circular'``.

    Returns:
        A scalar.

    Raises:
        ValueError: if an argument breaks a rule above.
    """
    check_map(input)
    check_map(features, name='features')
    if features.shape != input.shape:
        raise ValueError(f'features must have the shape {tuple(input.shape)} of input, got {tuple(features.shape)}')
    check_count('max_shift', max_shift, 0)
    check_choice('border', border, BORDERS)
    shift = torch.randint(-max_shift, max_shift + 1, (2,), device=input.device)
    wide = torch.promote_types(features.dtype, torch.float32)
    return F.mse_loss(features.to(wide), shift_map(input.detach(), shift, border).to(wide))


def shift_map(input: Tensor, shift: Tensor, border: str = 'zeros') -> Tensor:
    """Move a map down and to the right, by two integers that may stay on the device; `border` as in `undo_loss`.

    Example:
        >>> shift_map(torch.tensor([[[[1, 2, 3]]]]), torch.tensor([0, 1]))
        tensor([[[[0, 1, 2]]]])
    """
    for dim in (2, 3):
        side = input.shape[dim]
        source = torch.arange(side, device=input.device) - shift[dim - 2]
        input = input.index_select(dim, source % side)
        if border == 'zeros':
            inside = (source >= 0) & (source < side)
            input = torch.where(inside[:, None] if dim == 2 else inside, input, 0)
    return input
