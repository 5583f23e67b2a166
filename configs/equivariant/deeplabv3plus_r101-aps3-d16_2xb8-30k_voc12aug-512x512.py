_base_ = [
    '../_base_/models/deeplabv3plus_equivariant.py',
    '../_base_/datasets/voc12aug-512x512.py',
    '../_base_/schedules/30k-ddac.py',
    '../_base_/default_runtime.py',
]
# The circular mASSC of whole pictures of VOC is below 100: most sides are padded to a multiple of 16, and the padding
# does not move with the picture.
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
    decode_head=dict(num_classes=21),
)
train_dataloader = dict(batch_size=8)
randomness = dict(seed=1)
