"""Consistency under shifts of a model that an OpenMMLab loop runs, whatever it predicts."""

from antialias_plugins.openmmlab.consistency.metric import ConsistencyMetric

__all__ = ['ConsistencyMetric']
