_base_ = './deeplabv3_r101-d16_4xb2-80k_cityscapes-768x768.py'
model = dict(backbone=dict(type='Antialiased', base='ResNetV1c', pool='lpf3'))
