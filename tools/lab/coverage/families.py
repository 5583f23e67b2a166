"""Names of networks that differ only in size."""

import re

_SIZE_WORD = re.compile(
    r'x*(zepto|atto|femto|pico|nano|micro|mini|tiny|small|base|medium|large|huge|giant)|ti|[xsmlt]?[sml]|[abdefgnt]'
)
_MEASURE = re.compile(r'[a-z]{0,2}\d+([a-z]{1,2}\d+)*[a-z]{0,2}')  # 224, b0, w18, 32x4d, 1s4x24d, 400mf
_VERSION = re.compile(r'v\d+')
_DESIGN = re.compile(r'\d{2,3}([dt])')  # in 50d and 26t the letter is a design
_NUMBER_INSIDE = re.compile(r'(?<![v\d])\d+(x\d+)?')


def family_of(name: str) -> str:
    """The name of a network without size words, depths, widths and image sizes.

    Versions stay, and so does every mark of another design. A rule for names is a rule of thumb: in doubt this one
    makes two families of one, not one of two.

    Example:
        >>> [family_of(name) for name in ('resnet18', 'resnet50', 'resnet50d', 'seresnet50', 'resnext50_32x4d')]
        ['resnet', 'resnet', 'resnetd', 'seresnet', 'resnext']
        >>> [family_of(name) for name in ('tf_efficientnetv2_b0', 'resnetv2_50d_gn', 'convnext_atto', 'vgg11_bn')]
        ['tf_efficientnetv2', 'resnetv2_d_gn', 'convnext', 'vgg_bn']
    """
    return '_'.join(filter(None, map(_without_size, name.split('_')))) or name


def _without_size(word: str) -> str:
    design = _DESIGN.fullmatch(word)
    if design:
        return design[1]
    if _VERSION.fullmatch(word):
        return word
    if _SIZE_WORD.fullmatch(word) or _MEASURE.fullmatch(word):
        return ''
    return _NUMBER_INSIDE.sub('', word)
