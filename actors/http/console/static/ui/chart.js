// Lines over time, drawn by uPlot in the colours of the page; and the same in words, for readers who do not see them.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { html } from "../lib/html.js";
import { clock } from "../lib/time.js";

/** @typedef {{ label: string, colour: string, isFilled?: boolean }} Line `colour` is the name of a token */

/** @param {string} token */
function colourOf(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/**
 * @param {{ label: string, words: string, lines: Line[], data: (number | null)[][], unit: (value: number) => string, least: number, height?: number }} props
 *   `data` is seconds, then the values of each line; the axis goes to `least` at least
 */
export function Chart({ label, words, lines, data, unit, least, height = 130 }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {uPlot | null} */ (null));
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = /** @type {HTMLDivElement} */ (box.current);
    function draw() {
      plot.current?.destroy();
      const faint = colourOf("--faint");
      const line = colourOf("--line");
      const axis = { stroke: faint, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
      plot.current = new uPlot(
        {
          width: Math.max(120, element.clientWidth),
          height,
          cursor: { show: false },
          legend: { show: false },
          scales: { x: { range: (_, first, last) => [first, last] }, y: { range: (_, __, most) => [0, Math.max((most ?? 0) * 1.15, least)] } },
          axes: [
            { ...axis, size: 26, space: 90, values: (_, values) => values.map(clock) },
            { ...axis, size: 52, values: (_, values) => values.map(unit) },
          ],
          series: [
            {},
            ...lines.map((one) => {
              const stroke = colourOf(one.colour);
              return { label: one.label, stroke, width: 1.5, spanGaps: false, points: { show: false }, fill: one.isFilled ? fade(stroke) : undefined };
            }),
          ],
        },
        /** @type {uPlot.AlignedData} */ (latest.current),
        element,
      );
    }
    draw();
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(120, element.clientWidth), height }));
    watch.observe(element);
    const looks = new MutationObserver(draw);
    looks.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      watch.disconnect();
      looks.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => plot.current?.setData(/** @type {uPlot.AlignedData} */ (data)), [data]);

  return html`<figure class="chart" aria-label=${label}>
    <figcaption>
      <span>${words}</span>
      <span class="legend">${lines.map((one) => html`<span key=${one.label}><i style=${{ background: `var(${one.colour})` }}></i> ${one.label}</span>`)}</span>
    </figcaption>
    <div ref=${box} aria-hidden="true"></div>
  </figure>`;
}

/** @param {string} colour */
function fade(colour) {
  return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.14)");
}
