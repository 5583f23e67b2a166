# 1000 epochs of 744 batches, 2975 images by 4: the schedule of Dootmaan/DSRL.
_base_ = './80k.py'
optim_wrapper = dict(
    optimizer=dict(lr=0.05, weight_decay=0.0001),
    # 0.005 for the backbone and ten times that for the heads. There, the optimizer is never given the branch and the
    # feature transform, 1.1 of 60.5 million parameters: they stay as they were drawn. Here everything learns.
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
# mmengine's rate is 0 in the iteration before `end`: one later than the last, it follows (1 - t / 744000)^0.9.
param_scheduler = [dict(type='PolyLR', eta_min=0.0, power=0.9, begin=0, end=744001, by_epoch=False)]
# Every tenth epoch; there every one. Resuming continues optimizer and schedule, which there begin anew.
train_cfg = dict(max_iters=744000, val_interval=7440)
default_hooks = dict(checkpoint=dict(interval=7440, max_keep_ckpts=3))
