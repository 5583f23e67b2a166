_base_ = './deeplabv3_r18-mg124-d16_1xb2-30_toyvoc-96x96.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
