_base_ = [
    '../../../../configs/_base_/models/deeplab_xception.py',
    '../_base_/datasets/toyvoc-96x96.py',
    '../_base_/schedules/30-xception.py',
    '../../../../configs/_base_/default_runtime.py',
]
norm_cfg = dict(type='BN')
model = dict(
    data_preprocessor=dict(size=(96, 96)),
    backbone=dict(depth=18, init_cfg=None, norm_cfg=norm_cfg),
    decode_head=dict(in_channels=512, c1_in_channels=64, norm_cfg=norm_cfg, loss_decode=dict(loss_weight=1 / 2)),
)
randomness = dict(seed=1)
