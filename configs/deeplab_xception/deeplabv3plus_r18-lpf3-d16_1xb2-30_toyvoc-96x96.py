_base_ = './deeplabv3plus_r18-d16_1xb2-30_toyvoc-96x96.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
