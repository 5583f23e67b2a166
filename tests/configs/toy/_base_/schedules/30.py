# Half a minute on a CPU: for tests, and to see that a system runs at all.
_base_ = '../../../../../configs/_base_/schedules/250.py'
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=30, by_epoch=False)]
train_cfg = dict(max_iters=30, val_interval=30)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=10))
