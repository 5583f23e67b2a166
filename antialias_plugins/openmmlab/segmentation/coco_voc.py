"""COCO with the classes of PASCAL VOC."""

from collections.abc import Sequence

from mmseg.datasets import COCOStuffDataset, PascalVOCDataset

# COCO's name of each class of VOC that has another one.
RENAMED = {
    'aeroplane': 'airplane',
    'diningtable': 'dining table',
    'motorbike': 'motorcycle',
    'pottedplant': 'potted plant',
    'sofa': 'couch',
    'tvmonitor': 'tv',
}


class COCOVOCDataset(COCOStuffDataset):
    """mmseg's `COCOStuffDataset` (164k), labelled with the 21 classes of PASCAL VOC: all else is background.

    The files are those of `COCOStuffDataset`, with the ``_labelTrainIds.png`` of mmseg's
    ``tools/dataset_converters/coco_stuff164k.py``. What COCO-Stuff leaves unlabelled, 255, stays so.

    Args:
        **kwargs: Arguments of `COCOStuffDataset`, without a choice of classes in ``metainfo``.

    Raises:
        ValueError: If ``metainfo`` chooses other classes.
    """

    METAINFO = PascalVOCDataset.METAINFO

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map COCO-Stuff's 171 train ids to VOC's ids; mmseg's loader applies it."""
        voc = cls.METAINFO['classes']
        if new_classes is not None and tuple(new_classes) != tuple(voc):
            raise ValueError(f'metainfo.classes must be the {len(voc)} of PASCAL VOC or absent, got {new_classes}')
        ids = {RENAMED.get(name, name): index for index, name in enumerate(voc)}
        return {index: ids.get(name, 0) for index, name in enumerate(COCOStuffDataset.METAINFO['classes'])}
