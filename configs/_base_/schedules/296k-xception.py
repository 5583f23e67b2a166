# jfzhang95/pytorch-deeplab-xception on COCO: 40 epochs of batches of 16, by its train_coco.sh (its train.py would take
# 30 epochs at a rate of 0.1). 7393 batches are all 118287 pictures; the published epochs leave some out.
_base_ = './33k-xception.py'
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=295720, by_epoch=False)]
train_cfg = dict(max_iters=295720, val_interval=7393)
default_hooks = dict(checkpoint=dict(interval=7393))
