import platform

import torch

from antialias_plugins.environment import describe_environment


def test_environment_names_machine_and_versions():
    described = describe_environment()
    assert described['python'] == platform.python_version()
    assert torch.__version__.startswith(described['torch'])
    assert platform.system() in described['machine']
    assert all(isinstance(text, str) and text for text in described.values())
