_base_ = [
    '../_base_/models/deeplabv3plus.py',
    '../_base_/datasets/cityscapes-768x768.py',
    '../_base_/schedules/80k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(768, 768)),
    backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c')),
)
