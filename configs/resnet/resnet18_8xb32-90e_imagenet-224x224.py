_base_ = [
    '../_base_/models/resnet50.py',
    '../_base_/datasets/imagenet-224x224.py',
    '../_base_/schedules/90e.py',
    '../_base_/classification_runtime.py',
]
model = dict(backbone=dict(depth=18), head=dict(in_channels=512))
