"""Accuracy and consistency of networks: classifiers over a folder of images, and configs of the OpenMMLab packages."""

from antialias_plugins.evaluation.classifier import Classifier, DataConfig
from antialias_plugins.evaluation.folder import ViewFolder, evaluate
from antialias_plugins.evaluation.models import ConfigModel, TimmModel, parse_model
from antialias_plugins.evaluation.report import Evaluation
from antialias_plugins.evaluation.settings import HelpFormatter, Settings, add_options, run_command

__all__ = [
    'Classifier',
    'ConfigModel',
    'DataConfig',
    'Evaluation',
    'HelpFormatter',
    'Settings',
    'TimmModel',
    'ViewFolder',
    'add_options',
    'evaluate',
    'parse_model',
    'run_command',
]


def __dir__() -> list[str]:
    return __all__
