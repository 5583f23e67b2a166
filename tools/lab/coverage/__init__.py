"""Which networks can be antialiased: every family of the installed libraries, converted and checked."""

from lab.coverage.catalogue import Family, list_families
from lab.coverage.check import check_network
from lab.coverage.families import family_of
from lab.coverage.libraries import Network, installed_libraries, list_networks
from lab.coverage.result import Outcome, Result
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
