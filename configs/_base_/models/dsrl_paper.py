# Dual super-resolution as "Dual Super-Resolution Learning for Semantic Segmentation" (CVPR 2020) describes it. Its code
# is not public: what it leaves open is taken from Dootmaan/DSRL, and marked here.
_base_ = './dsrl_baseline.py'
norm_cfg = dict(type='BN')
model = dict(
    type='DualSuperResolution',
    data_preprocessor=dict(keep_target=True),
    # The paper does not say how many layers it has, nor how they begin.
    upsampling='learned',
    # The mean over pixels and images, as the weights below are relative to it.
    decode_head=dict(loss_decode=dict(loss_weight=1.0)),
    sisr_head=dict(
        type='SuperResolutionHead',
        in_channels=256,
        low_level_channels=256,
        projection=48,
        # Dootmaan/DSRL's decoder, before the sub-pixel convolution.
        channels=(256, 128, 64),
        dropout=(0.5, 0.1),
        upsampling=dict(type='SubPixelUpsampling', factor=8),
        source='decode_head.projection_dropout',
        norm_cfg=norm_cfg,
    ),
    # From what the classes are predicted from to what the image is made from.
    feature_transform=dict(
        type='FeatureTransform', in_channels=256, channels=64, source='decode_head.fusion', norm_cfg=norm_cfg
    ),
    # The paper keeps 1/8 of the features without saying which: here means over 8x8 pixels.
    loss_affinity=dict(type='FeatureAffinityLoss', stride=8, normalized=True, reduction='mean', loss_weight=1.0),
    mse_weight=0.1,
    test_cfg=dict(super_resolution=True),
)
