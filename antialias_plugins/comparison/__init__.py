"""All ways to downsample, trained alike on a small real data set. Needs scikit-learn."""

from antialias_plugins.comparison.method import METHODS, Method
from antialias_plugins.comparison.recipe import Recipe
from antialias_plugins.comparison.report import describe_runs, format_costs, format_qualities, summarize
from antialias_plugins.comparison.study import Study

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
