"""Benchmark of implementations: agreement, bytes saved for backward, and time."""

from lab.benchmark.case import Case, Implementation, select
from lab.benchmark.cost import SavedBytes, count_saved_bytes
from lab.benchmark.measure import Result, Settings, measure_case
from lab.benchmark.report import SUITES, describe, make_cases, run, write_report

__all__ = [
    'SUITES',
    'Case',
    'Implementation',
    'Result',
    'SavedBytes',
    'Settings',
    'count_saved_bytes',
    'describe',
    'make_cases',
    'measure_case',
    'run',
    'select',
    'write_report',
]
