/** A metric of Prometheus's text format, version 0.0.4, with all of its samples. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "histogram";
  /**
   * Whole lines, each with its line end. The samples of one string belong together: a histogram without some of its
   * buckets would give wrong quantiles. Read one at a time, with other work in between.
   */
  samples(): Iterable<string>;
}

/** `name="value",…` without the braces. */
export function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(",");
}

/** `# HELP` and `# TYPE`. */
export function formatFamilyHead({ name, help, type }: Pick<MetricFamily, "name" | "help"> & { type: string }): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function escapeLabel(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") : value;
}
