# 50 epochs of PASCAL VOC: 662 batches of 16 among 10582 pictures, 33100 in all.
_base_ = './80k.py'
optim_wrapper = dict(optimizer=dict(lr=0.007, weight_decay=0.0001))
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=33100, by_epoch=False)]
train_cfg = dict(max_iters=33100, val_interval=6620)
default_hooks = dict(checkpoint=dict(interval=6620))
