# What the detectors add to mmdet's own configs, besides their backbones.
custom_imports = dict(imports=['antialias_plugins', 'antialias_plugins.openmmlab.mmcv_ops'], allow_failed_imports=False)
runner_type = 'PortableRunner'
