import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { MetricsPage } from "./metrics-page.ts";
import { createScrapes, type Scrape } from "./scrapes.ts";

const MEGABYTE = 1024 * 1024;

/** A source whose pages are written when the test decides. */
function startScrapes({ bytes = 10, writingMs = 0 } = {}) {
  const clock = new FakeClock();
  let written = 0;
  let holds = false;
  const waiting: (() => void)[] = [];
  const read = async (): Promise<MetricsPage> => {
    if (holds) await new Promise<void>((resolve) => void waiting.push(resolve));
    await clock.advance(writingMs);
    written += 1;
    return { pieces: [Buffer.from(`page ${written}`)], bytes };
  };
  const scrapes = createScrapes({ source: { contentType: "text/plain", read }, clock });
  return {
    clock,
    scrape: (client = "10.0.0.1") => scrapes.scrape(client),
    hold: () => {
      holds = true;
    },
    release: () => {
      holds = false;
      for (const resolve of waiting.splice(0)) resolve();
    },
    get written() {
      return written;
    },
  };
}

function textOf(scrape: Scrape): string {
  return scrape.kind === "page" ? Buffer.concat(scrape.page.pieces).toString() : scrape.kind;
}

function finish(scrape: Scrape): void {
  if (scrape.kind === "page") scrape.release();
}

describe("a scrape", () => {
  it("shares the page that is being written", async () => {
    const source = startScrapes();
    source.hold();
    const scrapes = Array.from({ length: 50 }, (_, index) => source.scrape(`10.0.0.${index}`));
    source.release();
    expect(new Set((await Promise.all(scrapes)).map(textOf))).toEqual(new Set(["page 1"]));
    expect(source.written).toBe(1);
  });

  it("gets a page that was started after the last one had been read", async () => {
    const source = startScrapes();
    expect(textOf(await source.scrape())).toBe("page 1");
    expect(textOf(await source.scrape())).toBe("page 2");
  });

  it("waits after a page for twenty times the time that it took, together with all other waiting clients", async () => {
    const source = startScrapes({ writingMs: 50 });
    finish(await source.scrape());
    let served = 0;
    const waiting = ["a", "b", "c"].map(async (client) => {
      const scrape = await source.scrape(client);
      served += 1;
      return textOf(scrape);
    });
    await source.clock.advance(990);
    expect([served, source.written]).toEqual([0, 1]);
    await source.clock.advance(20);
    expect(await Promise.all(waiting)).toEqual(["page 2", "page 2", "page 2"]);
    expect(source.written).toBe(2);
  });

  it("shares the newest page while slow readers hold two, so that at most two are in memory", async () => {
    const source = startScrapes();
    const first = await source.scrape("10.0.0.1");
    await source.clock.advance(1000);
    const second = await source.scrape("10.0.0.2");
    await source.clock.advance(1000);
    expect(textOf(await source.scrape("10.0.0.3"))).toBe("page 2");
    finish(first);
    finish(first);
    expect(textOf(await source.scrape("10.0.0.3"))).toBe("page 3");
    finish(second);
    expect(source.written).toBe(3);
  });

  it("fails alone when a page cannot be written: the next one tries again", async () => {
    const clock = new FakeClock();
    let tries = 0;
    const read = async (): Promise<MetricsPage> => {
      tries += 1;
      if (tries === 1) throw new Error("no");
      return { pieces: [], bytes: 0 };
    };
    const scrapes = createScrapes({ source: { contentType: "", read }, clock });
    await expect(scrapes.scrape("a")).rejects.toThrow("no");
    expect((await scrapes.scrape("a")).kind).toBe("page");
  });
});

describe("a client", () => {
  it("that reads large pages without a pause gets 429 with Retry-After, and others are served", async () => {
    const source = startScrapes({ bytes: 8 * MEGABYTE });
    const kinds: string[] = [];
    for (let count = 0; count < 4; count += 1) kinds.push((await source.scrape()).kind);
    expect(kinds).toEqual(["page", "page", "too_many", "too_many"]);
    expect(await source.scrape()).toEqual({ kind: "too_many", retryAfterSeconds: 1 });
    expect((await source.scrape("10.0.0.2")).kind).toBe("page");
    await source.clock.advance(1001);
    expect((await source.scrape()).kind).toBe("page");
  });

  it("that asks every second for a page of 1 MB always gets it", async () => {
    const source = startScrapes({ bytes: MEGABYTE });
    for (let count = 0; count < 100; count += 1) {
      expect((await source.scrape()).kind).toBe("page");
      await source.clock.advance(1000);
    }
  });

  it("is remembered among thousands of others only while over its rate, in bounded memory", async () => {
    const source = startScrapes({ bytes: 8 * MEGABYTE });
    for (let index = 0; index < 5000; index += 1) {
      expect((await source.scrape(`2001:db8::${index.toString(16)}`)).kind).toBe("page");
    }
    expect((await source.scrape("10.0.0.9")).kind).toBe("page");
  });
});
