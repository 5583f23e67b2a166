# The augmentation of Dootmaan/DSRL, which is that of jfzhang95/pytorch-deeplab-xception. The network reads the crop at
# half its size: see LowResolutionPreProcessor.
_base_ = './cityscapes-512x1024.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(1024, 1024)),
    # Smaller images are filled up in black, before they are normalized.
    dict(type='Pad', size=(1024, 1024), pad_val=dict(img=0, seg=255)),
    # Image.filter with a radius between 0 and 1; in front of the padding there.
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0, 1), magnitude_std='inf', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=4, num_workers=4, dataset=dict(pipeline=train_pipeline))
# Tests see whole images, 1024x2048, and the network halves of them; there their central squares, 1024x1024.
