"""A detector and a data set that a loop of mmdet runs through in a moment."""

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from tests.openmmlab.tiny import _runtime

IMAGES, SIDE, MAX_SHIFT = 3, 32, 16
CLASSES = ('low', 'high')
RESIZE = dict(type='Resize', scale=(2 * SIDE, 2 * SIDE), keep_ratio=True)


def write_coco(root, images=IMAGES):
    """Write pictures of noise with two brighter rectangles each, and their annotations in COCO's format."""
    generator, names, annotations = np.random.default_rng(0), [], []
    (root / 'images').mkdir(parents=True)
    for index in range(images):
        picture = generator.integers(100, size=(SIDE, SIDE, 3))
        for label in range(len(CLASSES)):
            left, top, width, height = (int(number) for number in generator.integers((1, 1, 8, 8), (16, 16, 14, 14)))
            picture[top : top + height, left : left + width] += 100
            outline = [left, top, left + width, top, left + width, top + height, left, top + height]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=label,
                    bbox=[left, top, width, height],
                    area=width * height,
                    segmentation=[outline],
                    iscrowd=0,
                )
            )
        Image.fromarray(picture.astype(np.uint8)).save(root / 'images' / f'{index}.png')
        names.append(dict(id=index, file_name=f'{index}.png', height=SIDE, width=SIDE))
    categories = [dict(id=label, name=name) for label, name in enumerate(CLASSES)]
    (root / 'coco.json').write_text(json.dumps(dict(images=names, annotations=annotations, categories=categories)))
    return root


def detection_config(root, work_dir, masks=True, **loop):
    """A tiny Mask R-CNN, or Faster R-CNN without ``masks``, on the data in `root`, tested by our loop."""
    box_coder = dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2])
    pool = dict(type='SingleRoIExtractor', out_channels=16, featmap_strides=[4, 8, 16, 32])
    nms = dict(type='nms', iou_threshold=0.5)
    roi_head = dict(
        type='StandardRoIHead',
        bbox_roi_extractor=pool | dict(roi_layer=dict(type='RoIAlign', output_size=3, sampling_ratio=0)),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=16,
            fc_out_channels=16,
            roi_feat_size=3,
            num_classes=len(CLASSES),
            bbox_coder=box_coder,
        ),
    )
    if masks:
        roi_head |= dict(
            mask_roi_extractor=pool | dict(roi_layer=dict(type='RoIAlign', output_size=6, sampling_ratio=0)),
            mask_head=dict(
                type='FCNMaskHead', num_convs=1, in_channels=16, conv_out_channels=8, num_classes=len(CLASSES)
            ),
        )
    pipeline = [
        dict(type='LoadImageFromFile'),
        RESIZE,
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
    ]
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(
                type='MaskRCNN' if masks else 'FasterRCNN',
                data_preprocessor=dict(
                    type='DetDataPreprocessor', mean=[127.5] * 3, std=[60.0] * 3, bgr_to_rgb=True, pad_size_divisor=32
                ),
                backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type='BN')),
                neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5),
                rpn_head=dict(
                    type='RPNHead',
                    in_channels=16,
                    feat_channels=16,
                    anchor_generator=dict(
                        type='AnchorGenerator', scales=[4], ratios=[0.5, 2.0], strides=[4, 8, 16, 32, 64]
                    ),
                    bbox_coder=box_coder,
                ),
                roi_head=roi_head,
                train_cfg=dict(rpn=None, rcnn=None),
                test_cfg=dict(
                    rpn=dict(nms_pre=20, max_per_img=20, nms=nms, min_bbox_size=0),
                    rcnn=dict(score_thr=0.05, nms=nms, max_per_img=10, mask_thr_binary=0.5),
                ),
            ),
            test_dataloader=dict(
                batch_size=1,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='CocoDataset',
                    data_root=str(root),
                    ann_file='coco.json',
                    data_prefix=dict(img='images/'),
                    metainfo=dict(classes=CLASSES),
                    test_mode=True,
                    pipeline=pipeline,
                ),
            ),
            test_evaluator=dict(
                type='CocoMetric', ann_file=str(Path(root) / 'coco.json'), metric=['bbox', 'segm'] if masks else 'bbox'
            ),
            test_cfg=dict(type='ShiftConsistencyTestLoop', max_shift=MAX_SHIFT) | loop,
            default_hooks=dict(visualization=dict(type='DetVisualizationHook')),
            visualizer=dict(type='DetLocalVisualizer', name=f'visualizer_{Path(work_dir).name}'),
            **_runtime(work_dir, ('consistency',)),
        )
    )


def make_sure(network):
    """Let a detector that nobody trained be sure of what it says, differently from place to place."""
    generator = torch.Generator().manual_seed(0)
    heads = [network.rpn_head.rpn_cls, network.roi_head.bbox_head.fc_cls]
    if network.with_mask:
        heads.append(network.roi_head.mask_head.conv_logits)
    for head in heads:
        torch.nn.init.normal_(head.weight, generator=generator)
