_base_ = './default_runtime.py'
default_scope = 'mmpretrain'
custom_hooks = []
visualizer = dict(
    _delete_=True, type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'
)
log_processor = dict(by_epoch=True)
