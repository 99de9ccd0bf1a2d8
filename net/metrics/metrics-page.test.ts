import { Counter, Gauge, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { parseExposition, parseTypes, readPage } from "./exposition-fixture.ts";
import { formatLabels, type MetricFamily } from "./metric-family.ts";
import { createMetricsSource } from "./metrics-page.ts";

const LINE = `many{label="${"x".repeat(80)}"} 1\n`;

function familyOf(name: string, lines: readonly string[]): MetricFamily {
  return { name, help: `What ${name} is.`, type: "counter", samples: () => lines };
}

function many(count: number): MetricFamily {
  return familyOf(
    "many",
    Array.from({ length: count }, () => LINE),
  );
}

function registryWith(name: string): Registry {
  const registry = new Registry();
  new Counter({ name, help: "Counted by prom-client.", registers: [registry] }).inc(3);
  return registry;
}

describe("a page", () => {
  it("has the registry's metrics, then those of each family", async () => {
    const families = [familyOf("b", ['b{x="1"} 1\n', 'b{x="2"} 2\n']), familyOf("c", [])];
    const text = await readPage(createMetricsSource({ registry: registryWith("a"), families }));
    expect(parseExposition(text)).toEqual([
      { name: "a", labels: {}, value: 3 },
      { name: "b", labels: { x: "1" }, value: 1 },
      { name: "b", labels: { x: "2" }, value: 2 },
      { name: "entente_metrics_truncated", labels: {}, value: 0 },
    ]);
    expect(parseTypes(text)).toEqual({ a: "counter", b: "counter", c: "counter", entente_metrics_truncated: "gauge" });
  });

  it("yields to the event loop between its pieces of about 64 KB", async () => {
    const source = createMetricsSource({ registry: new Registry(), families: [many(20_000)] });
    let turns = 0;
    let isWriting = true;
    const turn = (): void => {
      turns += 1;
      if (isWriting) setImmediate(turn);
    };
    setImmediate(turn);
    const { pieces, bytes } = await source.read();
    isWriting = false;
    expect(bytes).toBeGreaterThan(20_000 * LINE.length);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(70_000);
    expect(turns).toBeGreaterThanOrEqual(pieces.length - 1);
  });

  it.each([1000, 10_000, 100_000])("of at most %d bytes is cut between samples, and reports that", async (maxBytes) => {
    const source = createMetricsSource({ registry: registryWith("a"), families: [many(5000)], maxBytes });
    const page = await source.read();
    const text = await readPage(source);
    expect(page.bytes).toBeLessThanOrEqual(maxBytes);
    expect(page.bytes).toBeGreaterThan(maxBytes - 2 * LINE.length);
    const samples = parseExposition(text);
    expect(samples.filter(({ name }) => name === "many").every(({ labels }) => labels["label"]?.length === 80)).toBe(
      true,
    );
    expect(samples.at(-1)).toEqual({ name: "entente_metrics_truncated", labels: {}, value: 1 });
  });

  it("omits samples that belong together as a group, and everything after them", async () => {
    const histogram = familyOf("h", [`${LINE}${LINE}`, `${LINE}${LINE}`]);
    const families = [histogram, familyOf("small", ["small 1\n"])];
    const whole = await createMetricsSource({ registry: new Registry(), families: [histogram] }).read();
    const source = createMetricsSource({ registry: new Registry(), families, maxBytes: whole.bytes - 1 });
    const names = parseExposition(await readPage(source)).map(({ name }) => name);
    expect(names).toEqual(["many", "many", "entente_metrics_truncated"]);
  });

  it("counts bytes, not characters", async () => {
    const registry = new Registry();
    new Gauge({ name: "g", help: "é".repeat(300), registers: [registry] });
    const page = await createMetricsSource({ registry, maxBytes: 700 }).read();
    expect(page.bytes).toBeLessThanOrEqual(700);
  });
});

describe("labels", () => {
  it("are escaped as the text format requires", () => {
    const labels = { a: 'quote " backslash \\ line\nend', b: "" };
    expect(parseExposition(`m{${formatLabels(labels)}} 1`)[0]?.labels).toEqual({
      a: 'quote \\" backslash \\\\ line\\nend',
      b: "",
    });
  });
});
