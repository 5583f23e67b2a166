_base_ = [
    '../../../../configs/_base_/models/deeplabv3_gnws.py',
    '../_base_/datasets/toyvoc-log-96x96.py',
    '../_base_/schedules/30.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(96, 96), test_cfg=dict(size=(97, 193))),
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512),
)
