_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_1x_coco.py', '../_base_/antialiased_detection.py']
test_cfg = dict(type='ShiftConsistencyTestLoop')
