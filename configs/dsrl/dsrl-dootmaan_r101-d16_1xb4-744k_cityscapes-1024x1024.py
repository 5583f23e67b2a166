_base_ = [
    '../_base_/models/dsrl_dootmaan.py',
    '../_base_/datasets/cityscapes-dsrl-1024x1024.py',
    '../_base_/schedules/744k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(1024, 1024)),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
)
val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='PeakSignalNoiseRatio')]
test_evaluator = val_evaluator
randomness = dict(seed=1)
