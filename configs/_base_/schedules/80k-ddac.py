# The schedule of "Delving Deeper into Anti-aliasing in ConvNets". The clock of the poly rate starts after the warm-up,
# so that the training ends at 0.1^0.9 of its height; the lower bound of 1e-6 is never reached.
_base_ = './80k.py'
optim_wrapper = dict(
    optimizer=dict(lr=0.00875, weight_decay=0.0001),
    # While it warms up, the published code gives the backbone the head's rate and the head the backbone's. Not so here.
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
param_scheduler = [
    # Published from 0, of which mmengine cannot take a multiple.
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=8000, by_epoch=False),
    dict(type='PolyLR', eta_min=0.0, power=0.9, begin=8000, end=88000, by_epoch=False),
]
