_base_ = './deeplabv3_r18-d16_1xb4-250_toyscapes-96x192.py'
model = dict(backbone=dict(type='Antialiased', base='ResNetV1c', pool='lpf3'))
