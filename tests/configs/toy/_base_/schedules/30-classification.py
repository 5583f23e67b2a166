# Half a minute on a CPU: for tests, and to see that a system runs at all. The rate is that of ImageNet, by batch size.
_base_ = '../../../../../configs/_base_/schedules/90e.py'
optim_wrapper = dict(optimizer=dict(lr=0.003))
param_scheduler = [dict(type='MultiStepLR', milestones=[20], gamma=0.1, by_epoch=False)]
train_cfg = dict(_delete_=True, type='ResumableTrainLoop', max_iters=30, val_interval=30)
default_hooks = dict(
    logger=dict(interval=1, log_metric_by_epoch=False), checkpoint=dict(by_epoch=False, interval=10, save_best=None)
)
