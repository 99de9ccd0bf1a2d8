import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { applyPatch } from "rfc6902";
import { describe, expect, it } from "vitest";
import { eventOf } from "../cluster/injection-event.ts";
import type { Reviewed } from "../review/review-result.ts";
import { reviewAdmission } from "./admission-review.ts";
import { type Pod, validatePod } from "./pod.ts";
import { container, env, TEST_DEPS, TEST_SETTINGS } from "./pod-fixture.ts";

const FOLDER = join(import.meta.dirname, "..", "review", "corpus");
const QUIT = "POST http://127.0.0.1:15020/quitquitquit";

interface Expectation {
  readonly file: string;
  readonly outcome: "injected" | "skipped" | "refused";
  /** `KIND/NAME` of the workload that the proxy's metrics name. */
  readonly workload?: string;
  readonly containers?: readonly string[];
  /** With native sidecars. */
  readonly initContainers?: readonly string[];
  /** Part of the only warning without native sidecars. */
  readonly warning?: string;
  readonly message?: string;
  /** What the Event is about. */
  readonly event?: string;
}

const INIT = ["istio-init", "istio-proxy"];

const TABLE: readonly Expectation[] = [
  {
    file: "deployment.json",
    outcome: "injected",
    workload: "deployments/web",
    containers: ["web", "istio-proxy"],
    initContainers: INIT,
  },
  { file: "stateful-set.json", outcome: "injected", workload: "statefulsets/db", containers: ["db", "istio-proxy"] },
  {
    file: "daemon-set.json",
    outcome: "skipped",
    warning: "the pod uses the host's network",
    event: "DaemonSet/agent",
  },
  {
    file: "job.json",
    outcome: "injected",
    workload: "jobs/once",
    containers: ["once", "istio-proxy"],
    initContainers: INIT,
    warning: QUIT,
    event: "Job/once",
  },
  {
    file: "cron-job.json",
    outcome: "injected",
    workload: "cronjobs/nightly",
    containers: ["nightly", "istio-proxy"],
    warning: QUIT,
    event: "Job/nightly-28312345",
  },
  {
    file: "replication-controller.json",
    outcome: "injected",
    workload: "replicationcontrollers/old",
    containers: ["old", "istio-proxy"],
  },
  { file: "pod.json", outcome: "injected", workload: "pods/shell", containers: ["shell", "istio-proxy"] },
  {
    file: "generated-name.json",
    outcome: "refused",
    message: 'sidecar injection: the annotation sidecar.istio.io/proxyCPU: "lots" is not a quantity',
  },
  { file: "dry-run.json", outcome: "refused", message: '"lots" is not a quantity' },
  { file: "windows-pod.json", outcome: "skipped", warning: "spec.os.name is windows" },
  {
    file: "pod-with-proxy-container.json",
    outcome: "injected",
    workload: "pods/own",
    containers: ["app", "istio-proxy"],
    initContainers: INIT,
  },
  { file: "ephemeral-container.json", outcome: "skipped" },
];

function reviewFile(file: string, nativeSidecar = false): Reviewed {
  const settings = { ...TEST_SETTINGS, nativeSidecar };
  const result = reviewAdmission(readFileSync(join(FOLDER, file), "utf8"), { ...TEST_DEPS, settings });
  if (result.kind === "malformed") throw new Error(result.message);
  return result;
}

/** The pod as the API server stores it. */
function patchedPod(file: string, { review }: Reviewed): Pod {
  const { object } = JSON.parse(readFileSync(join(FOLDER, file), "utf8")).request;
  const faults = applyPatch(object, JSON.parse(Buffer.from(review.response.patch ?? "", "base64").toString()));
  expect(faults.filter((fault) => fault !== null)).toEqual([]);
  const validation = validatePod(object);
  if (validation.kind === "invalid") throw new Error(validation.message);
  return validation.pod;
}

describe("a review that an API server sent", () => {
  it("has an expectation here, each of them", () => {
    const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
    expect(TABLE.map(({ file }) => file).sort()).toEqual(files.sort());
  });

  it.each(TABLE)("for $file is $outcome, with its uid", ({ file, outcome, message, warning }) => {
    const { uid } = JSON.parse(readFileSync(join(FOLDER, file), "utf8")).request;
    const result = reviewFile(file);
    const { response } = result.review;
    expect(result.outcome).toBe(outcome);
    expect(response).toMatchObject({ uid, allowed: outcome !== "refused" });
    expect(response.status?.message ?? "").toContain(message ?? "");
    expect(response.warnings ?? []).toEqual(warning === undefined ? [] : [expect.stringContaining(warning)]);
  });

  it.each(TABLE.filter(({ outcome }) => outcome === "injected"))(
    "for $file becomes a pod with a sidecar, and stays as it is when it is reviewed again",
    ({ file, workload, containers }) => {
      const pod = patchedPod(file, reviewFile(file));
      expect(pod.spec.containers.map(({ name }) => name)).toEqual(containers);
      expect(String(env(pod)["ISTIO_META_OWNER"]).split("/").slice(-2).join("/")).toBe(workload);
      expect(container(pod, "istio-proxy").image).toBe(TEST_SETTINGS.image);
      const again = JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
      const text = JSON.stringify({ ...again, request: { ...again.request, object: pod } });
      expect(reviewAdmission(text, TEST_DEPS)).toMatchObject({ review: { response: { allowed: true } } });
      expect(reviewAdmission(text, TEST_DEPS)).not.toHaveProperty("review.response.patch");
    },
  );

  it.each(TABLE.filter(({ initContainers }) => initContainers !== undefined))(
    "for $file becomes a pod with a native sidecar, without a warning",
    ({ file, initContainers }) => {
      const result = reviewFile(file, true);
      const pod = patchedPod(file, result);
      expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(initContainers);
      expect(result.review.response.warnings).toBeUndefined();
    },
  );

  it.each(TABLE)("for $file leads to the right Event, or to none", ({ file, event }) => {
    const { regarding } = eventOf(reviewFile(file)) ?? {};
    expect(regarding && `${regarding.kind}/${regarding.name}`).toBe(event);
  });
});
