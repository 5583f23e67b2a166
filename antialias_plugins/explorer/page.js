'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const SERIES = ['first', 'second'];
const WHERE = { diagonal: 'down and right', horizontal: 'to the right', vertical: 'down' };
const STEP_MS = 200;
const CALM_STEP_MS = 1000; // where the system asks for reduced motion
const DRAG_PX = 8; // of a picture, per step
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const $ = selector => document.querySelector(selector);
const segmentation = data.task === 'segmentation';

let image = data.images[0];
let direction = Object.keys(image.sweeps)[0];
let pictures = null; // decoded: { photo, networks: [{ maps, marks }] }
let step = 0;
let cards = [];
let strips = [];
const probe = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });

const sweep = () => image.sweeps[direction];
const percent = share => (share === null ? '–' : `${(100 * share).toFixed(2)} %`);
const pixels = count => `${count} pixel${count === 1 ? '' : 's'}`;

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

// What a bar shows: how much flipped, or how likely the watched class is.
const heights = network => (segmentation ? network.agreement.map(share => 1 - share) : network.probability);

function buildOptions() {
  $('#image').append(...data.images.map((one, index) => new Option(one.name, index)));
  $('#image-option').hidden = data.images.length === 1;
  const names = Object.keys(image.sweeps);
  $('#direction').hidden = names.length === 1;
  for (const name of names) {
    const label = element('label');
    const radio = Object.assign(element('input'), { type: 'radio', name: 'direction', value: name, checked: name === direction });
    label.append(radio, name);
    $('#direction').append(label);
  }
}

function buildCards() {
  cards = data.networks.map((name, index) => {
    const card = document.getElementById(data.task).content.cloneNode(true).firstElementChild;
    card.classList.add(SERIES[index]);
    card.querySelector('h2').textContent = name;
    $('.stage').append(card);
    return card;
  });
}

function buildStrips() {
  strips = data.networks.map((name, index) => {
    const group = element('div', SERIES[index]);
    const strip = element('div', 'strip');
    strip.setAttribute('role', 'img');
    strip.append(...Array.from({ length: data.max_shift + 1 }, () => element('span', 'bar')));
    group.append(element('div', 'strip-name', name), strip);
    $('.strips').append(group);
    dragAlong(strip);
    return strip;
  });
}

// All that depends on the picture and the direction, but not on the shift.
function showSweep() {
  const { networks } = sweep();
  const full = Math.max(...networks.flatMap(heights)) || 1;
  const watched = [...new Set(networks.map(network => network.watched))].join(' or ');
  const measure = segmentation ? 'share of pixels that flip' : `probability of ${watched}`;
  $('#scale').textContent = `Bars: ${measure}, full height ${percent(full)}`;
  strips.forEach((strip, index) => {
    const values = heights(networks[index]);
    strip.setAttribute('aria-label', `${data.networks[index]}: ${measure}, from ${percent(Math.min(...values))} to ${percent(Math.max(...values))}`);
    [...strip.children].forEach((bar, shift) => {
      bar.style.setProperty('--share', values[shift] / full);
      bar.classList.toggle('flip', !segmentation && networks[index].agreement[shift] === 0);
    });
  });
  const [height, width] = image.view;
  for (const canvas of document.querySelectorAll('canvas')) Object.assign(canvas, { width, height });
  $('#size').textContent = `${width} × ${height} pixels of it at a time`;
  if (segmentation) showLegend(Object.assign({}, ...networks.map(network => network.classes)));
  showShift();
  decode();
}

function showLegend(classes) {
  $('.legend').replaceChildren(...Object.entries(classes).map(([name, color]) => {
    const item = element('li');
    const swatch = element('i');
    swatch.style.background = color;
    item.append(swatch, name);
    return item;
  }));
}

// Decoded once, so that moving the slider never waits.
async function decode() {
  const wanted = sweep();
  const open = async source => {
    const picture = new Image();
    picture.src = source;
    await picture.decode();
    return picture;
  };
  const all = sources => Promise.all((sources || []).map(open));
  pictures = null;
  const networks = await Promise.all(wanted.networks.map(async network => ({ maps: await all(network.maps), marks: await all(network.marks) })));
  const photo = await open(image.photo);
  if (wanted !== sweep()) return; // another was chosen meanwhile
  pictures = { photo, networks };
  draw();
  document.body.dataset.ready = 'true';
}

function showShift() {
  const { networks } = sweep();
  const text = step === 0 ? 'shift 0' : `${pixels(step)} ${WHERE[direction]}`;
  $('#shift').textContent = text;
  $('#slider').value = step;
  const spoken = networks.map((network, index) => {
    const value = segmentation ? `${percent(network.agreement[step])} agree` : network.label[step];
    return `${data.networks[index]}: ${value}`;
  });
  $('#slider').setAttribute('aria-valuetext', `${text}. ${spoken.join('. ')}`);
  $('#photo').setAttribute('aria-label', `${image.name}, ${text}`);
  networks.forEach((network, index) => showNetwork(cards[index], network, text));
  for (const strip of strips) [...strip.children].forEach((bar, shift) => bar.classList.toggle('now', shift === step));
  draw();
}

function showNetwork(card, network, text) {
  const set = (name, value) => Object.assign(card.querySelector(`[data-field=${name}]`), { textContent: value, title: value });
  set('mean', percent(network.mean[step]));
  if (segmentation) {
    set('agreement', percent(network.agreement[step]));
    set('flips', network.flips[step].toLocaleString('en'));
    card.querySelector('canvas').setAttribute('aria-label', `Prediction, ${text}`);
    return;
  }
  const same = network.agreement[step] === 1;
  card.classList.toggle('flipped', !same);
  set('label', network.label[step]);
  set('verdict', same ? '✓ as at shift 0' : `✗ was ${network.label[0]}`);
  set('confidence', percent(network.confidence[step]));
  set('watched', `that of ${network.watched}`);
  set('probability', percent(network.probability[step]));
}

function draw() {
  if (!pictures) return;
  const [down, right] = sweep().offsets[step];
  const hold = segmentation && $('#hold').checked;
  drawPhoto($('#photo').getContext('2d'), down, right, hold);
  if (segmentation) cards.forEach((card, index) => drawMap(card.querySelector('canvas').getContext('2d'), pictures.networks[index], down, right, hold));
}

function drawPhoto(context, down, right, hold) {
  const [height, width] = image.view;
  context.drawImage(pictures.photo, hold ? 0 : -right, hold ? 0 : -down);
  if (!hold) return;
  context.lineWidth = 3;
  context.strokeStyle = 'white';
  context.strokeRect(right + 1.5, down + 1.5, width, height);
}

// Only what both windows see can agree: elsewhere the hatched background shows.
function drawMap(context, { maps, marks }, down, right, hold) {
  const [height, width] = image.view;
  const mark = $('#mark').checked;
  const [y, x] = hold ? [down, right] : [0, 0];
  const overlap = mark || hold ? [width - right, height - down] : [width, height];
  context.clearRect(0, 0, width, height);
  context.fillStyle = 'white'; // under faint classes, in the dark as well: marks stand out from them
  context.fillRect(x, y, ...overlap);
  context.globalAlpha = mark ? 0.4 : 1;
  context.drawImage(maps[step], 0, 0, ...overlap, x, y, ...overlap);
  context.globalAlpha = 1;
  if (mark) context.drawImage(marks[step], x, y);
}

// The class of the pixel under the pointer, in the words of the legend: some palettes have colors that look alike.
function nameUnder(event, index) {
  if (!pictures) return '';
  const box = event.target.getBoundingClientRect();
  const [height, width] = image.view;
  const [down, right] = $('#hold').checked ? sweep().offsets[step] : [0, 0];
  const x = Math.floor(((event.clientX - box.left) / box.width) * width) - right;
  const y = Math.floor(((event.clientY - box.top) / box.height) * height) - down;
  probe.clearRect(0, 0, 1, 1);
  probe.drawImage(pictures.networks[index].maps[step], x, y, 1, 1, 0, 0, 1, 1);
  const color = `#${[...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)].map(value => value.toString(16).padStart(2, '0')).join('')}`;
  const found = Object.entries(sweep().networks[index].classes).find(([, one]) => one === color);
  return found ? found[0] : '';
}

function moveTo(shift) {
  step = Math.min(Math.max(Math.round(shift), 0), data.max_shift);
  showShift();
}

// A strip goes to the bar under the finger; a picture moves with it.
function dragAlong(node) {
  const isStrip = node.classList.contains('strip');
  let start = null;
  const follow = event => {
    const box = node.getBoundingClientRect();
    const bar = Math.floor(((event.clientX - box.left) / box.width) * (data.max_shift + 1));
    moveTo(isStrip ? bar : start.step + (start.x - event.clientX) / DRAG_PX);
  };
  node.addEventListener('pointerdown', event => {
    start = { x: event.clientX, step };
    node.setPointerCapture(event.pointerId);
    stop();
    follow(event);
  });
  node.addEventListener('pointermove', event => start && follow(event));
  for (const name of ['pointerup', 'pointercancel']) node.addEventListener(name, () => { start = null; });
}

let timer = null;

function stop() {
  clearInterval(timer);
  timer = null;
  $('#play').textContent = 'Play';
  $('#play').setAttribute('aria-pressed', 'false');
}

// To the end and back again and again; once and slowly where the system asks for reduced motion.
function play() {
  let way = 1;
  if (step === data.max_shift) moveTo(0);
  $('#play').textContent = 'Pause';
  $('#play').setAttribute('aria-pressed', 'true');
  timer = setInterval(() => {
    if (calm.matches && step === data.max_shift) return stop();
    if (step + way < 0 || step + way > data.max_shift) way = -way;
    moveTo(step + way);
  }, calm.matches ? CALM_STEP_MS : STEP_MS);
}

function listen() {
  cards.forEach((card, index) => card.querySelector('canvas')?.addEventListener('pointermove', event => { event.target.title = nameUnder(event, index); }));
  $('#slider').addEventListener('input', event => { stop(); moveTo(event.target.valueAsNumber); });
  $('#play').addEventListener('click', () => (timer === null ? play() : stop()));
  $('#image').addEventListener('change', event => { image = data.images[event.target.value]; showSweep(); });
  $('#direction').addEventListener('change', event => { direction = event.target.value; showSweep(); });
  for (const box of ['#mark', '#hold']) $(box).addEventListener('change', draw);
  for (const canvas of document.querySelectorAll('canvas')) dragAlong(canvas);
  document.addEventListener('keydown', event => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way || event.altKey || event.ctrlKey || event.metaKey || event.target.closest('input, select')) return;
    stop();
    moveTo(step + way);
  });
}

document.body.classList.add(data.task);
document.documentElement.style.setProperty('--count', data.max_shift + 1);
$('#slider').max = data.max_shift;
buildOptions();
buildCards();
buildStrips();
listen();
showSweep();
$('main').hidden = false;
