_base_ = './deeplabv3plus_r50-d16_1xb4-250_toyscapes-96x192.py'
model = dict(
    backbone=dict(type='Antialiased', base='ResNetV1c', pool='ddac3', convert=dict(dilated='blur')),
)
