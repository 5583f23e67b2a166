"""The page in headless Chromium."""

import base64
import io
import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image

from antialias_plugins import palette
from antialias_plugins.explorer import render_page, shift_path, write_page
from tests.explorer.conftest import CLASSES, MAX_SHIFT, PALETTE, TABBY, VIEW, classification, random_maps, segmentation
from tests.figures import SIGHT, apart

LEFT, RIGHT, HOME, END, TAB, SPACE = '\ue012', '\ue014', '\ue011', '\ue010', '\ue004', ' '


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pages')
    for exploration in (segmentation(), classification()):
        write_page(folder / f'{exploration.task}.html', render_page(exploration))
    return folder


@pytest.fixture
def on_segmentation(browser, pages):
    browser.open(pages / 'segmentation.html')
    return browser


@pytest.fixture
def on_classification(browser, pages):
    browser.open(pages / 'classification.html')
    return browser


def agreeing_pixels(maps, step):
    """Agreeing and all pixels of the overlap, one by one."""
    rows, columns = VIEW[0] - step, VIEW[1] - step
    pairs = ((maps[step][y][x], maps[0][y + step][x + step]) for y in range(rows) for x in range(columns))
    return sum(a == b for a, b in pairs), rows * columns


def canvas(browser, index):
    """Pixels of one of the page's canvases, RGBA."""
    uri = browser.run(f'document.querySelectorAll("canvas")[{index}].toDataURL()')
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(',')[2]))).convert('RGBA'))


def test_every_number_is_that_of_python(on_segmentation):
    maps = [random_maps(0, flips).tolist() for flips in (0.2, 0.01)]
    counts = [[agreeing_pixels(one, step) for step in range(MAX_SHIFT + 1)] for one in maps]
    on_segmentation.run('document.querySelector("#slider").focus()')
    for step in range(MAX_SHIFT + 1):
        assert on_segmentation.step == step
        shares = [[100 * agreeing / pixels for agreeing, pixels in one[: step + 1]] for one in counts]
        assert on_segmentation.percent('agreement') == pytest.approx([one[-1] for one in shares], abs=0.0051)
        means = [sum(one[1:]) / step for one in shares] if step else [None, None]
        assert on_segmentation.percent('mean') == (pytest.approx(means, abs=0.0051) if step else means)
        flips = [f'{pixels - agreeing:,}' for agreeing, pixels in (one[step] for one in counts)]
        assert on_segmentation.shown('flips') == flips
        on_segmentation.press(RIGHT)


def test_pictures_and_directions_can_be_chosen(on_segmentation):
    data = segmentation().images
    for index, direction in itertools.product((1, 0), ('vertical', 'diagonal')):
        on_segmentation.driver.find_element('css selector', f'#image option[value="{index}"]').click()
        on_segmentation.driver.find_element('css selector', f'input[value={direction}]').click()
        on_segmentation.run('moveTo(3)')
        expected = [100 * one['agreement'][3] for one in data[index]['sweeps'][direction]['networks']]
        assert on_segmentation.percent('agreement') == pytest.approx(expected, abs=0.0051)


@pytest.mark.parametrize(('direction', 'down', 'right'), [('diagonal', 4, 4), ('vertical', 4, 0)])
def test_marks_lie_on_flipped_pixels_of_the_overlap(direction, down, right, on_segmentation):
    on_segmentation.move(direction, 4)
    overlap = np.zeros(VIEW, bool)
    overlap[: VIEW[0] - down, : VIEW[1] - right] = True
    for index, flips in enumerate((0.2, 0.01)):
        maps = random_maps(0, flips, shift_path(direction, MAX_SHIFT)).numpy()
        flipped = np.zeros(VIEW, bool)
        flipped[overlap] = maps[4][overlap] != maps[0][down:, right:].reshape(-1)
        pixels = canvas(on_segmentation, 1 + index)
        assert ((pixels == (255, 0, 60, 255)).all(2) == flipped).all()
        assert ((pixels[..., 3] == 255) == overlap).all()


def test_without_marks_the_maps_have_the_colors_of_their_classes(on_segmentation):
    on_segmentation.driver.find_element('id', 'mark').click()
    on_segmentation.run('moveTo(2)')
    for index, flips in enumerate((0.2, 0.01)):
        assert (canvas(on_segmentation, 1 + index)[..., :3] == np.array(PALETTE)[random_maps(0, flips)[2]]).all()


@pytest.mark.parametrize(('direction', 'down', 'right'), [('diagonal', 2, 2), ('vertical', 2, 0)])
def test_a_scene_held_still_moves_the_window_instead(direction, down, right, on_segmentation):
    still = canvas(on_segmentation, 0)
    for box in ('mark', 'hold'):
        on_segmentation.driver.find_element('id', box).click()
    on_segmentation.move(direction, 2)
    maps = random_maps(0, 0.2, shift_path(direction, MAX_SHIFT))
    pixels = canvas(on_segmentation, 1)
    assert (pixels[..., 3] == 0).sum() == VIEW[0] * VIEW[1] - (VIEW[0] - down) * (VIEW[1] - right)
    rows, columns = VIEW[0] - down, VIEW[1] - right
    assert (pixels[down:, right:, :3] == np.array(PALETTE)[maps[2, :rows, :columns]]).all()
    inside = (slice(down + 4, None), slice(right + 4, None))  # of the window's frame
    assert (canvas(on_segmentation, 0)[inside] == still[inside]).all()


@pytest.mark.parametrize(('direction', 'down', 'right'), [('diagonal', 3, 3), ('vertical', 3, 0)])
def test_the_picture_is_what_the_window_shows(direction, down, right, on_segmentation):
    still = canvas(on_segmentation, 0)
    on_segmentation.move(direction, 3)
    moved = canvas(on_segmentation, 0)
    assert (moved[: VIEW[0] - down, : VIEW[1] - right] == still[down:, right:]).all()
    assert (moved[..., 3] == 255).all()
    assert (moved != still).any()


def test_class_and_probability_at_every_shift(on_classification):
    for step in range(MAX_SHIFT + 1):
        on_classification.run(f'moveTo({step})')
        networks = classification().images[0]['sweeps']['diagonal']['networks']
        assert on_classification.shown('label') == [one['label'][step] for one in networks]
        assert on_classification.percent('probability') == [
            round(100 * one['probability'][step], 2) for one in networks
        ]
        assert on_classification.shown('verdict') == [
            '✓ as at shift 0' if one['agreement'][step] else f'✗ was {TABBY}' for one in networks
        ]
    assert on_classification.percent('mean') == [40.0, 100.0]  # shifts 1 and 3 of five
    outlined = on_classification.run(
        '[...document.querySelectorAll(".strip")].map(strip => '
        '[...strip.children].flatMap((bar, shift) => bar.classList.contains("flip") ? [shift] : []))'
    )
    assert outlined == [[2, 4, 5], []]


def test_bars_are_as_high_as_their_numbers(on_segmentation):
    heights = on_segmentation.run(
        '[...document.querySelectorAll(".bar")].map(bar => parseFloat(getComputedStyle(bar, "::before").height))'
    )
    networks = segmentation().images[0]['sweeps']['diagonal']['networks']
    flips = np.array([1 - share for one in networks for share in one['agreement']])
    full = max(heights)
    assert heights == pytest.approx(np.maximum(flips / flips.max() * full, 2), abs=0.05)


@pytest.mark.parametrize(
    ('focus', 'keys', 'step'),
    [
        ('#slider', RIGHT, 1),
        ('#slider', RIGHT * 3 + LEFT, 2),
        ('#slider', END, MAX_SHIFT),
        ('#slider', END + HOME, 0),
        ('#slider', LEFT, 0),
        ('#play', RIGHT * 2, 2),
        ('body', RIGHT * 9, MAX_SHIFT),
        ('input[value=diagonal]', RIGHT, 0),
    ],
    ids=['right', 'left', 'end', 'home', 'stop at 0', 'on a button', 'stop at the end', 'direction keeps its own'],
)
def test_keys_move_the_window(focus, keys, step, on_segmentation):
    on_segmentation.run(f'document.querySelector("{focus}").focus()')
    for key in keys:
        on_segmentation.press(key)
    assert on_segmentation.step == step
    assert len(on_segmentation.run('[...document.querySelectorAll(".bar.now")]')) == 2


def test_tabulator_reaches_every_control_in_order_with_a_name(on_segmentation):
    names = []
    for _ in range(6):
        on_segmentation.press(TAB)
        node = on_segmentation.driver.switch_to.active_element
        names.append((node.get_attribute('id') or node.get_attribute('value'), node.accessible_name))
        assert on_segmentation.run('getComputedStyle(document.activeElement).outlineStyle') == 'solid'
    assert [name for name, _ in names] == ['image', 'diagonal', 'mark', 'hold', 'play', 'slider']
    assert all(label for _, label in names)


def test_slider_says_where_it_is_and_what_that_means(on_segmentation):
    on_segmentation.run('moveTo(1)')
    text = on_segmentation.run('document.querySelector("#slider").getAttribute("aria-valuetext")')
    assert re.fullmatch(r'1 pixel down and right\. baseline: \d+\.\d\d % agree\. lpf3: \d+\.\d\d % agree', text)


@pytest.mark.parametrize(
    ('target', 'start', 'end', 'step'),
    [('.strip', 0.01, 0.6, 3), ('.strip', 0.99, 0.3, 1), ('canvas', 0.9, None, 4)],
    ids=['strip', 'strip back', 'picture'],
)
def test_fingers_drag(target, start, end, step, on_segmentation):
    box = on_segmentation.run(f'document.querySelector("{target}").getBoundingClientRect()')
    y = box['y'] + box['height'] / 2
    begin = box['x'] + start * box['width']
    stop = box['x'] + end * box['width'] if end else begin - 8 * step
    on_segmentation.command('Emulation.setTouchEmulationEnabled', enabled=True)
    try:
        for kind, x in (
            ('touchStart', begin),
            ('touchMove', (begin + stop) / 2),
            ('touchMove', stop),
            ('touchEnd', None),
        ):
            points = [] if x is None else [{'x': x, 'y': y}]
            on_segmentation.command('Input.dispatchTouchEvent', type=kind, touchPoints=points)
    finally:
        on_segmentation.command('Emulation.setTouchEmulationEnabled', enabled=False)
    assert on_segmentation.step == step


def test_play_runs_and_pauses(on_segmentation):
    play = on_segmentation.driver.find_element('id', 'play')
    play.send_keys(SPACE)
    assert (play.text, play.get_attribute('aria-pressed')) == ('Pause', 'true')
    on_segmentation.wait('step === data.max_shift')
    on_segmentation.wait('step < data.max_shift')  # back again
    play.click()
    assert play.text == 'Play'


def test_reduced_motion_is_calm_and_stops_at_the_end(browser, pages):
    browser.open(pages / 'segmentation.html', calm=True)
    assert browser.run('getComputedStyle(document.querySelector(".bar"), "::before").transitionDuration') == '0s'
    browser.run('moveTo(data.max_shift - 1)')
    browser.driver.find_element('id', 'play').click()
    assert browser.step == MAX_SHIFT - 1
    browser.wait('timer === null')
    assert browser.step == MAX_SHIFT


@pytest.mark.parametrize('task', ['segmentation', 'classification'])
@pytest.mark.parametrize('width', [360, 800, 1280])
def test_nothing_is_wider_than_the_screen(task, width, browser, pages):
    browser.open(pages / f'{task}.html', width=width, height=740)
    assert browser.run('document.documentElement.scrollWidth') <= width
    assert browser.run('[...document.querySelectorAll("figure")].every(one => one.scrollWidth <= one.clientWidth)')
    control = browser.run('document.querySelector(".control").getBoundingClientRect()')
    assert control['bottom'] <= 740  # in sight without scrolling
    assert control['height'] < 0.35 * 740


@pytest.mark.parametrize('task', ['segmentation', 'classification'])
@pytest.mark.parametrize('width', [390, 1280])
def test_what_both_networks_say_is_in_sight_and_not_cut(task, width, browser, pages):
    browser.open(pages / f'{task}.html', width=width, height=844)
    browser.run('moveTo(2)')
    cut = browser.run(
        '[...document.querySelectorAll("h1, h2, dt, dd, .label, .verdict, #shift, #scale, .legend li")]'
        '.filter(one => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 3)'
        '.map(one => one.textContent)'
    )
    assert all(text.endswith(TABBY) for text in cut)  # a name of ten words has two lines on a phone, and its title
    control = browser.run('document.querySelector(".control").getBoundingClientRect()')
    tops = browser.run(
        '[...document.querySelectorAll(".network")].map(card => '
        '(card.querySelector("canvas, .verdict")).getBoundingClientRect().bottom)'
    )
    assert len(tops) == 2 and max(tops) <= control['top']
    pictures = browser.run('[...document.querySelectorAll("canvas")].map(one => one.getBoundingClientRect().y)')
    if task == 'segmentation':
        assert len(set(pictures[1:] if width == 390 else pictures)) == 1  # side by side
    assert browser.run('document.querySelector("#size").textContent').startswith(
        '48 × 24 pixels' if task == 'segmentation' else '32 × 32 pixels'
    )


def test_the_pointer_reads_the_class_of_a_pixel(on_segmentation):
    on_segmentation.run('moveTo(2)')
    maps = random_maps(0, 0.01)
    for y, x in ((0, 0), (5, 40), (20, 3), (11, 23)):
        box = on_segmentation.run('document.querySelectorAll("canvas")[2].getBoundingClientRect()')
        left, top = box['x'] + box['width'] * (x + 0.5) / VIEW[1], box['y'] + box['height'] * (y + 0.5) / VIEW[0]
        event = f'new PointerEvent("pointermove", {{ clientX: {left}, clientY: {top} }})'
        on_segmentation.run(f'document.querySelectorAll("canvas")[2].dispatchEvent({event})')
        assert on_segmentation.run('document.querySelectorAll("canvas")[2].title') == CLASSES[maps[2, y, x]]


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
def test_colors_are_those_of_all_figures_and_flips_stand_out(dark, browser, pages):
    browser.open(pages / 'segmentation.html', dark=dark)
    dots = browser.run(
        '[...document.querySelectorAll(".network h2")].map(one => getComputedStyle(one, "::before").backgroundColor)'
    )
    expected = [palette.ORANGE, palette.SKY] if dark else [palette.VERMILION, palette.BLUE]
    assert [tuple(map(int, re.findall(r'\d+', color))) for color in dots] == [
        tuple(bytes.fromhex(color[1:])) for color in expected
    ]
    browser.run('moveTo(1)')
    pixels = canvas(browser, 1)[: VIEW[0] - 1, : VIEW[1] - 1, :3]
    colors = np.unique(pixels.reshape(-1, 3), axis=0)
    flip = np.array(tuple(bytes.fromhex(palette.FLIP[1:])))
    faint = [color for color in colors if (color != flip).any()]
    assert len(faint) == len(CLASSES) or len(faint) == len(CLASSES) - 1
    for sight in SIGHT:
        assert min(apart(np.array([flip, color]) / 255, sight) for color in faint) > 30


def test_dark_mode_changes_the_colors(browser, pages):
    def luminances():
        colors = browser.run('["backgroundColor", "color"].map(name => getComputedStyle(document.body)[name])')
        return [sum(map(int, re.findall(r'\d+', color))) / 765 for color in colors]

    browser.open(pages / 'segmentation.html')
    paper, ink = luminances()
    assert paper > 0.9 and ink < 0.2
    browser.open(pages / 'segmentation.html', dark=True)
    paper, ink = luminances()
    assert paper < 0.15 and ink > 0.8


def test_thumb_stands_over_its_bar(on_segmentation):
    slider = on_segmentation.run('document.querySelector("#slider").getBoundingClientRect()')
    thumb = 24
    for step in (0, 2, MAX_SHIFT):
        bar = on_segmentation.run(f'document.querySelectorAll(".bar")[{step}].getBoundingClientRect()')
        middle = slider['x'] + thumb / 2 + step / MAX_SHIFT * (slider['width'] - thumb)
        assert middle == pytest.approx(bar['x'] + bar['width'] / 2, abs=0.5)


def test_nothing_jumps_nothing_fails_and_no_request_leaves(browser, pages):
    for log in ('browser', 'performance'):
        browser.driver.get_log(log)  # forget what was before
    for task in ('segmentation', 'classification'):
        browser.open(pages / f'{task}.html', width=360)
        for step in range(MAX_SHIFT + 1):
            browser.run(f'moveTo({step})')
        shifts = (
            'new Promise(done => new PerformanceObserver(list => done(list.getEntries().length))'
            ".observe({ type: 'layout-shift', buffered: true }) || setTimeout(() => done(0), 200))"
        )
        assert browser.run(shifts) == 0
    assert browser.driver.get_log('browser') == []
    events = [json.loads(entry['message'])['message'] for entry in browser.driver.get_log('performance')]
    urls = [event['params']['request']['url'] for event in events if event['method'] == 'Network.requestWillBeSent']
    assert urls
    assert {url.partition(':')[0] for url in urls} <= {'file', 'data'}


def test_names_are_text_whatever_they_hold(on_segmentation):
    names = on_segmentation.run('[...document.querySelectorAll(".legend li")].map(item => item.textContent)')
    assert sorted(names) == sorted(CLASSES)
