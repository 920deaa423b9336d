/** A line of a chart. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** An axis of a chart. */
export interface Axis {
  readonly label: string;
  /** Whether equal distances are equal factors. Default false: then it begins at 0. */
  readonly log?: boolean;
}

/** What a chart shows. */
export interface Chart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

const WIDTH = 760;
const HEIGHT = 400;
/** Around the plot: room for the title, the legend, and what the axes say. */
const BOX = { left: 70, right: 590, top: 40, bottom: 345 } as const;

/** Colours that the usual colour blindnesses tell apart (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"] as const;

/** Draws a chart as SVG. */
export function chartSvg({ title, x, y, lines }: Chart): string {
  const points = lines.flatMap((line) => line.points);
  const across = scaleOf(
    x,
    points.map((point) => point[0]),
    [BOX.left, BOX.right],
  );
  const up = scaleOf(
    y,
    points.map((point) => point[1]),
    [BOX.bottom, BOX.top],
  );
  const middle = (BOX.top + BOX.bottom) / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text x="${BOX.left}" y="22" font-size="15">${title}</text>
${across.ticks.map((tick) => gridLine(tick, "x")).join("\n")}
${up.ticks.map((tick) => gridLine(tick, "y")).join("\n")}
<text x="${(BOX.left + BOX.right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${x.label}</text>
<text x="16" y="${middle}" text-anchor="middle" transform="rotate(-90 16 ${middle})">${y.label}</text>
${lines.map((line, at) => drawn(line, at, { across: across.at, up: up.at })).join("\n")}
</svg>
`;
}

interface Tick {
  readonly at: number;
  readonly text: string;
}

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

function scaleOf(
  { log = false }: Axis,
  values: readonly number[],
  [from, to]: readonly [number, number],
): Scale {
  const most = Math.max(...values);
  const least = log ? Math.min(...values.filter((value) => value > 0)) : 0;
  const map = log ? Math.log10 : (value: number): number => value;
  const share = (value: number): number =>
    (map(Math.max(value, least)) - map(least)) / (map(most) - map(least) || 1);
  const at = (value: number): number => Math.round((from + share(value) * (to - from)) * 10) / 10;
  const ticks = log ? logTicks(least, most) : evenTicks(most);
  return { at, ticks: ticks.map((value) => ({ at: at(value), text: shortNumber(value) })) };
}

/** 1, 2, 5, 10, 20, 50, … as far as they lie within. */
function logTicks(least: number, most: number): number[] {
  const first = Math.floor(Math.log10(least));
  const decades = Array.from(
    { length: Math.ceil(Math.log10(most)) - first + 1 },
    (_, n) => 10 ** (first + n),
  );
  return decades.flatMap((ten) => [ten, 2 * ten, 5 * ten]).filter((value) => value >= least && value <= most);
}

/** Four to eight round numbers from 0 up. */
function evenTicks(most: number): number[] {
  const rough = most / 5;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * ten).find((size) => size >= rough) ?? ten;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, n) => n * step);
}

function shortNumber(value: number): string {
  const text = Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
  return text.replace("K", "k");
}

function gridLine({ at, text }: Tick, axis: "x" | "y"): string {
  const [line, label] =
    axis === "x"
      ? [`M${at} ${BOX.top}V${BOX.bottom}`, `x="${at}" y="${BOX.bottom + 17}" text-anchor="middle"`]
      : [`M${BOX.left} ${at}H${BOX.right}`, `x="${BOX.left - 6}" y="${at + 4}" text-anchor="end"`];
  return `<path d="${line}" stroke="#dddddd"/><text ${label}>${text}</text>`;
}

/** The line, and its name in the legend. */
function drawn(
  { name, points }: Line,
  at: number,
  { across, up }: { readonly across: (x: number) => number; readonly up: (y: number) => number },
): string {
  const colour = COLOURS[at % COLOURS.length];
  const path = points.map(([x, y], n) => `${n === 0 ? "M" : "L"}${across(x)} ${up(y)}`).join("");
  const dots =
    points.length > 12
      ? []
      : points.map(([x, y]) => `<circle cx="${across(x)}" cy="${up(y)}" r="3" fill="${colour}"/>`);
  const legend = BOX.top + 12 + at * 20;
  return [
    `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...dots,
    `<path d="M${BOX.right + 14} ${legend}h18" stroke="${colour}" stroke-width="3"/>`,
    `<text x="${BOX.right + 38}" y="${legend + 4}">${name}</text>`,
  ].join("\n");
}
