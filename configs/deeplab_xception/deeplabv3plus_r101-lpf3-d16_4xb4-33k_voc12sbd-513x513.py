_base_ = './deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
