_base_ = [
    '../../../../configs/_base_/models/resnet50.py',
    '../_base_/datasets/toyphotos-64x64.py',
    '../_base_/schedules/30-classification.py',
    '../../../../configs/_base_/classification_runtime.py',
]
model = dict(
    data_preprocessor=dict(num_classes=3),
    backbone=dict(depth=18),
    head=dict(num_classes=3, in_channels=512, topk=(1,)),
)
log_processor = dict(by_epoch=False)
