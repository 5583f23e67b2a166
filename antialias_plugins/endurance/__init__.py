"""Trainings that are killed and resumed, next to the same trainings that nobody killed."""

from antialias_plugins.endurance.differences import find_differences
from antialias_plugins.endurance.kills import Kill, draw_phases, kill_and_resume
from antialias_plugins.endurance.progress import PHASES, Progress, read_progress
from antialias_plugins.endurance.report import format_kills

__all__ = [
    'PHASES',
    'Kill',
    'Progress',
    'draw_phases',
    'find_differences',
    'format_kills',
    'kill_and_resume',
    'read_progress',
]
