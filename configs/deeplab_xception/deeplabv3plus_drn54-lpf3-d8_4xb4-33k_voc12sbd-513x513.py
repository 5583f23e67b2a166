_base_ = './deeplabv3plus_drn54-d8_4xb4-33k_voc12sbd-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='DRN', pool='lpf3'))
