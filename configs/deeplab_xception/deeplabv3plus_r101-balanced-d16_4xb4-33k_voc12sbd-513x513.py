_base_ = './deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(
            # --use-balanced-weights. Cross entropy, in the one form that takes class weights and ignored pixels in
            # every version of mmseg.
            _delete_=True,
            type='SoftmaxFocalLoss',
            gamma=0.0,
            alpha=1.0,
            class_weight='data/VOCdevkit/VOC2012/class_weights.npy',  # tools/class_weights.py writes it
            loss_weight=1 / 16,
            loss_name='loss_ce',
        )
    )
)
