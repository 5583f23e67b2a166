"""Which configs can be antialiased: every config of the installed zoos, read, changed and built."""

from antialias_plugins.zoos.catalogue import ZooConfig, list_zoo
from antialias_plugins.zoos.document import replace_stack
from antialias_plugins.zoos.result import BackboneResult, ConfigResult
from antialias_plugins.zoos.survey import check_config, check_configs
from antialias_plugins.zoos.table import render_stack, summarize

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
