import type { Clock } from "../../mesh/runtime.ts";
import type { MetricsPage, MetricsSource } from "./metrics-page.ts";

/** What becomes of a scrape. */
export type Scrape =
  | {
      readonly kind: "page";
      readonly page: MetricsPage;
      /** Called once, when the page has been sent or its reader is gone. */
      readonly release: () => void;
    }
  | { readonly kind: "too_many"; readonly retryAfterSeconds: number };

/** Serves the pages of one source to whoever asks. */
export interface Scrapes {
  readonly contentType: string;
  /** @param client the address it comes from. */
  scrape(client: string): Promise<Scrape>;
}

export interface ScrapesOptions {
  readonly source: MetricsSource;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** A page is shared for this long, and for at least SHARED_FACTOR times as long as it took to write. */
const SHARED_MS = 100;
const SHARED_FACTOR = 20;
/** Old pages that slow readers may hold on to while there is a newer one. */
const MAX_OLD_PAGES = 1;
/** What one client may read: Prometheus asks every 15 s or less often. */
const BYTES_PER_SECOND = 4 * 1024 * 1024;
const BURST_BYTES = 4 * BYTES_PER_SECOND;
/** Clients whose reading is remembered. */
const MAX_CLIENTS = 256;

/**
 * Any pod of the cluster may scrape, as often as it likes: a page being written or just written is shared, so that pages
 * take a twentieth of the process's time at most and the memory of two; and a client that reads too many bytes waits.
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
  /** Until then it is fresh enough for another scrape. */
  readonly freshUntilMs: number;
  readers: number;
}

class SharedPage {
  readonly #source: MetricsSource;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #old = new Set<WrittenPage>();
  #current: WrittenPage | undefined;
  #writing: Promise<WrittenPage> | undefined;

  constructor(source: MetricsSource, clock: Pick<Clock, "monotonicMs">) {
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
    if (current !== undefined && this.#mustShare(current)) return current;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  #mustShare(current: WrittenPage): boolean {
    if (this.#clock.monotonicMs() < current.freshUntilMs) return true;
    return current.readers > 0 && this.#old.size >= MAX_OLD_PAGES;
  }

  async #write(): Promise<WrittenPage> {
    const startedMs = this.#clock.monotonicMs();
    const page = await this.#source.read();
    const endedMs = this.#clock.monotonicMs();
    const freshUntilMs = endedMs + Math.max(SHARED_MS, (endedMs - startedMs) * SHARED_FACTOR);
    if (this.#current !== undefined && this.#current.readers > 0) this.#old.add(this.#current);
    const written = { page, freshUntilMs, readers: 0 };
    this.#current = written;
    return written;
  }
}

/** What each client has read lately, paid off at BYTES_PER_SECOND. */
class ReadingAllowance {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #paidOffAtMs = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
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

  /** Who owes nothing, and if everyone does the one that read first. */
  #forget(nowMs: number): void {
    for (const [client, atMs] of this.#paidOffAtMs) if (atMs <= nowMs) this.#paidOffAtMs.delete(client);
    if (this.#paidOffAtMs.size < MAX_CLIENTS) return;
    const [first] = this.#paidOffAtMs.keys();
    if (first !== undefined) this.#paidOffAtMs.delete(first);
  }
}
