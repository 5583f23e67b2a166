"""Coverage of the conversion: every family of networks of the installed libraries, converted and checked."""

from lab.coverage.check import Outcome, Result, check_network
from lab.coverage.libraries import Family, Network, family_of, installed_libraries, list_families, list_networks
from lab.coverage.survey import check_families
from lab.coverage.table import render_table, summarize

__all__ = [
    'Family',
    'Network',
    'Outcome',
    'Result',
    'check_families',
    'check_network',
    'family_of',
    'installed_libraries',
    'list_families',
    'list_networks',
    'render_table',
    'summarize',
]
