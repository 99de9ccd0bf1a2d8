import { alignColumns } from "../report/format-table.ts";
import type { ScaleFigures } from "./measure-scale.ts";

export interface JudgedFigure {
  readonly title: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: string;
  readonly isMet: boolean;
}

/** The figures that have a target, and whether they meet it. */
export function judgeFigures(figures: ScaleFigures): readonly JudgedFigure[] {
  const judge = (title: string, unit: string, value: number, limit: number): JudgedFigure => ({
    title,
    unit,
    value,
    limit,
    isMet: value <= limit,
  });
  const { changes, sidecarInLargeMb, sidecarInSmallMb } = figures;
  return [
    judge("a changed pod is known to all who use it, p50", "ms", changes.p50Ms, 1000),
    judge("a changed pod is known to all who use it, p99", "ms", changes.p99Ms, 1000),
    judge("changes that did not reach all", "", changes.incomplete, 0),
    judge("control plane while pods change", "cores", figures.cores, 1),
    judge("control plane after the start", "MB", figures.idleMb, 1536),
    judge("control plane while pods change", "MB", figures.changingMb, 1536),
    judge("control plane at most", "MB", figures.peakMb, 1536),
    judge("cold start: all sidecars have their state", "s", figures.coldStartMs / 1000, 60),
    judge("another control plane: all sidecars are current", "s", figures.replacedMs / 1000, 60),
    // Within the noise of two processes.
    judge("a sidecar here, beyond one in a mesh of 10 services", "MB", sidecarInLargeMb - sidecarInSmallMb, 2),
  ];
}

export function formatFigures(figures: ScaleFigures): string {
  const rows = judgeFigures(figures).map(({ title, value, limit, unit, isMet }) => [
    title,
    formatNumber(value),
    formatNumber(limit),
    unit,
    isMet ? "" : "NOT MET",
  ]);
  return alignColumns([["", "measured", "target", "", ""], ...rows]);
}

function formatNumber(value: number): string {
  return value.toFixed(Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : 2);
}
