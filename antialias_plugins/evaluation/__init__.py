"""Accuracy and consistency of networks: classifiers over a folder of images, and configs of the OpenMMLab packages."""

from antialias_plugins.evaluation.classifier import Classifier, DataConfig
from antialias_plugins.evaluation.folder import ViewFolder, evaluate
from antialias_plugins.evaluation.models import ConfigModel, TimmModel, parse_model
from antialias_plugins.evaluation.report import Evaluation
from antialias_plugins.evaluation.settings import Settings

__all__ = [
    'Classifier',
    'ConfigModel',
    'DataConfig',
    'Evaluation',
    'Settings',
    'TimmModel',
    'ViewFolder',
    'evaluate',
    'parse_model',
]


def __dir__() -> list[str]:
    return __all__
