_base_ = ['mmdet::mask_rcnn/mask-rcnn_r101-caffe_fpn_1x_coco.py', '../_base_/antialiased_detection.py']
test_cfg = dict(type='ShiftConsistencyTestLoop')
