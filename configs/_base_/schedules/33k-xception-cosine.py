# --lr-scheduler cos
_base_ = './33k-xception.py'
param_scheduler = [dict(type='CosineAnnealingLR', T_max=33100, eta_min=0.0, begin=0, end=33100, by_epoch=False)]
