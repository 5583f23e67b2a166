"""Which configs can be antialiased: every config of the installed zoos, read, changed and built."""

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
