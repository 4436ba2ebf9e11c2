// Draws a fleet over time. The numbers lie in #series, which is fetched again by itself; tables and sentences tell the same.
/* global uPlot */

/** Lines of each chart: key of the column, name, colour of the theme, and how the line is drawn. */
const CHARTS = {
  queue: { unit: count, lines: [["queued", "queued", "primary", "area"]] },
  age: { unit: span, lines: [["oldest_seconds", "longest wait", "orange", "area"]] },
  throughput: { unit: count, lines: [["completed", "completed", "green", "bars"]] },
  errors: { unit: count, lines: [["failed", "failed", "red", "bars"]] },
  durations: { unit: span, lines: [["median_seconds", "median", "primary", "sparse"], ["p95_seconds", "95 %", "purple", "sparse"]] },
  capacity: { unit: count, lines: [["capacity", "capacity", "secondary", "line"], ["processing", "processing", "primary", "area"]] },
  machines: { unit: count, lines: [["desired", "wanted", "secondary", "line"], ["workers", "active workers", "green", "area"]] },
};
const HEIGHT = 140;
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const WHOLE = [1, 2, 5].flatMap((digit) => [...Array(10).keys()].map((power) => digit * 10 ** power)).sort((a, b) => a - b);

const TIMES = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800];

const probe = document.body.appendChild(document.createElement("span"));

const charts = [...document.querySelectorAll("figure[data-chart]")].map(draw);
document.addEventListener("htmx:afterSettle", update);
document.addEventListener("theme", () => charts.forEach(({ plot }) => plot.redraw(false)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(({ plot }) => plot.redraw(false)));

function columns() {
  return JSON.parse(document.getElementById("series").dataset.columns);
}

function step() {
  return Number(document.getElementById("series").dataset.step);
}

function update() {
  const data = columns();
  for (const { plot, lines } of charts) plot.setData([data.at, ...lines.map(([key]) => data[key])]);
}

/** Draw one chart into its figure; it is as wide as there is room. */
function draw(figure) {
  const { unit, lines } = CHARTS[figure.dataset.chart];
  const place = figure.querySelector(".chart");
  const data = columns();
  const legend = document.createElement("p");
  legend.className = "chart-legend text-secondary mb-0";
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: "fleet" }, y: false, points: { size: 6 } },
    scales: { x: { range: (_plot, low, high) => [low, high + step()] }, y: { range: (_plot, _low, high) => [0, Math.max(1, high) * 1.1] } },
    axes: [axis({ values: times, space: 60, size: 28 }), axis({ size: 56, values: (_plot, values) => values.map(unit), incrs: unit === count ? WHOLE : TIMES })],
    series: [{}, ...lines.map(line)],
    hooks: { setCursor: [(plot) => show(plot, legend, lines, unit)], setData: [(plot) => show(plot, legend, lines, unit)] },
  };
  const plot = new uPlot(options, [data.at, ...lines.map(([key]) => data[key])], place);
  place.append(legend);
  show(plot, legend, lines, unit);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  return { plot, lines };
}

/** Hours and minutes, or days where a day is a small step. */
function times(_plot, seconds, _axis, _space, increment) {
  const parts = increment >= 43200 ? { day: "numeric", month: "short" } : CLOCK;
  return seconds.map((at) => new Date(at * 1000).toLocaleString([], parts));
}

function axis(more) {
  return {
    stroke: () => color("secondary"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: () => color("border-color"), width: 1 },
    ticks: { show: false },
    ...more,
  };
}

function line([, label, name, look]) {
  return {
    label,
    stroke: () => color(name),
    width: look === "bars" ? 0 : 2,
    fill: look === "line" || look === "sparse" ? undefined : () => `color-mix(in srgb, ${color(name)} ${look === "bars" ? 75 : 20}%, transparent)`,
    paths: look === "bars" ? uPlot.paths.bars({ size: [0.8, 24, 3], align: 1 }) : undefined,
    points: { show: look === "sparse", size: 5 },
    spanGaps: look === "sparse", // where no job ended there is no duration, and nothing is wrong
  };
}

/** Tell the values under the cursor, or else the last ones. */
function show(plot, legend, lines, unit) {
  const at = plot.cursor.idx ?? lastKnown(plot.data);
  const time = new Date(plot.data[0][at] * 1000).toLocaleString([], { weekday: "short", ...CLOCK });
  legend.replaceChildren(`${time}: `, ...lines.flatMap(([, label, name], index) => {
    const swatch = document.createElement("span");
    swatch.className = `chart-swatch bg-${name}`;
    const value = plot.data[index + 1][at];
    return [swatch, `${label} ${value == null ? "–" : unit(value)} `];
  }));
}

function lastKnown(data) {
  const last = data[0].length - 1;
  return Math.max(data[1].findLastIndex((value) => value != null), 0) || last;
}

/** A colour of the theme as a canvas understands it: what a variable holds may depend on light and dark. */
function color(name) {
  probe.style.color = `var(--tblr-${name})`;
  return getComputedStyle(probe).color;
}

function count(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 1 });
}

function span(seconds) {
  if (seconds < 60) return `${count(seconds)} s`;
  if (seconds < 5400) return `${count(seconds / 60)} min`;
  return seconds < 172800 ? `${count(seconds / 3600)} h` : `${count(seconds / 86400)} d`;
}
