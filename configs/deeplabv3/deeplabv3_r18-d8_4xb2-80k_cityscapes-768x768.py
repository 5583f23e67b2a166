_base_ = [
    '../_base_/models/deeplabv3.py',
    '../_base_/datasets/cityscapes-768x768.py',
    '../_base_/schedules/80k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(768, 768)),
    backbone=dict(depth=18, init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet18_v1c')),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64),
)
