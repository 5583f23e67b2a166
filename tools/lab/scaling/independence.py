"""Configs whose loss does not depend on how a batch is divided."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

_BATCH_NORMS = ('BN', 'SyncBN')


def without_batch_statistics(config: Config, groups: int = 16) -> Config:
    """Return a config of a segmentor with nothing that depends on the other images of its batch, or on a dice.

    The batch norms of the backbone, those of predicted filters among them, keep the statistics that they have
    (``norm_eval``); those of heads become group norms; there is no dropout; and the loss is a mean over all pixels,
    not over labelled ones, whose number differs between the parts of a batch. Then the loss of a batch is the mean of
    the losses of its equal parts.

    Args:
        config: A config of mmseg; it stays as it is.
        groups: Groups of the group norms.
    """
    config = Config(config.to_dict())
    config.model.backbone.norm_eval = True
    for part in _parts(config.model):
        if part is not config.model.backbone and (part.get('norm_cfg') or {}).get('type') in _BATCH_NORMS:
            part.norm_cfg = {'type': 'GN', 'num_groups': groups}
            part.dropout_ratio = 0
            if part.get('type', '').startswith('Projected'):
                part.projection_dropout = 0
        if part.get('type') == 'CrossEntropyLoss':
            part.avg_non_ignore = False
    return config


def _parts(config: Any) -> Iterator[Any]:
    """All dicts inside a config."""
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from _parts(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _parts(value)
