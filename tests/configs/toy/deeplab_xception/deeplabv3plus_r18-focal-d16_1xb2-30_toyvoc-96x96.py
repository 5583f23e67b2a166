_base_ = './deeplabv3plus_r18-d16_1xb2-30_toyvoc-96x96.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True,
            type='SoftmaxFocalLoss',
            gamma=2.0,
            alpha=0.5,
            class_weight='data/toyvoc-96x192/class_weights.npy',  # tools/class_weights.py writes it
            loss_weight=1 / 2,
        )
    )
)
