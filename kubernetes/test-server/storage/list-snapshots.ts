import { randomUUID } from "node:crypto";
import type { KubernetesObject } from "../../kubernetes-api.ts";
import { expired } from "./refused-request.ts";

export interface Page {
  readonly items: readonly KubernetesObject[];
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remaining: number;
}

/** What is left of a list at one version. */
export interface Snapshot {
  readonly items: readonly KubernetesObject[];
  readonly resourceVersion: string;
}

/** Lists in pages: all pages of a list show its first page's moment. */
export class ListSnapshots {
  readonly #rest = new Map<string, Snapshot>();

  /** The first items, and a token for the others. */
  page({ items, resourceVersion }: Snapshot, limit: number = Number.POSITIVE_INFINITY): Page {
    const rest = items.slice(limit);
    const page = { items: items.slice(0, limit), resourceVersion, remaining: rest.length };
    if (rest.length === 0) return page;
    const token = Buffer.from(randomUUID()).toString("base64url");
    this.#rest.set(token, { items: rest, resourceVersion });
    return { ...page, continue: token };
  }

  resume(token: string): Snapshot {
    const rest = this.#rest.get(token);
    if (rest !== undefined) return rest;
    throw expired("The provided continue parameter is too old to display a consistent list result.");
  }

  /** From now on every token is too old. */
  expire(): void {
    this.#rest.clear();
  }
}
