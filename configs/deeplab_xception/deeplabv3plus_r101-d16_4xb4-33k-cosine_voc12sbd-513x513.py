_base_ = './deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513.py'
# --lr-scheduler cos
param_scheduler = [dict(type='CosineAnnealingLR', T_max=33100, eta_min=0.0, begin=0, end=33100, by_epoch=False)]
