// The last round trips as a small picture, with the same in words.

import { counted } from "./dom";

const SVG = "http://www.w3.org/2000/svg";

export function milliseconds(seconds: number): string {
  const number = seconds * 1000;
  return `${number.toFixed(number < 10 ? 1 : 0)} ms`;
}

export function spark(latency: readonly number[], width = 60, height = 18): SVGSVGElement {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "spark");
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("width", String(width));
  picture.setAttribute("height", String(height));
  picture.setAttribute("role", "img");
  const least = Math.min(...latency);
  const most = Math.max(...latency);
  picture.setAttribute("aria-label", `latency from ${milliseconds(least)} to ${milliseconds(most)} over ${counted(latency.length, "round trip")}`);
  const step = width / Math.max(1, latency.length - 1);
  const top = Math.max(most * 1.1, least * 2, 1e-9); // what hardly changes is drawn as hardly changing
  const points = latency.map((seconds, number) => `${(number * step).toFixed(1)} ${(height - 1 - (seconds / top) * (height - 2)).toFixed(1)}`);
  if (points.length === 1) points.push(`${width} ${points[0]?.split(" ")[1]}`);
  picture.append(line("area", `M0 ${height}L${points.join("L")}L${width} ${height}Z`), line("line", `M${points.join("L")}`));
  return picture;
}

function line(name: string, path: string): SVGPathElement {
  const drawn = document.createElementNS(SVG, "path");
  drawn.setAttribute("class", name);
  drawn.setAttribute("d", path);
  return drawn;
}
