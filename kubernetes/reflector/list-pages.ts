import type { ApiKind, KubernetesApi, ListPage } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { keyOf, type Transform } from "./object-store.ts";

/** What of a kind is reflected. */
export interface Selection {
  readonly kind: ApiKind;
  /** @default every namespace */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface PageOptions<Stored> {
  readonly selection: Selection;
  readonly transform: Transform<Stored>;
  readonly signal: AbortSignal;
}

export interface CompleteList<Stored> {
  readonly objects: ReadonlyMap<string, Stored>;
  readonly resourceVersion: string;
}

/** Objects a page: 20,000 pods come in 40 requests of some megabytes. */
const PAGE_SIZE = 500;

/** After so many expired tokens the list is requested whole: it takes longer than the server keeps a token. */
const MAX_EXPIRED_LISTS = 2;

/** How a list is requested. */
interface Paging {
  /** Undefined: everything in one response. */
  readonly limit: number | undefined;
  readonly expiredLists: number;
}

/** Lists everything, page by page. An expired token begins again; a page that is too large is requested in parts. */
export async function listPages<Stored>(
  api: KubernetesApi,
  options: PageOptions<Stored>,
): Promise<CompleteList<Stored>> {
  let paging: Paging | undefined = { limit: PAGE_SIZE, expiredLists: 0 };
  for (;;) {
    try {
      return await listOnce(api, options, paging.limit);
    } catch (caught) {
      paging = caught instanceof KubernetesApiError ? decidePaging(paging, caught) : undefined;
      if (paging === undefined) throw caught;
    }
  }
}

/** How to list after a failure; undefined: the failure has another reason. */
function decidePaging({ limit, expiredLists }: Paging, error: KubernetesApiError): Paging | undefined {
  if (limit === undefined) return undefined;
  if (error.status === 410) {
    return { limit: expiredLists < MAX_EXPIRED_LISTS ? limit : undefined, expiredLists: expiredLists + 1 };
  }
  return error.code === "api_response_too_large" && limit > 1
    ? { limit: Math.ceil(limit / 4), expiredLists }
    : undefined;
}

async function listOnce<Stored>(
  api: KubernetesApi,
  { selection, transform, signal }: PageOptions<Stored>,
  limit: number | undefined,
): Promise<CompleteList<Stored>> {
  const { kind, ...selectors } = selection;
  const objects = new Map<string, Stored>();
  let page: ListPage | undefined;
  do {
    page = await api.list(kind, {
      ...selectors,
      ...(limit !== undefined && { limit }),
      ...(page?.continue !== undefined && { continue: page.continue }),
      signal,
    });
    for (const item of page.items) {
      const stored = transform(item);
      if (stored !== undefined) objects.set(keyOf(item.metadata), stored);
    }
  } while (page.continue !== undefined);
  return { objects, resourceVersion: page.resourceVersion };
}
