import type { ServerResponse } from "node:http";
import type { ServedKind } from "../storage/served-kinds.ts";
import type { TestCluster } from "../test-cluster.ts";
import { bookmark, type FeedQuery, type OpenWatch, startWatchFeed, type WireEvent } from "../watch-feed.ts";

export interface WatchResponseOptions {
  readonly cluster: TestCluster;
  readonly kind: ServedKind;
  readonly query: FeedQuery;
  readonly timeoutSeconds: number;
  readonly hasBookmarks: boolean;
  readonly bookmarkMs: number;
  /** Whether only the head is sent. */
  readonly isSilent: boolean;
}

/** Streams a watch until its time is over. Throws, before anything was sent, if the version is forgotten. */
export function startWatchResponse(response: ServerResponse, options: WatchResponseOptions): OpenWatch {
  const { cluster, kind, query, timeoutSeconds, hasBookmarks, bookmarkMs } = options;
  let isMuted = options.isSilent;
  const early: WireEvent[] = [];
  const write = (event: WireEvent): void => {
    if (isMuted) return;
    if (response.headersSent) response.write(`${JSON.stringify(event)}\n`);
    else early.push(event);
  };
  const stopFeed = startWatchFeed(cluster, kind, query, write);
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();
  for (const event of early) write(event);
  const sendBookmark = (): void => {
    if (hasBookmarks) write(bookmark(cluster, kind));
  };
  const end = (): void => {
    sendBookmark();
    response.end();
  };
  const bookmarks = setInterval(sendBookmark, bookmarkMs);
  const deadline = setTimeout(end, timeoutSeconds * 1000);
  response.once("close", () => {
    clearInterval(bookmarks);
    clearTimeout(deadline);
    stopFeed();
  });
  return {
    kind,
    resourceVersion: query.resourceVersion,
    bookmark: sendBookmark,
    mute: () => {
      isMuted = true;
    },
    end,
    cut: () => response.destroy(),
    fail: (status) => {
      write({ type: "ERROR", object: status });
      response.end();
    },
  };
}
