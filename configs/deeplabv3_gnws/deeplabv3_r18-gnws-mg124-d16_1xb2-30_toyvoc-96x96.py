_base_ = './deeplabv3_r18-gnws-d16_1xb2-30_toyvoc-96x96.py'
# Twice (1, 2, 4): mmseg's rates are not multiplied by the stage's.
model = dict(backbone=dict(multi_grid=(2, 4, 8)))
