"""Where the values of a tile are, and what a border does to a filter. Device functions; lengths are in elements.

A *plane* is one channel of one sample, a *position* one place of it: a tile is so many planes by so many positions.
What lies together in memory is its last axis, so that neighbouring threads read neighbouring values: positions in the
contiguous format, planes in channels_last. All that depends on positions alone is computed once for all planes.
"""

from antialias_plugins.kernels.triton.language import device, tl


@device
def locate_tile(
    planes,
    positions,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_PLANES: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Planes and positions of this program, as a column and a row (channels_last: a row and a column)."""
    program = tl.program_id(0).to(INDEX)
    if CHANNELS_LAST:
        blocks = tl.cdiv(planes, BLOCK_PLANES)
        plane_block, position_block = program % blocks, program // blocks
    else:
        blocks = tl.cdiv(positions, BLOCK_POSITIONS)
        plane_block, position_block = program // blocks, program % blocks
    plane = over_positions(plane_block * BLOCK_PLANES + tl.arange(0, BLOCK_PLANES), CHANNELS_LAST)
    position = over_planes(position_block * BLOCK_POSITIONS + tl.arange(0, BLOCK_POSITIONS), CHANNELS_LAST)
    return plane, position, (plane < planes) & (position < positions)


@device
def locate_group_tile(
    groups,
    members,
    positions,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_MEMBERS: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Sample, group, members of the group and (without their axis) positions of this program.

    A tile never holds channels of two groups. What is loaded for a position is given to its channels by `over_planes`
    afterwards: before, each channel would load it.
    """
    program = tl.program_id(0).to(INDEX)
    member_blocks, position_blocks = tl.cdiv(members, BLOCK_MEMBERS), tl.cdiv(positions, BLOCK_POSITIONS)
    if CHANNELS_LAST:
        group_block = program % (groups * member_blocks)
        position_block = program // (groups * member_blocks) % position_blocks
    else:
        position_block = program % position_blocks
        group_block = program // position_blocks % (groups * member_blocks)
    sample = program // (groups * member_blocks * position_blocks)
    member = group_block % member_blocks * BLOCK_MEMBERS + tl.arange(0, BLOCK_MEMBERS)
    position = position_block * BLOCK_POSITIONS + tl.arange(0, BLOCK_POSITIONS)
    return sample, group_block // member_blocks, over_positions(member, CHANNELS_LAST), position


@device
def over_planes(values, CHANNELS_LAST: tl.constexpr):
    """Give one value per position the axis of the planes."""
    if CHANNELS_LAST:
        return values[:, None]
    else:
        return values[None, :]


@device
def over_positions(values, CHANNELS_LAST: tl.constexpr):
    """Give one value per plane the axis of the positions."""
    if CHANNELS_LAST:
        return values[None, :]
    else:
        return values[:, None]


@device
def dense_offset(sample, channel, position, channels, positions, CHANNELS_LAST: tl.constexpr):
    """Place in a tensor (N, C, positions) without gaps."""
    if CHANNELS_LAST:
        return (sample * positions + position) * channels + channel
    else:
        return (sample * channels + channel) * positions + position


@device
def wrap(position, size):
    """Remainder of at least 0."""
    return (position % size + size) % size


@device
def origin(position, size, PADDING: tl.constexpr):
    """Where the value at a position beyond the border of an axis comes from; with ``'zeros'`` nowhere on the map."""
    if PADDING == 'circular':
        position = wrap(position, size)
    elif PADDING == 'reflect':
        position = size - 1 - tl.abs(size - 1 - tl.abs(position))
    elif PADDING == 'replicate':
        position = tl.minimum(tl.maximum(position, 0), size - 1)
    return position


@device
def folded_tap(first, position, size, FILT_SIZE: tl.constexpr, PADDING: tl.constexpr):
    """Weight of a position in an output whose window begins at `first`, with what the border adds to it."""
    tap = 1.0 / 2 ** (FILT_SIZE - 1)
    weight = 0.0
    for index in tl.static_range(FILT_SIZE):
        weight += tl.where(origin(first + index, size, PADDING) == position, tap, 0.0)
        tap = tap * (FILT_SIZE - 1 - index) / (index + 1)
    return weight
