/** For tests: what every implementation of the Kubernetes API does, the real server included. */
import { beforeAll, describe, expect, it } from "vitest";
import { KINDS } from "./kinds.ts";
import type { KubernetesApi, KubernetesObject, WatchEvent } from "./kubernetes-api.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";

export interface ContractSubject {
  readonly api: KubernetesApi;
  /** An empty namespace that the suite may use. */
  readonly namespace: string;
}

const { configMaps, services } = KINDS;

/** Runs the contract suite. It leaves what it created in the namespace. */
export function runKubernetesApiContract(start: () => Promise<ContractSubject>): void {
  let subject: ContractSubject;
  beforeAll(async () => {
    subject = await start();
  });
  let count = 0;
  const unique = (): string => {
    count += 1;
    return `contract-${count}`;
  };
  const configMap = (name: string, data: Readonly<Record<string, string>> = {}): KubernetesObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: subject.namespace },
    data,
  });
  const place = (name: string): { readonly namespace: string; readonly name: string } => ({
    namespace: subject.namespace,
    name,
  });

  describe("objects", () => {
    it("are created, read, replaced and deleted", async () => {
      const { api } = subject;
      const name = unique();
      const created = await api.create(configMaps, configMap(name, { a: "1" }));
      expect(created.metadata).toMatchObject({ name, namespace: subject.namespace });
      expect(created.metadata.uid).toMatch(/./);
      expect(await api.get(configMaps, place(name))).toEqual(created);
      const replaced = await api.replace(configMaps, { ...created, data: { a: "2" } });
      expect(replaced["data"]).toEqual({ a: "2" });
      expect(replaced.metadata.resourceVersion).not.toBe(created.metadata.resourceVersion);
      await api.delete(configMaps, place(name));
      expect(await api.get(configMaps, place(name))).toBeUndefined();
      await api.delete(configMaps, place(name));
    });

    it("get a name when only its beginning is given", async () => {
      const { namespace } = subject;
      const metadata = { generateName: "contract-generated-", namespace };
      const created = await subject.api.create(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata });
      expect(created.metadata.name).toMatch(/^contract-generated-\w{5}$/);
    });

    it("cannot be created twice", async () => {
      const name = unique();
      await subject.api.create(configMaps, configMap(name));
      const error = await failureOf(subject.api.create(configMaps, configMap(name)));
      expect([error.status, error.reason]).toEqual([409, "AlreadyExists"]);
    });

    it("cannot be created in a namespace that does not exist", async () => {
      const object = { ...configMap("x"), metadata: { name: "x", namespace: "no-such-namespace" } };
      expect((await failureOf(subject.api.create(configMaps, object))).status).toBe(404);
    });

    it("are replaced only by who has read the newest version", async () => {
      const { api } = subject;
      const created = await api.create(configMaps, configMap(unique(), { a: "1" }));
      await api.replace(configMaps, { ...created, data: { a: "2" } });
      const error = await failureOf(api.replace(configMaps, { ...created, data: { a: "3" } }));
      expect([error.status, error.reason]).toEqual([409, "Conflict"]);
    });

    it("are deleted only with the uid that the caller names", async () => {
      const { api } = subject;
      const { metadata } = await api.create(configMaps, configMap(unique()));
      const stale = { preconditions: { uid: "00000000-0000-0000-0000-000000000000" } };
      expect((await failureOf(api.delete(configMaps, metadata, stale))).status).toBe(409);
      await api.delete(configMaps, metadata, { preconditions: { uid: metadata.uid ?? "" } });
    });

    it("are not changed by a dry run", async () => {
      const { api } = subject;
      const name = unique();
      const tried = await api.create(configMaps, configMap(name), { dryRun: true });
      expect(tried.metadata.name).toBe(name);
      expect(await api.get(configMaps, place(name))).toBeUndefined();
      const created = await api.create(configMaps, configMap(name, { a: "1" }));
      await api.replace(configMaps, { ...created, data: { a: "2" } }, { dryRun: true });
      await api.delete(configMaps, place(name), { dryRun: true });
      expect((await api.get(configMaps, place(name)))?.["data"]).toEqual({ a: "1" });
    });
  });

  describe("server-side apply", () => {
    it("creates, and takes away what its manager does not apply any more", async () => {
      const { api } = subject;
      const name = unique();
      await api.apply(configMaps, configMap(name, { a: "1", b: "1" }));
      const applied = await api.apply(configMaps, configMap(name, { b: "2" }));
      expect(applied["data"]).toEqual({ b: "2" });
    });

    it("keeps the fields of other managers, and refuses to change them without force", async () => {
      const { api } = subject;
      const name = unique();
      await api.apply(configMaps, configMap(name, { theirs: "1" }), { fieldManager: "user" });
      const shared = await api.apply(configMaps, configMap(name, { ours: "1" }));
      expect(shared["data"]).toEqual({ theirs: "1", ours: "1" });
      const error = await failureOf(api.apply(configMaps, configMap(name, { theirs: "2" })));
      expect([error.status, error.reason]).toEqual([409, "Conflict"]);
      const forced = await api.apply(configMaps, configMap(name, { theirs: "2" }), { force: true });
      expect(forced["data"]).toEqual({ theirs: "2" });
    });

    it("merges lists whose items have keys", async () => {
      const { api } = subject;
      const service = (ports: readonly Record<string, unknown>[]): KubernetesObject => ({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "contract-ports", namespace: subject.namespace },
        spec: { ports },
      });
      await api.apply(services, service([{ name: "a", port: 80, protocol: "TCP" }]), { fieldManager: "user" });
      await api.apply(services, service([{ name: "b", port: 81, protocol: "TCP" }]));
      const both = await api.get(services, place("contract-ports"));
      expect(portsOf(both)).toEqual([80, 81]);
      const without = await api.apply(services, service([{ name: "c", port: 82, protocol: "TCP" }]));
      expect(portsOf(without)).toEqual([80, 82]);
    });

    it("changes nothing, not even the version, when it is repeated", async () => {
      const { api } = subject;
      const name = unique();
      const first = await api.apply(configMaps, configMap(name, { a: "1" }));
      const second = await api.apply(configMaps, configMap(name, { a: "1" }));
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    });
  });

  describe("lists", () => {
    it("come in pages of one moment, with selectors", async () => {
      const { api, namespace } = subject;
      const labels = { contract: "pages" };
      for (const name of ["page-1", "page-2", "page-3"]) {
        const object = configMap(name);
        await api.create(configMaps, { ...object, metadata: { ...object.metadata, labels } });
      }
      const query = { namespace, labelSelector: "contract=pages", limit: 2 };
      const first = await api.list(configMaps, query);
      await api.delete(configMaps, place("page-3"));
      const second = await api.list(configMaps, { ...query, continue: first.continue ?? "" });
      expect([first, second].map(({ items }) => items.map(({ metadata }) => metadata.name))).toEqual([
        ["page-1", "page-2"],
        ["page-3"],
      ]);
      expect([second.resourceVersion, second.continue]).toEqual([first.resourceVersion, undefined]);
      expect(first.items[0]).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
      const named = await api.list(configMaps, { namespace, fieldSelector: "metadata.name=page-2" });
      expect(named.items).toHaveLength(1);
    });
  });

  describe("watches", () => {
    it("deliver what happens after a version, in its order, also when it has happened before they begin", async () => {
      const { api, namespace } = subject;
      const { resourceVersion } = await api.list(configMaps, { namespace });
      const name = unique();
      const inPhase = (label: string): KubernetesObject => ({
        ...configMap(name),
        metadata: { name, namespace, labels: { contract: label } },
      });
      await api.create(configMaps, inPhase("watch"));
      /** The last one leaves the selection, which is a deletion for this watch. */
      const next = { ADDED: { ...inPhase("watch"), data: { a: "1" } }, MODIFIED: inPhase("over") };
      const seen: string[] = [];
      for await (const event of api.watch(configMaps, {
        namespace,
        labelSelector: "contract=watch",
        resourceVersion,
      })) {
        if (event.type === "BOOKMARK") continue;
        seen.push(event.type);
        if (event.type === "DELETED") break;
        await api.replace(configMaps, next[event.type]);
      }
      expect(seen).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    });

    it("end with their signal's reason", async () => {
      const { api, namespace } = subject;
      const { resourceVersion } = await api.list(configMaps, { namespace });
      const stop = new AbortController();
      const onOpen = (): void => stop.abort(new Error("enough"));
      const watch = api.watch(configMaps, { namespace, resourceVersion, onOpen, signal: stop.signal });
      await expect(drain(watch)).rejects.toThrow("enough");
    });
  });

  describe("discovery", () => {
    it("finds the kinds of a group, without subresources", async () => {
      const kinds = await subject.api.discover("apps");
      expect(kinds.find(({ plural }) => plural === "deployments")).toMatchObject({ version: "v1", isNamespaced: true });
      expect(kinds.filter(({ plural }) => plural.includes("/"))).toEqual([]);
      expect(await subject.api.discover("no-such-group.example.com")).toEqual([]);
      expect((await subject.api.version()).major).toBe(1);
    });
  });
}

async function failureOf(promise: Promise<unknown>): Promise<KubernetesApiError> {
  const caught = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(caught instanceof KubernetesApiError)) throw new TypeError("no KubernetesApiError", { cause: caught });
  return caught;
}

async function drain(watch: AsyncIterable<WatchEvent>): Promise<void> {
  for await (const event of watch) expect(event.type).toBe("BOOKMARK");
}

function portsOf(service: KubernetesObject | undefined): readonly unknown[] {
  const { ports } = Object(service?.["spec"]);
  return Array.isArray(ports) ? ports.map(({ port }) => port) : [];
}
