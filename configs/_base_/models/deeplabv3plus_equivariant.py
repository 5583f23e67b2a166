# DeepLabV3+ that commutes with circular shifts exactly: polyphase pooling in the encoder, unpooling in the decoder, and
# circular borders. Otherwise the network of deeplabv3plus_ddac.py.
_base_ = './deeplabv3plus_ddac.py'
model = dict(
    type='ShiftEquivariantEncoderDecoder',
    # The sides of an image are multiples of the output stride.
    data_preprocessor=dict(test_cfg=dict(size_divisor=16)),
    backbone=dict(type='Antialiased', base='ResNet', pool='aps3', convert=dict(stem=True, padding='circular')),
    decode_head=dict(type='PolyphaseASPPHead'),
)
