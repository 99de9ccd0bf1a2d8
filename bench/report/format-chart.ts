import type { PathKind } from "../paths/path.ts";
import type { Workload } from "../workload.ts";
import type { Summary } from "./summarize.ts";

export interface ChartInput {
  readonly workloads: readonly Workload[];
  readonly summaries: readonly Summary[];
  readonly paths: readonly Pick<PathKind, "name" | "title">[];
  /** Lines below the chart: machine, versions, commit. */
  readonly caption: readonly string[];
}

interface Bar {
  readonly title: string;
  readonly value: number;
  readonly isOurs: boolean;
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABEL_WIDTH = 130;
const VALUE_WIDTH = 80;
const MARGIN = 20;
const BAR_HEIGHT = 16;
const BAR_STEP = 22;
const HEAD_HEIGHT = 34;
const PANEL_GAP = 18;
const TOP = 68;
const CAPTION_STEP = 15;

/** Readable on light and on dark ground: the viewer's own preference chooses the colours. */
const STYLE = `
  .ground { fill: #ffffff; } .text { fill: #1f2328; } .soft { fill: #59636e; }
  .ours { fill: #0969da; } .peer { fill: #8c959f; } .axis { stroke: #d1d9e0; }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
  .title { font-size: 16px; font-weight: 600; } .panel { font-size: 13px; font-weight: 600; } .small { font-size: 11px; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } .text { fill: #e6edf3; } .soft { fill: #9198a1; }
    .ours { fill: #4493f8; } .peer { fill: #6e7681; } .axis { stroke: #3d444d; }
  }`;

/**
 * The CPU of the proxies as bars, a panel a workload; SVG that stands alone. Each panel has a scale of its own, because a
 * handshake costs a hundred times what a request does; the values stand at the bars. Empty where nothing has a cost.
 */
export function formatChart(input: ChartInput): string {
  const panels = listPanels(input);
  if (panels.length === 0) return "";
  let y = TOP;
  const drawn = panels.map((panel) => {
    const text = formatPanel(panel, y);
    y += heightOf(panel) + PANEL_GAP;
    return text;
  });
  const height = y + input.caption.length * CAPTION_STEP + 4;
  const caption = input.caption.map(
    (line, index) =>
      `<text class="soft small" x="${MARGIN}" y="${y + index * CAPTION_STEP}">${escapeText(line)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">CPU of the proxies, both sides of the mutual TLS hop together</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="8"/>`,
    `<text class="text title" x="${MARGIN}" y="30">CPU of the proxies, both sides of the mutual TLS hop together</text>`,
    `<text class="soft small" x="${MARGIN}" y="47">Less is better; medians; every panel has its own scale</text>`,
    ...drawn,
    ...caption,
    "</svg>\n",
  ].join("\n");
}

function listPanels({ workloads, summaries, paths }: ChartInput): readonly Panel[] {
  return workloads.flatMap(({ name, title, unit }) => {
    const bars = paths.flatMap((path): readonly Bar[] => {
      const found = summaries.find((summary) => summary.workload === name && summary.path === path.name);
      if (found === undefined || found.processes === 0 || !Number.isFinite(found.cpuMs)) return [];
      return [{ title: path.title, value: found.cpuMs, isOurs: path.name.startsWith("entente") }];
    });
    return bars.length === 0 ? [] : [{ title, unit: unit.costLabel, bars }];
  });
}

function formatPanel({ title, unit, bars }: Panel, y: number): string {
  const room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH;
  const most = Math.max(...bars.map(({ value }) => value));
  const left = MARGIN + LABEL_WIDTH;
  const rows = bars.map(({ title: label, value, isOurs }, index) => {
    const top = y + HEAD_HEIGHT + index * BAR_STEP;
    const width = Math.max(1, most === 0 ? 0 : (value / most) * room).toFixed(1);
    const baseline = top + BAR_HEIGHT - 4;
    return [
      `<text class="text" x="${left - 8}" y="${baseline}" text-anchor="end">${escapeText(label)}</text>`,
      `<rect class="${isOurs ? "ours" : "peer"}" x="${left}" y="${top}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
      `<text class="text" x="${(left + Number(width) + 6).toFixed(1)}" y="${baseline}">${formatValue(value)}</text>`,
    ].join("\n");
  });
  const bottom = y + heightOf({ title, unit, bars });
  return [
    `<text class="text panel" x="${MARGIN}" y="${y + 12}">${escapeText(title)}</text>`,
    `<text class="soft small" x="${MARGIN}" y="${y + 27}">${escapeText(unit)}</text>`,
    `<line class="axis" x1="${left}" y1="${y + HEAD_HEIGHT - 3}" x2="${left}" y2="${bottom}"/>`,
    ...rows,
  ].join("\n");
}

function heightOf({ bars }: Panel): number {
  return HEAD_HEIGHT + bars.length * BAR_STEP;
}

function formatValue(value: number): string {
  return value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en-US");
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
