_base_ = [
    '../../../../configs/_base_/models/dsrl_paper.py',
    '../../../../configs/_base_/datasets/toyscapes-96x192.py',
    '../_base_/schedules/30.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(96, 192)),
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=64, c1_in_channels=64, c1_channels=12),
    sisr_head=dict(in_channels=64, low_level_channels=64, projection=12, channels=(64, 32, 16)),
    feature_transform=dict(in_channels=64, channels=16),
    loss_affinity=dict(stride=4),
)
train_dataloader = dict(batch_size=2)
val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='PeakSignalNoiseRatio')]
test_evaluator = val_evaluator
randomness = dict(seed=1)
