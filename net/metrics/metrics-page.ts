import { setImmediate as nextTurn } from "node:timers/promises";
import type { Registry } from "prom-client";
import { formatFamilyHead, type MetricFamily } from "./metric-family.ts";

/** One rendered page of Prometheus's text format. */
export interface MetricsPage {
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
}

/** Renders pages, a new one at each call. */
export interface MetricsSource {
  readonly contentType: string;
  read(): Promise<MetricsPage>;
}

export interface MetricsSourceOptions {
  /** Metrics whose labels are constants of the code: few samples. Written first. */
  readonly registry: Registry;
  /** Metrics with a series for each peer, most important first. @default none */
  readonly families?: readonly MetricFamily[];
  /** The page's limit: samples over it are omitted, and a metric reports that. @default 8 MiB */
  readonly maxBytes?: number;
}

/** About half a millisecond of work; the event loop runs between two pieces. */
const PIECE_BYTES = 64 * 1024;
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const TRUNCATED = "entente_metrics_truncated";

/** Writes pages in slices, so that a large page does not block the event loop, up to a size limit. */
export function createMetricsSource(options: MetricsSourceOptions): MetricsSource {
  const { registry, families = [], maxBytes = DEFAULT_MAX_BYTES } = options;
  return {
    contentType: registry.contentType,
    async read() {
      const page = new PageWriter(maxBytes - formatTruncated(true).length);
      for (const { name } of registry.getMetricsAsArray()) {
        await page.add(`${(await registry.getSingleMetricAsString(name)).trimEnd()}\n`);
      }
      for (const family of families) await addFamily(page, family);
      return page.end(formatTruncated(page.isFull));
    },
  };
}

async function addFamily(page: PageWriter, family: MetricFamily): Promise<void> {
  if (!(await page.add(formatFamilyHead(family)))) return;
  for (const lines of family.samples()) if (!(await page.add(lines))) return;
}

function formatTruncated(isTruncated: boolean): string {
  const help = "1 where samples were left out of this page because it has reached its limit of bytes, else 0.";
  return `${formatFamilyHead({ name: TRUNCATED, help, type: "gauge" })}${TRUNCATED} ${isTruncated ? 1 : 0}\n`;
}

class PageWriter {
  readonly #maxBytes: number;
  readonly #pieces: Buffer[] = [];
  #text = "";
  #bytes = 0;
  #isFull = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Whether there was room. Once there was none, everything after is omitted too, so that no page has hidden gaps. */
  async add(lines: string): Promise<boolean> {
    // A character takes at most 3 bytes in UTF-8; only text that could be too long is measured.
    const length = this.#bytes + (this.#text.length + lines.length) * 3;
    if (this.#isFull || (length > this.#maxBytes && this.#measure(lines) > this.#maxBytes)) {
      this.#isFull = true;
      return false;
    }
    this.#text += lines;
    if (this.#text.length >= PIECE_BYTES) {
      this.#flush();
      await nextTurn();
    }
    return true;
  }

  end(last: string): MetricsPage {
    this.#text += last;
    this.#flush();
    return { pieces: this.#pieces, bytes: this.#bytes };
  }

  #measure(lines: string): number {
    return this.#bytes + Buffer.byteLength(this.#text) + Buffer.byteLength(lines);
  }

  #flush(): void {
    const piece = Buffer.from(this.#text);
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#text = "";
  }
}
