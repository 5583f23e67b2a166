_base_ = './deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513.py'
# --lr-scheduler step, which the published code cannot run: it never says how long a step is. Here: a third.
param_scheduler = [dict(type='StepLR', step_size=11034, gamma=0.1, begin=0, end=33100, by_epoch=False)]
