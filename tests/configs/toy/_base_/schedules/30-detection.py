_base_ = './30.py'
optim_wrapper = dict(optimizer=dict(weight_decay=0.0001), clip_grad=dict(_delete_=True, max_norm=10))
default_hooks = dict(visualization=dict(type='DetVisualizationHook'))
# After so few iterations no instance is sure.
test_cfg = dict(max_shift=16, score_threshold=0.05)
