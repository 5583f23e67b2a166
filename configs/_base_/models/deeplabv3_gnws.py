# DeepLabV3 of chenxi116/DeepLabv3.pytorch, ResNet-101, output stride 16.
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
        # torchvision's. Its multi-grid is called (1, 1, 1) there, though the rates of the last stage are (1, 2, 2).
        type='ResNet',
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        contract_dilation=True,
        norm_cfg=dict(type='BN', momentum=0.05),
        zero_init_residual=False,
    ),
    decode_head=dict(
        type='ProjectedASPPHead',
        in_channels=2048,
        in_index=3,
        channels=256,
        dilations=(1, 6, 12, 18),
        num_classes=21,
        align_corners=True,
        norm_cfg=dict(type='BN', momentum=0.0003),
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        # The biases of the classes start from 0; there from whatever PyTorch draws.
        init_cfg=dict(type='Kaiming', layer='Conv2d'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
