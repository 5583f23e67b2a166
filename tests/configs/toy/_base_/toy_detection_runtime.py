_base_ = '../../../../configs/_base_/default_runtime.py'
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
# The check knows the data sets of mmseg.
custom_hooks = []
