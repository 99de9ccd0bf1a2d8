import util from "node:util";
import type HttpProxy from "http-proxy";

/**
 * Loads http-proxy 1.18.1. It takes `util._extend` when it is loaded and so makes Node print the deprecation DEP0060 to
 * every user; it is given `Object.assign`, which does the same here, for as long as the loading takes.
 */
export async function loadHttpProxy(): Promise<typeof HttpProxy> {
  const extend: unknown = Reflect.get(util, "_extend");
  Reflect.set(util, "_extend", Object.assign);
  try {
    return (await import("http-proxy")).default;
  } finally {
    Reflect.set(util, "_extend", extend);
  }
}
