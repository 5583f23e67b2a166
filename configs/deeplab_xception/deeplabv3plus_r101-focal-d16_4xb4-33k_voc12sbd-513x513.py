_base_ = './deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513.py'
model = dict(
    decode_head=dict(
        # --loss-type focal. Published: it focuses the mean over the batch (variant='published'); here, each pixel.
        loss_decode=dict(_delete_=True, type='SoftmaxFocalLoss', gamma=2.0, alpha=0.5, loss_weight=1 / 16),
    )
)
