_base_ = './resnet18_1xb8-30_toyphotos-64x64.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf4'))
