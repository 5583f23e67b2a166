"""Which networks can be antialiased: every family of the installed libraries, converted and checked."""

from antialias_plugins.coverage.catalogue import Family, list_families
from antialias_plugins.coverage.check import check_network
from antialias_plugins.coverage.families import family_of
from antialias_plugins.coverage.libraries import Network, installed_libraries, list_networks
from antialias_plugins.coverage.result import Outcome, Result
from antialias_plugins.coverage.survey import check_families
from antialias_plugins.coverage.table import render_table, summarize

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
