"""Comparison of all ways to downsample, trained alike on a small real data set. Needs scikit-learn."""

from lab.comparison.method import METHODS, Method
from lab.comparison.report import describe_runs, format_costs, format_qualities, summarize
from lab.comparison.study import Study
from lab.comparison.training import Recipe

__all__ = [
    'METHODS',
    'Method',
    'Recipe',
    'Study',
    'describe_runs',
    'format_costs',
    'format_qualities',
    'summarize',
]
