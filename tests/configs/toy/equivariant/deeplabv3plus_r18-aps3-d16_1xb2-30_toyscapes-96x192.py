_base_ = [
    '../../../../configs/_base_/models/deeplabv3plus_equivariant.py',
    '../_base_/datasets/toyscapes-jitter-96x192.py',
    '../_base_/schedules/30.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(96, 192)),
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, c1_in_channels=64),
)
train_dataloader = dict(batch_size=2)
test_cfg = dict(circular=True)
randomness = dict(seed=1)
