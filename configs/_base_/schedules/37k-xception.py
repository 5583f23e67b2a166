# jfzhang95/pytorch-deeplab-xception on Cityscapes: 200 epochs of 186 batches of 16, by the defaults of its train.py.
_base_ = './33k-xception.py'
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=37200, by_epoch=False)]
train_cfg = dict(max_iters=37200, val_interval=1860)  # published: a validation after each epoch
default_hooks = dict(checkpoint=dict(interval=1860))
