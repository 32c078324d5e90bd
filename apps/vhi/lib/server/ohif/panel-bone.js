/** Part of the panel: what the drawn normal bone makes of the thresholds and of VHI. */

import { el, mm3 } from './dom.js';
import { t } from './texts.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [240, 56];

export function boneSection({ reading }) {
  if (!reading?.bone) return null;
  const { facts, why, of } = reading.bone;
  const found = facts ? [picture(facts), effect(reading, facts)] : why ? [el('div', { class: 'warn' }, why)] : [];
  const isBehind = of === null;
  return el(
    'section',
    { id: 'vhi-bone', class: isBehind ? 'behind' : '', data: { name: 'Normal bone as drawn' } },
    el('h3', {}, isBehind ? t('bone.measuring') : t('bone')),
    ...found,
  );
}

/** Thresholds, and VHI with them beside the one on screen. */
function effect(reading, facts) {
  const { rule, sensitive, conservative, n_normal_bone: n } = facts.thresholds;
  const [vhi, now] = [raw(facts), reading.facts && raw(reading.facts)];
  const same = now?.sensitive === vhi.sensitive && now.conservative === vhi.conservative;
  const isOther = now && !same;
  const text = isOther ? t('bone.volume_and_before', { volumes: volumesOf(vhi), before: volumesOf(now) }) : t('bone.volume', { volumes: volumesOf(vhi) });
  return el(
    'div',
    { class: 'note' },
    el('div', { data: { bone: 'thresholds' } }, t('bone.thresholds', { sensitive: fixed(sensitive), conservative: fixed(conservative), rule, n })),
    el('div', { data: { bone: 'vhi' } }, text),
    isOther ? el('div', { class: 'warn' }, t('bone.measure_again')) : null,
  );
}

const volumesOf = ({ sensitive, conservative }) => t('bone.volumes', { sensitive: mm3(sensitive), conservative: mm3(conservative) });

/** VHI before anything was cleaned. */
const raw = ({ stages, vhi_mm3: vhi }) => stages?.raw?.vhi_mm3 ?? vhi;

const fixed = (value) => value.toLocaleString('en', { maximumFractionDigits: 1 });

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The histogram of its intensities, with both thresholds as lines. */
function picture({ histogram: { edges, counts }, thresholds }) {
  const [low, high] = [edges[0], edges.at(-1)];
  const end = Math.max(high, thresholds.conservative) * 1.02;
  const x = (value) => ((value - low) / (end - low || 1)) * WIDTH;
  const top = Math.max(...counts);
  const bars = counts.map((number, n) => {
    const height = (number / top) * (HEIGHT - 4);
    const width = Math.max(1, x(edges[n + 1]) - x(edges[n]) - 0.5);
    return svg('rect', { x: x(edges[n]), y: HEIGHT - height, width, height, fill: '#3cbe6e' });
  });
  const line = (value, stroke, dashes) =>
    svg('line', { x1: x(value), x2: x(value), y1: 0, y2: HEIGHT, stroke, 'stroke-width': 2, 'stroke-dasharray': dashes });
  const lines = [line(thresholds.sensitive, 'rgb(255,220,0)', 'none'), line(thresholds.conservative, 'rgb(230,30,30)', '4 2')];
  const title = svg('title', {}, t('bone.histogram', { low: fixed(low), high: fixed(high) }));
  return svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'histogram', role: 'img' }, title, ...bars, ...lines);
}
