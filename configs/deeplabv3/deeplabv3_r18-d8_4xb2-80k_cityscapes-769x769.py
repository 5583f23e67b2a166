_base_ = [
    '../_base_/models/deeplabv3.py',
    '../_base_/datasets/cityscapes-769x769.py',
    '../_base_/schedules/80k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(769, 769)),
    backbone=dict(depth=18, init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet18_v1c')),
    decode_head=dict(in_channels=512, channels=128, align_corners=True),
    auxiliary_head=dict(in_channels=256, channels=64, align_corners=True),
    test_cfg=dict(mode='slide', crop_size=(769, 769), stride=(513, 513)),
)
