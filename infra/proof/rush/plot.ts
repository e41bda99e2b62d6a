/** A line plot, as an SVG figure that needs nothing beside it. */
export interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  /**
   * `log` shows a hundred beside six thousand, and nothing as nothing: each step up is ten times as
   * many.
   */
  readonly yScale?: "linear" | "log";
  readonly xTicks?: readonly { readonly at: number; readonly label: string }[];
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly { readonly x: number; readonly y: number }[];
  }[];
}

// As wide as a phone shows it: what is written in it stays readable there.
const width = 400;
const height = 250;
const margin = { left: 48, right: 8, top: 10, bottom: 60 };
const colours = ["#3b6fd4", "#1a9d63", "#c8622d", "#8a4fbf", "#b3261e", "#7d7460"];

export function linePlot({ title, xLabel, xTicks, yScale = "linear", series }: LinePlot): string {
  const points = series.flatMap((one) => one.points);
  const xMax = Math.max(1e-9, ...points.map((point) => point.x));
  const highest = Math.max(1, ...points.map((point) => point.y));
  const scale = yScale === "log" ? logScale(highest) : linearScale(highest);
  const x = (value: number) => margin.left + (value / xMax) * (width - margin.left - margin.right);
  const y = (value: number) => height - margin.bottom - scale.share(value) * (height - margin.top - margin.bottom);
  const ticks = xTicks ?? steps(xMax).map((at) => ({ at, label: short(at) }));
  const grid = scale.ticks.map((value) => {
    const line = `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${f(y(value))}" y2="${f(y(value))}"/>`;
    return `${line}<text x="${margin.left - 6}" y="${f(y(value) + 4)}" text-anchor="end">${short(value)}</text>`;
  });
  const below = ticks.map(
    ({ at, label }) => `<text x="${f(x(at))}" y="${height - 42}" text-anchor="middle">${label}</text>`,
  );
  const lines = series.map(({ points: own }, i) => {
    const path = own.map((point) => `${f(x(point.x))},${f(y(point.y))}`).join(" ");
    return `<polyline fill="none" stroke-width="2" stroke="${colours[i % colours.length]}" points="${path}"/>`;
  });
  const legend = series.map(({ name }, i) => {
    return `<tspan fill="${colours[i % colours.length]}" font-weight="600" dx="${i === 0 ? 0 : 10}">${name}</tspan>`;
  });
  return `<figure><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">${grid.join("")}${below.join("")}${lines.join("")}
<text x="${margin.left}" y="${height - 6}">${legend.join("")}</text>
<text x="${width - margin.right}" y="${height - 24}" text-anchor="end">${xLabel}${yScale === "log" ? "; up by tens" : ""}</text></svg></figure>`;
}

interface Scale {
  /** Where a value is, from 0 at the bottom to 1 at the top. */
  readonly share: (value: number) => number;
  readonly ticks: readonly number[];
}

function linearScale(highest: number): Scale {
  const step = niceStep(highest / 4);
  const top = Math.ceil(highest / step) * step;
  return { share: (value) => value / top, ticks: steps(top, step) };
}

/** Of one more than the value, so that nothing has a place, too. */
function logScale(highest: number): Scale {
  const decades = Math.max(1, Math.ceil(Math.log10(highest)));
  const top = Math.log10(1 + 10 ** decades);
  const ticks = [0, ...Array.from({ length: decades + 1 }, (_, i) => 10 ** i)];
  return { share: (value) => Math.log10(1 + Math.max(0, value)) / top, ticks };
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((step) => step * power >= least) ?? 10) * power;
}

function steps(max: number, step = niceStep(max / 6)): number[] {
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, i) => i * step);
}

function short(value: number): string {
  if (value >= 1_000_000) return `${+(value / 1_000_000).toFixed(1)} M`;
  return value >= 10_000 ? `${+(value / 1_000).toFixed(1)} k` : String(+value.toFixed(3));
}

function f(value: number): string {
  return value.toFixed(1);
}
