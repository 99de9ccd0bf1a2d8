import { describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { reviewAdmission } from "../admission/admission-review.ts";
import { createPod, type Json, TEST_DEPS } from "../admission/pod-fixture.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { eventOf } from "./injection-event.ts";
import { InjectorCluster, refused } from "./injector-cluster-fixture.ts";

const DEPLOYMENT = { apiVersion: "apps/v1", kind: "Deployment", name: "hello", uid: "d-1", controller: true };
const REFUSED = { "sidecar.istio.io/proxyCPU": "lots" };
const API_SERVER = "10.240.0.1";
const WARNED = { "sidecar.istio.io/bootstrapOverride": "x" };

function createTest() {
  const clock = new FakeClock();
  const cluster = new InjectorCluster(clock);
  const { metadata } = cluster.objects.create(KINDS.replicaSets, {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { namespace: "ns1", name: "hello-6d4cf56db6", ownerReferences: [DEPLOYMENT] },
  });
  const { name, uid = "" } = metadata;
  const replicaSet = { apiVersion: "apps/v1", kind: "ReplicaSet", name, uid, controller: true };
  const log = new RecordingLogger();
  let count = 0;
  const createToken = (): string => {
    count += 1;
    return `${count}`.padStart(16, "0").padEnd(32, "0");
  };
  const { signal } = new AbortController();
  const recorder = createEventRecorder({ api: cluster.api, instance: "injector-1", clock, log, createToken, signal });
  const review = async (metadata: Json, more: Json = {}, client = API_SERVER): Promise<void> => {
    const object = createPod({ ownerReferences: [replicaSet], ...metadata });
    const request = { uid: "1", kind: { kind: "Pod" }, operation: "CREATE", namespace: "ns1", object, ...more };
    const text = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
    const result = reviewAdmission(text, TEST_DEPS);
    if (result.kind === "malformed") throw new Error(result.message);
    const event = eventOf(result);
    if (event !== undefined) recorder.record(event, client);
    await settlePromises();
  };
  const lookups = (): number => cluster.reads.filter((call) => call === "get replicasets").length;
  return { cluster, clock, log, replicaSet, review, lookups, events: () => cluster.all(KINDS.events) };
}

describe("an Event", () => {
  it("on the ReplicaSet and its Deployment says why a pod was refused", async () => {
    const { review, events, replicaSet } = createTest();
    await review({ annotations: REFUSED });
    expect(events().map(({ regarding }) => regarding)).toEqual([
      { apiVersion: "apps/v1", kind: "ReplicaSet", namespace: "ns1", name: "hello-6d4cf56db6", uid: replicaSet.uid },
      { apiVersion: "apps/v1", kind: "Deployment", namespace: "ns1", name: "hello", uid: "d-1" },
    ]);
    expect(events()[0]).toMatchObject({
      apiVersion: "events.k8s.io/v1",
      metadata: { namespace: "ns1" },
      eventTime: "2030-01-01T00:00:00.000000Z",
      reportingController: "entente.io/sidecar-injector",
      reportingInstance: "injector-1",
      type: "Warning",
      reason: "SidecarInjectionRefused",
      action: "Inject",
      note: expect.stringContaining('no pod is created: the annotation sidecar.istio.io/proxyCPU: "lots"'),
    });
  });

  it("has the warnings of a controller's pod, which kubectl does not show", async () => {
    const { review, events } = createTest();
    await review({ annotations: WARNED });
    expect(events()[0]).toMatchObject({
      reason: "SidecarInjectionWarning",
      note: "the annotation sidecar.istio.io/bootstrapOverride is not supported and has no effect",
    });
  });

  it.each([
    { name: "a dry run", metadata: { annotations: REFUSED }, more: { dryRun: true } },
    { name: "a refused pod of a user's own, who sees why", metadata: { annotations: REFUSED, ownerReferences: [] } },
    { name: "a pod that is injected as it should", metadata: {}, more: {} },
    { name: "a pod that opts out", metadata: { labels: { "sidecar.istio.io/inject": "false" } }, more: {} },
  ])("is not recorded for $name", async ({ metadata, more = {} }) => {
    const { review, events } = createTest();
    await review(metadata, more);
    expect(events()).toEqual([]);
  });

  it("is not repeated for each of a controller's attempts, but after a while", async () => {
    const { review, events, clock } = createTest();
    for (let attempt = 0; attempt < 50; attempt += 1) await review({ annotations: REFUSED });
    expect(events()).toHaveLength(2);
    await clock.advance(11 * 60_000);
    await review({ annotations: REFUSED });
    expect(events()).toHaveLength(4);
  });

  it("is never later than the response, and a failure to write it is only logged", async () => {
    const { review, cluster, log } = createTest();
    cluster.failure = refused(403, "Forbidden");
    await review({ annotations: REFUSED });
    expect(log.find("an Event could not be recorded")).toHaveLength(1);
  });

  it("has a valid name, however long its owner's is", async () => {
    const { review, events, cluster } = createTest();
    const metadata = { namespace: "ns1", name: `${"a".repeat(199)}-${"b".repeat(40)}` };
    const owner = cluster.objects.create(KINDS.jobs, { apiVersion: "batch/v1", kind: "Job", metadata });
    const { name, uid } = owner.metadata;
    const reference = { apiVersion: "batch/v1", kind: "Job", name, uid, controller: true };
    await review({ annotations: REFUSED, ownerReferences: [reference] });
    expect(events().map((event) => event.metadata.name)).toEqual([expect.stringMatching(/^a{199}\.[0-9a-f]{16}$/)]);
  });

  it("has a note of at most 1024 bytes", async () => {
    const { review, events } = createTest();
    await review({ annotations: { "sidecar.istio.io/proxyCPU": "ü".repeat(5_000) } });
    const [event] = events();
    expect(Buffer.byteLength(String(event?.["note"]))).toBeLessThanOrEqual(1024);
    expect(String(event?.["note"])).toMatch(/…$/);
  });
});

describe("a pod that calls the webhook with forged reviews", () => {
  const ATTACKER = "10.244.0.66";

  it.each([
    { name: "an owner that does not exist", owner: { name: "other" } },
    { name: "an owner with another uid", owner: { uid: "guessed" } },
    { name: "an owner without a uid", owner: { uid: undefined } },
    { name: "an owner of another kind", owner: { apiVersion: "v1", kind: "Secret" } },
    { name: "an owner of a kind with the same name", owner: { apiVersion: "example.com/v1" } },
    { name: "an owner of another namespace", owner: {}, more: { namespace: "ns2" } },
  ])("cannot put an Event on $name", async ({ owner, more = {} }) => {
    const { review, events, replicaSet } = createTest();
    for (const annotations of [REFUSED, WARNED]) {
      await review({ annotations, ownerReferences: [{ ...replicaSet, ...owner }] }, more, ATTACKER);
    }
    expect(events()).toEqual([]);
  });

  it("cannot put one on another namespace, nor on a namespace itself", async () => {
    const { review, events } = createTest();
    await review({ annotations: REFUSED, ownerReferences: [] }, { namespace: "kube-system" }, ATTACKER);
    expect(events()).toEqual([]);
  });

  it("does not use up the Events of real ones, from however many addresses", async () => {
    const { review, events, replicaSet, clock } = createTest();
    for (let index = 0; index < 3_000; index += 1) {
      const ownerReferences = [{ ...replicaSet, uid: `guessed-${index}` }];
      await review({ annotations: REFUSED, ownerReferences }, {}, `10.244.0.${index % 50}`);
    }
    await review({ annotations: REFUSED });
    // A turn for each of the attacker's addresses, twenty a second.
    await clock.advance(3_000);
    expect(events()).toHaveLength(2);
  });

  it("has a quota of its own for what the API is asked", async () => {
    const { review, replicaSet, clock, lookups } = createTest();
    const flood = async (client: string): Promise<void> => {
      const ownerReferences = [{ ...replicaSet, uid: "guessed" }];
      for (let index = 0; index < 300; index += 1) await review({ annotations: REFUSED, ownerReferences }, {}, client);
      await clock.advance(50_000);
    };
    await flood(ATTACKER);
    expect(lookups()).toBe(120);
    await flood("10.244.0.67");
    expect(lookups()).toBe(240);
  });

  it("cannot fill the cluster's store with Events on an owner of its own", async () => {
    const { review, events, clock } = createTest();
    const flood = async (client: string): Promise<void> => {
      for (let index = 0; index < 100; index += 1) {
        await review({ annotations: { "sidecar.istio.io/proxyCPU": `lots ${client} ${index}` } }, {}, client);
      }
      await clock.advance(30_000);
    };
    await flood(ATTACKER);
    await flood("10.244.0.67");
    // The ReplicaSet's and its Deployment's.
    expect(events()).toHaveLength(2 * 30);
  });
});
