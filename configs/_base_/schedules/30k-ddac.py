# For PASCAL VOC: the defaults of the code of "Delving Deeper into Anti-aliasing in ConvNets"; its command is not
# published.
_base_ = './80k-ddac.py'
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=2000, by_epoch=False),
    dict(type='PolyLR', eta_min=0.0, power=0.9, begin=2000, end=32000, by_epoch=False),
]
train_cfg = dict(max_iters=30000, val_interval=3000)
default_hooks = dict(checkpoint=dict(interval=3000))
