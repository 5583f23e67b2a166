_base_ = '../../../../configs/_base_/default_runtime.py'
custom_imports = dict(imports=['antialias_plugins', 'antialias_plugins.openmmlab.mmcv_ops'])
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
# The check knows the data sets of mmseg.
custom_hooks = []
