"""Coverage of the zoos: every config of the installed ones, read, antialiased and built."""

from lab.zoos.check import BackboneResult, ConfigResult
from lab.zoos.configs import ZooConfig, list_zoo
from lab.zoos.survey import check_config, check_configs
from lab.zoos.table import render_stack, replace_stack, summarize

__all__ = [
    'BackboneResult',
    'ConfigResult',
    'ZooConfig',
    'check_config',
    'check_configs',
    'list_zoo',
    'render_stack',
    'replace_stack',
    'summarize',
]
