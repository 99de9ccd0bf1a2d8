import type { Clock } from "../../mesh/runtime.ts";
import type { MetricsPage, MetricsSource } from "./metrics-page.ts";

/** The outcome of a scrape. */
export type Scrape =
  | {
      readonly kind: "page";
      readonly page: MetricsPage;
      /** Called once, when the page has been sent or its reader has disconnected. */
      readonly release: () => void;
    }
  | { readonly kind: "too_many"; readonly retryAfterSeconds: number };

/** Serves the pages of one source to all clients. */
export interface Scrapes {
  readonly contentType: string;
  /** @param client its address. */
  scrape(client: string): Promise<Scrape>;
}

export interface ScrapesOptions {
  readonly source: MetricsSource;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimeout">;
}

/** The pause between two pages is this many times the time that the first took, at most MAX_REST_MS. */
const REST_FACTOR = 20;
const MAX_REST_MS = 2000;
/** Old pages that slow readers may hold while there is a newer one. */
const MAX_OLD_PAGES = 1;
/** What one client may read: Prometheus scrapes every 15 s or less often. */
const BYTES_PER_SECOND = 4 * 1024 * 1024;
const BURST_BYTES = 4 * BYTES_PER_SECOND;
/** Clients whose usage is remembered. */
const MAX_CLIENTS = 256;

/**
 * Any pod of the cluster may scrape, as often as it likes. Writing pages takes at most a twentieth of the process's
 * time and the memory of two pages. A client that scrapes while a page is being written gets that page. Clients that
 * scrape right after it share the next one, after a short wait. A client that has read too many bytes gets 429.
 */
export function createScrapes({ source, clock }: ScrapesOptions): Scrapes {
  const shared = new SharedPage(source, clock);
  const allowance = new ReadingAllowance(clock);
  return {
    contentType: source.contentType,
    async scrape(client) {
      const retryAfterSeconds = allowance.secondsUntilFree(client);
      if (retryAfterSeconds > 0) return { kind: "too_many", retryAfterSeconds };
      const { page, release } = await shared.take();
      allowance.spend(client, page.bytes);
      return { kind: "page", page, release };
    },
  };
}

interface WrittenPage {
  readonly page: MetricsPage;
  readers: number;
}

class SharedPage {
  readonly #source: MetricsSource;
  readonly #clock: Pick<Clock, "monotonicMs" | "setTimeout">;
  readonly #old = new Set<WrittenPage>();
  #current: WrittenPage | undefined;
  #writing: Promise<WrittenPage> | undefined;
  /** When the next page may be started. */
  #restsUntilMs = 0;

  constructor(source: MetricsSource, clock: Pick<Clock, "monotonicMs" | "setTimeout">) {
    this.#source = source;
    this.#clock = clock;
  }

  async take(): Promise<{ readonly page: MetricsPage; readonly release: () => void }> {
    const written = await this.#find();
    written.readers += 1;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      written.readers -= 1;
      if (written.readers === 0) this.#old.delete(written);
    };
    return { page: written.page, release };
  }

  #find(): WrittenPage | Promise<WrittenPage> {
    const current = this.#current;
    const isMemoryTaken = current !== undefined && current.readers > 0 && this.#old.size >= MAX_OLD_PAGES;
    if (isMemoryTaken && this.#writing === undefined) return current;
    this.#writing ??= this.#writeWhenDue().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeWhenDue(): Promise<WrittenPage> {
    const restMs = this.#restsUntilMs - this.#clock.monotonicMs();
    if (restMs > 0) await new Promise<void>((resolve) => void this.#clock.setTimeout(resolve, restMs));
    const startedMs = this.#clock.monotonicMs();
    const page = await this.#source.read();
    const endedMs = this.#clock.monotonicMs();
    this.#restsUntilMs = endedMs + Math.min(MAX_REST_MS, (endedMs - startedMs) * REST_FACTOR);
    if (this.#current !== undefined && this.#current.readers > 0) this.#old.add(this.#current);
    const written = { page, readers: 0 };
    this.#current = written;
    return written;
  }
}

/** What each client has read recently; it decays at BYTES_PER_SECOND. */
class ReadingAllowance {
  readonly #clock: Pick<Clock, "monotonicMs" | "setTimeout">;
  readonly #paidOffAtMs = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicMs" | "setTimeout">) {
    this.#clock = clock;
  }

  /** 0: it may read now. */
  secondsUntilFree(client: string): number {
    const owedMs = (this.#paidOffAtMs.get(client) ?? 0) - this.#clock.monotonicMs();
    const burstMs = (BURST_BYTES / BYTES_PER_SECOND) * 1000;
    return owedMs < burstMs ? 0 : Math.ceil((owedMs - burstMs) / 1000) + 1;
  }

  spend(client: string, bytes: number): void {
    const nowMs = this.#clock.monotonicMs();
    const paidOffAtMs = Math.max(this.#paidOffAtMs.get(client) ?? 0, nowMs) + (bytes / BYTES_PER_SECOND) * 1000;
    this.#paidOffAtMs.delete(client);
    if (this.#paidOffAtMs.size >= MAX_CLIENTS) this.#forget(nowMs);
    this.#paidOffAtMs.set(client, paidOffAtMs);
  }

  /** A client that is below its rate; if there is none, the one that read first. */
  #forget(nowMs: number): void {
    for (const [client, atMs] of this.#paidOffAtMs) if (atMs <= nowMs) this.#paidOffAtMs.delete(client);
    if (this.#paidOffAtMs.size < MAX_CLIENTS) return;
    const [first] = this.#paidOffAtMs.keys();
    if (first !== undefined) this.#paidOffAtMs.delete(first);
  }
}
