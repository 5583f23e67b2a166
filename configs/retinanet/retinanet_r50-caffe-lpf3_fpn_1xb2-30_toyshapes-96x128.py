_base_ = './retinanet_r50-caffe_fpn_1xb2-30_toyshapes-96x128.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
