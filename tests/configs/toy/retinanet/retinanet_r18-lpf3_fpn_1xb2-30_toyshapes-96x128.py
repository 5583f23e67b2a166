_base_ = './retinanet_r18_fpn_1xb2-30_toyshapes-96x128.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
