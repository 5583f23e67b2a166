_base_ = './deeplabv3plus_drn22-d8_1xb2-30_toyvoc-96x96.py'
model = dict(backbone=dict(type='Antialiased', base='DRN', pool='ddac3'))
