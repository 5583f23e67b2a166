# PASCAL VOC 2012 and SBD as jfzhang95/pytorch-deeplab-xception joins them: VOC's train, and SBD's train and val without
# any picture of VOC's val. Those are the 1464 + 9118 pictures of voc12aug-513x513.py; what differs is the augmentation.
_base_ = './voc12aug-513x513.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    # The shorter side becomes 256 to 1026 pixels (--base-size 513); up to an aspect of 10 the longer has no bound.
    dict(type='RandomResize', scale=(5130, 513), ratio_range=(0.5, 2.0), keep_ratio=True),
    # What is left short of the crop is filled by the model's data_preprocessor, with the mean color and with 255, which
    # no loss counts. Published: black, and labels with 0, which trains "background" on the filling.
    dict(type='RandomCrop', crop_size=(513, 513)),
    # As published: a radius below one pixel, uniform, for half of the pictures.
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0, 1), magnitude_std='inf', prob=0.5),
    dict(type='PackSegInputs'),
]
# Validation stays on whole pictures. Published: shorter side 513, then the central square, labels resized alike
# (FixScaleCrop), so its figures leave out what lies at the ends of a picture.
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type='PascalVOCDataset',
                data_root='data/VOCdevkit/VOC2012',
                ann_file='ImageSets/Segmentation/train.txt',
                data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
                pipeline=train_pipeline,
            ),
            dict(
                type='PascalVOCDataset',
                data_root='data/VOCdevkit/VOC2012',
                ann_file='ImageSets/Segmentation/aug.txt',
                data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
                pipeline=train_pipeline,
            ),
        ]
    )
)
