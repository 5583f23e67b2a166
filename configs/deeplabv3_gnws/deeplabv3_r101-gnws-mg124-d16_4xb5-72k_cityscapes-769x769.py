_base_ = './deeplabv3_r101-gnws-d16_4xb5-72k_cityscapes-769x769.py'
# Twice (1, 2, 4): mmseg's rates are not multiplied by the stage's.
model = dict(backbone=dict(multi_grid=(2, 4, 8)))
