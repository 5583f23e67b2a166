"""Accuracy and consistency of a classifier over a folder of images."""

from antialias_plugins.evaluation.classifier import Classifier
from antialias_plugins.evaluation.folder import ViewFolder
from antialias_plugins.evaluation.loop import Evaluation, evaluate
from antialias_plugins.evaluation.network import create_network
from antialias_plugins.evaluation.preparation import Preparation
from antialias_plugins.evaluation.report import format_report, write_report

__all__ = [
    'Classifier',
    'Evaluation',
    'Preparation',
    'ViewFolder',
    'create_network',
    'evaluate',
    'format_report',
    'write_report',
]
