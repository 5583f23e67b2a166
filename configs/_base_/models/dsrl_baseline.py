# What Dootmaan/DSRL begins with: DeepLabV3+ of jfzhang95/pytorch-deeplab-xception, ResNet-101, output stride 16, which
# reads images of half the size of their labels.
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='LowResolutionPreProcessor',
        factor=2,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        # torchvision's, with a multi-grid of 1, 2, 4 in the dilated stage
        type='ResNet',
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        multi_grid=(2, 4, 8),
        norm_cfg=norm_cfg,
        zero_init_residual=False,
    ),
    decode_head=dict(
        type='DeepLabXceptionHead',
        in_channels=2048,
        in_index=3,
        channels=256,
        c1_in_channels=256,
        c1_channels=48,
        dilations=(1, 6, 12, 18),
        num_classes=19,
        norm_cfg=norm_cfg,
        # The mean over pixels is divided by the size of the batch, 4, once more.
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1 / 4),
        # The biases of the classes start from 0; there from whatever PyTorch draws.
        init_cfg=dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
