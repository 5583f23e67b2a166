_base_ = [
    '../_base_/models/deeplabv3.py',
    '../_base_/datasets/cityscapes-512x1024.py',
    '../_base_/schedules/80k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c'),
    ),
    decode_head=dict(dilations=(1, 6, 12, 18)),
)
