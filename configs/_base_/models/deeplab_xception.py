# DeepLabV3+ of jfzhang95/pytorch-deeplab-xception, ResNet-101, output stride 16
norm_cfg = dict(type='SyncBN', requires_grad=True)  # published: likewise, over the GPUs of one process
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='ResNet',
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        multi_grid=(2, 4, 8),  # (1, 2, 4) times the stage's 2, which mmseg leaves to the config
        out_indices=(0, 3),
        norm_cfg=norm_cfg,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
    decode_head=dict(
        type='DeepLabXceptionHead',
        in_channels=2048,
        channels=256,
        c1_in_channels=256,
        c1_channels=48,
        dilations=(1, 6, 12, 18),
        projection_dropout=0.5,
        fusion_dropouts=(0.5, 0.1),
        num_classes=21,
        align_corners=True,
        norm_cfg=norm_cfg,
        # The published code divides the mean over pixels by the batch size, 16, once more; its rates are made for that.
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1 / 16),
        # Published: Kaiming's, by fan-in; the biases of the classes start from 0 here, there from what PyTorch draws.
        init_cfg=dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
