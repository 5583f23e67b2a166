"""Accuracy and consistency of networks: classifiers over a folder of images, and configs of the OpenMMLab packages."""

from antialias_plugins.evaluation.classifier import Classifier
from antialias_plugins.evaluation.comparison import (
    Comparison,
    consistency_name,
    format_comparison,
    headline,
    rows,
    short_names,
    write_csv,
)
from antialias_plugins.evaluation.folder import ViewFolder
from antialias_plugins.evaluation.loop import evaluate
from antialias_plugins.evaluation.model import ConfigModel, TimmModel, parse_model
from antialias_plugins.evaluation.network import create_network
from antialias_plugins.evaluation.preparation import Preparation
from antialias_plugins.evaluation.report import format_cost, format_report, write_report
from antialias_plugins.evaluation.result import Evaluation
from antialias_plugins.evaluation.settings import HelpFormatter, Settings, add_options

__all__ = [
    'Classifier',
    'Comparison',
    'ConfigModel',
    'Evaluation',
    'HelpFormatter',
    'Preparation',
    'Settings',
    'TimmModel',
    'ViewFolder',
    'add_options',
    'consistency_name',
    'create_network',
    'evaluate',
    'format_comparison',
    'format_cost',
    'format_report',
    'headline',
    'parse_model',
    'rows',
    'short_names',
    'write_csv',
    'write_report',
]
