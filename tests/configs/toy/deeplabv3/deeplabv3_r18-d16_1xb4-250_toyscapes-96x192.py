_base_ = [
    '../../../../configs/_base_/models/deeplabv3.py',
    '../../../../configs/_base_/datasets/toyscapes-96x192.py',
    '../../../../configs/_base_/schedules/250.py',
    '../../../../configs/_base_/default_runtime.py',
]
norm_cfg = dict(type='BN')
model = dict(
    data_preprocessor=dict(size=(96, 192)),
    backbone=dict(depth=18, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), norm_cfg=norm_cfg),
    decode_head=dict(in_channels=512, channels=64, dilations=(1, 2, 4, 6), norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=256, channels=64, norm_cfg=norm_cfg),
)
