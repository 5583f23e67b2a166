"""Accuracy and consistency of networks: classifiers over a folder of images, and configs of the OpenMMLab packages."""

from antialias_plugins.evaluation.classifier import Classifier, DataConfig
from antialias_plugins.evaluation.comparison import (
    Comparison,
    consistency_name,
    format_comparison,
    headline,
    rows,
    short_names,
    write_csv,
)
from antialias_plugins.evaluation.folder import ViewFolder, evaluate
from antialias_plugins.evaluation.models import ConfigModel, TimmModel, parse_model
from antialias_plugins.evaluation.report import Evaluation, format_cost, format_report, write_report
from antialias_plugins.evaluation.settings import HelpFormatter, Settings, add_options, run_command

__all__ = [
    'Classifier',
    'Comparison',
    'ConfigModel',
    'DataConfig',
    'Evaluation',
    'HelpFormatter',
    'Settings',
    'TimmModel',
    'ViewFolder',
    'add_options',
    'consistency_name',
    'evaluate',
    'format_comparison',
    'format_cost',
    'format_report',
    'headline',
    'parse_model',
    'rows',
    'run_command',
    'short_names',
    'write_csv',
    'write_report',
]
