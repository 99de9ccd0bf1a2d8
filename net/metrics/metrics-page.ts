import { setImmediate as nextTurn } from "node:timers/promises";
import type { Registry } from "prom-client";
import { formatFamilyHead, type MetricFamily } from "./metric-family.ts";

/** One page of Prometheus's text format, written. */
export interface MetricsPage {
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
}

/** Where pages come from; each reading writes a new one. */
export interface MetricsSource {
  readonly contentType: string;
  read(): Promise<MetricsPage>;
}

export interface MetricsSourceOptions {
  /** Metrics whose labels are constants of the code: few samples. They come first. */
  readonly registry: Registry;
  /** Metrics with a series for each peer; in the order in which they are worth their room. @default none */
  readonly families?: readonly MetricFamily[];
  /** A page takes no more: what has no room is left out, and a metric says so. @default 8 MiB */
  readonly maxBytes?: number;
}

/** About half a millisecond's writing; between two pieces the event loop does what else is due. */
const PIECE_BYTES = 64 * 1024;
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const TRUNCATED = "entente_metrics_truncated";

/** Writes pages in slices, so that a large one holds nobody up, and never more of one than fits. */
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

  /** Whether there was room. Once there was none there is none for anything, so that no gap looks like a whole page. */
  async add(lines: string): Promise<boolean> {
    // A character takes 3 bytes of UTF-8 at most; text that could be too long is measured.
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
