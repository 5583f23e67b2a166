_base_ = './deeplabv3_r101-gnws-mg124-d16_1xb16-33k_voc12aug-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
