"""Antialiased networks in timm's registry.

They are called ``<arch>_lpf{2,3,4,5}``, ``_ddac{3,5}``, ``_aps{1,2,3}`` and ``_lps{1,2,3}``.
Importing the package registers the names; timm does the rest.

    >>> import timm, antialias_plugins.timm_models
    >>> len(timm.list_models('*_lpf4'))
    23
    >>> model = timm.create_model('resnet18_ddac3', features_only=True, out_indices=(1, 2, 3, 4))
    >>> model.feature_info.channels()
    [64, 128, 256, 512]
"""

from antialias_plugins.timm_models import antialiased  # registers the names
from antialias_plugins.timm_models.alexnet import AlexNet
from antialias_plugins.timm_models.hub import push_to_hub, save_for_hub
from antialias_plugins.timm_models.weights import WeightsLicenseWarning

__all__ = ['AlexNet', 'WeightsLicenseWarning', 'antialiased', 'push_to_hub', 'save_for_hub']


def __dir__() -> list[str]:
    return __all__
