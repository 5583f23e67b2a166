# 480 epochs of Cityscapes: 149 batches of 20 among 2975 pictures, 71520 in all.
_base_ = './80k.py'
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=0.0001))
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=71520, by_epoch=False)]
train_cfg = dict(max_iters=71520, val_interval=7152)
default_hooks = dict(checkpoint=dict(interval=7152))
