custom_imports = dict(imports=['antialias_plugins'], allow_failed_imports=False)
default_scope = 'mmseg'
runner_type = 'PortableRunner'
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# `ResumableTrainLoop` needs the seed before it sees a checkpoint.
randomness = dict(seed=0)

# A config with hooks of its own lists this one again.
custom_hooks = [dict(type='DatasetCheckHook')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
