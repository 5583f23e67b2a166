# The recipe of "Delving Deeper into Anti-aliasing in ConvNets": the same after a warm-up, in batches of half the size.
_base_ = './90e.py'
optim_wrapper = dict(accumulative_counts=2)
param_scheduler = [
    # Published from 0, of which mmengine cannot take a multiple.
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=15, by_epoch=True, convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[30, 60], gamma=0.1, by_epoch=True),
]
