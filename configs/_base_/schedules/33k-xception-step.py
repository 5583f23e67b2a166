# --lr-scheduler step, which the published code cannot run: it never says how long a step is. Here: a third.
_base_ = './33k-xception.py'
param_scheduler = [dict(type='StepLR', step_size=11034, gamma=0.1, begin=0, end=33100, by_epoch=False)]
