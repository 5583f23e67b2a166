_base_ = './deeplabv3plus_r101-d8_4xb4-33k_voc12sbd-513x513.py'
# The filters of the dilated stage stay, at stride 1, as in DDAC's own segmentation.
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='ddac3', convert=dict(dilated='blur')))
