_base_ = [
    '../_base_/models/deeplabv3.py',
    '../_base_/datasets/toyscapes-96x192.py',
    '../_base_/schedules/250.py',
    '../_base_/default_runtime.py',
]
norm_cfg = dict(type='BN')
model = dict(
    data_preprocessor=dict(size=(96, 192)),
    backbone=dict(norm_cfg=norm_cfg),
    decode_head=dict(channels=128, dilations=(1, 4, 8, 12), norm_cfg=norm_cfg),
    auxiliary_head=dict(channels=64, norm_cfg=norm_cfg),
)
