# DeepLabV3+ of VainF/DeepLabV3Plus-Pytorch, ResNet-101, output stride 16, which "Delving Deeper into Anti-aliasing in
# ConvNets" (https://arxiv.org/abs/2008.09604) measures on.
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
        # torchvision's: a 7x7 stem, and the first block of the dilated stage not dilated
        type='ResNet',
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        contract_dilation=True,
        # No SyncBN, as published: every GPU has statistics of its own.
        norm_cfg=dict(type='BN', momentum=0.01),
        zero_init_residual=False,
    ),
    decode_head=dict(
        type='ProjectedASPPPlusHead',
        in_channels=2048,
        in_index=3,
        channels=256,
        c1_in_channels=256,
        c1_channels=48,
        dilations=(1, 6, 12, 18),
        num_classes=19,
        norm_cfg=dict(type='BN', momentum=0.1),
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        # The biases of the classes start from 0; there from whatever PyTorch draws.
        init_cfg=dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
