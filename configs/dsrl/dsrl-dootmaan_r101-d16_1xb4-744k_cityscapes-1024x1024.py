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
# At ten times this rate, that of the heads, the affinity of features that are not normalized diverges on ToyScapes.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(sisr_head=dict(lr_mult=0.1))))
val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='PeakSignalNoiseRatio')]
test_evaluator = val_evaluator
randomness = dict(seed=1)
