import util from "node:util";
import type HttpProxy from "http-proxy";

/**
 * Loads http-proxy 1.18.1. It reads `util._extend` when it is loaded, which makes Node print the deprecation DEP0060 to
 * every user. It gets `Object.assign`, which is equivalent here, while it loads.
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
