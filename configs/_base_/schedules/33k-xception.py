# jfzhang95/pytorch-deeplab-xception on VOC and SBD: 50 epochs of 662 batches of 16, a validation after each.
_base_ = './80k.py'
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.007, momentum=0.9, weight_decay=0.0005),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10))),
)
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=33100, by_epoch=False)]
train_cfg = dict(max_iters=33100, val_interval=662)
default_hooks = dict(checkpoint=dict(interval=662, max_keep_ckpts=1, save_best='mIoU'))
