import re
import shutil
import time

import matplotlib
import pytest
import torch
from PIL import Image

from antialias_plugins.explorer import Exploration, PageSegmentor, shift_path
from antialias_plugins.explorer.networks import encode_photograph

TABBY = 'tabby cat with a name that no phone has room for'
PALETTE = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167))
CLASSES = ('road', 'sky', '</script> & "fence"', 'car')
VIEW = (24, 48)
MAX_SHIFT = 5
DIAGONAL = shift_path('diagonal', MAX_SHIFT)


@pytest.fixture(scope='session')
def photograph(tmp_path_factory):
    """A part, 96 wide and 64 high, of the photograph that matplotlib ships."""
    path = tmp_path_factory.mktemp('photograph') / 'face.png'
    picture = Image.open(matplotlib.get_data_path() + '/sample_data/grace_hopper.jpg').convert('RGB')
    picture.crop((120, 60, 408, 252)).resize((96, 64)).save(path)
    return path


def segmentor(name):
    """What the page knows of a segmentor, around no network."""
    return PageSegmentor(name, CLASSES, PALETTE, None, network=None)


def random_maps(seed, flips, path=DIAGONAL):
    """Class maps of one random scene; in each view but the first, a share of the pixels has a random class instead."""
    generator = torch.Generator().manual_seed(seed)
    scene = torch.randint(3, (VIEW[0] + MAX_SHIFT, VIEW[1] + MAX_SHIFT), generator=generator)
    maps = torch.stack([scene[y : y + VIEW[0], x : x + VIEW[1]] for y, x in path])
    noise = torch.rand(maps.shape, generator=generator) < flips
    noise[0] = False
    return torch.where(noise, torch.randint(4, maps.shape, generator=generator), maps).to(torch.uint8)


def segmentation():
    """Two pictures, each swept in two directions by two segmentors, the first with more flips."""
    networks = [segmentor('baseline'), segmentor('lpf3')]
    images = []
    for index in range(2):
        sweeps = {}
        for direction in ('diagonal', 'vertical'):
            path = shift_path(direction, MAX_SHIFT)
            described = [
                network.describe(random_maps(index, flips, path), path)
                for network, flips in zip(networks, (0.2, 0.01), strict=True)
            ]
            sweeps[direction] = {'offsets': path, 'networks': described}
        rows, columns = torch.arange(VIEW[0] + MAX_SHIFT), torch.arange(VIEW[1] + MAX_SHIFT)
        photo = (torch.stack(torch.meshgrid(8 * rows, 4 * columns, indexing='ij'))[[0, 1, 1]] + index).to(torch.uint8)
        name = f'a street with quite a long name, number {index}'
        images.append({'name': name, 'photo': encode_photograph(photo), 'view': list(VIEW), 'sweeps': sweeps})
    return Exploration('segmentation', ('baseline', 'lpf3'), MAX_SHIFT, images)


def classification():
    """One picture, swept by a classifier that changes its mind at shift 2 and one that never does."""
    steps = range(MAX_SHIFT + 1)

    def network(labels, probability):
        agreement = [float(label == labels[0]) for label in labels]
        means = [None, *(sum(agreement[1 : count + 1]) / count for count in steps[1:])]
        return {
            'agreement': agreement,
            'mean': means,
            'label': labels,
            'confidence': [0.9 - 0.01 * step for step in steps],
            'watched': labels[0],
            'probability': probability,
        }

    fickle = network([TABBY, TABBY, 'lynx', TABBY, 'lynx', 'lynx'], [0.9, 0.8, 0.1, 0.7, 0.2, 0.1])
    steady = network([TABBY] * len(steps), [0.9 - 0.01 * step for step in steps])
    path = shift_path('diagonal', MAX_SHIFT)
    photo = encode_photograph(torch.full((3, 32 + MAX_SHIFT, 32 + MAX_SHIFT), 90, dtype=torch.uint8))
    sweeps = {'diagonal': {'offsets': path, 'networks': [fickle, steady]}}
    image = {'name': 'cat', 'photo': photo, 'view': [32, 32], 'sweeps': sweeps}
    return Exploration('classification', ('fickle', 'steady'), MAX_SHIFT, [image])


class Browser:
    """A headless Chromium with one page at a time."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, *, width=1280, height=720, dark=False, calm=False):
        """Open a file in a fresh state, and wait until its pictures are decoded."""
        self.command(
            'Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = {
            'prefers-color-scheme': 'dark' if dark else 'light',
            'prefers-reduced-motion': 'reduce' if calm else 'no-preference',
        }
        features = [{'name': name, 'value': value} for name, value in features.items()]
        self.command('Emulation.setEmulatedMedia', features=features)
        self.driver.get(path.as_uri())
        self.wait('document.body.dataset.ready')

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, expression):
        return self.driver.execute_script(f'return {expression}')

    def wait(self, expression, seconds=20):
        end = time.monotonic() + seconds
        while not (value := self.run(expression)):
            assert time.monotonic() < end, f'{expression} is still {value} after {seconds} s'
            time.sleep(0.02)

    def move(self, direction, step):
        """Choose a direction, wait until its pictures are drawn, and go to a shift."""
        self.driver.find_element('css selector', f'input[value={direction}]').click()
        self.wait('pictures !== null')
        self.run(f'moveTo({step})')

    def press(self, key, count=1):
        """Press a key where the focus is."""
        self.driver.switch_to.active_element.send_keys(key * count)

    def shown(self, field):
        """What the cards of both networks show in a field."""
        return self.run(f'[...document.querySelectorAll("[data-field={field}]")].map(node => node.textContent)')

    def percent(self, field):
        """The same as numbers; None for a dash."""
        values = [re.fullmatch(r'(\d+\.\d\d) %|–', text)[1] for text in self.shown(field)]
        return [None if value is None else float(value) for value in values]

    @property
    def step(self):
        return int(self.run('document.querySelector("#slider").value'))


@pytest.fixture(scope='session')
def browser(tmp_path_factory):
    webdriver = pytest.importorskip('selenium.webdriver')
    chromium, chromedriver = (shutil.which(name) for name in ('chromium', 'chromedriver'))
    if not (chromium and chromedriver):
        pytest.skip('needs chromium and chromedriver')
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    switches = (
        'headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking '
        'disable-component-update disable-sync disable-dev-shm-usage'
    )
    for switch in switches.split():
        options.add_argument(f'--{switch}')
    options.add_argument(f'--user-data-dir={tmp_path_factory.mktemp("chromium")}')
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield Browser(driver)
    driver.quit()
