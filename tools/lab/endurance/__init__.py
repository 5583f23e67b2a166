"""Trainings that are killed and resumed, next to the same trainings that nobody killed."""

from lab.endurance.differences import find_differences
from lab.endurance.kills import Kill, draw_phases, kill_and_resume
from lab.endurance.progress import PHASES, Progress, read_progress
from lab.endurance.report import format_kills

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
