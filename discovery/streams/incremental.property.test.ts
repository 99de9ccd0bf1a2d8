import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { messageFromSubscription, type ResourceName } from "../../mesh/api/convert-subscription.ts";
import { ProxySchema } from "../../mesh/api/gen/discovery_pb.ts";
import { verifiedPeer } from "../../mesh/api/peer-fixture.ts";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { parseResources } from "../../mesh/resources/parsing/parse-resources.ts";
import { combineResources, EMPTY_SET, updateResourceSet } from "../../mesh/resources/resource-set.ts";
import { TEST_SETTINGS, testPod, testService, testSlice } from "../../mesh/resources/resource-set-fixture.ts";
import { updateHistory } from "../../mesh/resources/set/update-history-fixture.ts";
import { clientOfPod, decideResource } from "../decisions/decide-resource.ts";
import { Evaluations, KEY_OF_TRUST, keyOfKeySet, type MeshView } from "../decisions/evaluations.ts";
import { SharedDecisions } from "../decisions/shared-decisions.ts";
import { BundleRoots } from "./bundle-record.ts";
import { OpenStreams } from "./open-streams.ts";
import { Outbox } from "./outbox.ts";
import { ServedProxy } from "./served-proxy.ts";
import { DEFAULT_STREAM_LIMITS } from "./stream-limits.ts";

const RESOURCES: readonly ResourceName[] = [
  { kind: "trust bundle" },
  { kind: "inbound" },
  { kind: "gateway" },
  ...["10.0.0.1", "10.0.0.2", "10.96.0.1", "10.96.0.2", "192.0.2.1"].map(
    (ip): ResourceName => ({ kind: "destination", target: { kind: "address", ip, port: 8080 } }),
  ),
  ...["a", "b"].map(
    (name): ResourceName => ({
      kind: "destination",
      target: { kind: "host", host: `${name}.ns1.svc.cluster.local`, port: 8080, subset: "" },
    }),
  ),
];

const KEY_ADDRESSES = ["https://one.example", "https://two.example"];

/** A RequestAuthentication whose keys have to be fetched. */
function tokensFrom(name: string, namespace: string, selector: object | undefined): string {
  const spec = { ...(selector && { selector }), jwtRules: [{ issuer: name, jwksUri: `https://${name}.example` }] };
  const metadata = { name, namespace };
  return JSON.stringify({ apiVersion: "security.istio.io/v1", kind: "RequestAuthentication", metadata, spec });
}

/** What is there at the start: otherwise most changes would meet nothing. */
const START = combineResources(
  parseResources({
    text: [
      testPod({ name: "a", ip: "10.0.0.1" }),
      testPod({ name: "b", ip: "10.0.0.2" }),
      testPod({ name: "a", namespace: "ns2", ip: "10.0.0.3" }),
      testService({ name: "a", clusterIP: "10.96.0.1" }),
      testService({ name: "b", clusterIP: "10.96.0.2", spec: { selector: {} } }),
      testSlice({ service: "b", endpoints: [{ addresses: ["10.0.0.2"] }] }),
      tokensFrom("one", "ns1", { matchLabels: { app: "a" } }),
      tokensFrom("two", "ns2", undefined),
    ].join("\n---\n"),
    file: "test.yaml",
  }).resources,
);

/** A mesh that changes, and what is derived from it step by step. */
class Mesh {
  view: MeshView = { set: EMPTY_SET, trust: { roots: ["root 0"] }, settings: TEST_SETTINGS, keySets: new Map() };
  #set = EMPTY_SET;
  readonly log = new RecordingLogger();
  readonly clock = new FakeClock();
  readonly evaluations = new Evaluations({ ...this.parts, view: () => this.view });
  readonly decisions = new SharedDecisions(this.evaluations);

  get parts() {
    return { clock: this.clock, log: this.log, limitLog: unlimitedLog };
  }

  update(...updates: Parameters<typeof updateResourceSet>[1][]): void {
    for (const step of updates) {
      const { set, change } = updateResourceSet(this.#set, step);
      this.#set = set;
      this.view = { ...this.view, set };
      this.evaluations.changed(change.keys);
    }
  }

  /** An issuer publishes other keys, or they are known for the first time. */
  setKeys(address: string, keys: string): void {
    this.view = { ...this.view, keySets: new Map(this.view.keySets).set(address, keys) };
    this.evaluations.changed([keyOfKeySet(address)]);
  }

  setRoots(roots: readonly string[]): void {
    this.view = { ...this.view, trust: { roots } };
    this.evaluations.changed([KEY_OF_TRUST]);
  }
}

/** One proxy's stream, and what a full evaluation after each change would have sent to it. */
class Observed {
  readonly #mesh: Mesh;
  readonly #pod: string;
  readonly #served: ServedProxy;
  readonly #expected = new Map<number, string>();

  constructor(mesh: Mesh, namespace: string, name: string) {
    this.#mesh = mesh;
    this.#pod = `${namespace}/${name}`;
    const identity = parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/default`);
    const caller = verifiedPeer({ identity, address: name });
    const limits = DEFAULT_STREAM_LIMITS;
    const { evaluations, decisions } = mesh;
    const open = new OpenStreams<ServedProxy>(limits);
    this.#served = new ServedProxy({
      ...mesh.parts,
      bundleRoots: new BundleRoots(),
      evaluations,
      decisions,
      limits,
      caller,
      open,
      outbox: new Outbox(),
    });
    this.#served.identify(create(ProxySchema, { workload: { namespace, name } }));
    for (const [id, resource] of RESOURCES.entries()) {
      this.#served.subscriptions.subscribe(messageFromSubscription({ id, resource, knownDigest: new Uint8Array() }));
    }
  }

  /** What is sent now, by subscription. */
  sent(): Readonly<Record<number, string>> {
    const sent: Record<number, string> = {};
    for (let batch = this.#served.take(); batch !== undefined; batch = this.#served.take()) {
      for (const { id, result } of batch.response.updates) {
        sent[id] = result.case === "value" ? Buffer.from(result.value.encoded).toString("latin1") : `${result.case}`;
      }
    }
    return sent;
  }

  /** What a full evaluation would send now. */
  expected(): Readonly<Record<number, string>> {
    const { view } = this.#mesh;
    const pod = view.set.pods.get(this.#pod);
    const expected: Record<number, string> = {};
    for (const [id, resource] of RESOURCES.entries()) {
      if (pod === undefined && resource.kind !== "trust bundle") continue;
      const client = pod === undefined ? { namespace: "", pod: "", labels: {}, key: "" } : clientOfPod(pod);
      const value = decideResource(resource, client, view);
      const text = value === undefined ? undefined : Buffer.from(value).toString("latin1");
      if (text === undefined || text === this.#expected.get(id)) continue;
      this.#expected.set(id, text);
      expected[id] = text;
    }
    return expected;
  }

  close(): void {
    this.#served.close();
  }
}

it("incremental evaluation sends exactly what a full one would, whatever changes", async () => {
  await fc.assert(
    fc.asyncProperty(updateHistory, fc.array(fc.integer({ min: 1, max: 3 })), async (history, lengths) => {
      const mesh = new Mesh();
      mesh.update([...START.values()]);
      const proxies = ["ns1", "ns2"].flatMap((namespace) =>
        ["a", "b"].map((name) => new Observed(mesh, namespace, name)),
      );
      const steps = [...history];
      for (let turn = 0; steps.length > 0; turn += 1) {
        // Some changes follow each other before anything is evaluated.
        mesh.update(...steps.splice(0, lengths[turn] ?? 1));
        if (turn % 3 === 2) mesh.setKeys(KEY_ADDRESSES[turn % 2] ?? "", `keys ${turn}`);
        if (turn % 5 === 4) mesh.setRoots([`root ${turn}`]);
        await settlePromises();
        for (const proxy of proxies) expect(proxy.sent()).toEqual(proxy.expected());
      }
      for (const proxy of proxies) proxy.close();
      expect([mesh.decisions.size, mesh.evaluations.keys]).toEqual([0, 0]);
    }),
  );
});
