import type { LocalHttpResponse } from "../local-http-server.ts";
import type { Scrapes } from "./scrapes.ts";

/** Responds to a scrape with a page, or with 429 if the client has read too much. */
export async function respondToScrape(scrapes: Scrapes, client: string): Promise<LocalHttpResponse> {
  const scrape = await scrapes.scrape(client);
  switch (scrape.kind) {
    case "page":
      return { status: 200, body: scrape.page.pieces, contentType: scrapes.contentType, onOver: scrape.release };
    case "too_many":
      return {
        status: 429,
        body: "this address has read too many pages of metrics\n",
        retryAfterSeconds: scrape.retryAfterSeconds,
      };
  }
}
