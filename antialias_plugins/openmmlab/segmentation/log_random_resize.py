"""Random scales that enlarge as often as they shrink."""

import numpy as np
from mmcv.transforms import RandomResize


class LogRandomResize(RandomResize):
    """mmcv's `RandomResize` whose ratio is uniform on a logarithmic scale.

    With ``ratio_range=(0.5, 2.0)`` every second image shrinks, where a uniform ratio shrinks every third. The arguments
    are those of `RandomResize`; ``scale`` is one size.
    """

    @staticmethod
    def _random_sample_ratio(scale: tuple[int, int], ratio_range: tuple[float, float]) -> tuple[int, int]:
        ratio = np.exp(np.random.uniform(*np.log(ratio_range)))
        return round(scale[0] * ratio), round(scale[1] * ratio)
