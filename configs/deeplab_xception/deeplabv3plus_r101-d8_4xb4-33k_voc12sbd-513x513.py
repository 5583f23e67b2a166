_base_ = './deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513.py'
model = dict(
    backbone=dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), multi_grid=(4, 8, 16)),
    decode_head=dict(dilations=(1, 12, 24, 36)),
)
