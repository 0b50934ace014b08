// uPlot charts that fit their figure, follow the theme and say what is under the cursor.

import { h } from "./dom.js";
import { colour } from "./theme.js";

const charts = new Map();
const FONT = "11px system-ui, sans-serif";

export const axis = (options = {}) => ({
  stroke: colour("muted"),
  font: FONT,
  grid: { stroke: colour("line"), width: 1 },
  ticks: { stroke: colour("line"), width: 1, size: 4 },
  gap: 4,
  ...options,
});

// Draws a chart anew if its data have changed; `make` returns uPlot's options, `say` a sentence for
// the cursor's place, or nothing. Without data the sentence stands there instead.
export function draw(figure, data, height, make, say, sentence = "") {
  const known = charts.get(figure);
  const key = JSON.stringify([data, figure.clientWidth, sentence]);
  if (known?.key === key) return;
  known?.plot?.destroy();
  if (sentence) {
    figure.replaceChildren(h("p", { class: "empty" }, sentence));
    charts.set(figure, { key });
    return;
  }
  const caption = h("figcaption", { class: "num" });
  figure.replaceChildren(caption);
  const options = {
    width: figure.clientWidth,
    height,
    padding: [10, 10, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    hooks: { setCursor: [(plot) => tell(plot, caption, say)] },
    ...make(),
  };
  const plot = new window.uPlot(options, data, figure);
  figure.append(caption);
  charts.set(figure, { key, plot });
}

function tell(plot, caption, say) {
  const { idx } = plot.cursor;
  caption.textContent = idx === null || idx === undefined ? "" : (say(idx) ?? "");
}

export function forgetCharts() {
  for (const [figure, { plot }] of charts) {
    plot?.destroy();
    charts.delete(figure);
  }
}

// A line across the plot at a value of an axis.
export function line(scale, value, stroke, dash = []) {
  return (plot) => {
    const { ctx, bbox } = plot;
    const at = Math.round(plot.valToPos(value, scale, true));
    ctx.save();
    ctx.strokeStyle = stroke;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
    ctx.beginPath();
    if (scale === "x") {
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
    } else {
      ctx.moveTo(bbox.left, at);
      ctx.lineTo(bbox.left + bbox.width, at);
    }
    ctx.stroke();
    ctx.restore();
  };
}

export const key = (entries) =>
  entries.map(([name, text]) => h("span", { class: `entry ${name}` }, text));
