_base_ = [
    'mmdet::_base_/models/retinanet_r50_fpn.py',
    '../_base_/datasets/toyshapes-96x128.py',
    '../_base_/schedules/30-detection.py',
    '../_base_/toy_detection_runtime.py',
]
model = dict(
    # From scratch, so nothing is frozen.
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=64),
    # Behind four convolutions that start from weights near zero, nothing would learn in so few iterations.
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=1, num_classes=8),
    # Scores are still near the 0.01 that the focal loss starts from.
    test_cfg=dict(score_thr=0.001),
)
test_cfg = dict(score_threshold=0.001)
