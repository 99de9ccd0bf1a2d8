import type { ResourceClient } from "./decide-resource.ts";

/** How many clients a decision is the same for, by what it has read of its client. */
export type ClientScope =
  /** Nothing: it is the same for all. */
  | "all"
  /** No label: it is the same for all of one namespace. */
  | "namespace"
  /** It is the same for those of one namespace with the same labels. */
  | "labels";

/** The same client, which records what is read of it. */
export function recordClient(client: ResourceClient): {
  readonly client: ResourceClient;
  readonly scope: () => ClientScope;
} {
  let scope: ClientScope = "all";
  const readLabel = (): void => {
    scope = "labels";
  };
  const labels = new Proxy(client.labels, {
    get: (target, name, receiver) => {
      readLabel();
      return Reflect.get(target, name, receiver);
    },
    has: (target, name) => {
      readLabel();
      return Reflect.has(target, name);
    },
    ownKeys: (target) => {
      readLabel();
      return Reflect.ownKeys(target);
    },
    getOwnPropertyDescriptor: (target, name) => {
      readLabel();
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
  const recorded: ResourceClient = {
    ...client,
    labels,
    get namespace() {
      if (scope === "all") scope = "namespace";
      return client.namespace;
    },
  };
  return { client: recorded, scope: () => scope };
}
