"""The learning rates of the published trainings that the configs reproduce, by their own formulas.

`T` is the number of iterations, `t` an iteration, counted from 0.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# `_2xb7-80k_` in the name of a config
SCHEDULE = re.compile(r'_\d+xb\d+-([^_]+)_')


@dataclass(frozen=True)
class PublishedSchedule:
    """One rule for all parameters, times a factor for each of two parts.

    Args:
        source: Repository.
        policy: 'poly', ``(1 - t/T)^0.9``; 'cosine', ``(1 + cos(pi t/T)) / 2``; or 'step', a tenth after each `step`.
        iterations: Length of the training.
        head: Rate of everything but the backbone.
        backbone: Rate of the backbone.
        warmup: Iterations of a linear rise from 0. The clock of the policy starts after it, and does not stop earlier
            for that: the training ends on the way down.
        step: Iterations between two steps.
    """

    source: str
    policy: str
    iterations: int
    head: float
    backbone: float
    warmup: int = 0
    step: int = 0

    def rates(self) -> dict[str, np.ndarray]:
        """The rate of each iteration, for 'backbone' and 'head'. Shape of each: T, float64."""
        time = np.arange(self.iterations, dtype=np.float64)
        clock = np.maximum(time - self.warmup, 0)
        factor = {
            'poly': (1 - clock / self.iterations) ** 0.9,
            'cosine': (1 + np.cos(np.pi * clock / self.iterations)) / 2,
            'step': 0.1 ** (clock // max(self.step, 1)),
        }[self.policy]
        if self.warmup:
            factor = np.where(time < self.warmup, time / self.warmup, factor)
        return {'backbone': self.backbone * factor, 'head': self.head * factor}


_DDAC = 'MaureenZOU/Adaptive-anti-Aliasing'
_DEEPLABV3 = 'chenxi116/DeepLabv3.pytorch'
_XCEPTION = 'jfzhang95/pytorch-deeplab-xception'

# By the folder of a config and the schedule in its name.
PUBLISHED = {
    ('ddac', '80k'): PublishedSchedule(_DDAC, 'poly', 80000, 0.00875, 0.000875, warmup=8000),
    ('ddac', '30k'): PublishedSchedule(_DDAC, 'poly', 30000, 0.01, 0.001, warmup=2000),
    ('deeplabv3_gnws', '33k'): PublishedSchedule(_DEEPLABV3, 'poly', 33100, 0.007, 0.007),
    ('deeplabv3_gnws', '72k'): PublishedSchedule(_DEEPLABV3, 'poly', 71520, 0.1, 0.01),
    ('deeplab_xception', '33k'): PublishedSchedule(_XCEPTION, 'poly', 33100, 0.07, 0.007),
    ('deeplab_xception', '33k-step'): PublishedSchedule(_XCEPTION, 'step', 33100, 0.07, 0.007, step=11034),
    ('deeplab_xception', '33k-cosine'): PublishedSchedule(_XCEPTION, 'cosine', 33100, 0.07, 0.007),
    ('deeplab_xception', '37k'): PublishedSchedule(_XCEPTION, 'poly', 37200, 0.1, 0.01),
    ('deeplab_xception', '296k'): PublishedSchedule(_XCEPTION, 'poly', 295720, 0.1, 0.01),
    ('dsrl', '744k'): PublishedSchedule('Dootmaan/DSRL', 'poly', 744000, 0.05, 0.005),
}


def published_schedule(config: str | Path) -> PublishedSchedule | None:
    """Return the schedule that a config reproduces, judged by its path, if there is one."""
    path = Path(config)
    found = SCHEDULE.search(path.stem)
    return PUBLISHED.get((path.parent.name, found.group(1))) if found else None
