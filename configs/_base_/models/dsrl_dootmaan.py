# Dual super-resolution as in Dootmaan/DSRL: https://github.com/Dootmaan/DSRL
_base_ = './dsrl_baseline.py'
norm_cfg = dict(type='BN')
model = dict(
    type='DualSuperResolution',
    data_preprocessor=dict(keep_target=True),
    upsampling='bilinear',
    sisr_head=dict(
        type='SuperResolutionHead',
        in_channels=256,
        low_level_channels=256,
        projection=48,
        channels=(256, 128, 64),
        dropout=(0.5, 0.1),
        # Begins with weights that keep the variance, and an empty image. From PyTorch's, as there, it learns a mean
        # colour on ToyScapes; from an image of full variance, at the rate of the heads, the affinity diverges.
        upsampling=dict(type='TransposedUpsampling', factor=8, channels=(64, 32, 16)),
        source='decode_head.projection_dropout',
        norm_cfg=norm_cfg,
    ),
    feature_transform=dict(type='FeatureTransform', in_channels=19, channels=3, norm_cfg=norm_cfg),
    # The features are not normalized, and the images of a batch are summed.
    loss_affinity=dict(type='FeatureAffinityLoss', stride=16, normalized=False, reduction='sum', loss_weight=0.5),
    mse_weight=0.5,
    test_cfg=dict(super_resolution=True),
)
