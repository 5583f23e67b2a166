_base_ = './deeplabv3_r101-d16_1xb16-33k_voc12aug-513x513.py'
# Twice (1, 2, 4): mmseg's rates are not multiplied by the stage's.
model = dict(backbone=dict(multi_grid=(2, 4, 8)))
