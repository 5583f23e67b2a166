_base_ = './deeplabv3plus_r18-d16_1xb2-30_toyvoc-96x96.py'
# The filters of the dilated stage stay, at stride 1, as in DDAC's own segmentation.
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='ddac3', convert=dict(dilated='blur')))
