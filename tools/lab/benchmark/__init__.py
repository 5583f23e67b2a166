"""Compare implementations: whether they agree, what they save for backward, and how long they take."""

from lab.benchmark.case import Case, Implementation, select
from lab.benchmark.measure import Result, Settings, measure_case
from lab.benchmark.report import describe, write_report
from lab.benchmark.run import SUITES, make_cases, run
from lab.benchmark.saved import SavedBytes, count_saved_bytes

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
